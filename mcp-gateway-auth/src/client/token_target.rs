//! Token endpoints of servers.

use mcp_gateway_core::credential::Challenge;
use url::Url;

use super::ClientError;
use super::discovery::{
    ProtectedResource, malformed, new_key, protected_resource, server_metadata,
};
use super::http::Reach;
use crate::dpop::DpopKey;

/// Audience of a token, and the token endpoint that issues it.
#[derive(Clone)]
pub(super) struct TokenTarget {
    pub(super) resource: ProtectedResource,
    pub(super) endpoint: TokenEndpoint,
    /// Key to which the tokens are bound.
    pub(super) key: Option<DpopKey>,
}

/// Token endpoint of an authorization server.
#[derive(Clone, Debug)]
pub(super) struct TokenEndpoint {
    /// Issuer identifier of the authorization server.
    pub(super) issuer: String,
    /// Client authentication methods; empty if the metadata has none.
    pub(super) auth_methods: Vec<String>,
    pub(super) url: Url,
    /// Support for tokens that are bound to an ES256 key (RFC 9449).
    pub(super) binds_tokens: bool,
}

impl ProtectedResource {
    /// Returns the scopes that the challenge requires, or that the metadata lists.
    pub(super) fn scope(&self) -> Option<String> {
        let listed = (!self.scopes.is_empty()).then(|| self.scopes.join(" "));
        self.scope.clone().or(listed)
    }
}

/// Discovers the token endpoint of the resource at `url`, which has sent `challenge`.
///
/// # Errors
///
/// Those of [`discover`](super::discovery::discover).
pub(super) async fn discover_tokens(
    reach: &Reach,
    url: &Url,
    challenge: &Challenge,
) -> Result<TokenTarget, ClientError> {
    let resource = protected_resource(reach, url, challenge).await?;
    let endpoint = token_endpoint(reach, &resource.issuer).await?;
    Ok(TokenTarget {
        key: new_key(resource.accepts_bound_tokens && endpoint.binds_tokens)?,
        resource,
        endpoint,
    })
}

/// Discovers the token endpoint of the authorization server `issuer`.
///
/// # Errors
///
/// Those of [`discover`](super::discovery::discover).
pub(super) async fn token_endpoint(
    reach: &Reach,
    issuer: &str,
) -> Result<TokenEndpoint, ClientError> {
    let found = server_metadata(reach, issuer).await?;
    let endpoint = found.token_endpoint.as_deref();
    let endpoint =
        endpoint.ok_or_else(|| malformed(issuer, "its metadata has no token_endpoint"))?;
    Ok(TokenEndpoint {
        issuer: issuer.to_owned(),
        auth_methods: found.auth_methods,
        binds_tokens: found.binds_tokens,
        url: reach.url("token_endpoint", endpoint)?,
    })
}
