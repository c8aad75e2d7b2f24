//! Complete login with a browser on this machine.

use std::fmt;
use std::sync::Arc;

use url::Url;

use super::loopback::{Events, Loopback};
use super::{AuthorizationTarget, ClientError, ClientIdentity, Grant, OAuthClient};

/// Login of a user at the server of an [`OAuthClient`].
///
/// [`run`](Self::run) discovers the authorization server, registers a client unless it has an
/// identity, and waits for the response on a [`Loopback`] address. The receiver of
/// [`SignInEvent::Authorize`] opens the browser, for example with
/// [`open_browser`](super::open_browser).
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::client::{OAuthClient, OAuthClientFlow, SignInEvent, open_browser};
/// use mcp_gateway_auth::egress::{Egress, EgressPolicy};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let egress = Egress::new(EgressPolicy::new())?;
/// let client = OAuthClient::new(egress, "https://10.0.0.1/mcp".parse()?)?;
/// let login = OAuthClientFlow::new(client).with_name("example").on_event(|event| {
///     if let SignInEvent::Authorize(url) = event {
///         open_browser(url);
///     }
/// });
/// // The policy does not allow this address.
/// assert!(login.run().await.is_err());
/// # Ok(())
/// # }
/// ```
pub struct OAuthClientFlow {
    client: OAuthClient,
    events: Events,
    identity: Option<ClientIdentity>,
    name: String,
    registration_token: Option<String>,
    scope: Option<String>,
}

/// Step of a login.
#[derive(Debug)]
#[non_exhaustive]
pub enum SignInEvent<'a> {
    /// Issuer of the discovered authorization server.
    AuthorizationServer(&'a str),
    /// URL to open in a browser.
    Authorize(&'a Url),
    /// Identifier of the client.
    Client(&'a str),
    /// The challenge has no `resource_metadata`; the well-known locations are tried.
    NoResourceMetadata,
    /// A response with another `state` was rejected.
    StateMismatch,
}

impl OAuthClientFlow {
    /// Creates a login at the server of `client`, with registration as `mcp-gateway`.
    #[must_use]
    pub fn new(client: OAuthClient) -> Self {
        Self {
            client,
            events: Arc::new(|_| {}),
            identity: None,
            name: "mcp-gateway".to_owned(),
            registration_token: None,
            scope: None,
        }
    }

    /// Replaces registration by this client, whose redirect URI is [`Loopback::ANY_PORT`].
    #[must_use]
    pub fn with_identity(mut self, identity: ClientIdentity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Sets the name of the registered client, which the consent page shows.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the initial access token of the registration (RFC 7591, section 3).
    #[must_use]
    pub fn with_registration_token(mut self, token: impl Into<String>) -> Self {
        self.registration_token = Some(token.into());
        self
    }

    /// Sets the requested scopes, separated by spaces, instead of those of the challenge.
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// Sets the callback for each step.
    #[must_use]
    pub fn on_event(mut self, events: impl Fn(SignInEvent<'_>) + Send + Sync + 'static) -> Self {
        self.events = Arc::new(events);
        self
    }

    /// Performs the login. Returns `None` if the server requires no token.
    ///
    /// # Errors
    ///
    /// The [`ClientError`] of the step that failed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the login and closes the port. A client may stay registered.
    pub async fn run(&self) -> Result<Option<Grant>, ClientError> {
        let Some(challenge) = self.client.challenge().await? else {
            return Ok(None);
        };
        if challenge.resource_metadata().is_none() {
            self.tell(SignInEvent::NoResourceMetadata);
        }
        let found = self.client.discover(&challenge).await?;
        self.tell(SignInEvent::AuthorizationServer(&found.server.issuer));
        let loopback = Loopback::listen().await?;
        let identity = self.identity(&found, loopback.uri()).await?;
        self.tell(SignInEvent::Client(&identity.id));
        let scope = self.scope.as_deref();
        let authorization = self
            .client
            .authorize(&found, &identity, loopback.uri(), scope)?;
        self.tell(SignInEvent::Authorize(authorization.url()));
        let events = Arc::clone(&self.events);
        let parameters = loopback.response(&authorization, events).await?;
        let grant = self
            .client
            .redeem((found, identity), authorization, parameters);
        grant.await.map(Some)
    }

    /// Returns the configured client, or registers one.
    async fn identity(
        &self,
        found: &AuthorizationTarget,
        redirect_uri: &Url,
    ) -> Result<ClientIdentity, ClientError> {
        match &self.identity {
            Some(identity) => Ok(identity.clone()),
            None => {
                let token = self.registration_token.as_deref();
                self.client
                    .register(&found.server, &self.name, redirect_uri, token)
                    .await
            }
        }
    }

    fn tell(&self, event: SignInEvent<'_>) {
        (self.events)(event);
    }
}

impl fmt::Debug for OAuthClientFlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthClientFlow")
            .field("client", &self.client)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}
