//! Restricted gateway, which does not exist for some callers.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use mcp_gateway_core::{BoxError, Gateway};
use tower_service::Service as _;

use super::path::RoutePath;
use super::router::{Answer, ManagementEndpoints, RouteTable};
use crate::reload::verifier::ReloadableVerifier;

/// Restricted gateway.
pub(super) struct RestrictedGateway {
    pub(super) gateway: Gateway,
    /// Verifier of the gateway.
    pub(super) access: Arc<ReloadableVerifier>,
    pub(super) operations: Arc<ManagementEndpoints>,
    pub(super) routes: Arc<RouteTable>,
}

impl RestrictedGateway {
    /// Forwards requests of its teams to the gateway. Other callers receive 404, as for an unknown
    /// path.
    pub(super) async fn call<B>(mut self, request: Request<B>) -> Answer
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let (parts, body) = request.into_parts();
        let caller = self.operations.caller(&parts, &self.routes).await;
        match caller {
            Ok(principal) if !self.access.may_see(&principal) => {
                let nothing = RoutePath::Default.to_operation();
                Ok(self.operations.handle(&parts, nothing, &self.routes).await)
            }
            _ => self.gateway.call(Request::from_parts(parts, body)).await,
        }
    }
}
