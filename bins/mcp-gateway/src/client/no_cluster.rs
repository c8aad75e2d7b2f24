//! Orchestrator of commands that call servers themselves.

use std::sync::Arc;

use async_trait::async_trait;
use mcp_gateway_core::transport::Transport;
use mcp_gateway_core::upstream::{Instance, RuntimeBackend, UpstreamError};
use mcp_gateway_platform::orchestrator::{
    Declaration, DeploymentStatus, LogQuery, LogStream, Orchestrator, OrchestratorError,
};
use mcp_gateway_platform::servers::ServerFactory;

use crate::builtins::builtins;

/// Returns the factory of the servers that a command calls, whose programs do not inherit the
/// variables `hidden`.
pub(super) fn factory(hidden: Vec<String>) -> ServerFactory {
    ServerFactory::new(builtins(), hidden).with_orchestrator(Some(Arc::new(NoCluster)))
}

/// Orchestrator without a cluster: a command that is run beside a gateway must not start pods.
#[derive(Debug)]
struct NoCluster;

#[async_trait]
impl Orchestrator for NoCluster {
    fn declare(&self, _: Declaration) {}

    fn backend(&self, _: &Arc<str>) -> Arc<dyn RuntimeBackend> {
        Arc::new(Self)
    }

    fn deployment(&self, _: &str) -> Option<DeploymentStatus> {
        None
    }

    async fn restart(&self, name: &str) -> Result<(), OrchestratorError> {
        Err(OrchestratorError::Unknown { name: name.into() })
    }

    async fn logs(&self, name: &str, _: LogQuery) -> Result<LogStream, OrchestratorError> {
        Err(OrchestratorError::Unknown { name: name.into() })
    }
}

#[async_trait]
impl RuntimeBackend for NoCluster {
    async fn connect(&self, _: &Instance) -> Result<Transport, UpstreamError> {
        let cause = "it runs on Kubernetes, where only a running gateway reaches it";
        Err(UpstreamError::connect(cause))
    }
}
