//! Authentication: principals, and the trait that verifies them.
//!
//! The layer [`Authenticate`] calls an [`AuthVerifier`] for every request. Verifiers for bearer
//! tokens, JWT and others are in the crate `mcp-gateway-auth`.
//!
//! See [MCP 2026-07-28,
//! authorization](https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization).
//!
//! [`Authenticate`]: crate::layer::authenticate::Authenticate

mod protected_resource;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;
use http::request::Parts;

pub use self::protected_resource::ProtectedResource;
use crate::BoxFuture;
pub use crate::error::AuthError;

/// Authenticates callers.
///
/// Called once per request, before its body is read, by
/// [`Authenticate`](crate::layer::authenticate::Authenticate). Implementations are shared by all
/// requests and should answer from memory in the common case: keys should be fetched in the
/// background, not here.
///
/// # Cancel safety
///
/// The future is dropped when the client disconnects, at any `.await`. Shared state must not be
/// left half-written across one.
///
/// # Example
///
/// See [`authenticate`](crate::layer::authenticate) for an implementation in a stack.
#[async_trait]
pub trait AuthVerifier: fmt::Debug + Send + Sync + 'static {
    /// Verifies the credential in `request` and returns the principal that presented it.
    ///
    /// # Errors
    ///
    /// [`AuthError`] determines the status and the challenge of the response.
    async fn verify(&self, request: &Parts) -> Result<Principal, AuthError>;
}

impl<V: AuthVerifier + ?Sized> AuthVerifier for Arc<V> {
    // Without the macro, which would box the future of the inner verifier once more.
    fn verify<'a, 'b, 'f>(
        &'a self,
        request: &'b Parts,
    ) -> BoxFuture<'f, Result<Principal, AuthError>>
    where
        'a: 'f,
        'b: 'f,
        Self: 'f,
    {
        (**self).verify(request)
    }
}

/// Accepts every caller as the principal `anonymous`.
///
/// For gateways that only the local machine can reach, or that another component protects.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::auth::{AllowAnonymous, AuthVerifier};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (parts, ()) = http::Request::new(()).into_parts();
/// let principal = AllowAnonymous::new().verify(&parts).await.unwrap();
/// assert_eq!(principal.subject(), "anonymous");
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct AllowAnonymous;

impl AllowAnonymous {
    /// Creates the verifier.
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

/// An authenticated caller: a user or a service.
///
/// Cloning is cheap. Two principals are equal if their subjects are: the other attributes may
/// differ between the tokens of one caller.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::auth::Principal;
///
/// let alice = Principal::new("alice").with_team("platform").with_scope("mcp");
/// assert_eq!(&*alice.teams()[0], "platform");
/// assert_eq!(alice, Principal::new("alice"));
/// ```
#[derive(Clone, Debug)]
pub struct Principal(Arc<Attributes>);

/// Attributes of a principal.
#[derive(Clone, Debug)]
struct Attributes {
    subject: Arc<str>,
    name: Option<Arc<str>>,
    client: Option<Arc<str>>,
    roles: Vec<Arc<str>>,
    scopes: Vec<Arc<str>>,
    teams: Vec<Arc<str>>,
}

impl Principal {
    /// Creates a principal with the identifier `subject` and no other attributes.
    #[must_use]
    pub fn new(subject: impl Into<Arc<str>>) -> Self {
        Self(Arc::new(Attributes {
            subject: subject.into(),
            name: None,
            client: None,
            roles: Vec::new(),
            scopes: Vec::new(),
            teams: Vec::new(),
        }))
    }

    /// Sets the display name.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.attributes_mut().name = Some(name.into());
        self
    }

    /// Sets the OAuth client through which the caller acts.
    #[must_use]
    pub fn with_client(mut self, client: impl Into<Arc<str>>) -> Self {
        self.attributes_mut().client = Some(client.into());
        self
    }

    /// Adds a role.
    #[must_use]
    pub fn with_role(mut self, role: impl Into<Arc<str>>) -> Self {
        self.attributes_mut().roles.push(role.into());
        self
    }

    /// Adds a granted scope.
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<Arc<str>>) -> Self {
        self.attributes_mut().scopes.push(scope.into());
        self
    }

    /// Adds a team.
    #[must_use]
    pub fn with_team(mut self, team: impl Into<Arc<str>>) -> Self {
        self.attributes_mut().teams.push(team.into());
        self
    }

    /// Returns the identifier of the caller, unique among the principals of the verifier.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// Returns the display name; it is not unique.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// Returns the identifier of the OAuth client through which the caller acts.
    #[must_use]
    pub fn client(&self) -> Option<&str> {
        self.0.client.as_deref()
    }

    /// Returns the roles of the caller in the organization.
    #[must_use]
    pub fn roles(&self) -> &[Arc<str>] {
        &self.0.roles
    }

    /// Returns the scopes that the caller's token grants; empty for callers without OAuth.
    #[must_use]
    pub fn scopes(&self) -> &[Arc<str>] {
        &self.0.scopes
    }

    /// Returns the teams of the caller.
    #[must_use]
    pub fn teams(&self) -> &[Arc<str>] {
        &self.0.teams
    }

    /// Returns the attributes for modification, cloning them if they are shared.
    fn attributes_mut(&mut self) -> &mut Attributes {
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

/// A request of an authenticated caller.
///
/// Created only by [`Authenticate`](crate::layer::authenticate::Authenticate) and by
/// [`trusted`](Self::trusted).
#[derive(Debug)]
pub struct Authenticated<T> {
    principal: Principal,
    request: T,
}

impl<T> Authenticated<T> {
    /// Creates a request whose caller was authenticated by other means than
    /// [`Authenticate`](crate::layer::authenticate::Authenticate).
    ///
    /// The code that calls it vouches for `principal`.
    #[must_use]
    pub fn trusted(principal: Principal, request: T) -> Self {
        Self { principal, request }
    }

    /// Returns the principal.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Returns the request.
    #[must_use]
    pub fn request(&self) -> &T {
        &self.request
    }

    /// Splits it into the principal and the request.
    pub(crate) fn into_parts(self) -> (Principal, T) {
        (self.principal, self.request)
    }
}
