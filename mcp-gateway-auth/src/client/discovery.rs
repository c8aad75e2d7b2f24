//! Discovery of the authorization server of a resource (RFC 9728; RFC 8414).

use ::http::StatusCode;
use mcp_gateway_core::credential::Challenge;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::ClientError;
use super::http::Reach;
use crate::dpop::{self, DpopKey};
use crate::egress::EgressError;
use crate::metadata::{DPOP_ALGORITHMS, Location, MetadataError, ServerMetadata, is_absent};

/// Audience of a token, and the authorization server that issues it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct AuthorizationTarget {
    /// Resource indicator of the token (RFC 8707).
    pub resource: String,
    /// Presence of the resource indicator in requests to the authorization server.
    #[serde(default = "always")]
    pub sends_resource: bool,
    /// Scopes that the challenge requires, separated by spaces.
    pub scope: Option<String>,
    /// Scopes that the metadata of the resource lists; empty if it has none.
    pub resource_scopes: Vec<String>,
    /// Support of the resource for tokens that are bound to a key (RFC 9449).
    #[serde(default)]
    pub accepts_bound_tokens: bool,
    /// Authorization server.
    pub server: AuthorizationServerMetadata,
}

impl AuthorizationTarget {
    /// Returns the resource indicator of requests to the authorization server.
    pub(super) fn indicator(&self) -> Option<&str> {
        self.sends_resource.then_some(&*self.resource)
    }

    /// Generates the key of new tokens, unless they are bearer tokens.
    pub(super) fn new_key(&self) -> Result<Option<DpopKey>, ClientError> {
        new_key(self.accepts_bound_tokens && self.server.binds_tokens)
    }

    /// Returns `true` if its tokens are for the server at `url`, or for its whole host.
    ///
    /// It parses the resource indicator.
    #[cfg(feature = "accounts")]
    pub(crate) fn is_for(&self, url: &Url) -> bool {
        is_resource_of(&self.resource, url)
    }
}

/// Validated metadata of an authorization server.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct AuthorizationServerMetadata {
    /// Client authentication methods of the token endpoint; empty if the metadata has none.
    pub auth_methods: Vec<String>,
    /// Authorization endpoint.
    pub authorization_endpoint: Url,
    /// Support for tokens that are bound to an ES256 key (RFC 9449).
    #[serde(default)]
    pub binds_tokens: bool,
    /// Support for client ID metadata documents.
    pub client_documents: bool,
    /// Issuer identifier.
    pub issuer: String,
    /// Announcement of `iss` in authorization responses (RFC 9207).
    pub names_itself: bool,
    /// Registration endpoint (RFC 7591).
    pub registration_endpoint: Option<Url>,
    /// Client authentication methods of the revocation endpoint; empty if the metadata has none.
    #[serde(default)]
    pub revocation_auth_methods: Vec<String>,
    /// Revocation endpoint (RFC 7009).
    pub revocation_endpoint: Option<Url>,
    /// Scopes that the metadata lists; empty if it has none.
    pub scopes: Vec<String>,
    /// Token endpoint.
    pub token_endpoint: Url,
}

/// Protected resource, and the authorization server that its metadata names.
#[derive(Clone)]
pub(super) struct ProtectedResource {
    /// Resource indicator.
    pub(super) resource: String,
    /// Scopes that the challenge requires, separated by spaces.
    pub(super) scope: Option<String>,
    /// Scopes that the metadata lists; empty if it has none.
    pub(super) scopes: Vec<String>,
    /// Issuer identifier of the authorization server.
    pub(super) issuer: String,
    /// Set if it accepts tokens that are bound to a key.
    pub(super) accepts_bound_tokens: bool,
}

/// Discovers the authorization server of the resource at `url`, which has sent `challenge`.
///
/// # Errors
///
/// [`ClientError::Egress`] and [`ClientError::NoResourceMetadata`] if a document cannot be fetched,
/// [`ClientError::Resource`] and [`ClientError::Issuer`] if it is for another resource or issuer,
/// and [`ClientError::Address`] and [`ClientError::Metadata`] if its content is invalid.
///
/// A server without metadata of its own may be its authorization server, whose endpoints have
/// default locations if it has no metadata either, as of [MCP
/// 2025-03-26](https://modelcontextprotocol.io/specification/2025-03-26/basic/authorization).
pub(super) async fn discover(
    reach: &Reach,
    url: &Url,
    challenge: &Challenge,
) -> Result<AuthorizationTarget, ClientError> {
    let (found, server) = match protected_resource(reach, url, challenge).await {
        Err(absent @ ClientError::NoResourceMetadata { .. }) => {
            let issuer = url.origin().ascii_serialization();
            let server = match authorization_server(reach, &issuer).await {
                Ok(server) => Some(server),
                Err(ClientError::Egress { source, .. }) if is_absent(&source) => {
                    default_endpoints(reach, url).await
                }
                Err(_) => None,
            };
            let found = ProtectedResource {
                resource: url.to_string(),
                scope: challenge.param("scope").map(str::to_owned),
                scopes: Vec::new(),
                issuer,
                accepts_bound_tokens: names_dpop(challenge, &Value::Null),
            };
            // The missing document is the one to name.
            (found, server.ok_or(absent)?)
        }
        found => {
            let found = found?;
            let server = authorization_server(reach, &found.issuer).await?;
            (found, server)
        }
    };
    Ok(AuthorizationTarget {
        resource: found.resource,
        sends_resource: true,
        scope: found.scope,
        resource_scopes: found.scopes,
        accepts_bound_tokens: found.accepts_bound_tokens,
        server,
    })
}

