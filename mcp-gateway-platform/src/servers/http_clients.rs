//! HTTP clients of servers.

use std::io;
use std::sync::{Arc, OnceLock};

use mcp_gateway_auth::egress::{Egress, EgressPolicy};
use mcp_gateway_core::runtime::PooledHttpClient;

/// HTTP client for servers, created when the first server needs it.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedHttpClient(Arc<OnceLock<PooledHttpClient>>);

/// HTTP client for hosts that callers, or objects of a cluster, choose, created when the first server needs it.
#[derive(Debug, Default)]
pub(super) struct GuardedHttpClient {
    pub(super) policy: EgressPolicy,
    client: OnceLock<Egress>,
}

impl SharedHttpClient {
    /// Returns the client.
    pub(crate) fn client(&self) -> io::Result<PooledHttpClient> {
        if let Some(client) = self.0.get() {
            return Ok(client.clone());
        }
        let client = PooledHttpClient::new()?;
        Ok(self.0.get_or_init(|| client).clone())
    }
}

impl GuardedHttpClient {
    /// Returns the client.
    pub(super) fn client(&self) -> io::Result<Egress> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        let client = Egress::new(self.policy.clone())?;
        Ok(self.client.get_or_init(|| client).clone())
    }
}
