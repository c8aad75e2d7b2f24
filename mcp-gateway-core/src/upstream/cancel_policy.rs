//! Cancellation policy: whether a server is notified of a dropped reply.

use crate::call::Prepared;
use crate::json::object_json;
use crate::jsonrpc::{Id, Notification};
use crate::protocol::{Era, Method};
use crate::{Call, Cancellation};

/// Policy that decides if a dropped reply cancels the request at the server.
///
/// See [MCP 2025-11-25,
/// cancellation](https://modelcontextprotocol.io/specification/2025-11-25/basic/utilities/cancellation).
#[derive(Debug)]
pub(super) struct CancelPolicy {
    /// Era of the client.
    era: Era,
    /// Cancellation that the client may request explicitly.
    cancellation: Option<Cancellation>,
}

impl CancelPolicy {
    /// Returns the policy for `call`.
    pub(super) fn for_call(call: &Call<Prepared>) -> Self {
        Self {
            era: call.client().era(),
            cancellation: call.cancellation().cloned(),
        }
    }

    /// Returns the notification that cancels the request `id` at the server; `None` if the server
    /// must not be notified.
    pub(super) fn notification(&self, id: &Id) -> Option<Notification> {
        if !self.should_notify() {
            return None;
        }
        let mut members = vec![("requestId", id.to_token().into())];
        let reason = self.cancellation.as_ref().and_then(Cancellation::reason);
        members.extend(reason.map(|reason| ("reason", reason.into())));
        let params = object_json(&members);
        Some(Notification::new(&Method::Cancelled, Some(&params)))
    }

    /// Returns `true` if the server must be notified of the cancellation.
    ///
    /// In the modern era a client cancels by closing its connection; in the legacy era it must
    /// cancel explicitly.
    fn should_notify(&self) -> bool {
        match self.era {
            Era::Modern => true,
            Era::Legacy => self
                .cancellation
                .as_ref()
                .is_some_and(Cancellation::is_cancelled),
        }
    }
}