/// Returns the authorization server with the default endpoints at the origin of `url`, if it has an
/// authorization endpoint there.
async fn default_endpoints(reach: &Reach, url: &Url) -> Option<AuthorizationServerMetadata> {
    let endpoint = |path| url.join(path).ok();
    let authorization = endpoint("/authorize")?;
    // Without parameters, an authorization endpoint responds with an error of its own.
    let is_missing = match reach.get(&authorization).await {
        Err(EgressError::Status(status)) => ABSENT.contains(&status),
        Err(EgressError::Timeout | EgressError::Unavailable) => true,
        Ok(_) | Err(_) => false,
    };
    if is_missing {
        return None;
    }
    Some(AuthorizationServerMetadata {
        revocation_auth_methods: Vec::new(),
        auth_methods: Vec::new(),
        authorization_endpoint: authorization,
        binds_tokens: false,
        client_documents: false,
        issuer: url.origin().ascii_serialization(),
        names_itself: false,
        registration_endpoint: endpoint("/register"),
        revocation_endpoint: None,
        scopes: Vec::new(),
        token_endpoint: endpoint("/token")?,
    })
}

/// Fetches and validates the metadata of the resource at `url`, which has sent `challenge`.
pub(super) async fn protected_resource(
    reach: &Reach,
    url: &Url,
    challenge: &Challenge,
) -> Result<ProtectedResource, ClientError> {
    let document = resource(reach, url, challenge.resource_metadata()).await?;
    let defect = |reason| ClientError::Metadata {
        server: url.to_string(),
        reason,
    };
    let resource = document["resource"].as_str();
    let resource = resource.ok_or_else(|| defect("its metadata has no `resource`"))?;
    if !is_resource_of(resource, url) {
        return Err(ClientError::Resource {
            url: url.to_string(),
            resource: super::error::printable(resource),
        });
    }
    let issuer = document["authorization_servers"][0].as_str();
    let issuer = issuer.ok_or_else(|| defect("its metadata names no authorization server"))?;
    let scopes = document["scopes_supported"].as_array();
    let scopes = scopes.into_iter().flatten().filter_map(Value::as_str);
    Ok(ProtectedResource {
        resource: resource.to_owned(),
        scope: challenge.param("scope").map(str::to_owned),
        scopes: scopes.map(str::to_owned).collect(),
        issuer: issuer.to_owned(),
        accepts_bound_tokens: names_dpop(challenge, &document),
    })
}

/// Returns `true` if a resource accepts DPoP with ES256, as its challenge or its metadata says.
///
/// The metadata of an authorization server alone says nothing about its resources: many announce
/// DPoP for all of them, and resources that only accept bearer tokens would reject the scheme.
fn names_dpop(challenge: &Challenge, document: &Value) -> bool {
    let mut schemes = challenge.schemes();
    let algorithms = document[DPOP_ALGORITHMS].as_array();
    schemes.any(|scheme| scheme.eq_ignore_ascii_case(dpop::SCHEME))
        || document["dpop_bound_access_tokens_required"] == true
        || algorithms.is_some_and(|algorithms| algorithms.iter().any(|it| it == "ES256"))
}

/// Generates a key if tokens are bound.
pub(super) fn new_key(binds_tokens: bool) -> Result<Option<DpopKey>, ClientError> {
    let key = binds_tokens.then(DpopKey::generate).transpose();
    key.map_err(|_| ClientError::Random)
}

/// Fetches the protected resource metadata of `url`.
///
/// The location is `named`, if the challenge has one; otherwise the well-known locations with and
/// without the path of `url` are tried in this order (RFC 9728, section 3.1).
async fn resource(reach: &Reach, url: &Url, named: Option<&str>) -> Result<Value, ClientError> {
    let places = match named {
        Some(named) => vec![reach.url("resource_metadata", named)?],
        None => {
            let path = url.path().trim_end_matches('/');
            let place = |path: &str| {
                let mut place = url.clone();
                place.set_query(None);
                place.set_path(&format!("/.well-known/oauth-protected-resource{path}"));
                place
            };
            vec![place(path), place("")]
        }
    };
    for place in &places {
        match reach.get(place).await {
            Ok(document) => return Ok(document),
            Err(source) if is_absent(&source) => {}
            Err(source) => return Err(ClientError::egress(place, source)),
        }
    }
    Err(ClientError::NoResourceMetadata {
        url: url.to_string(),
        tried: places[0].to_string(),
    })
}

