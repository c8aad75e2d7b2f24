//! Grant of a client, and the credential derived from it.

use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use ::http::header::AUTHORIZATION;
use ::http::{HeaderValue, StatusCode};
use async_trait::async_trait;
use mcp_gateway_core::credential::{Challenge, CredentialError, CredentialResolver};
use mcp_gateway_core::route::Target;
use mcp_gateway_core::{BoxError, Caller, Credential};
use tokio::sync::{Mutex, oneshot};
use tokio::task::JoinSet;

use super::{AuthorizationTarget, ClientError, ClientIdentity, TokenSet, token};
use crate::egress::Egress;

/// Tokens that a user has authorized, with the client and the server that refresh them.
///
/// Each refresh replaces both tokens, because servers may rotate refresh tokens.
#[derive(Clone, Debug)]
pub struct Grant {
    egress: Egress,
    found: AuthorizationTarget,
    identity: ClientIdentity,
    issued: Instant,
    tokens: TokenSet,
}

impl Grant {
    pub(super) fn new(
        egress: Egress,
        (found, identity): (AuthorizationTarget, ClientIdentity),
        tokens: TokenSet,
    ) -> Self {
        Self {
            egress,
            found,
            identity,
            issued: Instant::now(),
            tokens,
        }
    }

    /// Current tokens.
    #[must_use]
    pub fn tokens(&self) -> &TokenSet {
        &self.tokens
    }

    /// Returns `true` if the access token expires within `margin`.
    #[must_use]
    pub fn expires_within(&self, margin: Duration) -> bool {
        let lifetime = self.tokens.expires_in;
        lifetime.is_some_and(|lifetime| self.issued.elapsed() + margin >= lifetime)
    }

    /// Exchanges the refresh token for new tokens.
    ///
    /// # Errors
    ///
    /// [`ClientError::Response`] without a refresh token, [`ClientError::Token`] if the server
    /// rejects it, and another [`ClientError`] if the request fails.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: the server may have rotated the refresh token before the future is dropped.
    pub async fn refresh(&mut self) -> Result<(), ClientError> {
        let Some(refresh_token) = &self.tokens.refresh_token else {
            return Err(ClientError::Response {
                what: "the grant",
                reason: "it has no refresh token",
            });
        };
        let known = (&self.found, &self.identity);
        let tokens = token::refresh(&self.egress, known, refresh_token).await?;
        self.issued = Instant::now();
        self.tokens = tokens;
        Ok(())
    }
}

/// Credential resolver with the access token of one grant.
///
/// All servers get the same token. It is refreshed one minute before it expires, and after a server
/// has rejected it with 401. At most one refresh is in flight. If the authorization server rejects
/// the refresh token with the error `invalid_grant`, the access token is presented until it
/// expires, and [`CredentialError::NotConnected`] is returned afterwards. Other failures are
/// temporary.
///
/// # Example
///
/// ```
/// # use axum::routing::{get, post};
/// # use axum::{Json, Router};
/// use mcp_gateway_auth::client::{ClientIdentity, GrantCredentials, OAuthClient};
/// use mcp_gateway_auth::egress::{Egress, EgressPolicy};
/// use mcp_gateway_core::auth::Principal;
/// use mcp_gateway_core::credential::CredentialResolver;
/// use mcp_gateway_core::protocol::{Capabilities, ProtocolVersion};
/// use mcp_gateway_core::route::{Feature, Target};
/// use mcp_gateway_core::{Caller, ClientInfo, Credential};
/// # use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// # let base = format!("http://{}", listener.local_addr()?);
/// # let url = format!("{base}/mcp");
/// # let resource = json!({ "resource": url, "authorization_servers": [base] });
/// # let server = json!({
/// #     "issuer": base,
/// #     "authorization_endpoint": format!("{base}/authorize"),
/// #     "token_endpoint": format!("{base}/token"),
/// #     "code_challenge_methods_supported": ["S256"],
/// # });
/// # let metadata = format!("{base}/.well-known/oauth-protected-resource/mcp");
/// # let challenge = format!("Bearer resource_metadata=\"{metadata}\"");
/// # let tokens = json!({ "access_token": "a-1", "token_type": "Bearer", "expires_in": 3600 });
/// # let router = Router::new()
/// #     .route("/mcp", post(async || (http::StatusCode::UNAUTHORIZED, [("www-authenticate", challenge)])))
/// #     .route("/.well-known/oauth-protected-resource/mcp", get(async || Json(resource)))
/// #     .route("/.well-known/oauth-authorization-server", get(async || Json(server)))
/// #     .route("/token", post(async || Json(tokens)));
/// # tokio::spawn(async move { axum::serve(listener, router).await });
/// let egress = Egress::new(EgressPolicy::new().with_any_port().with_insecure_loopback())?;
/// let client = OAuthClient::new(egress, url.parse()?)?;
/// let challenge = client.challenge().await?.ok_or("no challenge")?;
/// let found = client.discover(&challenge).await?;
/// let identity = ClientIdentity::public("editor");
/// let redirect_uri = "http://127.0.0.1:8123/callback".parse()?;
/// let authorization = client.authorize(&found, &identity, &redirect_uri, None)?;
/// // The user visits `authorization.url()`, and returns with a code.
/// let response = [("code", "code-1"), ("state", authorization.state())];
/// let response = response.map(|(name, value)| (name.to_owned(), value.to_owned()));
/// let grant = client.redeem((found, identity), authorization, response.into()).await?;
///
/// let resolver = GrantCredentials::new(grant, Credential::new("editor"));
/// let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
/// let caller = Caller::new(Principal::new("alice"), "main", client);
/// let credential = resolver.resolve(&caller, &Target::new("notes", Feature::Server)).await?;
/// assert_eq!(credential.headers()[0].1, "Bearer a-1");
/// # Ok(())
/// # }
/// ```
pub struct GrantCredentials {
    state: Arc<Mutex<GrantState>>,
    rest: Credential,
    /// Refreshes in flight. They complete even if the call is dropped, because the server may have
    /// rotated the refresh token.
    tasks: std::sync::Mutex<JoinSet<()>>,
}

