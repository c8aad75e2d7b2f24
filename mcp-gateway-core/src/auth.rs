//! Who is calling: principals, and what verifies them.
//!
//! An [`AuthVerifier`] is asked about every request by the layer [`Authenticate`].
//!
//! [`Authenticate`]: crate::layer::authenticate::Authenticate

mod protected_resource;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;
use http::request::Parts;

pub use self::protected_resource::ProtectedResource;
pub use crate::error::AuthError;

/// Decides who is calling.
///
/// Called once per request, before its body is read, by
/// [`Authenticate`](crate::layer::authenticate::Authenticate). Implementations are
/// shared by all requests and should answer from memory in the common case: fetch keys in the
/// background, not here.
///
/// # Cancel safety
///
/// The future is dropped when the client goes away, at any `.await`. Do not leave shared state
/// half-written across one.
#[async_trait]
pub trait AuthVerifier: fmt::Debug + Send + Sync + 'static {
    /// Verifies what `request` presents, and says who presented it.
    ///
    /// # Errors
    ///
    /// [`AuthError`] says why the caller is not believed; it becomes the status and the challenge
    /// of the response.
    async fn verify(&self, request: &Parts) -> Result<Principal, AuthError>;
}

#[async_trait]
impl<V: AuthVerifier + ?Sized> AuthVerifier for Arc<V> {
    async fn verify(&self, request: &Parts) -> Result<Principal, AuthError> {
        (**self).verify(request).await
    }
}

/// Lets everybody in, as the principal `anonymous`.
///
/// For gateways that only this machine can reach, or that something in front protects.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct AllowAnonymous;

impl AllowAnonymous {
    /// Lets everybody in.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

#[async_trait]
impl AuthVerifier for AllowAnonymous {
    async fn verify(&self, _: &Parts) -> Result<Principal, AuthError> {
        Ok(Principal::new("anonymous"))
    }
}

/// Who is calling. Cheap to clone.
///
/// Two principals are equal when their subjects are: what else is known of a caller may change
/// from one token to the next.
#[derive(Clone, Debug)]
pub struct Principal(Arc<Traits>);

/// What is known of a caller.
#[derive(Clone, Debug)]
struct Traits {
    subject: Arc<str>,
    name: Option<Arc<str>>,
    client: Option<Arc<str>>,
    roles: Vec<Arc<str>>,
    scopes: Vec<Arc<str>>,
    teams: Vec<Arc<str>>,
}

impl Principal {
    /// A principal known by `subject` alone.
    #[must_use]
    pub fn new(subject: impl Into<Arc<str>>) -> Self {
        Self(Arc::new(Traits {
            subject: subject.into(),
            name: None,
            client: None,
            roles: Vec::new(),
            scopes: Vec::new(),
            teams: Vec::new(),
        }))
    }

    /// People know the caller by `name`.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.traits().name = Some(name.into());
        self
    }

    /// The caller uses the OAuth client `client`.
    #[must_use]
    pub fn with_client(mut self, client: impl Into<Arc<str>>) -> Self {
        self.traits().client = Some(client.into());
        self
    }

    /// The caller has `role`.
    #[must_use]
    pub fn with_role(mut self, role: impl Into<Arc<str>>) -> Self {
        self.traits().roles.push(role.into());
        self
    }

    /// The caller was granted `scope`.
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<Arc<str>>) -> Self {
        self.traits().scopes.push(scope.into());
        self
    }

    /// The caller belongs to `team`.
    #[must_use]
    pub fn with_team(mut self, team: impl Into<Arc<str>>) -> Self {
        self.traits().teams.push(team.into());
        self
    }

    /// The identifier of the caller, unique among the principals of the verifier.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// The name that people know the caller by; others may have the same.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// The identifier of the OAuth client that the caller uses.
    #[must_use]
    pub fn client(&self) -> Option<&str> {
        self.0.client.as_deref()
    }

    /// What the caller is in the organization.
    #[must_use]
    pub fn roles(&self) -> &[Arc<str>] {
        &self.0.roles
    }

    /// What the token of the caller grants; empty for those who do not use OAuth.
    #[must_use]
    pub fn scopes(&self) -> &[Arc<str>] {
        &self.0.scopes
    }

    /// The teams that the caller belongs to.
    #[must_use]
    pub fn teams(&self) -> &[Arc<str>] {
        &self.0.teams
    }

    fn traits(&mut self) -> &mut Traits {
        Arc::make_mut(&mut self.0)
    }
}

impl Eq for Principal {}

impl PartialEq for Principal {
    fn eq(&self, other: &Self) -> bool {
        self.0.subject == other.0.subject
    }
}

impl Hash for Principal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.subject.hash(state);
    }
}

/// A request whose caller is known.
///
/// Only [`Authenticate`](crate::layer::authenticate::Authenticate) makes one, and [`vouched_for`](Self::vouched_for).
#[derive(Debug)]
pub struct Authenticated<T> {
    principal: Principal,
    request: T,
}

impl<T> Authenticated<T> {
    /// A request whose sender was established in another way than by
    /// [`Authenticate`](crate::layer::authenticate::Authenticate).
    ///
    /// Whoever calls this vouches for `principal`.
    #[must_use]
    pub fn vouched_for(principal: Principal, request: T) -> Self {
        Self { principal, request }
    }

    /// Who is calling.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The request.
    #[must_use]
    pub fn request(&self) -> &T {
        &self.request
    }

    pub(crate) fn into_parts(self) -> (Principal, T) {
        (self.principal, self.request)
    }
}
