//! Caller of a request: principal, client and gateway.

use std::sync::Arc;

use http::HeaderMap;
use http::request::Parts;

use crate::auth::{AuthError, Authentication, AuthenticationWatch, Principal, VerifiedHead};
use crate::json::{object_json, string_json};
use crate::protocol::{Capabilities, Era, ProtocolVersion, meta};
use crate::session::Session;

/// The caller of a request: a principal that uses a client, through a gateway.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::auth::Principal;
/// use mcp_gateway_core::protocol::{Capabilities, ProtocolVersion};
/// use mcp_gateway_core::{Caller, ClientInfo};
///
/// let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
/// let caller = Caller::new(Principal::new("alice"), "main", client);
/// assert_eq!(caller.principal().subject(), "alice");
/// assert!(!caller.is_http());
/// ```
#[derive(Clone, Debug)]
pub struct Caller {
    principal: Principal,
    gateway: Arc<str>,
    client: ClientInfo,
    headers: HeaderMap,
    http: bool,
    /// Head of the request, for the signal of the revocation; `None` without a verifier.
    verified: Option<VerifiedHead>,
}

/// The client: the program that calls on behalf of a principal, as it declared itself.
#[derive(Clone, Debug)]
pub struct ClientInfo {
    version: ProtocolVersion,
    capabilities: Capabilities,
    info: Option<Arc<str>>,
    session: Option<Arc<Session>>,
    conversation: Option<Arc<str>>,
}

impl Caller {
    /// Creates a caller whose requests have no HTTP headers.
    #[must_use]
    pub fn new(principal: Principal, gateway: impl Into<Arc<str>>, client: ClientInfo) -> Self {
        Self {
            principal,
            gateway: gateway.into(),
            client,
            headers: HeaderMap::new(),
            http: false,
            verified: None,
        }
    }

    /// Sets the head of the request by which the principal was authenticated.
    pub(crate) fn with_verified(mut self, verified: Option<VerifiedHead>) -> Self {
        self.verified = verified;
        self
    }

    /// Starts to watch over the credential of the request.
    pub(crate) fn watch(&self) -> AuthenticationWatch {
        Authentication::new(self.principal.clone(), self.verified.clone()).watch()
    }

    /// Authenticates the request of the caller again, as its verifier would now.
    ///
    /// `None` if there is no such request: the caller was authenticated by other means, or outlives
    /// its request, like the one of a stream. The credential of the latter may have expired since;
    /// its revocation ends the stream.
    ///
    /// For a [`CredentialResolver`](crate::credential::CredentialResolver) under whose feet the
    /// configuration has changed: it decides about a call that was authenticated before the change.
    ///
    /// # Errors
    ///
    /// [`AuthError`] if the verifier rejects the request.
    ///
    /// # Cancel safety
    ///
    /// That of [`AuthVerifier::verify`](crate::auth::AuthVerifier::verify).
    pub async fn authenticate_again(&self) -> Result<Option<Principal>, AuthError> {
        match &self.verified {
            Some(verified) => verified.verify().await,
            None => Ok(None),
        }
    }

    /// Returns the same caller for calls that outlive its request.
    pub(crate) fn lasting(&self) -> Self {
        let mut caller = self.clone();
        caller.verified = caller.verified.map(VerifiedHead::lasting);
        caller
    }

    /// Sets the headers of the client's request that may be forwarded to HTTP servers.
    ///
    /// The caller of this method must have removed all headers that are not on the gateway's
    /// allowlist.
    #[must_use]
    pub fn with_headers(mut self, headers: HeaderMap) -> Self {
        self.headers = headers;
        self.http = true;
        self
    }

    /// Returns the authenticated principal.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Returns the head of the request; `None` if there is none, or if the caller outlives it.
    pub(crate) fn head(&self) -> Option<&Parts> {
        self.verified.as_ref()?.of_request()
    }

    /// Returns the name of the gateway, to be shared.
    pub(crate) fn shared_gateway(&self) -> &Arc<str> {
        &self.gateway
    }

    /// Returns the name of the gateway that received the request.
    #[must_use]
    pub fn gateway(&self) -> &str {
        &self.gateway
    }

    /// Returns the client.
    #[must_use]
    pub fn client(&self) -> &ClientInfo {
        &self.client
    }

    /// Returns `true` if the request arrived over HTTP.
    #[must_use]
    pub fn is_http(&self) -> bool {
        self.http
    }

    /// Returns the same caller without roots.
    pub(crate) fn without_roots(&self) -> Self {
        let mut caller = self.clone();
        caller.client.capabilities = self.client.capabilities.without_roots();
        caller
    }

    /// Returns the headers that may be forwarded to HTTP servers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }
}

impl ClientInfo {
    /// Creates a client of the protocol version `version` without a session.
    #[must_use]
    pub fn new(version: ProtocolVersion, capabilities: Capabilities) -> Self {
        Self {
            version,
            capabilities,
            info: None,
            session: None,
            conversation: None,
        }
    }

    /// Sets the JSON text of the client's name and version.
    #[must_use]
    pub fn with_info(self, info: Option<Arc<str>>) -> Self {
        Self { info, ..self }
    }

    /// Creates the client of a session.
    #[must_use]
    pub fn in_session(session: Arc<Session>) -> Self {
        Self {
            version: session.version(),
            capabilities: session.capabilities().clone(),
            info: session.client_info().cloned(),
            session: Some(session),
            conversation: None,
        }
    }

    /// Sets the conversation that the client names.
    #[must_use]
    pub fn with_conversation(self, conversation: Option<Arc<str>>) -> Self {
        Self {
            conversation,
            ..self
        }
    }

    /// Returns the conversation that a client without a session names in its request, under
    /// [`CONVERSATION`](meta::CONVERSATION) or the key of its vendor.
    #[must_use]
    pub fn conversation(&self) -> Option<&Arc<str>> {
        self.conversation.as_ref()
    }

    /// Returns the protocol version of the client.
    #[must_use]
    pub fn version(&self) -> ProtocolVersion {
        self.version
    }

    /// Returns the era of that protocol version.
    #[must_use]
    pub fn era(&self) -> Era {
        self.version.era()
    }

    /// Returns the declared capabilities.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Returns the JSON text of the client's name and version, if it sent them.
    pub(crate) fn info(&self) -> Option<&Arc<str>> {
        self.info.as_ref()
    }

    /// Returns the JSON text of the client's name and version; that of the gateway if the client
    /// sent none.
    #[must_use]
    pub fn implementation(&self) -> &str {
        self.info.as_deref().unwrap_or(meta::GATEWAY_INFO)
    }

    /// Returns the JSON text of the `_meta` members that carry this context in a request of the
    /// modern era.
    pub(crate) fn request_context(&self) -> String {
        object_json(&[
            (
                meta::PROTOCOL_VERSION,
                string_json(ProtocolVersion::LATEST.as_str()).into(),
            ),
            (meta::CLIENT_INFO, self.implementation().into()),
            (
                meta::CLIENT_CAPABILITIES,
                self.capabilities.as_json().into(),
            ),
        ])
    }

    /// Returns the session, or `None` for a client of the modern era.
    #[must_use]
    pub fn session(&self) -> Option<&Arc<Session>> {
        self.session.as_ref()
    }
}