/// Grant, and the final response of its authorization server.
struct GrantState {
    grant: Grant,
    /// Set after a rejection with `invalid_grant`.
    is_revoked: bool,
}

impl GrantCredentials {
    /// Creates a resolver that adds the access token of `grant` to the headers of `rest`.
    #[must_use]
    pub fn new(grant: Grant, rest: Credential) -> Self {
        Self {
            state: Arc::new(Mutex::new(GrantState {
                grant,
                is_revoked: false,
            })),
            rest,
            tasks: std::sync::Mutex::default(),
        }
    }

    /// Returns a credential with an access token other than `rejected`.
    async fn credential(
        &self,
        rejected: Option<HeaderValue>,
    ) -> Result<Credential, CredentialError> {
        let state = Arc::clone(&self.state);
        let (sender, token) = oneshot::channel();
        {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            while tasks.try_join_next().is_some() {}
            tasks.spawn(async move {
                let token = state.lock().await.bearer(rejected).await;
                // The call may have been dropped.
                let _ = sender.send(token);
            });
        }
        let token = token.await.map_err(unavailable)??;
        Ok(self.rest.clone().with_header(AUTHORIZATION, token))
    }
}

#[async_trait]
impl CredentialResolver for GrantCredentials {
    async fn resolve(&self, _: &Caller, _: &Target) -> Result<Credential, CredentialError> {
        self.credential(None).await
    }

    async fn rejected(
        &self,
        _: &Caller,
        _: &Target,
        credential: &Credential,
        challenge: &Challenge,
    ) -> Result<Option<Credential>, CredentialError> {
        let headers = credential.headers();
        let presented = headers.iter().find(|(name, _)| name == AUTHORIZATION);
        // A refresh adds no scopes.
        let (StatusCode::UNAUTHORIZED, Some((_, presented))) = (challenge.status(), presented)
        else {
            return Ok(None);
        };
        let renewed = self.credential(Some(presented.clone())).await?;
        let is_new = renewed
            .headers()
            .iter()
            .all(|(_, value)| value != presented);
        Ok(is_new.then_some(renewed))
    }
}

impl GrantState {
    /// Returns the access token, refreshed if it is about to expire or equals `rejected`.
    async fn bearer(
        &mut self,
        rejected: Option<HeaderValue>,
    ) -> Result<HeaderValue, CredentialError> {
        let is_due = self.grant.expires_within(MARGIN) || rejected.is_some_and(|it| self.is(&it));
        if is_due && self.grant.tokens.refresh_token.is_some() {
            self.refresh().await?;
        }
        self.header()
    }

    /// Returns `true` if `presented` is the current access token.
    fn is(&self, presented: &HeaderValue) -> bool {
        self.header().is_ok_and(|header| header == presented)
    }

    fn header(&self) -> Result<HeaderValue, CredentialError> {
        let token = &self.grant.tokens.access_token;
        HeaderValue::try_from(format!("Bearer {token}")).map_err(unavailable)
    }

    /// Refreshes the tokens.
    ///
    /// # Errors
    ///
    /// If that fails, and the access token has expired.
    async fn refresh(&mut self) -> Result<(), CredentialError> {
        let mut failure = CredentialError::NotConnected { url: None };
        if !self.is_revoked {
            let Err(error) = self.grant.refresh().await else {
                return Ok(());
            };
            tracing::warn!(%error, "access token not refreshed");
            self.is_revoked = is_revoked(&error);
            if !self.is_revoked {
                failure = unavailable(error);
            }
        }
        match self.grant.expires_within(Duration::ZERO) {
            true => Err(failure),
            false => Ok(()),
        }
    }
}

/// Returns `true` if the refresh token is invalid, expired or revoked (RFC 6749, section 5.2).
///
/// The status is insignificant: servers send this error with 400, 401, 403 and even 200.
fn is_revoked(error: &ClientError) -> bool {
    matches!(error, ClientError::Token(error) if error.code == "invalid_grant")
}

impl fmt::Debug for GrantCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrantCredentials").finish_non_exhaustive()
    }
}

fn unavailable(error: impl Into<BoxError>) -> CredentialError {
    CredentialError::Unavailable(error.into())
}

/// Time before its expiry at which an access token is refreshed.
const MARGIN: Duration = Duration::from_secs(60);
