//! Gateway over one server, without a name prefix.

use std::sync::Arc;
use std::time::Duration;

use mcp_gateway_core::auth::AuthVerifier;
use mcp_gateway_core::credential::CredentialResolver;
use mcp_gateway_core::host_policy::HostPolicy;
use mcp_gateway_core::limit::Limits;
use mcp_gateway_core::route::PrefixRouter;
use mcp_gateway_core::session::Sessions;
use mcp_gateway_core::upstream::{PooledServer, ServerPool, Upstream, UpstreamServer};
use mcp_gateway_core::{Drain, Gateway};

/// Name of the only server, in errors and logs, unless it is given another.
pub(crate) const SERVER: &str = "server";

/// Gateway over one server.
#[derive(Debug)]
pub(crate) struct Bridge {
    pub(crate) gateway: Gateway,
    pub(crate) drain: Drain,
    pub(crate) server: Arc<UpstreamServer>,
    pool: ServerPool,
    sessions: Sessions,
}

/// Components of a bridge besides the server.
#[derive(Debug)]
pub(crate) struct BridgeParts {
    pub(crate) verifier: Arc<dyn AuthVerifier>,
    /// Source of the upstream credential.
    pub(crate) credentials: Arc<dyn CredentialResolver>,
    pub(crate) guard: HostPolicy,
}

impl Bridge {
    /// Creates a bridge to `server`.
    ///
    /// # Errors
    ///
    /// Fails if the system random number generator is unavailable.
    pub(crate) fn new(server: Arc<UpstreamServer>, parts: BridgeParts) -> anyhow::Result<Self> {
        // The bridge is a relay; the client sets the timeout.
        let limits = Limits::default()
            .with_timeout(PATIENCE)
            .with_max_duration(PATIENCE);
        let pool = ServerPool::new();
        let upstream: Arc<dyn Upstream> = Arc::<UpstreamServer>::clone(&server);
        pool.insert(
            Arc::clone(server.name()),
            PooledServer::new(upstream, limits),
        );
        let sessions = Sessions::ephemeral()?;
        let drain = Drain::new();
        let gateway = Gateway::builder(parts.verifier)
            .with_router(PrefixRouter::new([(&**server.name(), "")])?)
            .with_credentials(parts.credentials)
            .with_servers(pool.clone())
            .with_sessions(sessions.clone())
            .with_host_policy(parts.guard)
            .with_drain(drain.clone())
            .build()?;
        Ok(Self {
            gateway,
            drain,
            server,
            pool,
            sessions,
        })
    }

    /// Closes all client sessions and the connection to the server.
    pub(crate) async fn close(&self) {
        self.sessions.close();
        self.pool.close().await;
    }
}

/// Time limit of a call, beyond that of any client.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);
