//! Credential of the gateway itself, with the grant of client credentials.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderMap, StatusCode};
use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use mcp_gateway_core::credential::{Challenge, CredentialError, CredentialResolver};
use mcp_gateway_core::route::Target;
use mcp_gateway_core::{BoxError, Caller, Credential, error_chain};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::backoff::Backoff;
use super::discovery::{self, TokenTarget};
use super::presented::with_token;
use super::token_http::TokenFailure;
use super::{ClientError, OAuthClient, ServiceClient, TokenSet};

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
    current: ArcSwapOption<ServiceToken>,
    requests: Mutex<Requests>,
}

/// Access token of the gateway.
struct ServiceToken {
    /// Credential with the token.
    credential: Credential,
    issued: Instant,
    lifetime: Option<Duration>,
}

/// Requests for tokens, one at a time.
#[derive(Default)]
struct Requests {
    target: Option<TokenTarget>,
    backoff: Backoff,
    /// Last failure.
    failure: String,
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
            current: ArcSwapOption::empty(),
            requests: Mutex::default(),
        }
    }

    /// Sets the requested scopes, separated by spaces, instead of those that the server names.
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// Returns a credential with a token other than that of `rejected`.
    async fn renewed(&self, rejected: Option<&Credential>) -> Result<Credential, CredentialError> {
        let Some(mut requests) = self.begin(rejected).await else {
            // Another call requests the token.
            return self.valid().ok_or_else(|| unavailable("no token"));
        };
        let current = self.current.load_full();
        let current = current.filter(|token| rejected.is_none_or(|it| !token.is(it)));
        match current {
            // Another call has obtained it in the meantime.
            Some(token) if !token.is_due() => Ok(token.credential.clone()),
            current => match requests.request(self, rejected.is_some()).await {
                Ok(token) => {
                    let credential = token.credential.clone();
                    self.current.store(Some(Arc::new(token)));
                    Ok(credential)
                }
                Err(error) => match current.filter(|token| !token.is_expired()) {
                    Some(token) => Ok(token.credential.clone()),
                    None => Err(unavailable(error)),
                },
            },
        }
    }

    /// Waits for the permission to request a token. Returns `None` if another call does so, and a
    /// valid token can be presented.
    async fn begin(&self, rejected: Option<&Credential>) -> Option<MutexGuard<'_, Requests>> {
        match self.requests.try_lock() {
            Ok(requests) => Some(requests),
            Err(_) if rejected.is_none() && self.valid().is_some() => None,
            Err(_) => Some(self.requests.lock().await),
        }
    }

    /// Returns the credential with the current token, unless it has expired.
    fn valid(&self) -> Option<Credential> {
        let token = self.current.load_full()?;
        (!token.is_expired()).then(|| token.credential.clone())
    }
}

impl Requests {
    /// Requests a token, unless an earlier failure delays it.
    async fn request(
        &mut self,
        all: &ClientCredentials,
        is_rejected: bool,
    ) -> Result<ServiceToken, ClientError> {
        if let Some(remaining) = self.backoff.remaining() {
            return Err(ClientError::Suspended {
                remaining,
                failure: self.failure.clone(),
            });
        }
        // The server may have moved to another authorization server.
        let target = self.target.take().filter(|_| !is_rejected);
        match self.attempt(all, target).await {
            Ok(token) => {
                self.backoff.reset();
                Ok(token)
            }
            Err(failed) => {
                let error = failed.error;
                tracing::warn!(client = all.service.id(), %error, "token of the gateway not issued");
                self.backoff.record_failure();
                let last = is_final(&error).then_some(FINAL_DELAY);
                let delay = failed.overload.or(last);
                self.backoff.delay(delay.unwrap_or_default());
                self.failure = error_chain(&error);
                Err(error)
            }
        }
    }

    async fn attempt(
        &mut self,
        all: &ClientCredentials,
        target: Option<TokenTarget>,
    ) -> Result<ServiceToken, TokenFailure> {
        let target = match target {
            Some(target) => target,
            None => all.client.token_target().await?,
        };
        let named = || {
            let scopes = &target.resource.scopes;
            let listed = (!scopes.is_empty()).then(|| scopes.join(" "));
            target.resource.scope.clone().or(listed)
        };
        let scope = all.scope.clone().or_else(named);
        let egress = all.client.reach.egress();
        let tokens = all.service.token(egress, &target, scope.as_deref()).await?;
        self.target = Some(target);
        Ok(ServiceToken::new(&tokens, &all.rest)?)
    }
}

