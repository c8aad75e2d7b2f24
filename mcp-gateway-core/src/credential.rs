//! Credentials of callers for upstream servers.
//!
//! The layer [`AttachCredentialsLayer`] calls a [`CredentialResolver`] for each call. A token that
//! was issued for the gateway is never forwarded, as [MCP
//! requires](https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization#access-token-privilege-restriction).
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
//! /// One account for the server `github`, for all callers.
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

mod signals;

use std::fmt;
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};

pub use self::signals::ConnectionSignals;
pub use crate::challenge::Challenge;
pub use crate::error::{CredentialError, IdentityCause};
use crate::route::Target;
use crate::{BoxFuture, Caller, Mask};

/// Resolves the credential with which to call a server on behalf of a caller.
///
/// Called once per call, by
/// [`AttachCredentials`](crate::layer::attach_credentials::AttachCredentials), after the policy has
/// permitted it. It should answer from memory in the common case.
///
/// # Cancel safety
///
/// The future is dropped when the client disconnects, at any `.await`.
#[doc(alias("secret", "token exchange"))]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot resolve credentials for servers",
    label = "not a `CredentialResolver`",
    note = "implement `CredentialResolver`, or use `NoCredentials`"
)]
#[async_trait]
pub trait CredentialResolver: fmt::Debug + Send + Sync + 'static {
    /// Returns the credential for one call.
    ///
    /// # Errors
    ///
    /// [`CredentialError`] if there is none; the server is not called then.
    async fn resolve(
        &self,
        caller: &Caller,
        target: &Target,
    ) -> Result<Credential, CredentialError>;

    /// Returns another credential for a call whose `credential` the server has rejected, or `None`
    /// to give up, which is the default.
    ///
    /// The server answered with 401, or with 403, and has not executed the call. With another
    /// credential the call is sent once more; if that is rejected, too, the call fails. An
    /// implementation may refresh a token here, or send the user to a page where they grant the
    /// [scopes](Challenge::scopes) that the server requires.
    ///
    /// # Errors
    ///
    /// [`CredentialError`] if the user must act, or the credential cannot be renewed.
    async fn rejected(
        &self,
        caller: &Caller,
        target: &Target,
        credential: &Credential,
        challenge: &Challenge,
    ) -> Result<Option<Credential>, CredentialError> {
        let _ = (caller, target, credential, challenge);
        Ok(None)
    }
}

impl<R: CredentialResolver + ?Sized> CredentialResolver for Arc<R> {
    // Without the macro, which would box the future of the inner resolver once more.
    fn resolve<'a, 'b, 'c, 'f>(
        &'a self,
        caller: &'b Caller,
        target: &'c Target,
    ) -> BoxFuture<'f, Result<Credential, CredentialError>>
    where
        'a: 'f,
        'b: 'f,
        'c: 'f,
        Self: 'f,
    {
        (**self).resolve(caller, target)
    }

    fn rejected<'a, 'b, 'c, 'd, 'e, 'f>(
        &'a self,
        caller: &'b Caller,
        target: &'c Target,
        credential: &'d Credential,
        challenge: &'e Challenge,
    ) -> BoxFuture<'f, Result<Option<Credential>, CredentialError>>
    where
        'a: 'f,
        'b: 'f,
        'c: 'f,
        'd: 'f,
        'e: 'f,
        Self: 'f,
    {
        (**self).rejected(caller, target, credential, challenge)
    }
}

/// A resolver for servers that require no credential.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::Caller;
/// use mcp_gateway_core::ClientInfo;
/// use mcp_gateway_core::auth::Principal;
/// use mcp_gateway_core::credential::{CredentialResolver, NoCredentials};
/// use mcp_gateway_core::protocol::{Capabilities, ProtocolVersion};
/// use mcp_gateway_core::route::{Feature, Target};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
/// let caller = Caller::new(Principal::new("alice"), "main", client);
/// let target = Target::new("files", Feature::Server);
/// let credential = NoCredentials::new().resolve(&caller, &target).await.unwrap();
/// assert!(credential.headers().is_empty());
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct NoCredentials;

impl NoCredentials {
    /// Creates the resolver.
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

/// Signs the HTTP requests that are sent with a credential, for servers that require a proof of
/// possession with each of them ([RFC 9449](https://www.rfc-editor.org/rfc/rfc9449)).
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use bytes::Bytes;
/// use http::{HeaderMap, HeaderValue, Request, StatusCode};
/// use mcp_gateway_core::Credential;
/// use mcp_gateway_core::credential::RequestSigner;
///
/// /// Repeats the method of each request.
/// #[derive(Debug)]
/// struct Echo;
///
/// impl RequestSigner for Echo {
///     fn sign(&self, request: &mut Request<Bytes>) {
///         let method = HeaderValue::from_str(request.method().as_str());
///         request.headers_mut().extend(method.map(|method| (http::header::FROM, method)));
///     }
///
///     fn is_challenged(&self, _: StatusCode, _: &HeaderMap) -> bool {
///         false
///     }
/// }
///
/// let credential = Credential::new("alice@notes").with_signer(Arc::new(Echo));
/// let mut request = Request::new(Bytes::new());
/// credential.signer().unwrap().sign(&mut request);
/// assert_eq!(request.headers()["from"], "GET");
/// ```
#[doc(alias("DPoP", "proof of possession"))]
pub trait RequestSigner: fmt::Debug + Send + Sync + 'static {
    /// Adds the signature to the headers of a complete request, which is sent immediately.
    ///
    /// Called for each request, redirected and repeated ones included. A signer that fails leaves
    /// the request unsigned, and the server rejects it.
    fn sign(&self, request: &mut Request<Bytes>);

