//! Authentication: principals, and the trait that verifies them.
//!
//! The layer [`Authenticate`] calls an [`AuthVerifier`] for every request. Verifiers for bearer
//! tokens, JWT and others are in the crate `mcp-gateway-auth`.
//!
//! See [MCP 2026-07-28,
//! authorization](https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization).
//!
//! [`Authenticate`]: crate::layer::authenticate::Authenticate

mod assertion;
mod authentication;
mod principal;
mod protected_resource;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use http::request::Parts;

pub use self::assertion::Assertion;
pub(crate) use self::authentication::{
    Authentication, AuthenticationEnd, AuthenticationWatch, VerifiedHead,
};
pub use self::principal::Principal;
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
#[doc(alias("authentication", "bearer", "JWT"))]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot authenticate callers",
    label = "not an `AuthVerifier`",
    note = "implement `AuthVerifier`, or use `StaticTokens` or `BearerVerifier` of the crate `mcp-gateway-auth`, or `AllowAnonymous`"
)]
#[async_trait]
pub trait AuthVerifier: fmt::Debug + Send + Sync + 'static {
    /// Verifies the credential in `request` and returns the principal that presented it.
    ///
    /// # Errors
    ///
    /// [`AuthError`] determines the status and the challenge of the response.
    async fn verify(&self, request: &Parts) -> Result<Principal, AuthError>;

    /// Verifies the credential in `request` again, which [`verify`](Self::verify) has accepted before.
    ///
    /// Called if the rules may have changed since then. The default is [`verify`](Self::verify); an
    /// implementation with credentials that contain something valid once must not require that again.
    ///
    /// # Errors
    ///
    /// Those of [`verify`](Self::verify).
    async fn verify_again(&self, request: &Parts) -> Result<Principal, AuthError> {
        self.verify(request).await
    }

    /// Returns a future that completes when the credential in `request`, which was verified as that
    /// of `principal`, is revoked.
    ///
    /// Called once for a stream that outlasts its request, and for each session. Both end when the
    /// future completes. An expiration is not a revocation; see [`Principal::with_expiry`]. The
    /// default, `None`, keeps streams open until the credential expires.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped with the stream or session.
    fn revocation(&self, request: &Parts, principal: &Principal) -> Option<Revocation> {
        let _ = (request, principal);
        None
    }
}

/// Future that completes with the revocation of a credential; see [`AuthVerifier::revocation`].
pub type Revocation = Pin<Box<dyn Future<Output = ()> + Send>>;

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

    fn verify_again<'a, 'b, 'f>(
        &'a self,
        request: &'b Parts,
    ) -> BoxFuture<'f, Result<Principal, AuthError>>
    where
        'a: 'f,
        'b: 'f,
        Self: 'f,
    {
        (**self).verify_again(request)
    }

    fn revocation(&self, request: &Parts, principal: &Principal) -> Option<Revocation> {
        (**self).revocation(request, principal)
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

    /// Returns the principal of every caller.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_core::auth::AllowAnonymous;
    ///
    /// assert_eq!(AllowAnonymous::principal().subject(), "anonymous");
    /// ```
    #[must_use]
    pub fn principal() -> Principal {
        Principal::new("anonymous")
    }
}

#[async_trait]
impl AuthVerifier for AllowAnonymous {
    async fn verify(&self, _: &Parts) -> Result<Principal, AuthError> {
        Ok(Self::principal())
    }
}

/// A request of an authenticated caller.
///
/// Created only by [`Authenticate`](crate::layer::authenticate::Authenticate) and by
/// [`trusted`](Self::trusted).
#[derive(Debug)]
pub struct Authenticated<T> {
    principal: Principal,
    /// Verifier that has accepted the caller, if any.
    verifier: Option<Arc<dyn AuthVerifier>>,
    request: T,
}

impl<T> Authenticated<T> {
    /// Creates a request whose caller was authenticated by other means than
    /// [`Authenticate`](crate::layer::authenticate::Authenticate).
    ///
    /// The code that calls it vouches for `principal`.
    #[must_use]
    pub fn trusted(principal: Principal, request: T) -> Self {
        Self {
            principal,
            verifier: None,
            request,
        }
    }

    /// Creates a request whose caller `verifier` has accepted.
    pub(crate) fn by(verifier: Arc<dyn AuthVerifier>, principal: Principal, request: T) -> Self {
        Self {
            principal,
            verifier: Some(verifier),
            request,
        }
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

    /// Splits it into the principal, the verifier that has accepted it, and the request.
    pub(crate) fn into_parts(self) -> (Principal, Option<Arc<dyn AuthVerifier>>, T) {
        (self.principal, self.verifier, self.request)
    }
}
