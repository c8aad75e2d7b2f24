use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderMap, StatusCode, header};
use mcp_gateway_core::auth::ProtectedResource;
use serde_json::{Value, json};
use url::Url;

use super::metadata::document;
use super::resource::{Resource, Resources};
use super::router::cors;

/// Tells clients who issues the tokens that resources take. Cheap to clone; all clones are the same.
///
/// An [`AuthorizationServer`](super::AuthorizationServer) has its own. This is for gateways whose
/// tokens others issue.
///
/// See [RFC 9728](https://www.rfc-editor.org/rfc/rfc9728).
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::server::{ProtectedResources, Resource};
///
/// # fn main() -> Result<(), url::ParseError> {
/// let protected = ProtectedResources::new("https://mcp.example.com".parse()?);
/// protected.set_authorization_servers(["https://idp.example.com".to_owned()]);
/// let resource = Resource::new("https://mcp.example.com/mcp".parse()?, "main");
/// protected.set_resources([resource.clone()]);
///
/// let challenge = protected.challenge(&resource);
/// let router: axum::Router = protected.router();
/// # let _ = (challenge, router);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ProtectedResources(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    base: Url,
    resources: ArcSwap<Resources>,
    /// The issuers of tokens.
    servers: ArcSwap<Vec<String>>,
}

impl ProtectedResources {
    /// Knows no resource yet. Clients reach the documents at `base`, the URL of a host.
    #[must_use]
    pub fn new(base: Url) -> Self {
        Self(Arc::new(Inner {
            base,
            resources: ArcSwap::default(),
            servers: ArcSwap::default(),
        }))
    }

    /// There are `resources` from now on; the first is meant when a client does not say.
    pub fn set_resources(&self, resources: impl IntoIterator<Item = Resource>) {
        let resources = Resources(resources.into_iter().collect());
        self.0.resources.store(Arc::new(resources));
    }

    /// Tokens come from `issuers` from now on.
    pub fn set_authorization_servers(&self, issuers: impl IntoIterator<Item = String>) {
        self.0
            .servers
            .store(Arc::new(issuers.into_iter().collect()));
    }

    /// What clients of `resource` are told that have no token: where they learn how to get one.
    #[must_use]
    pub fn challenge(&self, resource: &Resource) -> ProtectedResource {
        let path = self.path(resource);
        let url = self.url(&format!("/.well-known/oauth-protected-resource{path}"));
        let scope = resource.scopes.first().map(|(name, _)| Arc::clone(name));
        match scope {
            Some(scope) => ProtectedResource::new(url).with_scope(scope),
            None => ProtectedResource::new(url),
        }
    }

    /// The documents, to be mounted at the root of the host.
    pub fn router(&self) -> Router {
        const ROOT: &str = "/.well-known/oauth-protected-resource";
        Router::new()
            .route(ROOT, get(default_one))
            .route(&format!("{ROOT}/{{*path}}"), get(one))
            .layer(cors())
            .with_state(self.clone())
    }

    pub(super) fn resources(&self) -> Arc<Resources> {
        self.0.resources.load_full()
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.0.base.origin().ascii_serialization())
    }

    /// What comes after the well-known path in the URL of the metadata of `resource`.
    ///
    /// What is on another host can be described there only if that passes requests on to here.
    fn path(&self, resource: &Resource) -> String {
        match resource.uri.origin() == self.0.base.origin() {
            true => resource.uri.path().to_owned(),
            false => format!("/verify/{}", resource.name),
        }
    }

    /// The URLs that a client may have used for the resource at `path`: what it has used is what it
    /// has to find in the document.
    ///
    /// The header says by which of our names it knows us; a name that is not ours finds nothing.
    fn called(&self, path: &str, headers: &HeaderMap) -> Vec<String> {
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        // What is on another host need not be reached as this server is.
        let others = ["https", "http"].into_iter();
        let schemes = [self.0.base.scheme()].into_iter().chain(others);
        let called = schemes.filter_map(|scheme| Some(format!("{scheme}://{}/{path}", host?)));
        called.chain([self.url(&format!("/{path}"))]).collect()
    }

    /// What clients may know about `resource`, which they know as `uri`.
    fn metadata(&self, resource: &Resource, uri: &str) -> Value {
        let scopes: Vec<_> = resource.scopes.iter().map(|(name, _)| &**name).collect();
        let mut metadata = json!({
            "resource": uri,
            "authorization_servers": **self.0.servers.load(),
            "bearer_methods_supported": ["header"],
            "resource_name": &*resource.name,
        });
        if !scopes.is_empty() {
            metadata["scopes_supported"] = scopes.into();
        }
        metadata
    }
}

/// `GET /.well-known/oauth-protected-resource`
async fn default_one(State(protected): State<ProtectedResources>) -> Response {
    let resources = protected.resources();
    match resources.default_one() {
        Some(resource) => document(protected.metadata(resource, resource.uri.as_str())),
        None => nothing(),
    }
}

/// `GET /.well-known/oauth-protected-resource/{path}`
async fn one(
    State(protected): State<ProtectedResources>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Response {
    let resources = protected.resources();
    let found = protected
        .called(&path, &headers)
        .into_iter()
        .find_map(|uri| {
            let resource = resources.known_as(&uri)?;
            Some(protected.metadata(resource, &uri))
        });
    let elsewhere = || {
        let mut all = resources.0.iter();
        let wanted = format!("/{path}");
        let resource = all.find(|resource| protected.path(resource) == wanted)?;
        Some(protected.metadata(resource, resource.uri.as_str()))
    };
    found.or_else(elsewhere).map_or_else(nothing, document)
}

/// Clients parse what they get, whatever the status is.
fn nothing() -> Response {
    let body = json!({ "error": "not_found", "error_description": "there is no such resource" });
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}
