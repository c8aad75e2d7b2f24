//! The API for callers of the same process.

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{Request, Response};
use mcp_gateway_core::auth::{AuthError, AuthVerifier, Principal};
use tower::ServiceExt as _;

/// The admin API for callers of the same process that have authenticated a principal by their own
/// means, such as a page with a login or a tool of an MCP server. Cheap to clone.
///
/// A request is authorized, validated, executed and audited exactly as one over HTTP: a caller of
/// this API may do what the principal may do at `/api/v1`, and nothing else.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use axum::body::Body;
/// use http::Request;
/// use mcp_gateway_admin::AdminApi;
/// use mcp_gateway_auth::StaticTokens;
/// use mcp_gateway_core::auth::Principal;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let api = AdminApi::new(Arc::new(StaticTokens::new())).local();
/// for (principal, status) in [
///     (Principal::new("alice").with_role("admin"), 200),
///     (Principal::new("bob"), 403),
/// ] {
///     let request = Request::get("/api/v1/openapi.json").body(Body::empty())?;
///     assert_eq!(api.call(principal, request).await.status(), status);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct LocalApi {
    router: Router,
}

impl LocalApi {
    /// Wraps the router of an API that authenticates its callers with [`LocalPrincipal`].
    pub(crate) fn new(router: Router) -> Self {
        Self { router }
    }

    /// Executes `request` on behalf of `principal`.
    ///
    /// The path of the request begins with `/api/v1`. Dropping the future cancels the request as the
    /// end of a connection does: a change that the store has begun to write is made.
    pub async fn call(&self, principal: Principal, mut request: Request<Body>) -> Response<Body> {
        request.extensions_mut().insert(Acting(principal));
        let Ok(response) = self.router.clone().oneshot(request).await;
        response
    }
}

/// Principal of a request that was not received over HTTP.
#[derive(Clone, Debug)]
struct Acting(Principal);

/// Accepts the principal that [`LocalApi::call`] has attached.
#[derive(Debug)]
pub(crate) struct LocalPrincipal;

#[async_trait]
impl AuthVerifier for LocalPrincipal {
    async fn verify(&self, request: &Parts) -> Result<Principal, AuthError> {
        let acting = request.extensions.get::<Acting>();
        acting
            .map(|acting| acting.0.clone())
            .ok_or(AuthError::MissingToken)
    }
}
