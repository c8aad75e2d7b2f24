//! Cancellation policy: whether a server is notified of a dropped reply.

use crate::call::Prepared;
use crate::protocol::Era;
use crate::{Call, Cancellation};

/// Policy that decides if a dropped reply cancels the request at the server.
///
/// See [MCP 2025-11-25,
/// cancellation](https://modelcontextprotocol.io/specification/2025-11-25/basic/utilities/cancellation).
#[derive(Debug)]
pub(super) struct Cancel {
    /// Era of the client.
    era: Era,
    /// Cancellation that the client may request explicitly.
    asked: Option<Cancellation>,
}

impl Cancel {
    /// Returns the policy for `call`.
    pub(super) fn of(call: &Call<Prepared>) -> Self {
        Self {
            era: call.client().era(),
            asked: call.cancellation().cloned(),
        }
    }

    /// Returns `true` if the server must be notified of the cancellation.
    ///
    /// In the modern era a client cancels by closing its connection; in the legacy era it must
    /// cancel explicitly.
    pub(super) fn wanted(&self) -> bool {
        match self.era {
            Era::Modern => true,
            Era::Legacy => self.asked.as_ref().is_some_and(Cancellation::is_cancelled),
        }
    }
}
