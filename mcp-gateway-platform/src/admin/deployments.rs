//! Deployments of the admin API.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use mcp_gateway_admin::{
    DeploymentDocument, DeploymentError, Deployments, LogSelection, ServerLog,
};

use super::masked_log::masked;
use crate::orchestrator::{LogQuery, Orchestrator, OrchestratorError};
use crate::running::Running;
use crate::spec::{KubernetesServer, ServerRuntime};
use crate::status::ServerStatus;

#[async_trait]
impl Deployments for Running {
    async fn restart(&self, name: &str) -> Result<(), DeploymentError> {
        Ok(self.orchestrator(name)?.restart(name).await?)
    }

    async fn log(&self, name: &str, query: LogSelection) -> Result<ServerLog, DeploymentError> {
        let orchestrator = self.orchestrator(name)?;
        let selected = LogQuery {
            tail: Some(query.tail),
            follow: query.follow,
            previous: query.previous,
        };
        let log = orchestrator.logs(name, selected).await?;
        let definition = self.definition(name);
        let log = log.map(|piece| Ok(piece?));
        Ok(ServerLog::new(masked(log, definition.as_deref())))
    }
}

impl Running {
    /// Returns the definition of the server `name` on a cluster.
    fn definition(&self, name: &str) -> Option<Arc<KubernetesServer>> {
        let state = self.state();
        match &state.merged.spec.server(name)?.transport {
            ServerRuntime::Kubernetes(definition) => Some(Arc::clone(definition)),
            _ => None,
        }
    }

    /// Returns the program that runs the server `name`.
    ///
    /// # Errors
    ///
    /// [`DeploymentError`] if there is no such server, or it is not on a cluster.
    fn orchestrator(&self, name: &str) -> Result<Arc<dyn Orchestrator>, DeploymentError> {
        let state = self.state();
        if let Some(orchestrator) = state.controller.orchestrator_of(name) {
            return Ok(orchestrator);
        }
        let message = "the server does not run on a cluster";
        match state.merged.listing.contains_key(name) {
            true => Err(DeploymentError::NotRunning(message.to_owned())),
            false => Err(DeploymentError::Unknown),
        }
    }
}

/// Returns the document of the deployment of a server; `None` if it is not on a cluster.
pub(super) fn document(status: &ServerStatus) -> Option<DeploymentDocument> {
    let deployment = status.deployment.as_ref()?;
    let since = deployment.since.duration_since(UNIX_EPOCH);
    Some(DeploymentDocument {
        state: deployment.state.as_str(),
        reason: deployment.reason.as_deref().map(str::to_owned),
        message: deployment.message.as_deref().map(str::to_owned),
        ready: deployment.ready,
        desired: deployment.desired,
        restarts: deployment.restarts,
        since: since.map(|since| since.as_secs()).unwrap_or_default(),
    })
}

impl From<OrchestratorError> for DeploymentError {
    fn from(error: OrchestratorError) -> Self {
        let message = error.to_string();
        match error {
            OrchestratorError::Unknown { .. } | OrchestratorError::NotStarted { .. } => {
                Self::NotRunning(message)
            }
            OrchestratorError::Forbidden { .. } | OrchestratorError::Unavailable { .. } => {
                Self::Cluster(message)
            }
        }
    }
}
