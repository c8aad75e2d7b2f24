//! Access to the API: principals with the role `admin`, and others for what concerns themselves.

use axum::extract::{FromRequestParts, Request, State};
use axum::http::Method;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use mcp_gateway_audit::Actor;
use mcp_gateway_auth::users::Role;
use mcp_gateway_core::auth::Principal;
use mcp_gateway_registry::Viewer;

use super::problem::ApiError;
use super::{AdminApi, BASE};

/// Authenticated administrator of a request.
#[derive(Clone, Debug)]
pub(super) struct Admin(Principal);

/// Authenticated principal of a request.
#[derive(Clone, Debug)]
pub(super) struct Member(Principal);

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

impl Member {
    /// Returns the actor of the changes.
    pub(super) fn actor(&self) -> Actor {
        Actor::new(self.0.subject())
    }

    /// Returns the subject of the principal.
    pub(super) fn subject(&self) -> &str {
        self.0.subject()
    }

    /// Returns `true` for an administrator.
    pub(super) fn is_admin(&self) -> bool {
        is_admin(&self.0)
    }

    /// Returns the entries that the principal sees.
    pub(super) fn viewer(&self) -> Viewer<'_> {
        viewer(&self.0)
    }
}

/// Returns the entries that `principal` sees.
pub(super) fn viewer(principal: &Principal) -> Viewer<'_> {
    match is_admin(principal) {
        true => Viewer::Admin,
        false => Viewer::Member(principal.teams()),
    }
}

fn is_admin(principal: &Principal) -> bool {
    Role::Admin.is_held_by(principal)
}

/// Passes on requests of administrators, before their bodies are read, and those that everybody may
/// send.
pub(super) async fn authorize(
    State(api): State<AdminApi>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let principal = api.0.verifier.verify(&parts).await?;
    let is_admin = is_admin(&principal);
    if !is_admin && !is_shared(&parts.method, parts.uri.path()) {
        let subject = principal.subject();
        tracing::info!(subject, method = %parts.method, "administration denied");
        return Err(ApiError::Forbidden);
    }
    let mut request = Request::from_parts(parts, body);
    let extensions = request.extensions_mut();
    if is_admin {
        extensions.insert(Admin(principal.clone()));
    }
    extensions.insert(Member(principal));
    Ok(next.run(request).await)
}

/// Returns `true` if every principal may send a request: they read entries and request them.
fn is_shared(method: &Method, path: &str) -> bool {
    let below = path
        .strip_prefix(BASE)
        .and_then(|path| path.strip_prefix('/'));
    let segments: Vec<_> = below.unwrap_or_default().split('/').collect();
    match *segments {
        ["entries"] | ["entries", _] | ["entries", _, "server.json"] | ["requests", _] => {
            method == Method::GET
        }
        ["requests"] => method == Method::GET || method == Method::POST,
        _ => false,
    }
}

impl<S: Sync> FromRequestParts<S> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get().cloned().ok_or(ApiError::Forbidden)
    }
}

impl<S: Sync> FromRequestParts<S> for Member {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get().cloned().ok_or(ApiError::Forbidden)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r1_others_read_entries_and_request_them() {
        for (method, path, expected) in [
            (Method::GET, "/entries", true),
            (Method::POST, "/entries", false),
            (Method::GET, "/entries/com.example%2Fa", true),
            (Method::PUT, "/entries/com.example%2Fa", false),
            (Method::DELETE, "/entries/com.example%2Fa", false),
            (Method::GET, "/entries/a/server.json", true),
            (Method::GET, "/entries/a/b", false),
            (Method::POST, "/imports", false),
            (Method::POST, "/requests", true),
            (Method::GET, "/requests/req_1", true),
            (Method::POST, "/requests/req_1/approve", false),
            (Method::POST, "/requests/req_1", false),
            (Method::GET, "/servers", false),
            (Method::GET, "", false),
        ] {
            let path = format!("{BASE}{path}");
            assert_eq!(is_shared(&method, &path), expected, "{method} {path}");
        }
        assert!(!is_shared(&Method::GET, "/entries"));
    }
}
