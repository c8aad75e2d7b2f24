//! The metadata of protected resources (RFC 9728).

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderMap, StatusCode, header};
use mcp_gateway_core::auth::ProtectedResource;
use serde_json::{Value, json};
use url::Url;

use super::cors::cors;
use super::metadata::document;
use crate::dpop::DpopVerifier;
use crate::metadata::DPOP_ALGORITHMS;
use crate::server::HiddenResources;
use crate::server::resource::{Resource, Resources, TokenBinding};

/// The metadata of protected resources, which refer clients to their authorization server. Cheap to
/// clone; all clones share the state.
///
/// An [`AuthorizationServer`](crate::server::AuthorizationServer) contains one. Use this type directly for
/// gateways with an external authorization server.
///
/// See [RFC 9728](https://www.rfc-editor.org/rfc/rfc9728).
///
/// # Example
///
/// ```
/// use http::HeaderMap;
/// use mcp_gateway_auth::server::{ProtectedResources, Resource};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let protected = ProtectedResources::new("https://mcp.example.com".parse()?);
/// protected.set_authorization_servers(["https://idp.example.com".to_owned()]);
/// let resource = Resource::new("https://mcp.example.com/mcp".parse()?, "main");
/// protected.set_resources([resource.clone()]);
///
/// let mut headers = HeaderMap::new();
/// headers.insert("www-authenticate", "Bearer".parse()?);
/// protected.challenge(&resource).extend_challenge(&mut headers);
/// let challenge = headers["www-authenticate"].to_str()?;
/// assert!(challenge.contains("/.well-known/oauth-protected-resource/mcp"), "{challenge}");
///
/// let router: axum::Router = protected.router();
/// # let _ = router;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ProtectedResources(Arc<Inner>);

/// The state that all clones share.
#[derive(Debug)]
struct Inner {
    base: Url,
    resources: ArcSwap<Resources>,
    /// Issuers of accepted tokens.
    servers: ArcSwap<Vec<String>>,
}

impl ProtectedResources {
    /// Creates a set without resources. Clients find the metadata at `base`, the URL of a host.
    #[must_use]
    pub fn new(base: Url) -> Self {
        Self(Arc::new(Inner {
            base,
            resources: ArcSwap::default(),
            servers: ArcSwap::default(),
        }))
    }

    /// Replaces the set of resources. The first one is the default.
    pub fn set_resources(&self, resources: impl IntoIterator<Item = Resource>) {
        let resources = Resources {
            known: resources.into_iter().collect(),
            hidden: self.snapshot().hidden.clone(),
        };
        self.0.resources.store(Arc::new(resources));
    }

    /// Sets the names that are described to strangers whether or not they exist. Default: none.
    pub fn set_hidden(&self, hidden: Option<HiddenResources>) {
        let resources = Resources {
            known: self.snapshot().known.clone(),
            hidden,
        };
        self.0.resources.store(Arc::new(resources));
    }

    /// Replaces the authorization servers.
    pub fn set_authorization_servers(&self, issuers: impl IntoIterator<Item = String>) {
        self.0
            .servers
            .store(Arc::new(issuers.into_iter().collect()));
    }

    /// Returns the parameters of the `WWW-Authenticate` challenge for `resource`: the URL of its
    /// metadata, and its first scope (RFC 9728, section 5.1).
    #[must_use]
    pub fn challenge(&self, resource: &Resource) -> ProtectedResource {
        let path = self.path(resource);
        let url = self.url(&format!("/.well-known/oauth-protected-resource{path}"));
        let scope = resource.scopes.first().map(|(name, _)| Arc::clone(name));
        let challenge = match scope {
            Some(scope) => ProtectedResource::new(url).with_scope(scope),
            None => ProtectedResource::new(url),
        };
        match resource.binding {
            TokenBinding::Unsupported => challenge,
            TokenBinding::Optional | TokenBinding::Required => {
                challenge.with_dpop(DpopVerifier::algorithms().join(" "))
            }
        }
    }

