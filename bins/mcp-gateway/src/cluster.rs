//! The cluster on which servers run.

use std::sync::Arc;

use anyhow::bail;
use mcp_gateway_platform::orchestrator::Orchestrator;
use mcp_gateway_platform::spec::Cluster;

/// Connects to `cluster`.
///
/// # Errors
///
/// Fails if this program has been built without an orchestrator.
pub(crate) async fn connect(_: &Cluster) -> anyhow::Result<Arc<dyn Orchestrator>> {
    bail!("kubernetes: this program cannot run servers on a cluster")
}