/// Fetches the metadata of `issuer`.
///
/// The documents of RFC 8414 and of OpenID Connect Discovery are tried.
pub(super) async fn server_metadata(
    reach: &Reach,
    issuer: &str,
) -> Result<ServerMetadata, ClientError> {
    reach.url("authorization_servers", issuer)?;
    let locations = [Location::OAuth, Location::OpenIdInserted, Location::OpenId];
    let mut found = ServerMetadata::fetch(reach.egress(), issuer, &locations).await;
    // Some SDKs add a slash to the issuer in one of both documents.
    if let Err(MetadataError::Issuer(other)) = &found
        && other.trim_end_matches('/') == issuer.trim_end_matches('/')
    {
        found = ServerMetadata::fetch(reach.egress(), other, &locations).await;
    }
    found.map_err(|error| match error {
        MetadataError::Egress { url, source } => ClientError::Egress { url, source },
        MetadataError::Issuer(found) => ClientError::Issuer {
            expected: issuer.to_owned(),
            found: super::error::printable(&found),
        },
        MetadataError::Malformed => malformed(issuer, "its metadata is malformed"),
    })
}

/// Fetches the metadata of `issuer`, and validates it for authorization codes.
async fn authorization_server(
    reach: &Reach,
    issuer: &str,
) -> Result<AuthorizationServerMetadata, ClientError> {
    let found = server_metadata(reach, issuer).await?;
    // PKCE protects against stolen codes: the client does not continue without it.
    if !found
        .challenge_methods
        .iter()
        .any(|method| method == "S256")
    {
        return Err(malformed(
            issuer,
            "its metadata does not offer PKCE with S256",
        ));
    }
    let endpoint = |what, text: &Option<String>| match text {
        Some(text) => reach.url(what, text).map(Some),
        None => Ok(None),
    };
    let authorization = endpoint("authorization_endpoint", &found.authorization_endpoint)?;
    let token = endpoint("token_endpoint", &found.token_endpoint)?;
    Ok(AuthorizationServerMetadata {
        binds_tokens: found.binds_tokens,
        authorization_endpoint: authorization
            .ok_or_else(|| malformed(issuer, "its metadata has no authorization_endpoint"))?,
        token_endpoint: token
            .ok_or_else(|| malformed(issuer, "its metadata has no token_endpoint"))?,
        registration_endpoint: endpoint("registration_endpoint", &found.registration_endpoint)?,
        revocation_endpoint: endpoint("revocation_endpoint", &found.revocation_endpoint)?,
        revocation_auth_methods: found.revocation_auth_methods,
        scopes: found.scopes,
        auth_methods: found.auth_methods,
        client_documents: found.client_documents,
        issuer: found.issuer,
        names_itself: found.names_itself,
    })
}

/// Returns the value of targets that were stored before it could be chosen.
fn always() -> bool {
    true
}

pub(super) fn malformed(issuer: &str, reason: &'static str) -> ClientError {
    ClientError::Metadata {
        server: issuer.to_owned(),
        reason,
    }
}

/// Returns `true` if `resource` identifies the server at `url`, or its whole host.
fn is_resource_of(resource: &str, url: &Url) -> bool {
    let Ok(resource) = Url::parse(resource) else {
        return false;
    };
    let path = |url: &Url| url.path().trim_end_matches('/').to_owned();
    let is_same = path(&resource) == path(url) || path(&resource).is_empty();
    resource.origin() == url.origin() && is_same
}

impl ClientError {
    pub(super) fn egress(url: &Url, source: EgressError) -> Self {
        Self::Egress {
            url: url.to_string(),
            source,
        }
    }
}

/// Statuses of a path at which no authorization endpoint is.
const ABSENT: [StatusCode; 5] = [
    StatusCode::FORBIDDEN,
    StatusCode::GONE,
    StatusCode::METHOD_NOT_ALLOWED,
    StatusCode::NOT_FOUND,
    StatusCode::UNAUTHORIZED,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_the_server_or_its_host() {
        let url = "https://a.example/mcp".parse().unwrap();
        for (resource, expected) in [
            ("https://a.example/mcp", true),
            ("https://a.example/mcp/", true),
            ("https://a.example", true),
            ("https://a.example/other", false),
            ("https://b.example/mcp", false),
            ("http://a.example/mcp", false),
        ] {
            assert_eq!(is_resource_of(resource, &url), expected, "{resource}");
        }
    }
}
