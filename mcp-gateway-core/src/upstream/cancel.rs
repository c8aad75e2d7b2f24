//! Cancellation of upstream requests whose reply is dropped.

use crate::call::Prepared;
use crate::protocol::Era;
use crate::{Call, Cancellation};

/// Rule that decides if a dropped reply cancels the request at the server.
#[derive(Debug)]
pub(super) struct Cancel {
    era: Era,
    asked: Option<Cancellation>,
}

impl Cancel {
    /// Creates the rule for `call`.
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
