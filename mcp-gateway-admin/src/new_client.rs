//! OAuth clients that an administrator creates.

use mcp_gateway_auth::server::{ClientAuthentication, GrantType, OAuthClient, RedirectUri, Scopes};
use mcp_gateway_auth::{AuthServerError, Clock, Secret};

/// Properties of an OAuth client to create.
///
/// # Example
///
/// ```
/// use mcp_gateway_admin::{ClientError, NewClient};
///
/// let (client, secret) = NewClient::machine("ci").build()?;
/// assert!(client.id == "ci" && secret.is_some());
///
/// let mut public = NewClient::machine("ci");
/// public.has_secret = false;
/// assert!(matches!(public.build(), Err(ClientError::SecretRequired)));
/// # Ok::<(), ClientError>(())
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct NewClient {
    /// Client identifier; generated if `None`.
    pub id: Option<String>,
    /// Display name; the identifier if `None`.
    pub name: Option<String>,
    /// Redirect URIs.
    pub redirect_uris: Vec<RedirectUri>,
    /// Set to generate a client secret.
    pub has_secret: bool,
    /// Permitted grant types; if empty, those for users or, without redirect URIs, for machines.
    pub grant_types: Vec<GrantType>,
    /// Scopes that it may be granted; all if empty.
    pub scopes: Vec<String>,
    /// Set to permit introspection of the tokens of all clients.
    pub has_introspection: bool,
}

/// The reason for which a client could not be created or deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// A temporary failure of the store or the system.
    #[error("temporarily unavailable")]
    Authority(#[from] AuthServerError),
    /// The client is defined in the configuration file.
    #[error("the client is defined in the configuration file")]
    Configured,
    /// A client with this identifier exists.
    #[error("client {0:?} already exists")]
    Exists(String),
    /// The identifier is invalid.
    #[error("expected at most 128 letters, digits, '.', '_' and '-'")]
    Id,
    /// The introspection of tokens requires a secret.
    #[error("introspection requires a secret")]
    IntrospectionSecretRequired,
    /// A client for users requires a redirect URI.
    #[error("a client for users requires a redirect URI")]
    RedirectUriRequired,
    /// A client for machines requires a secret.
    #[error("a machine client requires a secret; a client for users requires a redirect URI")]
    SecretRequired,
    /// The client does not exist.
    #[error("no such client")]
    Unknown,
}

impl NewClient {
    /// Creates a client for machines, with a secret.
    #[must_use]
    pub fn machine(id: impl Into<String>) -> Self {
        Self {
            id: Some(id.into()),
            has_secret: true,
            ..Self::default()
        }
    }

    /// Returns the client, and its secret if it has one.
    ///
    /// # Errors
    ///
    /// [`ClientError`] if the properties do not fit together.
    pub fn build(self) -> Result<(OAuthClient, Option<Secret>), ClientError> {
        let id = match self.id {
            Some(id) if is_identifier(&id) => id,
            Some(_) => return Err(ClientError::Id),
            None => generated_id()?,
        };
        let mut client = OAuthClient::new(id.clone(), self.name.unwrap_or(id));
        client.issued_at = Clock::system().now();
        client.redirect_uris = self.redirect_uris;
        let secret = self
            .has_secret
            .then(|| Secret::generate("mcps_"))
            .transpose()?;
        if let Some(secret) = &secret {
            client = client.with_authentication(ClientAuthentication::secret(secret.expose()));
        }
        if !self.scopes.is_empty() {
            client = client.with_scopes(self.scopes.into_iter().collect::<Scopes>());
        }
        if self.has_introspection {
            client = client.with_introspection();
        }
        let grants = match self.grant_types.is_empty() {
            true => client.default_grant_types(),
            false => self.grant_types,
        };
        let client = client.with_grant_types(grants);
        if client.may_use(GrantType::AuthorizationCode) && client.redirect_uris.is_empty() {
            return Err(ClientError::RedirectUriRequired);
        }
        if client.may_use(GrantType::ClientCredentials) && secret.is_none() {
            return Err(ClientError::SecretRequired);
        }
        if self.has_introspection && secret.is_none() {
            return Err(ClientError::IntrospectionSecretRequired);
        }
        Ok((client, secret))
    }
}

/// Returns `true` if `text` may be the identifier of a client.
#[must_use]
pub fn is_identifier(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !text.is_empty() && text.len() <= MAX_ID && text.chars().all(is_plain)
}

/// Generates a random client identifier.
fn generated_id() -> Result<String, AuthServerError> {
    let random = Secret::generate("")?;
    let (short, _) = random.expose().split_at(GENERATED_ID_LEN);
    Ok(format!("client_{short}"))
}

/// Length of 128 random bits in base64url.
const GENERATED_ID_LEN: usize = 22;

/// Maximum length of an identifier in characters.
const MAX_ID: usize = 128;