    /// Reads the head of the response to a signed request.
    ///
    /// Returns `true` if the server has rejected the signature alone, and accepts another one: the
    /// request is signed again and repeated once.
    fn is_challenged(&self, status: StatusCode, headers: &HeaderMap) -> bool;
}

/// A credential for a server: headers and values, and the account to which they belong.
///
/// Headers are presented to HTTP servers. Values are for backends that start a program with them,
/// one for each account. `Debug` output omits both.
///
/// # Example
///
/// ```
/// use http::HeaderValue;
/// use http::header::AUTHORIZATION;
/// use mcp_gateway_core::Credential;
///
/// let token = HeaderValue::from_static("Bearer secret");
/// let credential = Credential::new("alice@github").with_header(AUTHORIZATION, token);
/// assert_eq!(credential.headers().len(), 1);
/// assert!(!format!("{credential:?}").contains("secret"));
///
/// let credential = Credential::new("alice@files").with_value("folder", "secret");
/// assert_eq!(credential.value("folder"), Some("secret"));
/// assert!(!format!("{credential:?}").contains("secret"));
/// ```
#[derive(Clone)]
pub struct Credential {
    /// Account, for the sharing of sessions.
    account: Arc<str>,
    presented: Arc<Presented>,
}

/// Headers, values and signer for a server. Shared, because it is cloned for each call.
#[derive(Clone, Default)]
struct Presented {
    /// Headers, marked as sensitive.
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Values by their names.
    values: Vec<(Arc<str>, Value)>,
    /// Signer of HTTP requests.
    signer: Option<Arc<dyn RequestSigner>>,
}

/// Value for the backend of a server.
#[derive(Clone)]
struct Value {
    text: Arc<str>,
    is_secret: bool,
}

impl Credential {
    /// Creates a credential of `account` without headers.
    ///
    /// Calls with credentials of the same account may share an upstream session and cached lists;
    /// calls of different accounts never do. The name is not a secret.
    #[must_use]
    pub fn new(account: impl Into<Arc<str>>) -> Self {
        Self {
            account: account.into(),
            presented: Arc::default(),
        }
    }

    /// Creates an empty credential: the server is public, or authenticates the gateway by its
    /// connection.
    #[must_use]
    pub fn none() -> Self {
        static NONE: LazyLock<Credential> = LazyLock::new(|| Credential::new(""));
        NONE.clone()
    }

    /// Adds a header for HTTP servers; it replaces one of the client.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, mut value: HeaderValue) -> Self {
        value.set_sensitive(true);
        Arc::make_mut(&mut self.presented)
            .headers
            .push((name, value));
        self
    }

    /// Adds a secret value for the backend of the server; see
    /// [`Instance::credential`](crate::upstream::Instance::credential).
    #[must_use]
    pub fn with_value(self, name: impl Into<Arc<str>>, value: impl Into<Arc<str>>) -> Self {
        self.with(name.into(), value.into(), true)
    }

    /// Adds a value that is no secret, such as a region.
    #[must_use]
    pub fn with_plain_value(self, name: impl Into<Arc<str>>, value: impl Into<Arc<str>>) -> Self {
        self.with(name.into(), value.into(), false)
    }

    fn with(mut self, name: Arc<str>, text: Arc<str>, is_secret: bool) -> Self {
        let values = &mut Arc::make_mut(&mut self.presented).values;
        values.push((name, Value { text, is_secret }));
        self
    }

    /// Signs each HTTP request with `signer`.
    ///
    /// A connection signs its requests with the credential that has opened it, so that all
    /// credentials of one account must have equivalent signers.
    #[must_use]
    pub fn with_signer(mut self, signer: Arc<dyn RequestSigner>) -> Self {
        Arc::make_mut(&mut self.presented).signer = Some(signer);
        self
    }

    /// Replaces the account.
    #[must_use]
    pub fn with_account(self, account: impl Into<Arc<str>>) -> Self {
        let account = account.into();
        Self { account, ..self }
    }

    /// Returns the account.
    #[must_use]
    pub fn account(&self) -> &Arc<str> {
        &self.account
    }

    /// Returns the headers to present.
    #[must_use]
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.presented.headers
    }

    /// Returns the signer of HTTP requests.
    #[must_use]
    pub fn signer(&self) -> Option<&Arc<dyn RequestSigner>> {
        self.presented.signer.as_ref()
    }

    /// Returns the value `name`.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        let mut values = self.presented.values.iter();
        let (_, value) = values.find(|(known, _)| **known == *name)?;
        Some(&value.text)
    }

    /// Returns the mask of its headers and secret values, for texts of the server.
    #[must_use]
    pub fn mask(&self) -> Mask {
        self.add_to(Mask::new())
    }

    /// Adds its headers and secret values to `mask`.
    pub(crate) fn add_to(&self, mask: Mask) -> Mask {
        let Presented {
            headers, values, ..
        } = &*self.presented;
        let values = values.iter().filter(|(_, value)| value.is_secret);
        let mask = values.fold(mask, |mask, (_, value)| mask.with_secret(&value.text));
        headers
            .iter()
            .fold(mask, |mask, (_, value)| mask.with_header(value))
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Presented {
            headers,
            values,
            signer,
        } = &*self.presented;
        let headers: Vec<_> = headers.iter().map(|(name, _)| name).collect();
        let values: Vec<_> = values.iter().map(|(name, _)| name).collect();
        f.debug_struct("Credential")
            .field("account", &self.account)
            .field("headers", &headers)
            .field("values", &values)
            .field("signer", signer)
            .finish()
    }
}
