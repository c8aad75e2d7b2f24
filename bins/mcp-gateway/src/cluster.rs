//! The cluster on which servers run.

use std::sync::Arc;

#[cfg(feature = "kubernetes")]
use anyhow::Context as _;
#[cfg(not(feature = "kubernetes"))]
use anyhow::bail;
#[cfg(feature = "kubernetes")]
use mcp_gateway_k8s::KubernetesOrchestrator;
use mcp_gateway_platform::orchestrator::Orchestrator;
#[cfg(feature = "kubernetes")]
use mcp_gateway_platform::spec::ServerRuntime;
use mcp_gateway_platform::spec::{Cluster, PlatformSpec};

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

/// Returns the mistakes in the definitions of servers on the cluster, a line each.
#[cfg(feature = "kubernetes")]
pub(crate) fn mistakes(spec: &PlatformSpec) -> Vec<String> {
    let Some(cluster) = &spec.fixed.cluster else {
        return Vec::new();
    };
    let servers = spec.dynamic.servers.iter();
    let lines = servers.flat_map(|server| {
        let found = match &server.transport {
            ServerRuntime::Kubernetes(pod) => {
                KubernetesOrchestrator::mistakes(&server.name, pod, cluster)
            }
            _ => Vec::new(),
        };
        let name = &server.name;
        let lines = found.into_iter();
        lines.map(move |mistake| format!("server {name}: kubernetes.{mistake}"))
    });
    lines.collect()
}

/// Returns nothing: this program has been built without an orchestrator.
#[cfg(not(feature = "kubernetes"))]
pub(crate) fn mistakes(_: &PlatformSpec) -> Vec<String> {
    Vec::new()
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
