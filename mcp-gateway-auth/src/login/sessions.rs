//! Browser sessions of users, and the login methods by which they begin.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::request::Parts;
use url::form_urlencoded::byte_serialize;

use super::browser::BrowserCookies;
use super::github::GithubProvider;
use super::oidc::OidcProvider;
use super::origin::{PublicOrigin, PublicUrlError};
use super::provider::IdentityProvider;
use super::session::SessionStore;
use crate::pages::LOGIN;
use crate::users::{LinkedIdentity, User, Users};
use crate::{AuthServerError, Keyring, LoginProvider, UserInfo, UserSession};

/// Browser sessions of users, and the login methods that are allowed. Cheap to clone.
///
/// A [`LoginProvider`] for an authorization server. [`LoginPages`](super::LoginPages) serves the
/// pages on which sessions begin and end.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use http::Request;
/// use mcp_gateway_auth::login::LoginSessions;
/// use mcp_gateway_auth::users::Users;
/// use mcp_gateway_auth::{Clock, Keyring, LoginProvider};
/// use mcp_gateway_store::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let users = Users::new(Arc::new(MemoryStore::new()), Clock::system());
/// let ada = users.create("ada", "correct horse battery").await?.id;
/// let sessions = LoginSessions::new(users, Keyring::new(&[7; 32])?, "https://gw.example.com")?;
/// let request = Request::get("/").header("cookie", "__Host-mcp-gateway-session=forged");
/// assert!(sessions.session(&request.body(())?.into_parts().0).await?.is_none());
///
/// // An account is usable only with a login method.
/// assert!(sessions.user(&ada).await?.is_none());
/// let sessions = sessions.with_local_accounts();
/// assert_eq!(&*sessions.user(&ada).await?.unwrap().name, "ada");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct LoginSessions(Arc<Inner>);

/// Login methods and stored sessions.
#[derive(Clone)]
struct Inner {
    cookies: BrowserCookies,
    /// Login with a name and a password.
    local: bool,
    max_login_age: u64,
    providers: Vec<Arc<dyn IdentityProvider>>,
    store: SessionStore,
    users: Users,
}

impl LoginSessions {
    /// Creates sessions without any login method, for browsers that reach the pages at
    /// `public_url`.
    ///
    /// # Errors
    ///
    /// If `public_url` is neither `https` nor `http` on this machine.
    pub fn new(users: Users, keyring: Keyring, public_url: &str) -> Result<Self, PublicUrlError> {
        let origin = PublicOrigin::parse(public_url)?;
        Ok(Self(Arc::new(Inner {
            cookies: BrowserCookies::new(keyring, origin),
            local: false,
            max_login_age: MAX_LOGIN_AGE.as_secs(),
            providers: Vec::new(),
            store: SessionStore::new(&users),
            users,
        })))
    }

    /// Enables login with a name and a password.
    #[must_use]
    pub fn with_local_accounts(self) -> Self {
        self.with(|inner| inner.local = true)
    }

    /// Enables login with GitHub.
    #[must_use]
    pub fn with_github(self, github: GithubProvider) -> Self {
        self.with(|inner| inner.providers.push(Arc::new(github)))
    }

    /// Enables login with an OpenID Connect provider.
    #[must_use]
    pub fn with_oidc(self, provider: OidcProvider) -> Self {
        self.with(|inner| inner.providers.push(Arc::new(provider)))
    }

    /// Sets the validity of a login at an identity provider: 30 days by default.
    ///
    /// Afterwards, the user must log in there again before clients get new tokens. A user whom the
    /// provider has removed thereby loses access here too.
    #[must_use]
    pub fn with_max_login_age(self, age: Duration) -> Self {
        self.with(|inner| inner.max_login_age = age.as_secs())
    }

    /// Sets the idle and the absolute timeout of sessions: 12 hours and 7 days by default.
    #[must_use]
    pub fn with_session_limits(self, idle: Duration, absolute: Duration) -> Self {
        self.with(|inner| inner.store.limit(idle, absolute))
    }

    /// Changes a copy of the configuration. Earlier clones keep theirs.
    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Returns the user accounts.
    #[must_use]
    pub fn users(&self) -> &Users {
        &self.0.users
    }

    /// Returns the cookies that identify browsers and sessions.
    pub(crate) fn cookies(&self) -> &BrowserCookies {
        &self.0.cookies
    }

    /// Returns `true` if users may log in with a name and a password.
    pub(super) fn has_local_accounts(&self) -> bool {
        self.0.local
    }

    /// Returns the identity providers.
    pub(super) fn providers(&self) -> &[Arc<dyn IdentityProvider>] {
        &self.0.providers
    }

    /// Returns the stored sessions.
    pub(super) fn store(&self) -> &SessionStore {
        &self.0.store
    }

    /// Returns `true` if the current configuration allows `user` to log in.
    fn is_allowed(&self, user: &User) -> bool {
        let is_local = self.0.local && user.has_password();
        let is_external = || user.identities.iter().any(|identity| self.allows(identity));
        !user.disabled && (is_local || is_external())
    }

    /// Returns `true` if the identity is recent enough and its provider still allows it.
    fn allows(&self, identity: &LinkedIdentity) -> bool {
        let until = identity.last_seen.saturating_add(self.0.max_login_age);
        let mut providers = self.0.providers.iter();
        let allows = |provider: &Arc<dyn IdentityProvider>| {
            provider.issuer() == identity.issuer && provider.allows(identity)
        };
        self.0.users.clock().now() < until && providers.any(allows)
    }
}

#[async_trait]
impl LoginProvider for LoginSessions {
    async fn session(&self, request: &Parts) -> Result<Option<UserSession>, AuthServerError> {
        let Some(handle) = self.0.cookies.session(&request.headers) else {
            return Ok(None);
        };
        let Some((id, session)) = self.0.store.find(handle).await? else {
            return Ok(None);
        };
        let user = self.0.users.find(&session.user).await?;
        let user = user.filter(|user| {
            self.is_allowed(user) && user.accepts_session_of(session.authenticated_at)
        });
        Ok(user.map(|user| UserSession::new(id, user.user(), session.authenticated_at)))
    }

    async fn user(&self, id: &str) -> Result<Option<UserInfo>, AuthServerError> {
        let user = self.0.users.find(id).await?;
        Ok(user
            .filter(|user| self.is_allowed(user))
            .map(|user| user.user()))
    }

    async fn user_by_identity(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<UserInfo>, AuthServerError> {
        let user = self.0.users.find_by_identity(issuer, subject).await?;
        Ok(user
            .filter(|user| self.is_allowed(user))
            .map(|user| user.user()))
    }

    async fn follow(
        &self,
        changed: &(dyn for<'a> Fn(Option<&'a str>) + Send + Sync),
    ) -> AuthServerError {
        self.0.users.follow(changed).await
    }

    fn login_url(&self, return_to: &str) -> String {
        let return_to: String = byte_serialize(return_to.as_bytes()).collect();
        format!("{LOGIN}?return_to={return_to}")
    }
}

impl fmt::Debug for LoginSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginSessions")
            .field("origin", self.0.cookies.origin())
            .field("local", &self.0.local)
            .field("providers", &self.0.providers)
            .finish_non_exhaustive()
    }
}

/// Default of [`LoginSessions::with_max_login_age`]: the idle timeout of refresh tokens.
const MAX_LOGIN_AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
