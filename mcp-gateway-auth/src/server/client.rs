//! OAuth clients and their metadata (RFC 7591, section 2).

pub(super) mod assertions;
pub(super) mod authentication;
pub(super) mod clients;
pub(super) mod metadata_document;
pub(super) mod redirect_uri;
pub(super) mod registration_request;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{RedirectUri, Scopes};
use crate::SecretHash;

/// An OAuth client.
///
/// Its metadata are those of [RFC 7591, section
/// 2](https://www.rfc-editor.org/rfc/rfc7591#section-2).
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::Secret;
/// use mcp_gateway_auth::server::{OAuthClient, ClientAuthentication, GrantType};
///
/// let secret = Secret::generate("")?;
/// let client = OAuthClient::new("ci", "Build server")
///     .with_authentication(ClientAuthentication::secret(secret.expose()))
///     .with_grant_types([GrantType::ClientCredentials]);
/// assert!(client.may_use(GrantType::ClientCredentials));
/// assert!(!client.may_use(GrantType::AuthorizationCode));
/// assert!(!format!("{client:?}").contains(secret.expose()));
/// # Ok::<(), mcp_gateway_auth::AuthServerError>(())
/// ```
#[derive(Clone, Deserialize, Serialize)]
#[non_exhaustive]
pub struct OAuthClient {
    /// Client ID; for a client with a metadata document, its URL.
    pub id: String,
    /// Display name. It is self-declared and unverified unless an operator has configured the
    /// client.
    pub name: String,
    /// Registered redirect URIs.
    pub redirect_uris: Vec<RedirectUri>,
    /// Client authentication method.
    pub authentication: ClientAuthentication,
    /// Permitted grant types.
    pub grant_types: Vec<GrantType>,
    /// Scopes that the client may be granted; all scopes if `None`.
    pub scopes: Option<Scopes>,
    /// Source of the client.
    pub origin: ClientOrigin,
    /// Home page (`client_uri`).
    pub uri: Option<String>,
    /// Further registered metadata, which is returned to the client. Only
    /// `dpop_bound_access_tokens` has a meaning here.
    pub metadata: serde_json::Map<String, Value>,
    /// Time of registration, in seconds since the Unix epoch.
    pub issued_at: u64,
    /// `true` if the client may introspect the tokens of all clients.
    #[serde(default)]
    pub is_resource_server: bool,
}

/// A client authentication method (RFC 6749, section 2.3).
///
/// `Debug` shows only the name of the method.
#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClientAuthentication {
    /// `none`: a public client.
    None,
    /// `private_key_jwt`: assertions that the client signs.
    PrivateKey(ClientKeys),
    /// A client secret.
    Secret {
        /// Hash of the secret.
        hash: SecretHash,
        /// `true` for `client_secret_post`, and `false` for `client_secret_basic`.
        in_body: bool,
    },
}

/// The public keys of a client.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClientKeys {
    /// `jwks`: part of the metadata.
    Inline(Value),
    /// `jwks_uri`: at this URL.
    Remote(String),
}

/// A grant type (RFC 6749, section 1.3).
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::server::GrantType;
///
/// assert_eq!(GrantType::from_name("refresh_token"), Some(GrantType::RefreshToken));
/// assert_eq!(GrantType::from_name("password"), None);
/// ```
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub enum GrantType {
    /// Authorization code, for a user who has given consent.
    #[serde(rename = "authorization_code")]
    AuthorizationCode,
    /// Client credentials, for the client itself.
    #[serde(rename = "client_credentials")]
    ClientCredentials,
    /// JWT bearer assertion of an identity provider about a user (ID-JAG).
    #[serde(rename = "urn:ietf:params:oauth:grant-type:jwt-bearer")]
    JwtBearer,
    /// Refresh token.
    #[serde(rename = "refresh_token")]
    RefreshToken,
}

/// The source of a client.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClientOrigin {
    /// Dynamic client registration.
    Dynamic,
    /// Client ID metadata document.
    MetadataDocument,
    /// Configuration by an operator.
    Static,
}

