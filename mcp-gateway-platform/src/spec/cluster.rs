//! Cluster on which servers run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Cluster on which an [`Orchestrator`](crate::orchestrator::Orchestrator) runs servers, and the
/// access to it.
///
/// # Example
///
/// ```
/// use mcp_gateway_platform::spec::{Cluster, Reach};
///
/// let cluster = Cluster::default();
/// assert_eq!((&*cluster.instance, cluster.reach), ("mcp-gateway", None::<Reach>));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Cluster {
    /// Namespace of servers without one; that of the kubeconfig or of the gateway's pod if `None`.
    pub namespace: Option<String>,
    /// Kubeconfig file; if `None`, the service account of the gateway's pod, and otherwise the
    /// default kubeconfig.
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; its current one if `None`.
    pub context: Option<String>,
    /// Name of this gateway, a label of all objects that belong to it. Replicas have the same one.
    pub instance: String,
    /// Image with `mcp-bridge`, for servers with [`PodTransport::Bridge`](super::PodTransport).
    pub bridge_image: Option<String>,
    /// Labels of the gateway's own pods, which alone may connect to the pods of servers.
    pub gateway_labels: BTreeMap<String, String>,
    /// Way to the pods; the network inside of a cluster, and otherwise forwarded, if `None`.
    pub reach: Option<Reach>,
    /// Lifetime of the lease of the replica that changes objects; `None` if there is one replica
    /// only, which needs no lease.
    pub lease: Option<Duration>,
    /// Kinds of objects in its namespace that are sources of servers and gateways.
    pub source: ObjectKinds,
}

/// Kinds of objects in the namespace of a [`Cluster`] that are sources of servers and gateways.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct ObjectKinds {
    /// Set if objects of the kind `MCPServer` are servers.
    pub servers: bool,
    /// Set if objects of the kind `MCPGateway` are gateways.
    pub gateways: bool,
    /// Servers of the spec and of the store that gateways of objects may have.
    pub offered: Vec<Arc<str>>,
    /// Set if objects of the kind `MCPServer` of `mcp.x-k8s.io`, which an operator of the Kubernetes
    /// project runs, are servers.
    pub operated: bool,
}

impl ObjectKinds {
    /// Returns `true` if objects are no source.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !(self.servers || self.gateways || self.operated)
    }
}

/// Way by which a gateway reaches pods.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Reach {
    /// By connections that the API server forwards.
    Forward,
    /// Over the network of the cluster.
    Network,
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            namespace: None,
            kubeconfig: None,
            context: None,
            instance: INSTANCE.to_owned(),
            bridge_image: None,
            gateway_labels: BTreeMap::from([(NAME_LABEL.to_owned(), INSTANCE.to_owned())]),
            reach: None,
            lease: Some(LEASE),
            source: ObjectKinds::default(),
        }
    }
}

/// Default name of a gateway in labels.
const INSTANCE: &str = "mcp-gateway";

/// Label of the gateway's own pods.
const NAME_LABEL: &str = "app.kubernetes.io/name";

/// Default lifetime of the lease, which is that of the controllers of Kubernetes.
const LEASE: Duration = Duration::from_secs(15);
