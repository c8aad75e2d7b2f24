//! Find the credential that a server wants to see.
//!
//! [`AttachCredentialsLayer`] asks a [`CredentialResolver`] at the moment of each call. The token
//! that the caller presented to the gateway is never it.
//!
//! # Example
//!
//! ```
//! use async_trait::async_trait;
//! use http::HeaderValue;
//! use mcp_gateway_core::credential::{Credential, CredentialError, CredentialResolver};
//! use mcp_gateway_core::route::Target;
//! use mcp_gateway_core::Caller;
//!
//! /// One account for the server `github`, whoever calls.
//! #[derive(Debug)]
//! struct Shared(HeaderValue);
//!
//! #[async_trait]
//! impl CredentialResolver for Shared {
//!     async fn resolve(&self, _: &Caller, target: &Target) -> Result<Credential, CredentialError> {
//!         Ok(match &*target.server {
//!             "github" => Credential::new("shared").with_header(http::header::AUTHORIZATION, self.0.clone()),
//!             _ => Credential::none(),
//!         })
//!     }
//! }
//! ```
//!
//! [`AttachCredentialsLayer`]: crate::layer::attach_credentials::AttachCredentialsLayer

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderName, HeaderValue};

use crate::Caller;
pub use crate::error::CredentialError;
use crate::route::Target;

/// Finds the credential with which to call a server on behalf of a caller.
///
/// Called once per call, by
/// [`AttachCredentials`](crate::layer::attach_credentials::AttachCredentials). It should answer from memory in the common case.
///
/// # Cancel safety
///
/// The future is dropped when the client goes away, at any `.await`.
#[async_trait]
pub trait CredentialResolver: fmt::Debug + Send + Sync + 'static {
    /// Resolves the credential for one call.
    ///
    /// # Errors
    ///
    /// [`CredentialError`] when there is none; the call is then not made.
    async fn resolve(
        &self,
        caller: &Caller,
        target: &Target,
    ) -> Result<Credential, CredentialError>;
}

#[async_trait]
impl<R: CredentialResolver + ?Sized> CredentialResolver for Arc<R> {
    async fn resolve(
        &self,
        caller: &Caller,
        target: &Target,
    ) -> Result<Credential, CredentialError> {
        (**self).resolve(caller, target).await
    }
}

/// Calls every server without a credential.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct NoCredentials;

impl NoCredentials {
    /// Calls every server without a credential.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

#[async_trait]
impl CredentialResolver for NoCredentials {
    async fn resolve(&self, _: &Caller, _: &Target) -> Result<Credential, CredentialError> {
        Ok(Credential::none())
    }
}

/// What to present to a server, and whose it is.
///
/// `Debug` does not show the secrets.
#[derive(Clone)]
pub struct Credential {
    account: Arc<str>,
    headers: Arc<[(HeaderName, HeaderValue)]>,
}

impl Credential {
    /// A credential of `account`, so far without anything to present.
    ///
    /// Calls with credentials of one account may share a session with the server, and what the
    /// server lists; calls of different accounts never do. The name is not secret.
    #[must_use]
    pub fn new(account: impl Into<Arc<str>>) -> Self {
        Self {
            account: account.into(),
            headers: Arc::new([]),
        }
    }

    /// Nothing: the server is open, or knows the gateway by its connection.
    #[must_use]
    pub fn none() -> Self {
        Self::new("")
    }

    /// Presents a header to HTTP servers; it wins over one that the client sent.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, mut value: HeaderValue) -> Self {
        value.set_sensitive(true);
        self.headers = self
            .headers
            .iter()
            .cloned()
            .chain([(name, value)])
            .collect();
        self
    }

    /// Whose credential it is.
    #[must_use]
    pub fn account(&self) -> &Arc<str> {
        &self.account
    }

    /// The headers to present.
    #[must_use]
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Credential")
            .field("account", &self.account)
            .field("headers", &names)
            .finish()
    }
}
