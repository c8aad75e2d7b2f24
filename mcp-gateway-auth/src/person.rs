use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use http::request::Parts;
use mcp_gateway_core::auth::Principal;

use crate::AuthorityError;

/// Knows the people who authorize clients, and lets them log in.
///
/// A service that has accounts and sessions already implements
/// this for them.
///
/// # Cancel safety
///
/// Futures are dropped when the browser goes away, at any `.await`.
#[async_trait]
pub trait Authenticator: fmt::Debug + Send + Sync + 'static {
    /// Who has logged in with the browser that sent `request`, if anybody.
    ///
    /// # Errors
    ///
    /// When it cannot be found out; the browser is shown that it should try again.
    async fn session(&self, request: &Parts) -> Result<Option<UserSession>, AuthorityError>;

    /// The person `id`, unless there is none, or they may not log in any more.
    ///
    /// Called whenever tokens are refreshed, which is then refused.
    ///
    /// # Errors
    ///
    /// When it cannot be found out; the client is told to try again.
    async fn person(&self, id: &str) -> Result<Option<Person>, AuthorityError>;

    /// The person whom the identity provider `issuer` knows as `subject`, if they have logged in
    /// here before and still may.
    ///
    /// # Errors
    ///
    /// When it cannot be found out; the client is told to try again.
    async fn identified(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<Person>, AuthorityError> {
        let _ = (issuer, subject);
        Ok(None)
    }

    /// Where a browser is sent to log in. Afterwards it is sent to `return_to`, a path with a query
    /// on the same host.
    fn login_url(&self, return_to: &str) -> String;
}

/// Somebody who may use the gateway.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Person {
    /// The identifier, which nobody else gets later, either.
    pub id: Arc<str>,
    /// The name that people know them by.
    pub name: Arc<str>,
    /// The address that was verified.
    pub email: Option<Arc<str>>,
    /// What they are in the organization.
    pub roles: Vec<Arc<str>>,
    /// The teams that they belong to.
    pub teams: Vec<Arc<str>>,
}

impl Person {
    /// The person `id`, whom people know as `name`.
    #[must_use]
    pub fn new(id: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            email: None,
            roles: Vec::new(),
            teams: Vec::new(),
        }
    }

    /// The person as a caller.
    #[must_use]
    pub fn principal(&self) -> Principal {
        let principal = Principal::new(Arc::clone(&self.id)).with_name(Arc::clone(&self.name));
        let roles = self.roles.iter().map(Arc::clone);
        let teams = self.teams.iter().map(Arc::clone);
        let principal = roles.fold(principal, Principal::with_role);
        teams.fold(principal, Principal::with_team)
    }
}

/// The session of a person with a browser.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UserSession {
    /// Tells the session from others of the same person. Not a secret.
    pub id: Arc<str>,
    /// Who has logged in.
    pub person: Person,
    /// When, in seconds since 1970.
    pub authenticated_at: u64,
}

impl UserSession {
    /// The session `id` of `person`, who has logged in at `authenticated_at`.
    #[must_use]
    pub fn new(id: impl Into<Arc<str>>, person: Person, authenticated_at: u64) -> Self {
        Self {
            id: id.into(),
            person,
            authenticated_at,
        }
    }
}
