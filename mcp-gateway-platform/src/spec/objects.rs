//! Servers and gateways that objects of a cluster define.

use std::sync::Arc;

use super::{GatewaySpec, ServerSpec};

/// Servers and gateways that objects of a cluster define, beside those of the spec and of the store.
///
/// Whoever may create objects is no administrator of the gateway. Therefore those of the spec and of
/// the store hide those of the same name, and a gateway of an object has the servers of objects, and
/// [those that are offered](Self::offered), whatever it names.
///
/// # Example
///
/// ```
/// use mcp_gateway_platform::spec::{ClusterObjects, GatewaySpec};
///
/// let mut objects = ClusterObjects::default();
/// objects.gateways.push(GatewaySpec::new("team"));
/// assert!(objects.offered.is_empty());
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct ClusterObjects {
    /// Servers.
    pub servers: Vec<ServerSpec>,
    /// Gateways. One that [has all servers](GatewaySpec::has_all) has those of objects.
    pub gateways: Vec<GatewaySpec>,
    /// Names of servers of the spec and of the store that gateways of objects may have.
    pub offered: Vec<Arc<str>>,
}
