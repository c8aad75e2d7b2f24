//! Section `kubernetes`: the cluster on which servers run.
//!
//! | Key | Type |
//! |---|---|
//! | `namespace` | name |
//! | `kubeconfig` | path |
//! | `context` | name of a context of the kubeconfig |
//! | `instance` | name of the gateway in labels |
//! | `bridgeImage` | reference of an image |
//! | `gatewayLabels` | map of strings |
//! | `reach` | `network` or `forward` |
//! | `leaderElection` | boolean, or `lease`: duration |
//! | `source.objects` | boolean: objects of the kind `MCPServer` are servers |
//! | `source.gateways` | boolean, or `servers`: names: objects of the kind `MCPGateway` are gateways |
//! | `source.lifecycleOperator` | boolean: objects of the kind `MCPServer` of `mcp.x-k8s.io` are servers |
//!
//! The section is read, and compared with the servers, without access to the cluster: a file is
//! checked where it is written. It is part of the static spec, because the connection to the
//! cluster, the lease and the watches belong to the process.

use std::sync::Arc;
use std::time::Duration;

use mcp_gateway_platform::spec::{Cluster, ObjectKinds, PlatformSpec, Reach, ServerRuntime};

use super::kubernetes::{image, names, pod};
use super::name_of;
use crate::document::{Field, FromField};

impl FromField for Cluster {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let mut cluster = Self::default();
        cluster.namespace = table.get_with("namespace", |field| {
            field.parse("a namespace", names::label)
        });
        let kubeconfig: Option<String> = table.get("kubeconfig");
        cluster.kubeconfig = kubeconfig.map(Into::into);
        cluster.context = table.get("context");
        let instance = table.get_with("instance", |field| {
            field.parse("the name of a gateway", names::label)
        });
        cluster.instance = instance.unwrap_or(cluster.instance);
        cluster.bridge_image = table.get_with("bridgeImage", |field| {
            field.parse("an image", image::reference)
        });
        let labels = table.get_with("gatewayLabels", |field| pod::labels(field, false));
        cluster.gateway_labels = labels.unwrap_or(cluster.gateway_labels);
        cluster.reach = table.get_with("reach", |field| field.choice(&REACHES));
        let lease = table.get_with("leaderElection", lease);
        cluster.lease = lease.unwrap_or(cluster.lease);
        cluster.source = table.get_with("source", source).unwrap_or_default();
        table.finish();
        Some(cluster)
    }
}

/// Reads the lifetime of the lease; `None` without an election.
fn lease(field: &Field<'_>) -> Option<Option<Duration>> {
    let default = Cluster::default().lease;
    if field.is_scalar() {
        let is_elected: bool = field.read()?;
        return Some(default.filter(|_| is_elected));
    }
    let mut table = field.table()?;
    let lease_field = table.field("lease");
    let lease: Option<Duration> = lease_field.as_ref().and_then(Field::read);
    table.finish();
    if let (Some(field), Some(lease)) = (lease_field, lease)
        && lease < MIN_LEASE
    {
        field.error(format!("must be at least {}s", MIN_LEASE.as_secs()));
    }
    Some(lease.or(default))
}

/// Reads the kinds of objects that are servers and gateways.
fn source(field: &Field<'_>) -> Option<ObjectKinds> {
    let mut table = field.table()?;
    let mut kinds = ObjectKinds::default();
    kinds.servers = table.get("objects").unwrap_or_default();
    if let Some(field) = table.field("gateways") {
        (kinds.gateways, kinds.offered) = gateways(&field).unwrap_or_default();
    }
    kinds.operated = table.get("lifecycleOperator").unwrap_or_default();
    table.finish();
    Some(kinds)
}

/// Reads whether objects are gateways, and the servers that they may have besides those of objects.
fn gateways(field: &Field<'_>) -> Option<(bool, Vec<Arc<str>>)> {
    if field.is_scalar() {
        return Some((field.read()?, Vec::new()));
    }
    let mut table = field.table()?;
    let offered: Option<Vec<String>> = table.get("servers");
    table.finish();
    let offered = offered.unwrap_or_default();
    Some((true, offered.into_iter().map(Arc::from).collect()))
}

/// Records errors of servers on Kubernetes without a cluster.
///
/// The section is required even if it is empty: the kubeconfig of whoever starts a gateway by hand
/// may refer to any cluster, on which nothing shall be created by accident.
pub(super) fn check_servers(spec: &PlatformSpec, servers: &Field<'_>) {
    if spec.fixed.cluster.is_some() {
        return;
    }
    for server in servers.items().unwrap_or_default() {
        let found = name_of(&server).and_then(|name| spec.dynamic.server(name));
        if let (Some(ServerRuntime::Kubernetes(_)), Some(field)) = (
            found.map(|found| &found.transport),
            server.get("kubernetes"),
        ) {
            field.error(
                "requires the section kubernetes; kubernetes: {} uses the cluster of the \
                 environment",
            );
        }
    }
}

/// Values of `reach`.
const REACHES: [(&str, Reach); 2] = [("network", Reach::Network), ("forward", Reach::Forward)];

/// Shortest lease: a leader must renew it several times, also while the API server is slow.
const MIN_LEASE: Duration = Duration::from_secs(5);
