//! Backend of a server on the cluster.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use mcp_gateway_core::transport::{HttpTransport, Transport};
use mcp_gateway_core::upstream::{Instance, RuntimeBackend, UpstreamError};
use tokio::sync::Mutex;

use crate::attach::{self, Container};
use crate::pod_client::PodClient;
use crate::route::Router;

/// Backend of one server.
pub(crate) struct PodBackend {
    pub(crate) router: Router,
    /// Its container, if the gateway attaches to it.
    pub(crate) container: Arc<Mutex<Container>>,
}

impl fmt::Debug for PodBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PodBackend")
            .field(&self.router.slot.name)
            .finish()
    }
}

/// It is no remote server: roots of callers, which are directories that no pod has, are not forwarded.
#[async_trait]
impl RuntimeBackend for PodBackend {
    async fn connect(&self, instance: &Instance) -> Result<Transport, UpstreamError> {
        let (pod, endpoint) = self.router.ready(instance).await?;
        if endpoint.is_attached {
            let attaching = attach::attach(&self.router, &self.container, &pod, &endpoint);
            return Ok(Transport::Stdio(attaching.await?));
        }
        let route = self.router.route_to(&pod, &endpoint).await?;
        let uri = route.uri.clone();
        let client = PodClient::new(self.router.clone(), instance.clone(), route);
        Ok(Transport::Http(HttpTransport::new(uri, Arc::new(client))))
    }
}
