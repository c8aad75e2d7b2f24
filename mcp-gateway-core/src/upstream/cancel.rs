use crate::call::Prepared;
use crate::protocol::Era;
use crate::{Call, Cancellation};

/// What it means that a caller does not wait any more.
#[derive(Debug)]
pub(super) struct Cancel {
    era: Era,
    asked: Option<Cancellation>,
}

impl Cancel {
    pub(super) fn of(call: &Call<Prepared>) -> Self {
        Self {
            era: call.client().era(),
            asked: call.cancellation().cloned(),
        }
    }

    /// Whether the server is to be told.
    ///
    /// In the modern era a client cancels by going away, in the legacy era it has to say so.
    pub(super) fn wanted(&self) -> bool {
        match self.era {
            Era::Modern => true,
            Era::Legacy => self.asked.as_ref().is_some_and(Cancellation::is_cancelled),
        }
    }
}
