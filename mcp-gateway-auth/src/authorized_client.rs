//! The clients that users have authorized.

use std::fmt;

use async_trait::async_trait;

use crate::AuthServerError;

/// The clients that users have authorized.
///
/// # Example
///
/// ```
/// use std::sync::Mutex;
///
/// use async_trait::async_trait;
/// use mcp_gateway_auth::AuthServerError;
/// use mcp_gateway_auth::login::{AuthorizedClient, AuthorizedClients};
///
/// /// The clients of a single user.
/// #[derive(Debug)]
/// struct Clients(Mutex<Vec<AuthorizedClient>>);
///
/// #[async_trait]
/// impl AuthorizedClients for Clients {
///     async fn list(&self, _: &str) -> Result<Vec<AuthorizedClient>, AuthServerError> {
///         Ok(self.0.lock().unwrap().clone())
///     }
///
///     async fn revoke(&self, _: &str, client: &str) -> Result<(), AuthServerError> {
///         self.0.lock().unwrap().retain(|allowed| allowed.id != client);
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), AuthServerError> {
/// let clients = Clients(Mutex::new(vec![AuthorizedClient::new("c-1", "Editor", "may read")]));
/// assert_eq!(clients.list("ada").await?.len(), 1);
/// clients.revoke("ada", "c-1").await?;
/// assert!(clients.list("ada").await?.is_empty());
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait AuthorizedClients: fmt::Debug + Send + Sync + 'static {
    /// Returns the clients that the user `id` has authorized.
    ///
    /// # Errors
    ///
    /// If they cannot be determined.
    async fn list(&self, id: &str) -> Result<Vec<AuthorizedClient>, AuthServerError>;

    /// Revokes the authorization of `client` by the user `id`, with all its tokens.
    ///
    /// # Errors
    ///
    /// If the revocation fails.
    async fn revoke(&self, id: &str, client: &str) -> Result<(), AuthServerError>;
}

/// A client that a user has authorized.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AuthorizedClient {
    /// Client ID.
    pub id: String,
    /// Self-declared name of the client.
    pub name: String,
    /// Description of the granted access.
    pub detail: String,
}

impl AuthorizedClient {
    /// Creates the client `id` with the name `name` and the granted access `detail`.
    #[must_use]
    pub fn new(id: impl Into<String>, name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            detail: detail.into(),
        }
    }
}
