//! The cluster on which servers run.

use std::sync::Arc;

use anyhow::Context as _;
use mcp_gateway_k8s::KubernetesOrchestrator;
use mcp_gateway_platform::orchestrator::Orchestrator;
use mcp_gateway_platform::spec::Cluster;

/// Connects to `cluster`.
///
/// # Errors
///
/// Fails if no access to it is configured.
pub(crate) async fn connect(cluster: &Cluster) -> anyhow::Result<Arc<dyn Orchestrator>> {
    let orchestrator = KubernetesOrchestrator::start(cluster).await;
    Ok(Arc::new(orchestrator.context("kubernetes")?))
}
