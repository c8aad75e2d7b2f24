//! Backend of a server on the cluster.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use mcp_gateway_core::transport::{HttpTransport, Transport};
use mcp_gateway_core::upstream::{Instance, RuntimeBackend, UpstreamError};

use crate::attach;
use crate::pod_client::PodClient;
use crate::route::Router;

/// Backend of one server.
pub(crate) struct PodBackend(pub(crate) Router);

impl fmt::Debug for PodBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PodBackend")
            .field(&self.0.slot.name)
            .finish()
    }
}

/// It is no remote server: roots of callers, which are directories that no pod has, are not forwarded.
#[async_trait]
impl RuntimeBackend for PodBackend {
    async fn connect(&self, instance: &Instance) -> Result<Transport, UpstreamError> {
        let (pod, endpoint) = self.0.ready(instance).await?;
        if endpoint.is_attached {
            let transport = attach::attach(&self.0, &pod, &endpoint).await?;
            return Ok(Transport::Stdio(transport));
        }
        let route = self.0.route_to(&pod, &endpoint).await?;
        let uri = route.uri.clone();
        let client = PodClient::new(self.0.clone(), instance.clone(), route);
        Ok(Transport::Http(HttpTransport::new(uri, Arc::new(client))))
    }
}
