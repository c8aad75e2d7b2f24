use std::sync::Arc;

use crate::Cancellation;
use crate::error::RequestError;
use crate::jsonrpc::Id;
use crate::session::Session;

/// A request that is being answered, and can be cancelled until then.
#[derive(Debug)]
pub(super) struct InFlight {
    session: Arc<Session>,
    id: Id,
    pub(super) cancellation: Cancellation,
}

impl InFlight {
    pub(super) fn begin(session: &Arc<Session>, id: &Id) -> Result<Self, RequestError> {
        let cancellation = session
            .state()
            .begin_call(id)
            .ok_or(RequestError::DuplicateId)?;
        Ok(Self {
            session: Arc::clone(session),
            id: id.clone(),
            cancellation,
        })
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.session.state().end_call(&self.id);
    }
}
