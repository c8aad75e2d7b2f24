//! Access to the API: principals with the role `admin` only.

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use mcp_gateway_audit::Actor;
use mcp_gateway_auth::users::Role;
use mcp_gateway_core::auth::Principal;

use super::AdminApi;
use super::problem::ApiError;

/// Authenticated administrator of a request.
#[derive(Clone, Debug)]
pub(super) struct Admin(Principal);

impl Admin {
    /// Returns the principal.
    pub(super) fn principal(&self) -> &Principal {
        &self.0
    }

    /// Returns the actor of the changes.
    pub(super) fn actor(&self) -> Actor {
        Actor::new(self.0.subject())
    }
}

/// Passes on requests of administrators, before their bodies are read.
pub(super) async fn authorize(
    State(api): State<AdminApi>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let principal = api.0.verifier.verify(&parts).await?;
    if !Role::Admin.is_held_by(&principal) {
        let subject = principal.subject();
        tracing::info!(subject, method = %parts.method, "administration denied");
        return Err(ApiError::Forbidden);
    }
    let mut request = Request::from_parts(parts, body);
    request.extensions_mut().insert(Admin(principal));
    Ok(next.run(request).await)
}

impl<S: Sync> FromRequestParts<S> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get().cloned().ok_or(ApiError::Forbidden)
    }
}
