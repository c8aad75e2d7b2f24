//! The metadata of authorization servers (RFC 8414; OpenID Connect Discovery 1.0).
//!
//! One reader for all that discover a server: the key sets of issuers, the login at a provider, and
//! the OAuth client.

use serde_json::Value;
use url::Url;

use crate::egress::{Egress, EgressError};

/// The members of the metadata document that clients of a server need.
///
/// Members of a wrong type are read as absent: many servers publish more than they understand.
#[derive(Clone, Debug, Default)]
#[cfg_attr(
    not(all(feature = "client", feature = "login")),
    expect(dead_code, reason = "each reader needs other members")
)]
pub(crate) struct ServerMetadata {
    pub(crate) auth_methods: Vec<String>,
    pub(crate) authorization_endpoint: Option<String>,
    /// Support for tokens that are bound to ES256 keys (RFC 9449, section 5.1).
    pub(crate) binds_tokens: bool,
    pub(crate) challenge_methods: Vec<String>,
    pub(crate) client_documents: bool,
    pub(crate) issuer: String,
    pub(crate) jwks_uri: Option<String>,
    pub(crate) names_itself: bool,
    pub(crate) registration_endpoint: Option<String>,
    pub(crate) revocation_auth_methods: Vec<String>,
    pub(crate) revocation_endpoint: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) token_endpoint: Option<String>,
    pub(crate) userinfo_endpoint: Option<String>,
}

/// The location of a metadata document.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Location {
    /// RFC 8414: inserted before the path of the issuer.
    OAuth,
    /// OpenID Connect Discovery: appended to the issuer.
    OpenId,
    /// OpenID Connect Discovery at the place of RFC 8414.
    #[cfg_attr(
        not(feature = "client"),
        expect(dead_code, reason = "only the OAuth client looks there")
    )]
    OpenIdInserted,
}

/// The reason why the metadata of a server is unavailable.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MetadataError {
    /// The document cannot be fetched.
    #[error("{url}")]
    Egress {
        url: String,
        #[source]
        source: EgressError,
    },
    /// The document has another `issuer` (RFC 8414, section 3.3).
    #[error("issuer mismatch in discovery document")]
    Issuer(String),
    /// The document is not JSON, or names no issuer.
    #[error("malformed discovery document")]
    Malformed,
}

impl ServerMetadata {
    /// Fetches the metadata of `issuer` from the first of `locations` that has one.
    ///
    /// A location that rejects the request, or responds with something but JSON, has none.
    pub(crate) async fn fetch(
        egress: &Egress,
        issuer: &str,
        locations: &[Location],
    ) -> Result<Self, MetadataError> {
        let mut failed = None;
        for location in locations {
            let url = location.url(issuer)?;
            match egress.get_json(&url, MAX_DOCUMENT).await {
                Ok(fetched) => return Self::parse(issuer, &fetched.body),
                Err(source) => {
                    let is_absent = is_absent(&source);
                    let error = MetadataError::Egress { url, source };
                    if !is_absent {
                        return Err(error);
                    }
                    // The first location is the one to name.
                    failed.get_or_insert(error);
                }
            }
        }
        Err(failed.unwrap_or(MetadataError::Malformed))
    }

    /// Reads the document, which must be about `issuer`, to the letter.
    pub(crate) fn parse(issuer: &str, json: &[u8]) -> Result<Self, MetadataError> {
        let document: Value = serde_json::from_slice(json).map_err(|_| MetadataError::Malformed)?;
        let text = |key: &str| document.get(key)?.as_str().map(str::to_owned);
        let list = |key: &str| -> Vec<String> {
            let items = document.get(key).and_then(Value::as_array);
            let items = items.into_iter().flatten().filter_map(Value::as_str);
            items.map(str::to_owned).collect()
        };
        let flag = |key: &str| document.get(key) == Some(&Value::Bool(true));
        let found = text("issuer").ok_or(MetadataError::Malformed)?;
        if found != issuer {
            return Err(MetadataError::Issuer(found));
        }
        Ok(Self {
            auth_methods: list("token_endpoint_auth_methods_supported"),
            authorization_endpoint: text("authorization_endpoint"),
            binds_tokens: list(DPOP_ALGORITHMS).iter().any(|name| name == "ES256"),
            challenge_methods: list("code_challenge_methods_supported"),
            client_documents: flag("client_id_metadata_document_supported"),
            issuer: found,
            jwks_uri: text("jwks_uri"),
            names_itself: flag("authorization_response_iss_parameter_supported"),
            registration_endpoint: text("registration_endpoint"),
            revocation_auth_methods: list("revocation_endpoint_auth_methods_supported"),
            revocation_endpoint: text("revocation_endpoint"),
            scopes: list("scopes_supported"),
            token_endpoint: text("token_endpoint"),
            userinfo_endpoint: text("userinfo_endpoint"),
        })
    }
}

impl Location {
    /// Returns the address of the metadata of `issuer`.
    pub(crate) fn url(self, issuer: &str) -> Result<String, MetadataError> {
        if let Self::OpenId = self {
            return Ok(format!("{}{OPENID}", issuer.trim_end_matches('/')));
        }
        let mut url = Url::parse(issuer).map_err(|_| MetadataError::Egress {
            url: issuer.to_owned(),
            source: EgressError::Unavailable,
        })?;
        let path = url.path().trim_end_matches('/').to_owned();
        let known = match self {
            Self::OAuth => OAUTH,
            Self::OpenId | Self::OpenIdInserted => OPENID,
        };
        url.set_path(&format!("{known}{path}"));
        Ok(url.into())
    }
}

/// Returns `true` if the error says that a document does not exist, and not that a server is down.
pub(crate) fn is_absent(error: &EgressError) -> bool {
    match error {
        EgressError::ContentType => true,
        EgressError::Status(status) => status.is_client_error() || status.is_redirection(),
        EgressError::Paused { .. }
        | EgressError::Timeout
        | EgressError::TooLarge { .. }
        | EgressError::Unavailable => false,
    }
}

/// Member with the signature algorithms of proofs (RFC 9449, section 5.1; RFC 9728, section 2).
pub(crate) const DPOP_ALGORITHMS: &str = "dpop_signing_alg_values_supported";

/// Maximum size of a document, in bytes.
const MAX_DOCUMENT: usize = 64 * 1024;

/// Well-known path of RFC 8414.
const OAUTH: &str = "/.well-known/oauth-authorization-server";

/// Well-known path of OpenID Connect Discovery.
const OPENID: &str = "/.well-known/openid-configuration";
