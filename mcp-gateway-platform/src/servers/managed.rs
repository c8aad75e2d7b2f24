//! A running server.

use std::io;
use std::sync::Arc;

use mcp_gateway_core::error_chain;
use mcp_gateway_core::results::KeptResults;
use mcp_gateway_core::upstream::{PooledServer, UpstreamServer};

use super::ServerFactory;
use super::credentials::{CredentialFactory, ServerCredentials};
use crate::accounts::{RunningServer, input_server};
use crate::spec;
use crate::status::ServerStatus;

/// Running server, with the spec that it was created from.
#[derive(Debug)]
pub(crate) struct ManagedServer {
    /// Spec that the server was created from, or that it fulfills without a restart.
    pub(super) definition: spec::ServerSpec,
    /// Connections to the server.
    pub(super) server: Arc<UpstreamServer>,
    /// Credentials for the server.
    pub(super) credentials: Arc<ServerCredentials>,
    /// The server with its credentials, limits and result budgets.
    pub(super) pooled: Arc<PooledServer>,
}

impl ManagedServer {
    /// Creates the server of `definition`, which starts with its first call.
    pub(super) fn new(
        definition: &spec::ServerSpec,
        factory: &ServerFactory,
        credentials: &CredentialFactory,
    ) -> io::Result<Self> {
        let server = factory.build(definition)?;
        let credentials = credentials.create(definition);
        let parts = (&server, &credentials);
        Ok(Self {
            definition: definition.clone(),
            pooled: Arc::new(pooled(parts, definition, &factory.kept_results)),
            credentials,
            server,
        })
    }

    /// Returns the same running server with another definition.
    pub(super) fn with_definition(
        &self,
        definition: &spec::ServerSpec,
        kept_results: &KeptResults,
    ) -> Self {
        let before = &self.definition;
        let is_same =
            before.limits.calls == definition.limits.calls && before.results == definition.results;
        let parts = (&self.server, &self.credentials);
        let pooled = match is_same {
            true => Arc::clone(&self.pooled),
            false => Arc::new(pooled(parts, definition, kept_results)),
        };
        Self {
            definition: definition.clone(),
            credentials: Arc::clone(&self.credentials),
            server: Arc::clone(&self.server),
            pooled,
        }
    }

    /// Returns the name of the server.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.definition.name
    }

    /// Returns the credentials for the server.
    pub(crate) fn credentials(&self) -> &ServerCredentials {
        &self.credentials
    }

    /// Returns the server as far as connections of callers are concerned.
    pub(crate) fn running(&self) -> RunningServer {
        RunningServer {
            inputs: input_server(&self.definition),
            server: Arc::downgrade(&self.server),
        }
    }

    /// Returns the observed state, derived from recent calls.
    pub(crate) fn status(&self) -> ServerStatus {
        ServerStatus {
            name: Arc::clone(self.name()),
            conversations: self.server.connections(),
            failure: self.failure(),
            lint: self.server.lint_counts(),
        }
    }

    /// Returns the cause of recent failures.
    fn failure(&self) -> Option<String> {
        let failure = match self.server.last_failure() {
            Some(error) => error_chain(&error),
            None if self.pooled.is_breaker_open() => "calls fail".to_owned(),
            None => return None,
        };
        let details = self.server.last_failure_details();
        let details = details.map_or_else(String::new, |details| format!(" ({details})"));
        Some(failure + &details)
    }
}

/// Returns a server with its credentials, and the limits and the result budgets of `definition`.
fn pooled(
    (server, credentials): (&Arc<UpstreamServer>, &Arc<ServerCredentials>),
    definition: &spec::ServerSpec,
    kept_results: &KeptResults,
) -> PooledServer {
    let pooled = PooledServer::new(Arc::clone(server) as _, definition.limits.calls.clone())
        .with_credentials(Arc::clone(credentials) as _)
        .with_results(definition.results.clone(), kept_results.clone());
    match definition.turns() {
        Some(turns) => pooled.with_turns(turns),
        None => pooled,
    }
}
