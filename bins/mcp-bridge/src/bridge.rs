//! A gateway over one server, whose names stay as they are.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mcp_gateway_core::auth::AuthVerifier;
use mcp_gateway_core::credential::{CredentialError, CredentialResolver};
use mcp_gateway_core::guard::Guard;
use mcp_gateway_core::limit::Limits;
use mcp_gateway_core::route::{PrefixRouter, Target};
use mcp_gateway_core::session::Sessions;
use mcp_gateway_core::upstream::{PooledServer, Server, ServerPool};
use mcp_gateway_core::{Caller, Credential, Drain, Gateway};

/// What the only server is called inside; no client sees it.
pub(crate) const SERVER: &str = "server";

/// A gateway over one server.
#[derive(Debug)]
pub(crate) struct Bridge {
    pub(crate) gateway: Gateway,
    pub(crate) drain: Drain,
    pool: ServerPool,
    sessions: Sessions,
}

/// What a bridge is made of besides the server.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) verifier: Arc<dyn AuthVerifier>,
    /// What is presented to the server.
    pub(crate) credential: Credential,
    pub(crate) guard: Guard,
}

impl Bridge {
    /// A bridge to `server`.
    ///
    /// # Errors
    ///
    /// When the system has no random numbers.
    pub(crate) fn new(server: Arc<Server>, parts: Parts) -> anyhow::Result<Self> {
        // The bridge is only a part of the way: whoever calls knows how long to wait.
        let limits = Limits::default()
            .with_timeout(PATIENCE)
            .with_max_duration(PATIENCE);
        let pool = ServerPool::new();
        pool.insert(SERVER, PooledServer::new(server, limits));
        let sessions = Sessions::ephemeral()?;
        let drain = Drain::new();
        let gateway = Gateway::builder(
            parts.verifier,
            Arc::new(PrefixRouter::new([(SERVER, "")])?),
            Arc::new(Fixed(parts.credential)),
            pool.clone(),
            sessions.clone(),
        )
        .with_guard(parts.guard)
        .with_drain(drain.clone())
        .build();
        Ok(Self {
            gateway,
            drain,
            pool,
            sessions,
        })
    }

    /// Ends what goes on with clients and the server.
    pub(crate) async fn close(&self) {
        self.sessions.close();
        self.pool.close().await;
    }
}

/// One credential, whoever calls.
#[derive(Debug)]
struct Fixed(Credential);

#[async_trait]
impl CredentialResolver for Fixed {
    async fn resolve(&self, _: &Caller, _: &Target) -> Result<Credential, CredentialError> {
        Ok(self.0.clone())
    }
}

/// Long enough for whatever a tool may do.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);
