use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{RedirectUri, Scopes};
use crate::SecretHash;

/// A client, as the authorization server knows it.
///
/// The members that clients register are those of
/// [RFC 7591](https://www.rfc-editor.org/rfc/rfc7591#section-2).
#[derive(Clone, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Client {
    /// The identifier; the URL of its metadata document if it has one.
    pub id: String,
    /// What people know it by. Anybody may have chosen it.
    pub name: String,
    /// Where browsers may be sent back to.
    pub redirect_uris: Vec<RedirectUri>,
    /// How it proves who it is.
    pub authentication: ClientAuthentication,
    /// What it may ask for tokens with.
    pub grant_types: Vec<GrantType>,
    /// The scopes that it may be granted; all that there are if `None`.
    pub scopes: Option<Scopes>,
    /// How the server got to know it.
    pub origin: ClientOrigin,
    /// A page about it.
    pub uri: Option<String>,
    /// Further members that it has registered, which are only repeated to it.
    pub metadata: serde_json::Map<String, Value>,
    /// When it was registered, in seconds since 1970.
    pub issued_at: u64,
    /// Whether it may ask about the tokens of all clients.
    #[serde(default)]
    pub is_resource_server: bool,
}

/// How a client proves who it is.
#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClientAuthentication {
    /// Not at all: it is public.
    None,
    /// By assertions that it signs (`private_key_jwt`).
    PrivateKey(ClientKeys),
    /// By a secret.
    Secret {
        /// The hash of the secret.
        hash: SecretHash,
        /// Whether it has said that it sends the secret in the body.
        in_body: bool,
    },
}

/// Where the keys are that a client signs with.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClientKeys {
    /// Here.
    Inline(Value),
    /// At a URL.
    Remote(String),
}

/// What a client may ask for tokens with.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub enum GrantType {
    /// A code that a person has agreed to.
    #[serde(rename = "authorization_code")]
    AuthorizationCode,
    /// Its own credentials, for itself.
    #[serde(rename = "client_credentials")]
    ClientCredentials,
    /// An assertion of an identity provider about a person (ID-JAG).
    #[serde(rename = "urn:ietf:params:oauth:grant-type:jwt-bearer")]
    JwtBearer,
    /// A refresh token.
    #[serde(rename = "refresh_token")]
    RefreshToken,
}

/// How the authorization server got to know a client.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClientOrigin {
    /// It has registered itself.
    Dynamic,
    /// From the document that its identifier is the URL of.
    MetadataDocument,
    /// An operator has set it up.
    Static,
}

impl Client {
    /// A public client for people, known to the operator.
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

    /// Browsers may be sent back to `uri`.
    #[must_use]
    pub fn with_redirect_uri(mut self, uri: RedirectUri) -> Self {
        self.redirect_uris.push(uri);
        self
    }

    /// Proves who it is by `authentication`.
    #[must_use]
    pub fn with_authentication(mut self, authentication: ClientAuthentication) -> Self {
        self.authentication = authentication;
        self
    }

    /// May ask for tokens with `grant_types` alone.
    #[must_use]
    pub fn with_grant_types(mut self, grant_types: impl Into<Vec<GrantType>>) -> Self {
        self.grant_types = grant_types.into();
        self
    }

    /// May be granted `scopes` alone.
    #[must_use]
    pub fn with_scopes(mut self, scopes: Scopes) -> Self {
        self.scopes = Some(scopes);
        self
    }

    /// May [ask about](https://www.rfc-editor.org/rfc/rfc7662) the tokens of all clients.
    #[must_use]
    pub fn with_introspection(mut self) -> Self {
        self.is_resource_server = true;
        self
    }

    /// Whether it may ask for tokens with `grant_type`.
    #[must_use]
    pub fn may_use(&self, grant_type: GrantType) -> bool {
        self.grant_types.contains(&grant_type)
    }

    /// The address among those that it has registered that admits `wanted`, which may be left out
    /// if there is one only.
    pub(super) fn redirect_uri(&self, wanted: Option<&str>) -> Option<RedirectUri> {
        match (wanted, self.redirect_uris.as_slice()) {
            (Some(wanted), registered) => {
                let admitted = registered.iter().any(|uri| uri.admits(wanted));
                admitted.then(|| wanted.parse().ok()).flatten()
            }
            (None, [only]) => Some(only.clone()),
            (None, _) => None,
        }
    }

    /// The scopes among `known` that it may be granted.
    pub(super) fn allowed(&self, known: Scopes) -> Scopes {
        match &self.scopes {
            Some(scopes) => known.intersection(scopes),
            None => known,
        }
    }

    /// Whether nobody can tell that it is who it says.
    pub(super) fn is_public(&self) -> bool {
        matches!(self.authentication, ClientAuthentication::None)
    }

    /// Whether `secret` is its secret.
    pub(super) fn has_secret(&self, secret: &str) -> bool {
        match &self.authentication {
            ClientAuthentication::Secret { hash, .. } => hash.matches(secret),
            ClientAuthentication::None | ClientAuthentication::PrivateKey(_) => false,
        }
    }

    /// Whether whoever can reach the redirect addresses may be somebody else than the client.
    pub(super) fn is_local_only(&self) -> bool {
        self.redirect_uris.iter().all(RedirectUri::is_local)
    }

    /// A digest of what a person agrees to, and has to be asked about again when it changes.
    pub(super) fn fingerprint(&self) -> SecretHash {
        let uris: Vec<_> = self.redirect_uris.iter().map(RedirectUri::as_str).collect();
        SecretHash::of(&serde_json::json!([self.id, self.name, uris]).to_string())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
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
    /// By `secret`, 128 random bits or more.
    #[must_use]
    pub fn secret(secret: &str) -> Self {
        Self::Secret {
            hash: SecretHash::of(secret),
            in_body: false,
        }
    }

    /// Its name on the wire.
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
    /// The member of a registration that says so.
    pub(super) fn member(&self) -> (&'static str, Value) {
        match self {
            Self::Inline(set) => ("jwks", set.clone()),
            Self::Remote(uri) => ("jwks_uri", uri.as_str().into()),
        }
    }
}

impl GrantType {
    /// Those that there are.
    pub(super) const ALL: [Self; 4] = [
        Self::AuthorizationCode,
        Self::RefreshToken,
        Self::ClientCredentials,
        Self::JwtBearer,
    ];

    /// Its name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::ClientCredentials => "client_credentials",
            Self::JwtBearer => "urn:ietf:params:oauth:grant-type:jwt-bearer",
            Self::RefreshToken => "refresh_token",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}
