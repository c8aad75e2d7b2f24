//! Gateway as a client that authenticates as itself.

use std::path::PathBuf;

use super::Secret;

/// Gateway as an OAuth client of a server, with a token for itself (RFC 6749, section 4.4).
///
/// # Example
///
/// ```
/// use mcp_gateway_platform::spec::{ClientProof, Remote, RemoteAuth, RemoteClientCredentials};
///
/// let proof = ClientProof::Secret { secret: "BJ3x0WcQ".into(), method: None };
/// let mut credentials = RemoteClientCredentials::new("gateway", proof);
/// credentials.scopes = vec!["notes:read".to_owned()];
/// let mut remote = Remote::new("https://mcp.example.com/mcp".parse().unwrap());
/// remote.auth = Some(RemoteAuth::ClientCredentials(credentials));
/// assert!(!format!("{remote:?}").contains("BJ3x0WcQ"));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RemoteClientCredentials {
    /// Identifier of the registered client.
    pub client_id: String,
    /// Authentication of the client.
    pub proof: ClientProof,
    /// Scopes to request; those that the server names if empty.
    pub scopes: Vec<String>,
}

/// Authentication of a client at a token endpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ClientProof {
    /// Assertion of the platform on which the gateway runs (RFC 7523).
    Assertion {
        /// Source.
        source: AssertionSource,
        /// Set if the assertion is the grant, and the client is public.
        is_grant: bool,
    },
    /// Signature (`private_key_jwt`).
    PrivateKey {
        /// Private key, as a PKCS#8 document in PEM: for ES256 or RS256.
        pem: Secret,
        /// Identifier of the registered public key; its thumbprint if `None`.
        id: Option<String>,
        /// Audience of assertions; the issuer of the authorization server if `None`.
        audience: Option<String>,
    },
    /// Secret.
    Secret {
        /// Secret.
        secret: Secret,
        /// Client authentication method, such as `client_secret_post`; one that the authorization
        /// server offers if `None`.
        method: Option<String>,
    },
}

/// Source of an assertion.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum AssertionSource {
    /// File, which is read for each request.
    File(PathBuf),
    /// Fixed value.
    Value(Secret),
}

impl RemoteClientCredentials {
    /// Creates the client `id` with the scopes that the server names.
    #[must_use]
    pub fn new(id: impl Into<String>, proof: ClientProof) -> Self {
        Self {
            client_id: id.into(),
            proof,
            scopes: Vec::new(),
        }
    }
}
