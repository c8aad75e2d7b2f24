//! Credential of the gateway itself, with the grant of client credentials.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use mcp_gateway_core::credential::{Challenge, CredentialError, CredentialResolver};
use mcp_gateway_core::route::Target;
use mcp_gateway_core::{Caller, Credential, error_chain};

use super::backoff::Backoff;
use super::token_http::TokenFailure;
use super::token_slot::{IssuedToken, TokenRequests, TokenSlot};
use super::token_target::TokenTarget;
use super::{ClientError, OAuthClient, ServiceClient};

/// Credential resolver with a token that the gateway obtains for itself (RFC 6749, section 4.4).
///
/// All callers and all servers get the same token, which is requested with the first call. It is
/// replaced one minute before it expires, or later if its lifetime is short, and after the server
/// has rejected it with 401. At most one request is in flight, for which other calls wait unless they
/// have a valid token.
///
/// The authorization server is discovered from the server of the [`OAuthClient`], and again after a
/// failure or a rejected token. After a failure, the next request is attempted at once, and further
/// ones after a delay that doubles from one second up to one minute, or longer if the authorization
/// server asks for it (`Retry-After`, at most five minutes). A client or scope that it rejects is
/// attempted once a minute. In between, a valid token is presented, and calls without one fail with
/// [`CredentialError::Unavailable`].
///
/// # Cancel safety
///
/// A request ends with the call that has begun it, and the next call begins another one.
///
/// # Example
///
/// ```
/// # use axum::routing::{get, post};
/// # use axum::{Json, Router};
/// use mcp_gateway_auth::client::{ClientCredentials, ClientIdentity, OAuthClient, ServiceClient};
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
/// # let server = json!({ "issuer": base, "token_endpoint": format!("{base}/token") });
/// # let tokens = json!({ "access_token": "a-1", "token_type": "Bearer", "expires_in": 3600 });
/// # let router = Router::new()
/// #     .route("/mcp", post(async || http::StatusCode::UNAUTHORIZED))
/// #     .route("/.well-known/oauth-protected-resource/mcp", get(async || Json(resource)))
/// #     .route("/.well-known/oauth-authorization-server", get(async || Json(server)))
/// #     .route("/token", post(async || Json(tokens)));
/// # tokio::spawn(async move { axum::serve(listener, router).await });
/// let egress = Egress::new(EgressPolicy::new().with_any_port().with_insecure_loopback())?;
/// let client = OAuthClient::new(egress, url.parse()?)?;
/// let service = ServiceClient::from(ClientIdentity::confidential("gateway", "BJ3x0WcQ"));
/// let resolver = ClientCredentials::new(client, service, Credential::new("gateway"))
///     .with_scope("notes:read");
///
/// let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
/// let caller = Caller::new(Principal::new("alice"), "main", client);
/// let credential = resolver.resolve(&caller, &Target::new("notes", Feature::Server)).await?;
/// assert_eq!(credential.headers()[0].1, "Bearer a-1");
/// # Ok(())
/// # }
/// ```
pub struct ClientCredentials {
    client: OAuthClient,
    service: ServiceClient,
    scope: Option<String>,
    rest: Credential,
    slot: TokenSlot<Requests>,
}

/// Requests for tokens, one at a time.
#[derive(Default)]
struct Requests {
    target: Option<TokenTarget>,
    backoff: Backoff,
    /// Last failure.
    failure: String,
    /// Code of the last failure, if the next request would fail alike.
    code: Option<String>,
}

impl ClientCredentials {
    /// Creates a resolver that adds the token of `service` for the server of `client` to the headers
    /// of `rest`.
    #[must_use]
    pub fn new(client: OAuthClient, service: ServiceClient, rest: Credential) -> Self {
        Self {
            client,
            service,
            scope: None,
            rest,
            slot: TokenSlot::default(),
        }
    }

    /// Sets the requested scopes, separated by spaces, instead of those that the server names.
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// Requests a token from the authorization server of `target`, which is discovered if `None`.
    async fn attempt(
        &self,
        state: &mut Requests,
        target: Option<TokenTarget>,
    ) -> Result<IssuedToken, TokenFailure> {
        let target = match target {
            Some(target) => target,
            None => self.client.token_target().await?,
        };
        let scope = self.scope.clone().or_else(|| target.resource.scope());
        let egress = self.client.reach.egress();
        let tokens = self
            .service
            .token(egress, &target, scope.as_deref())
            .await?;
        state.target = Some(target);
        Ok(IssuedToken::new(&tokens, self.rest.clone())?)
    }

    /// Requests a token, unless an earlier failure delays it.
    async fn issued(
        &self,
        state: &mut Requests,
        is_rejected: bool,
    ) -> Result<IssuedToken, ClientError> {
        if let Some(remaining) = state.backoff.remaining() {
            return Err(ClientError::Suspended {
                remaining,
                failure: state.failure.clone(),
                code: state.code.clone(),
            });
        }
        // The server may have moved to another authorization server.
        let target = state.target.take().filter(|_| !is_rejected);
        match self.attempt(state, target).await {
            Ok(token) => {
                state.backoff.reset();
                Ok(token)
            }
            Err(failed) => {
                let error = failed.error;
                tracing::warn!(client = self.service.id(), %error, "token of the gateway not issued");
                state.backoff.record_failure();
                let code = error.final_code().map(str::to_owned);
                let last = code.is_some().then_some(FINAL_DELAY);
                let delay = failed.overload.or(last);
                state.backoff.delay(delay.unwrap_or_default());
                (state.failure, state.code) = (error_chain(&error), code);
                Err(error)
            }
        }
    }
}

impl TokenRequests<Requests> for ClientCredentials {
    async fn request(
        &self,
        state: &mut Requests,
        is_rejected: bool,
    ) -> Result<IssuedToken, CredentialError> {
        let issued = self.issued(state, is_rejected).await;
        issued.map_err(CredentialError::from)
    }
}

#[async_trait]
impl CredentialResolver for ClientCredentials {
    async fn resolve(&self, _: &Caller, _: &Target) -> Result<Credential, CredentialError> {
        self.slot.resolve(self).await
    }

    async fn rejected(
        &self,
        _: &Caller,
        _: &Target,
        credential: &Credential,
        challenge: &Challenge,
    ) -> Result<Option<Credential>, CredentialError> {
        self.slot.rejected(self, (credential, challenge)).await
    }
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCredentials")
            .field("service", &self.service)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// Delay after a failure that only a change of the configuration ends.
const FINAL_DELAY: Duration = Duration::from_secs(60);