impl ServiceToken {
    fn new(tokens: &TokenSet, rest: &Credential) -> Result<Self, ClientError> {
        let rest = match &tokens.key {
            // Connections sign with the key with which they were opened.
            Some(key) => {
                rest.clone()
                    .with_account(format!("{}#{}", rest.account(), key.thumbprint()))
            }
            None => rest.clone(),
        };
        let credential = with_token(rest, &tokens.access_token, tokens.key.as_ref());
        let credential = credential.ok_or(ClientError::Response {
            what: "the token endpoint",
            reason: "the token has invalid characters",
        })?;
        Ok(Self {
            credential,
            issued: Instant::now(),
            lifetime: tokens.expires_in,
        })
    }

    /// Returns `true` if the token is about to expire.
    fn is_due(&self) -> bool {
        let lifetime = self.lifetime;
        lifetime.is_some_and(|it| self.issued.elapsed() + MARGIN.min(it / 4) >= it)
    }

    fn is_expired(&self) -> bool {
        self.lifetime
            .is_some_and(|lifetime| self.issued.elapsed() >= lifetime)
    }

    /// Returns `true` if `credential` has this token.
    fn is(&self, credential: &Credential) -> bool {
        self.credential.headers() == credential.headers()
    }
}

impl OAuthClient {
    /// Discovers the token endpoint for the server.
    async fn token_target(&self) -> Result<TokenTarget, ClientError> {
        let challenge = self.challenge().await?;
        // The server may require a token for some requests only.
        let none = || Challenge::new(StatusCode::UNAUTHORIZED, &HeaderMap::new());
        let challenge = challenge.unwrap_or_else(none);
        discovery::discover_tokens(&self.reach, &self.url, &challenge).await
    }
}

#[async_trait]
impl CredentialResolver for ClientCredentials {
    async fn resolve(&self, _: &Caller, _: &Target) -> Result<Credential, CredentialError> {
        match &*self.current.load() {
            Some(token) if !token.is_due() => return Ok(token.credential.clone()),
            _ => {}
        }
        self.renewed(None).await
    }

    async fn rejected(
        &self,
        _: &Caller,
        _: &Target,
        credential: &Credential,
        challenge: &Challenge,
    ) -> Result<Option<Credential>, CredentialError> {
        // Another token has no further scopes.
        if challenge.status() != StatusCode::UNAUTHORIZED {
            return Ok(None);
        }
        let current = self.current.load_full();
        // The server would reject another one as well.
        let is_new = |token: &ServiceToken| token.issued.elapsed() < SETTLING;
        if current.is_some_and(|token| token.is(credential) && is_new(&token)) {
            return Ok(None);
        }
        self.renewed(Some(credential)).await.map(Some)
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

/// Returns `true` if another request would fail in the same way, because the client or its request
/// is not accepted (RFC 6749, section 5.2; RFC 8707, section 2).
fn is_final(error: &ClientError) -> bool {
    let ClientError::Token(error) = error else {
        return false;
    };
    matches!(
        &*error.code,
        "invalid_client"
            | "invalid_grant"
            | "invalid_request"
            | "invalid_scope"
            | "invalid_target"
            | "unauthorized_client"
            | "unsupported_grant_type"
    )
}

fn unavailable(error: impl Into<BoxError>) -> CredentialError {
    CredentialError::Unavailable(error.into())
}

/// Maximum time before its expiry at which a token is replaced.
const MARGIN: Duration = Duration::from_secs(60);

/// Time after which a token that the server rejects is replaced again.
const SETTLING: Duration = Duration::from_secs(5);

/// Delay after a failure that only a change of the configuration ends.
const FINAL_DELAY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_token_is_due_a_minute_before_it_expires() {
        for (lifetime, due) in [(3600, 3540), (40, 30), (0, 0)] {
            let tokens = TokenSet {
                access_token: "a-1".to_owned(),
                key: None,
                expires_in: Some(Duration::from_secs(lifetime)),
                refresh_token: None,
                scope: None,
            };
            let token = ServiceToken::new(&tokens, &Credential::none()).unwrap();
            assert_eq!((token.is_due(), token.is_expired()), (due == 0, due == 0));
            advance(Duration::from_secs(due)).await;
            assert!(token.is_due());
            assert_eq!(token.is_expired(), lifetime == due);
            advance(Duration::from_secs(lifetime - due)).await;
            assert!(token.is_expired());
        }
    }
}
