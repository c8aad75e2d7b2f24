//! A running server.
//!
//! Changes of its settings that do not concern the connection are applied while it runs; any other
//! change replaces it. Its held definitions live as long as it does: they are what it says now.

use std::io;
use std::sync::Arc;

use mcp_gateway_core::catalog::Definition;
use mcp_gateway_core::error_chain;
use mcp_gateway_core::results::KeptResults;
use mcp_gateway_core::upstream::{PooledServer, UpstreamError, UpstreamServer};
use mcp_gateway_pins::{HeldDefinitions, PinnedDefinitions};

use super::ServerFactory;
use super::credentials::{CredentialFactory, ServerCredentials};
use crate::accounts::{RunningServer, input_server};
use crate::orchestrator::{DeclaredServer, DeploymentState, DeploymentStatus, Orchestrator};
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
    /// Definitions that are held back.
    pub(super) held: Arc<HeldDefinitions>,
    /// Program that runs the server, if it is on a cluster.
    orchestrator: Option<Arc<dyn Orchestrator>>,
    /// The server with its credentials, limits, result budgets and approved definitions.
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
        let held = Arc::new(HeldDefinitions::new(Arc::clone(&definition.name)));
        let parts = (&server, &credentials, &held);
        Ok(Self {
            definition: definition.clone(),
            pooled: Arc::new(pooled(parts, definition, &factory.kept_results)),
            held,
            credentials,
            server,
            orchestrator: factory.orchestrator_of(definition),
        })
    }

    /// Returns the same running server with another definition.
    pub(super) fn with_definition(
        &self,
        definition: &spec::ServerSpec,
        kept_results: &KeptResults,
    ) -> Self {
        let before = &self.definition;
        let is_same = before.limits.calls == definition.limits.calls
            && before.results == definition.results
            && before.pinned == definition.pinned
            && before.pins == definition.pins;
        let parts = (&self.server, &self.credentials, &self.held);
        let pooled = match is_same {
            true => Arc::clone(&self.pooled),
            false => Arc::new(pooled(parts, definition, kept_results)),
        };
        Self {
            definition: definition.clone(),
            credentials: Arc::clone(&self.credentials),
            server: Arc::clone(&self.server),
            held: Arc::clone(&self.held),
            orchestrator: self.orchestrator.clone(),
            pooled,
        }
    }

    /// Returns the program that runs the server; `None` if it is not on a cluster.
    pub(crate) fn orchestrator(&self) -> Option<Arc<dyn Orchestrator>> {
        self.orchestrator.clone()
    }

    /// Returns the server as it is declared to the orchestrator; `None` if it is not on a cluster.
    pub(super) fn declaration(&self) -> Option<DeclaredServer> {
        match &self.definition.transport {
            spec::ServerRuntime::Kubernetes(definition) => Some(DeclaredServer::new(
                Arc::clone(self.name()),
                Arc::clone(definition),
            )),
            _ => None,
        }
    }

    /// Returns the definitions that are held back, as far as they are still not approved.
    pub(crate) fn held(&self) -> Vec<Definition> {
        if self.definition.pinned.is_none() {
            return Vec::new();
        }
        let pins = &self.definition.pins;
        let is_approved = |it: &Definition| {
            let digest = it.digest();
            digest.is_some_and(|digest| pins.approves(it.kind(), it.name(), &digest))
        };
        self.held.forget(is_approved);
        self.held.all()
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

    /// Returns the observed state, derived from recent calls and from that of the deployment.
    pub(crate) fn status(&self) -> ServerStatus {
        let orchestrator = self.orchestrator.as_ref();
        let deployment = orchestrator.and_then(|it| it.deployment(self.name()));
        ServerStatus {
            name: Arc::clone(self.name()),
            conversations: self.server.connections(),
            failure: self.failure(deployment.as_ref()),
            lint: self.server.lint_counts(),
            deployment,
        }
    }

    /// Returns the cause of recent failures; of a failed deployment, that of the failure.
    ///
    /// A call that has failed with the deployment says nothing of one that runs again.
    fn failure(&self, deployment: Option<&DeploymentStatus>) -> Option<String> {
        if let Some(status) = deployment
            && status.state == DeploymentState::Failed
        {
            let cause = status.cause();
            return Some(cause.unwrap_or_else(|| "the deployment has failed".to_owned()));
        }
        let failure = match self.server.last_failure() {
            Some(UpstreamError::NotRunning { .. }) => return None,
            Some(error) => error_chain(&error),
            None if self.pooled.is_breaker_open() => "calls fail".to_owned(),
            None => return None,
        };
        let details = self.server.last_failure_details();
        let details = details.map_or_else(String::new, |details| format!(" ({details})"));
        Some(failure + &details)
    }
}

/// Returns a server with its credentials, and the limits, the result budgets and the approved
/// definitions of `definition`.
fn pooled(
    (server, credentials, held): (
        &Arc<UpstreamServer>,
        &Arc<ServerCredentials>,
        &Arc<HeldDefinitions>,
    ),
    definition: &spec::ServerSpec,
    kept_results: &KeptResults,
) -> PooledServer {
    let mut pooled = PooledServer::new(Arc::clone(server) as _, definition.limits.calls.clone())
        .with_credentials(Arc::clone(credentials) as _)
        .with_results(definition.results.clone(), kept_results.clone());
    if definition.pinned.is_some() {
        let pinned = PinnedDefinitions::new(Arc::clone(&definition.pins), Arc::clone(held));
        pooled = pooled.with_definitions(Arc::new(pinned));
    }
    match definition.turns() {
        Some(turns) => pooled.with_turns(turns),
        None => pooled,
    }
}
