//! The cluster on which servers run.

use std::sync::Arc;

#[cfg(feature = "kubernetes")]
use anyhow::Context as _;
#[cfg(not(feature = "kubernetes"))]
use anyhow::bail;
#[cfg(feature = "kubernetes")]
use mcp_gateway_k8s::KubernetesOrchestrator;
use mcp_gateway_platform::orchestrator::Orchestrator;
use mcp_gateway_platform::spec::Cluster;

use crate::objects::Objects;

/// Connects to `cluster`. Returns the objects of it that define servers, if they do.
///
/// # Errors
///
/// Fails if no access to it is configured, or the access is invalid.
#[cfg(feature = "kubernetes")]
pub(crate) async fn connect(
    cluster: &Cluster,
) -> anyhow::Result<(Arc<dyn Orchestrator>, Option<Objects>)> {
    let orchestrator = KubernetesOrchestrator::start(cluster).await;
    let orchestrator = orchestrator.context("kubernetes")?;
    let source = orchestrator.object_source();
    let objects = source.map(|source| Objects::new(source, cluster.source.offered.clone()));
    Ok((Arc::new(orchestrator), objects))
}

/// Connects to no cluster.
///
/// # Errors
///
/// Fails always: this program has been built without an orchestrator.
#[cfg(not(feature = "kubernetes"))]
pub(crate) async fn connect(
    _: &Cluster,
) -> anyhow::Result<(Arc<dyn Orchestrator>, Option<Objects>)> {
    bail!("kubernetes: this program has been built without the feature kubernetes")
}
