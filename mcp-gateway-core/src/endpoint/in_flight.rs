//! Registration of in-flight requests of a session.

use std::sync::Arc;

use crate::Cancellation;
use crate::error::RequestError;
use crate::jsonrpc::Id;
use crate::session::Session;

/// An in-flight request of a session; it can be cancelled until this is dropped.
#[derive(Debug)]
pub(super) struct InFlightRequest {
    session: Arc<Session>,
    id: Id,
    /// Signal of the cancellation.
    pub(super) cancellation: Cancellation,
}

impl InFlightRequest {
    /// Registers the request; fails if one with the same ID is in flight.
    pub(super) fn start(session: &Arc<Session>, id: &Id) -> Result<Self, RequestError> {
        let cancellation = session
            .state()
            .start_call(id)
            .ok_or(RequestError::DuplicateId)?;
        Ok(Self {
            session: Arc::clone(session),
            id: id.clone(),
            cancellation,
        })
    }
}

impl Drop for InFlightRequest {
    fn drop(&mut self) {
        self.session.state().end_call(&self.id);
    }
}
