//! A whole login, with a browser on this machine.

use std::fmt;
use std::sync::Arc;

use url::Url;

use super::loopback::{Events, Loopback};
use super::{ClientError, ClientIdentity, Discovered, Grant, OAuthClient};

/// A login of a person at the server of an [`OAuthClient`].
///
/// It discovers the authorization server, registers a client unless it has an identity, sends a
/// browser away, and waits for it on a loopback address. Opening the browser is the business of
/// whoever receives [`SignInEvent::Authorize`].
pub struct SignIn {
    client: OAuthClient,
    events: Events,
    identity: Option<ClientIdentity>,
    name: String,
    registration_token: Option<String>,
    scope: Option<String>,
}

/// A step of a login.
#[derive(Debug)]
#[non_exhaustive]
pub enum SignInEvent<'a> {
    /// The authorization server with this issuer was discovered.
    AuthorizationServer(&'a str),
    /// A browser is to be sent to this address.
    Authorize(&'a Url),
    /// The client has this identifier.
    Client(&'a str),
    /// The challenge names no metadata, and the well-known locations are tried.
    NoResourceMetadata,
    /// A browser has brought the response to another request, which is ignored.
    StateMismatch,
}

impl SignIn {
    /// A login at the server of `client`.
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

    /// Uses this client, which has [`Loopback::ANY_PORT`] as redirect URI, instead of registering
    /// one.
    #[must_use]
    pub fn with_identity(mut self, identity: ClientIdentity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Registers the client under `name`, which people see when they are asked for consent.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Registers the client with an initial access token (RFC 7591, section 3).
    #[must_use]
    pub fn with_registration_token(mut self, token: impl Into<String>) -> Self {
        self.registration_token = Some(token.into());
        self
    }

    /// Requests these scopes, separated by spaces, instead of those of the challenge.
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// Calls `events` at each step.
    #[must_use]
    pub fn on_event(mut self, events: impl Fn(SignInEvent<'_>) + Send + Sync + 'static) -> Self {
        self.events = Arc::new(events);
        self
    }

    /// Logs in; `None` if the server requires no token.
    ///
    /// # Errors
    ///
    /// A [`ClientError`] with the step that failed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the login, and closes the port.
    pub async fn run(&self) -> Result<Option<Grant>, ClientError> {
        let Some(challenge) = self.client.challenge().await? else {
            return Ok(None);
        };
        if challenge.resource_metadata.is_none() {
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

    async fn identity(
        &self,
        found: &Discovered,
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

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn")
            .field("client", &self.client)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}
