//! The interface between the authorization server and the login of users.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use http::request::Parts;
use mcp_gateway_core::auth::Principal;

use crate::AuthServerError;
use crate::administered_teams::AdministeredTeams;

/// Authenticates the users who authorize clients.
///
/// Implement it for a service that has accounts and sessions already. Otherwise,
/// [`LoginSessions`](crate::login::LoginSessions) implements it.
///
/// # Cancel safety
///
/// Futures are dropped when the browser disconnects, at any `.await`.
///
/// # Example
///
/// ```
/// use async_trait::async_trait;
/// use http::request::Parts;
/// use mcp_gateway_auth::{LoginProvider, AuthServerError, UserInfo, UserSession};
///
/// /// A service with a single user.
/// #[derive(Debug)]
/// struct Owner;
///
/// #[async_trait]
/// impl LoginProvider for Owner {
///     async fn session(&self, request: &Parts) -> Result<Option<UserSession>, AuthServerError> {
///         let cookie = request.headers.get("cookie");
///         let is_owner = cookie.is_some_and(|cookie| cookie == "session=1");
///         Ok(is_owner.then(|| UserSession::new("1", UserInfo::new("ada", "Ada"), 1_800_000_000)))
///     }
///
///     async fn user(&self, id: &str) -> Result<Option<UserInfo>, AuthServerError> {
///         Ok((id == "ada").then(|| UserInfo::new("ada", "Ada")))
///     }
///
///     fn login_url(&self, return_to: &str) -> String {
///         format!("/login?next={return_to}")
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let anonymous = http::Request::get("/").body(())?.into_parts().0;
/// assert!(Owner.session(&anonymous).await?.is_none());
/// // External identities are optional.
/// assert!(Owner.user_by_identity("https://idp.example.com", "42").await?.is_none());
/// # Ok(())
/// # }
/// ```
#[doc(alias("SSO", "identity provider"))]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot log users in",
    label = "not a `LoginProvider`",
    note = "implement `LoginProvider`, or use `Login` with the feature `login`"
)]
#[async_trait]
pub trait LoginProvider: fmt::Debug + Send + Sync + 'static {
    /// Returns the session of the browser that sent `request`, or `None` if nobody is logged in.
    ///
    /// # Errors
    ///
    /// If the session cannot be determined. The browser is asked to try again.
    async fn session(&self, request: &Parts) -> Result<Option<UserSession>, AuthServerError>;

    /// Returns the user `id`, or `None` if the user does not exist or must not log in any more.
    ///
    /// It is called for each refresh of tokens. `None` rejects the refresh.
    ///
    /// # Errors
    ///
    /// If the user cannot be determined. The client is asked to retry.
    async fn user(&self, id: &str) -> Result<Option<UserInfo>, AuthServerError>;

    /// Returns the user with the subject `subject` at the identity provider `issuer`, if that user
    /// has logged in before and is still allowed to.
    ///
    /// # Errors
    ///
    /// If the user cannot be determined. The client is asked to retry.
    async fn user_by_identity(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<UserInfo>, AuthServerError> {
        let _ = (issuer, subject);
        Ok(None)
    }

    /// Calls `changed` with the ID of each user who is changed or deleted, by any replica, and with
    /// `None` where changes may have been missed, until an error occurs.
    ///
    /// The tokens of a changed user are verified again. By default, `changed` is never called, and
    /// each token is verified again within a minute.
    async fn follow(
        &self,
        changed: &(dyn for<'a> Fn(Option<&'a str>) + Send + Sync),
    ) -> AuthServerError {
        let _ = changed;
        std::future::pending().await
    }

    /// Returns the URL of the login page. After the login, the browser is redirected to
    /// `return_to`, a path with a query on the same host.
    fn login_url(&self, return_to: &str) -> String;
}

/// A user, as far as the authorization server needs to know.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::UserInfo;
///
/// let mut ada = UserInfo::new("usr_1", "Ada");
/// ada.teams.push("platform".into());
/// let principal = ada.principal();
/// assert_eq!((principal.subject(), principal.name()), ("usr_1", Some("Ada")));
/// assert_eq!(principal.teams(), ["platform".into()]);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct UserInfo {
    /// User ID. It is never reassigned.
    pub id: Arc<str>,
    /// Display name.
    pub name: Arc<str>,
    /// Verified email address.
    pub email: Option<Arc<str>>,
    /// Roles of the user.
    pub roles: Vec<Arc<str>>,
    /// Teams of the user.
    pub teams: Vec<Arc<str>>,
    /// Teams of the user that the user administers.
    pub administered_teams: Vec<Arc<str>>,
}

impl UserInfo {
    /// Creates the user `id` with the display name `name`.
    #[must_use]
    pub fn new(id: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            email: None,
            roles: Vec::new(),
            teams: Vec::new(),
            administered_teams: Vec::new(),
        }
    }

    /// Returns the principal of the user.
    #[must_use]
    pub fn principal(&self) -> Principal {
        let principal = Principal::new(Arc::clone(&self.id)).with_name(Arc::clone(&self.name));
        let roles = self.roles.iter().map(Arc::clone);
        let teams = self.teams.iter().map(Arc::clone);
        let principal = roles.fold(principal, Principal::with_role);
        let principal = teams.fold(principal, Principal::with_team);
        match &*self.administered_teams {
            [] => principal,
            teams => principal.with_extension(AdministeredTeams::new(teams.iter().cloned())),
        }
    }
}

/// A browser session of a user.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UserSession {
    /// Session ID, unique per user. Not a secret.
    pub id: Arc<str>,
    /// User of the session.
    pub user: UserInfo,
    /// Time of the login, in seconds since the Unix epoch (`auth_time`).
    pub authenticated_at: u64,
}

impl UserSession {
    /// Creates the session `id` of `user`, who logged in at `authenticated_at`.
    #[must_use]
    pub fn new(id: impl Into<Arc<str>>, user: UserInfo, authenticated_at: u64) -> Self {
        Self {
            id: id.into(),
            user,
            authenticated_at,
        }
    }
}
