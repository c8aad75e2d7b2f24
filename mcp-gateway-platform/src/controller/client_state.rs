//! State that waits for clients.

use std::sync::Arc;

use mcp_gateway_core::endpoint::ReplicaService;
use mcp_gateway_core::era::ParkedCalls;
use mcp_gateway_core::results::KeptResults;
use mcp_gateway_core::session::Sessions;
use mcp_gateway_core::{BoxError, Replica, Sealer};

use crate::error::PlatformError;
use crate::servers::SharedHttpClient;
use crate::spec::{SessionKey, StaticSpec};

/// State that waits for clients, and the endpoint at which other replicas reach it.
#[derive(Debug)]
pub(super) struct ClientState {
    /// Sessions of clients of the legacy era.
    pub(super) sessions: Sessions,
    /// Calls that wait for the input of a client of the modern era.
    pub(super) parked_calls: ParkedCalls,
    /// Results that clients read in pieces.
    pub(super) kept_results: KeptResults,
    /// Endpoint for other replicas, if the replica has a URL of its own.
    pub(super) replica_service: Option<ReplicaService>,
}

impl ClientState {
    /// Creates the state of a platform, which is sealed with the configured key, otherwise with
    /// `stored`, that of the state store.
    ///
    /// # Errors
    ///
    /// - [`PlatformError::Sealer`] if there is no randomness for a key.
    /// - [`PlatformError::Replica`] if the client or the URL for other replicas is unusable.
    pub(super) fn new(
        fixed: &StaticSpec,
        stored: Option<&SessionKey>,
        web: &SharedHttpClient,
    ) -> Result<Self, PlatformError> {
        let sealer = match fixed.session_key.as_ref().or(stored) {
            Some(key) => Sealer::new(key.bytes()),
            None => Sealer::random(),
        };
        let sealer = Arc::new(sealer.map_err(|error| PlatformError::Sealer(error.into()))?);
        let state = Self {
            sessions: Sessions::with_limits(Arc::clone(&sealer), fixed.sessions),
            parked_calls: ParkedCalls::with_limits(Arc::clone(&sealer), fixed.parked),
            kept_results: KeptResults::new(fixed.kept_results),
            replica_service: None,
        };
        let Some(url) = &fixed.replica_url else {
            return Ok(state);
        };
        let error = |error: BoxError| PlatformError::Replica(error);
        let client = web.client().map_err(|cause| error(cause.into()))?;
        let url = url.as_str().parse();
        let url = url.map_err(|cause: http::uri::InvalidUri| error(cause.into()))?;
        let replica = Replica::new(&url, client, sealer);
        let sessions = state.sessions.with_replica(replica.clone());
        let parked_calls = state.parked_calls.with_replica(replica.clone());
        let kept_results = state.kept_results.with_replica(replica.clone());
        let service = ReplicaService::new(replica, parked_calls.clone(), sessions.clone());
        Ok(Self {
            replica_service: Some(service.with_kept_results(kept_results.clone())),
            sessions,
            parked_calls,
            kept_results,
        })
    }
}
