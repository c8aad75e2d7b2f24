//! Names without a gateway, which strangers cannot tell from restricted gateways.

use bytes::Bytes;
use http::Request;
use mcp_gateway_auth::server::HiddenResources;
use mcp_gateway_core::{BoxError, Gateway};
use tower_service::Service as _;

use super::path::RoutePath;
use super::router::{Answer, ManagementEndpoints, RouteTable};
use crate::auth::challenges::Challenges;

/// Gateways that do not exist, but could be restricted ones.
///
/// They respond to strangers with the layers of a gateway, and do not exist for callers.
#[derive(Clone, Debug)]
pub(crate) struct HiddenGateways {
    /// Gateway that accepts no caller, and names no metadata in its challenges.
    pub(crate) gateway: Gateway,
    /// Names, and the metadata of their resources.
    pub(crate) names: HiddenResources,
    /// Challenges for clients of a resource.
    pub(crate) challenges: Challenges,
}

impl HiddenGateways {
    /// Responds to a request for the gateway `name`, which does not exist.
    pub(super) async fn call<B>(
        mut self,
        name: &str,
        request: Request<B>,
        (operations, routes): (&ManagementEndpoints, &RouteTable),
    ) -> Answer
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let (parts, body) = request.into_parts();
        if operations.caller(&parts, routes).await.is_ok() {
            let nothing = RoutePath::Default.to_operation();
            return Ok(operations.handle(&parts, nothing, routes).await);
        }
        let mut response = self.gateway.call(Request::from_parts(parts, body)).await?;
        let resource = self.names.named(name);
        if let Some(challenge) = resource.and_then(|it| self.challenges.of(&it, false)) {
            challenge.extend_challenge(response.headers_mut());
        }
        Ok(response)
    }
}
