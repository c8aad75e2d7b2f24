//! The cluster on which servers run.

use std::sync::Arc;

#[cfg(feature = "kubernetes")]
use anyhow::Context as _;
use anyhow::bail;
#[cfg(feature = "kubernetes")]
use mcp_gateway_k8s::KubernetesOrchestrator;
use mcp_gateway_platform::orchestrator::Orchestrator;
use mcp_gateway_platform::spec::Cluster;

/// Connects to `cluster`.
///
/// # Errors
///
/// Fails if no access to it is configured, or the access is invalid.
#[cfg(feature = "kubernetes")]
pub(crate) async fn connect(cluster: &Cluster) -> anyhow::Result<Arc<dyn Orchestrator>> {
    if cluster.objects {
        bail!("kubernetes.source.objects: objects of the cluster are no source of servers yet");
    }
    let orchestrator = KubernetesOrchestrator::start(cluster).await;
    Ok(Arc::new(orchestrator.context("kubernetes")?))
}

/// Connects to no cluster.
///
/// # Errors
///
/// Fails always: this program has been built without an orchestrator.
#[cfg(not(feature = "kubernetes"))]
pub(crate) async fn connect(_: &Cluster) -> anyhow::Result<Arc<dyn Orchestrator>> {
    bail!("kubernetes: this program has been built without the feature kubernetes")
}
