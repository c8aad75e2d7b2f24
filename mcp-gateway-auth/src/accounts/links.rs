//! Links to the page on which a user connects an account.

use std::fmt;
use std::sync::Arc;

use mcp_gateway_core::auth::Principal;
use url::form_urlencoded::byte_serialize;

use super::step_up::RequiredScopes;
use crate::login::PublicOrigin;
use crate::login::PublicUrlError;
use crate::pages::CONNECT;
use crate::{Handle, Keyring, LoginProvider};

/// Links to the page on which a user connects an account. Cheap to clone.
///
/// A link contains its user, authenticated: another user cannot use it, and another site cannot
/// send a browser there that has not received it.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use mcp_gateway_auth::accounts::ConnectLinks;
/// use mcp_gateway_auth::login::LoginSessions;
/// use mcp_gateway_auth::users::Users;
/// use mcp_gateway_auth::{Clock, Keyring};
/// use mcp_gateway_core::auth::Principal;
/// use mcp_gateway_store::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let users = Users::new(Arc::new(MemoryStore::new()), Clock::system());
/// let ada = users.create("ada", "correct horse battery").await?.id;
/// let (keyring, url) = (Keyring::new(&[7; 32])?, "https://gw.example.com");
/// let sessions = LoginSessions::new(users, keyring.clone(), url)?.with_local_accounts();
///
/// let links = ConnectLinks::new(url, keyring, Arc::new(sessions))?;
/// let link = links.url(&Principal::new(ada), "github").await.unwrap();
/// assert!(link.starts_with("https://gw.example.com/connect/github?for="));
/// // Callers who cannot log in get no link.
/// assert_eq!(links.url(&Principal::new("robot"), "github").await, None);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ConnectLinks {
    keyring: Keyring,
    login: Arc<dyn LoginProvider>,
    origin: PublicOrigin,
}

impl ConnectLinks {
    /// Creates links for browsers that reach the pages at `public_url`.
    ///
    /// # Errors
    ///
    /// If `public_url` is neither `https` nor `http` on this machine.
    pub fn new(
        public_url: &str,
        keyring: Keyring,
        login: Arc<dyn LoginProvider>,
    ) -> Result<Self, PublicUrlError> {
        Ok(Self {
            keyring,
            login,
            origin: PublicOrigin::parse(public_url)?,
        })
    }

    /// Returns the link for `principal` to connect an account of `server`, if `principal` is a user
    /// who can log in.
    pub async fn url(&self, principal: &Principal, server: &str) -> Option<Arc<str>> {
        let user = self.login.user(principal.subject()).await.ok()??;
        let handle = Handle::new(&*user.id, 0);
        let handle = self.keyring.issue(PURPOSE, handle);
        let server: String = byte_serialize(server.as_bytes()).collect();
        Some(format!("{}{CONNECT}/{server}?for={handle}", self.origin.as_str()).into())
    }

    /// Returns the link for `principal` to connect the account again, with `scopes` besides those that
    /// it has.
    pub(super) async fn step_up_url(
        &self,
        principal: &Principal,
        server: &str,
        scopes: &RequiredScopes,
    ) -> Option<Arc<str>> {
        let url = self.url(principal, server).await?;
        let scopes: String = byte_serialize(scopes.text().as_bytes()).collect();
        Some(format!("{url}&scope={scopes}").into())
    }

    /// Returns the user for whom the link with the parameter `handle` was created.
    pub(super) fn user(&self, handle: &str) -> Option<String> {
        self.keyring.verify(PURPOSE, handle).map(|handle| handle.id)
    }

    /// Returns the field of a form that is shown to `user` for values that are sent to `recipient`.
    ///
    /// It is a keyed digest: users cannot guess the recipient from it.
    pub(super) fn recipient_field(&self, recipient: &str, user: &str) -> String {
        let handle = Handle::new(user, 0);
        self.keyring.issue(&recipient_purpose(recipient), handle)
    }

    /// Returns `true` if `field` is of a form that was shown to `user` for `recipient`.
    pub(super) fn is_recipient_field(&self, field: &str, recipient: &str, user: &str) -> bool {
        let shown = self.keyring.verify(&recipient_purpose(recipient), field);
        shown.is_some_and(|handle| handle.id == user)
    }

    /// Returns the origin of the pages.
    pub(super) fn origin(&self) -> &PublicOrigin {
        &self.origin
    }
}

impl fmt::Debug for ConnectLinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectLinks")
            .field("origin", &self.origin)
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}

/// Returns the purpose of the handles in forms for values that are sent to `recipient`.
fn recipient_purpose(recipient: &str) -> String {
    format!("recipient {recipient}")
}

/// Purpose of the handles in links.
const PURPOSE: &str = "connect";