impl OAuthClient {
    /// Creates a public client for users, configured by an operator.
    #[must_use]
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            redirect_uris: Vec::new(),
            authentication: ClientAuthentication::None,
            grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
            scopes: None,
            origin: ClientOrigin::Static,
            uri: None,
            metadata: serde_json::Map::new(),
            issued_at: 0,
            is_resource_server: false,
        }
    }

    /// Adds a redirect URI.
    #[must_use]
    pub fn with_redirect_uri(mut self, uri: RedirectUri) -> Self {
        self.redirect_uris.push(uri);
        self
    }

    /// Sets the authentication method.
    #[must_use]
    pub fn with_authentication(mut self, authentication: ClientAuthentication) -> Self {
        self.authentication = authentication;
        self
    }

    /// Replaces the permitted grant types.
    #[must_use]
    pub fn with_grant_types(mut self, grant_types: impl Into<Vec<GrantType>>) -> Self {
        self.grant_types = grant_types.into();
        self
    }

    /// Restricts the client to `scopes`.
    #[must_use]
    pub fn with_scopes(mut self, scopes: Scopes) -> Self {
        self.scopes = Some(scopes);
        self
    }

    /// Permits [introspection](https://www.rfc-editor.org/rfc/rfc7662) of the tokens of all
    /// clients.
    #[must_use]
    pub fn with_introspection(mut self) -> Self {
        self.is_resource_server = true;
        self
    }

    /// Returns `true` if the client may use `grant_type`.
    #[must_use]
    pub fn may_use(&self, grant_type: GrantType) -> bool {
        self.grant_types.contains(&grant_type)
    }

    /// Returns the grant types of a client for users or, without redirect URIs, for machines.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_auth::server::{GrantType, OAuthClient};
    ///
    /// let client = OAuthClient::new("robot", "Robot");
    /// assert_eq!(client.default_grant_types(), [GrantType::ClientCredentials]);
    /// let client = client.with_redirect_uri("https://app.example.com/callback".parse().unwrap());
    /// assert!(client.default_grant_types().contains(&GrantType::AuthorizationCode));
    /// ```
    #[must_use]
    pub fn default_grant_types(&self) -> Vec<GrantType> {
        match self.redirect_uris.is_empty() {
            true => vec![GrantType::ClientCredentials],
            false => vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
        }
    }

    /// Returns the redirect URI `wanted` if a registered one admits it. It may be omitted if
    /// exactly one is registered.
    pub(super) fn redirect_uri(&self, wanted: Option<&str>) -> Option<RedirectUri> {
        match (wanted, self.redirect_uris.as_slice()) {
            (Some(wanted), registered) => {
                let admitted = registered.iter().any(|uri| uri.matches(wanted));
                admitted.then(|| wanted.parse().ok()).flatten()
            }
            (None, [only]) => Some(only.clone()),
            (None, _) => None,
        }
    }

    /// Returns the scopes among `known` that the client may be granted.
    pub(super) fn allowed(&self, known: Scopes) -> Scopes {
        match &self.scopes {
            Some(scopes) => known.intersection(scopes),
            None => known,
        }
    }

    /// Returns `true` if the client cannot authenticate.
    pub(super) fn is_public(&self) -> bool {
        matches!(self.authentication, ClientAuthentication::None)
    }

    /// Returns `true` if the client has registered that its tokens must be bound to a key (RFC 9449,
    /// section 5.2).
    pub(super) fn requires_bound_tokens(&self) -> bool {
        self.metadata.get(BOUND_TOKENS) == Some(&Value::Bool(true))
    }

    /// Returns `true` if `secret` is the client secret.
    pub(super) fn has_secret(&self, secret: &str) -> bool {
        match &self.authentication {
            ClientAuthentication::Secret { hash, .. } => hash.matches(secret),
            ClientAuthentication::None | ClientAuthentication::PrivateKey(_) => false,
        }
    }

    /// Returns `true` if all redirect URIs lead to the user's own machine, where any program may
    /// receive the code.
    pub(super) fn is_local_only(&self) -> bool {
        self.redirect_uris.iter().all(RedirectUri::is_local)
    }

    /// Returns a digest of everything that a consent refers to. If it changes, the user must
    /// consent again.
    pub(super) fn fingerprint(&self) -> SecretHash {
        let uris: Vec<_> = self.redirect_uris.iter().map(RedirectUri::as_str).collect();
        SecretHash::digest(&serde_json::json!([self.id, self.name, uris]).to_string())
    }
}

impl fmt::Debug for OAuthClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthClient")
            .field("id", &self.id)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ClientAuthentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::PrivateKey(_) => "PrivateKey",
            Self::Secret { .. } => "Secret",
        })
    }
}

impl ClientAuthentication {
    /// Uses the client secret `secret`, which must have 128 random bits or more.
    #[must_use]
    pub fn secret(secret: &str) -> Self {
        Self::Secret {
            hash: SecretHash::digest(secret),
            in_body: false,
        }
    }

    /// Returns the `token_endpoint_auth_method`.
    pub(super) fn method(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::PrivateKey(_) => "private_key_jwt",
            Self::Secret { in_body: false, .. } => "client_secret_basic",
            Self::Secret { in_body: true, .. } => "client_secret_post",
        }
    }
}

impl ClientKeys {
    /// Returns the metadata member with the keys.
    pub(super) fn member(&self) -> (&'static str, Value) {
        match self {
            Self::Inline(set) => ("jwks", set.clone()),
            Self::Remote(uri) => ("jwks_uri", uri.as_str().into()),
        }
    }
}

impl GrantType {
    /// All grant types.
    pub(super) const ALL: [Self; 4] = [
        Self::AuthorizationCode,
        Self::RefreshToken,
        Self::ClientCredentials,
        Self::JwtBearer,
    ];

    /// Returns the `grant_type`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::ClientCredentials => "client_credentials",
            Self::JwtBearer => "urn:ietf:params:oauth:grant-type:jwt-bearer",
            Self::RefreshToken => "refresh_token",
        }
    }

    /// Returns the grant type with the name `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Member of client metadata that requires bound tokens.
pub(super) const BOUND_TOKENS: &str = "dpop_bound_access_tokens";
