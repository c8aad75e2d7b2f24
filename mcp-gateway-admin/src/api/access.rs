//! Access to the API: principals with the role `admin`, administrators of teams for what belongs to
//! these, and others for what concerns themselves.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{Extensions, Method};
use axum::middleware::Next;
use axum::response::Response;
use mcp_gateway_audit::Actor;
use mcp_gateway_auth::AdministeredTeams;
use mcp_gateway_auth::accounts::Owner;
use mcp_gateway_auth::users::Role;
use mcp_gateway_core::auth::Principal;
use mcp_gateway_registry::Viewer;

use super::lease::Lease;
use super::problem::ApiError;
use super::{AdminApi, BASE};

/// Authenticated administrator of a request.
#[derive(Clone, Debug)]
pub(super) struct Admin(Principal);

/// Authenticated administrator of the organization, or of teams.
#[derive(Clone, Debug)]
pub(super) struct Manager(Principal);

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

impl Manager {
    /// Returns the principal.
    pub(super) fn principal(&self) -> &Principal {
        &self.0
    }

    /// Returns the actor of the changes.
    pub(super) fn actor(&self) -> Actor {
        Actor::new(self.0.subject())
    }

    /// Returns the teams that the principal administers; `None` for an administrator of the
    /// organization, who is not restricted to teams.
    pub(super) fn teams(&self) -> Option<&[Arc<str>]> {
        (!is_admin(&self.0)).then(|| AdministeredTeams::of(&self.0))
    }

    /// Returns `true` if the principal may see the connections of `owner`, and end them.
    pub(super) fn manages(&self, owner: &Owner) -> bool {
        let Some(teams) = self.teams() else {
            return true;
        };
        matches!(owner, Owner::Team(team) if teams.contains(team))
    }
}

impl Member {
    /// Returns the actor of the changes.
    pub(super) fn actor(&self) -> Actor {
        Actor::new(self.0.subject())
    }

    /// Returns the principal.
    pub(super) fn principal(&self) -> &Principal {
        &self.0
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
    if !permits(&principal, &parts.method, parts.uri.path()) {
        let subject = principal.subject();
        tracing::info!(subject, method = %parts.method, "administration denied");
        return Err(ApiError::Forbidden);
    }
    let is_stream = matches!(*segments(parts.uri.path()), ["calls"] | ["events"]);
    let lease = is_stream.then(|| Lease::new(Arc::clone(&api.0.verifier), &parts, &principal));
    let mut request = Request::from_parts(parts, body);
    let extensions = request.extensions_mut();
    if let Some(lease) = lease {
        extensions.insert(lease);
    }
    if is_admin {
        extensions.insert(Admin(principal.clone()));
    }
    if is_manager(&principal) {
        extensions.insert(Manager(principal.clone()));
    }
    extensions.insert(Member(principal));
    Ok(next.run(request).await)
}

/// Returns `true` if `principal` may send a request. The handler decides about objects.
pub(super) fn permits(principal: &Principal, method: &Method, path: &str) -> bool {
    is_admin(principal)
        || is_shared(method, path)
        || (is_manager(principal) && is_managed(method, path))
}

/// Returns `true` for administrators of the organization, or of teams.
fn is_manager(principal: &Principal) -> bool {
    is_admin(principal) || !AdministeredTeams::of(principal).is_empty()
}

/// Returns those of `extensions` that say who has sent a request, for another one on behalf of the
/// same principal.
pub(super) fn identity(extensions: &Extensions) -> Extensions {
    let mut identity = Extensions::new();
    if let Some(admin) = extensions.get::<Admin>() {
        identity.insert(admin.clone());
    }
    if let Some(manager) = extensions.get::<Manager>() {
        identity.insert(manager.clone());
    }
    if let Some(member) = extensions.get::<Member>() {
        identity.insert(member.clone());
    }
    identity
}

/// Returns `true` if administrators of teams may send a request: they manage the connections and
/// the gateways of these.
fn is_managed(method: &Method, path: &str) -> bool {
    match *segments(path) {
        ["connections"] | ["gateways"] => method == Method::GET || method == Method::POST,
        ["connections", _] => method == Method::GET || method == Method::DELETE,
        ["gateways", _] => {
            method == Method::GET || method == Method::PUT || method == Method::DELETE
        }
        _ => false,
    }
}

/// Returns `true` if every principal may send a request: they read entries and request them, decide
/// about calls where a rule names them, and list the gateways that they may use.
fn is_shared(method: &Method, path: &str) -> bool {
    match *segments(path) {
        ["entries"] | ["entries", _] | ["entries", _, "server.json"] | ["requests", _] => {
            method == Method::GET
        }
        ["usable-gateways"] | ["usable-gateways", _] => method == Method::GET,
        ["requests"] => method == Method::GET || method == Method::POST,
        ["events"] | ["whoami"] => method == Method::GET,
        ["approvals"] | ["approvals", _] => method == Method::GET,
        ["approvals", _, "decision"] => method == Method::POST,
        _ => false,
    }
}

/// Returns the segments of `path` below that of the API.
pub(super) fn segments(path: &str) -> Vec<&str> {
    let below = path
        .strip_prefix(BASE)
        .and_then(|path| path.strip_prefix('/'));
    below.unwrap_or_default().split('/').collect()
}

impl<S: Sync> FromRequestParts<S> for Manager {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get().cloned().ok_or(ApiError::Forbidden)
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
            (Method::GET, "/approvals", true),
            (Method::GET, "/approvals/apr_1", true),
            (Method::POST, "/approvals/apr_1", false),
            (Method::POST, "/approvals/apr_1/decision", true),
            (Method::GET, "/usable-gateways", true),
            (Method::GET, "/usable-gateways/support", true),
            (Method::POST, "/usable-gateways", false),
            (Method::GET, "/whoami", true),
            (Method::GET, "/events", true),
            (Method::GET, "/calls", false),
            (Method::GET, "/sessions", false),
            (Method::GET, "/servers", false),
            (Method::GET, "", false),
        ] {
            let path = format!("{BASE}{path}");
            assert_eq!(is_shared(&method, &path), expected, "{method} {path}");
        }
        assert!(!is_shared(&Method::GET, "/entries"));
    }

    #[test]
    fn r1_administrators_of_teams_manage_connections_and_gateways() {
        for (method, path, expected) in [
            (Method::GET, "/connections", true),
            (Method::POST, "/connections", true),
            (Method::DELETE, "/connections/x", true),
            (Method::PUT, "/connections/x", false),
            (Method::GET, "/gateways/x", true),
            (Method::PUT, "/gateways/x", true),
            (Method::GET, "/gateways/x/y", false),
            (Method::GET, "/users", false),
            (Method::POST, "/tokens", false),
            (Method::GET, "/audit", false),
            (Method::POST, "/servers", false),
            (Method::POST, "/entries", false),
        ] {
            let path = format!("{BASE}{path}");
            assert_eq!(is_managed(&method, &path), expected, "{method} {path}");
        }
    }
}