    /// Returns the metadata endpoints, to be mounted at the root of the host.
    ///
    /// # Example
    ///
    /// ```
    /// use axum::body::{Body, to_bytes};
    /// use http::Request;
    /// use mcp_gateway_auth::server::{ProtectedResources, Resource};
    /// use serde_json::{Value, json};
    /// use tower::ServiceExt;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let protected = ProtectedResources::new("https://mcp.example.com".parse()?);
    /// protected.set_authorization_servers(["https://idp.example.com".to_owned()]);
    /// protected.set_resources([Resource::new("https://mcp.example.com/mcp".parse()?, "main")]);
    /// let get = |path: &str| {
    ///     let request = Request::get(format!("/.well-known/oauth-protected-resource/{path}"));
    ///     protected.router().oneshot(request.body(Body::empty()).unwrap())
    /// };
    ///
    /// let body = to_bytes(get("mcp").await?.into_body(), 64 * 1024).await?;
    /// let metadata: Value = serde_json::from_slice(&body)?;
    /// assert_eq!(metadata["resource"], "https://mcp.example.com/mcp");
    /// assert_eq!(metadata["authorization_servers"], json!(["https://idp.example.com"]));
    /// assert_eq!(get("other").await?.status(), 404);
    /// # Ok(())
    /// # }
    /// ```
    pub fn router(&self) -> Router {
        const ROOT: &str = "/.well-known/oauth-protected-resource";
        Router::new()
            .route(ROOT, get(default_one))
            .route(&format!("{ROOT}/{{*path}}"), get(metadata_of_resource))
            .layer(cors())
            .with_state(self.clone())
    }

    /// Returns the current resources.
    pub(in crate::server) fn snapshot(&self) -> Arc<Resources> {
        self.0.resources.load_full()
    }

    /// Returns the URL of `path` on the public host.
    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.0.base.origin().ascii_serialization())
    }

    /// Returns the path of the metadata of `resource` after the well-known prefix.
    ///
    /// A resource on another host can be described there only if that host forwards these requests.
    fn path(&self, resource: &Resource) -> String {
        match resource.uri.origin() == self.0.base.origin() {
            true => resource.uri.path().to_owned(),
            false => format!("/verify/{}", resource.name),
        }
    }

    /// Returns the URLs by which a client may address the resource at `path`. The `resource` in the
    /// metadata must equal the URL that the client uses (RFC 9728, section 3.3).
    ///
    /// The `Host` header selects one of the host's names. An unknown name matches no resource.
    fn possible_urls(&self, path: &str, headers: &HeaderMap) -> Vec<String> {
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        // Another host may be reached by another scheme.
        let others = ["https", "http"].into_iter();
        let schemes = [self.0.base.scheme()].into_iter().chain(others);
        let called = schemes.filter_map(|scheme| Some(format!("{scheme}://{}/{path}", host?)));
        called.chain([self.url(&format!("/{path}"))]).collect()
    }

    /// Returns the metadata of `resource`, which the client addresses as `uri`.
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
        if resource.binding != TokenBinding::Unsupported {
            metadata[DPOP_ALGORITHMS] = json!(DpopVerifier::algorithms());
        }
        if resource.binding == TokenBinding::Required {
            metadata["dpop_bound_access_tokens_required"] = true.into();
        }
        metadata
    }
}

/// `GET /.well-known/oauth-protected-resource`: the metadata of the default resource.
async fn default_one(State(protected): State<ProtectedResources>) -> Response {
    let resources = protected.snapshot();
    match resources.default_one() {
        Some(resource) => document(protected.metadata(resource, resource.uri.as_str())),
        None => not_found(),
    }
}

/// `GET /.well-known/oauth-protected-resource/{path}`: the metadata of a resource.
async fn metadata_of_resource(
    State(protected): State<ProtectedResources>,
    Path(path): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let resources = protected.snapshot();
    let found = protected
        .possible_urls(&path, &headers)
        .into_iter()
        .find_map(|uri| {
            let resource = resources.known_as(&uri)?;
            let uri = match &query {
                Some(query) => format!("{uri}?{query}"),
                None => uri,
            };
            Some(protected.metadata(&resource, &uri))
        });
    let elsewhere = || {
        let mut all = resources.known.iter();
        let wanted = format!("/{path}");
        let resource = all.find(|resource| protected.path(resource) == wanted)?;
        Some(protected.metadata(resource, resource.uri.as_str()))
    };
    found.or_else(elsewhere).map_or_else(not_found, document)
}

/// Responds with 404 and JSON: clients parse the body regardless of the status.
fn not_found() -> Response {
    let body = json!({ "error": "not_found", "error_description": "unknown resource" });
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}
