//! Credential derived from a grant, which is refreshed when it is due.

use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use ::http::{HeaderValue, StatusCode};
use async_trait::async_trait;
use mcp_gateway_core::credential::{Challenge, CredentialError, CredentialResolver};
use mcp_gateway_core::route::Target;
use mcp_gateway_core::{BoxError, Caller, Credential, error_chain};
use tokio::sync::{Mutex, oneshot};
use tokio::task::JoinSet;

use super::backoff::Backoff;
use super::presented::{presented_token, with_token};
use super::{ClientError, Grant, TokenSet};

/// Credential resolver with the access token of one grant.
///
/// All servers get the same token. It is refreshed one minute before it expires, and after a server
/// has rejected it with 401. At most one refresh is in flight.
///
/// A refresh token that the authorization server rejects with the error `invalid_grant` is final:
/// the access token is presented until it expires, and [`CredentialError::NotConnected`] is
/// returned afterwards. Other failures are temporary. The next refresh is then attempted at once,
/// and further ones after a delay that doubles from one second up to one minute. In between, a
/// valid access token is presented, and an expired one is [`CredentialError::Unavailable`] with
/// [`ClientError::Suspended`] as its source.
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
    state: Arc<Mutex<GrantState<Grant>>>,
    rest: Credential,
    /// Refreshes in flight. They complete even if the call is dropped, because the server may have
    /// rotated the refresh token.
    tasks: std::sync::Mutex<JoinSet<()>>,
}

/// Tokens that can be refreshed.
trait RefreshableTokens {
    /// Returns the current tokens.
    fn tokens(&self) -> &TokenSet;

    /// Returns `true` if the access token expires within `margin`.
    fn expires_within(&self, margin: Duration) -> bool;

    /// Exchanges the refresh token for new tokens.
    fn refresh(&mut self) -> impl Future<Output = Result<(), ClientError>> + Send;
}

impl RefreshableTokens for Grant {
    fn tokens(&self) -> &TokenSet {
        Self::tokens(self)
    }

    fn expires_within(&self, margin: Duration) -> bool {
        Self::expires_within(self, margin)
    }

    fn refresh(&mut self) -> impl Future<Output = Result<(), ClientError>> + Send {
        Self::refresh(self)
    }
}

/// Grant, with the failures of its refreshes.
struct GrantState<G> {
    grant: G,
    backoff: Backoff,
    /// Last temporary failure.
    failure: String,
    /// Code of the last failure, if the next refresh would fail alike.
    code: Option<String>,
    /// Set after a rejection with `invalid_grant`.
    is_revoked: bool,
}

impl GrantCredentials {
    /// Creates a resolver that adds the access token of `grant` to the headers of `rest`.
    #[must_use]
    pub fn new(grant: Grant, rest: Credential) -> Self {
        Self {
            state: Arc::new(Mutex::new(GrantState::new(grant))),
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
        let rest = self.rest.clone();
        let (sender, renewed) = oneshot::channel();
        {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            while tasks.try_join_next().is_some() {}
            tasks.spawn(async move {
                let renewed = state.lock().await.renewed(rest, rejected).await;
                // The call may have been dropped.
                let _ = sender.send(renewed);
            });
        }
        renewed.await.map_err(unavailable)?
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
        // A refresh adds no scopes.
        let (StatusCode::UNAUTHORIZED, Some(presented)) =
            (challenge.status(), presented_token(credential))
        else {
            return Ok(None);
        };
        let renewed = self.credential(Some(presented.clone())).await?;
        let is_new = presented_token(&renewed) != Some(presented);
        Ok(is_new.then_some(renewed))
    }
}

impl<G: RefreshableTokens> GrantState<G> {
    fn new(grant: G) -> Self {
        Self {
            grant,
            backoff: Backoff::default(),
            failure: String::new(),
            code: None,
            is_revoked: false,
        }
    }

    /// Adds the access token to `rest`, refreshed if it is about to expire or equals `rejected`.
    async fn renewed(
        &mut self,
        rest: Credential,
        rejected: Option<HeaderValue>,
    ) -> Result<Credential, CredentialError> {
        let is_due = self.grant.expires_within(MARGIN) || rejected.is_some_and(|it| self.is(&it));
        if is_due
            && self.grant.tokens().refresh_token.is_some()
            && let Err(failure) = self.refresh().await
            && self.grant.expires_within(Duration::ZERO)
        {
            return Err(failure);
        }
        self.presented(rest)
            .ok_or_else(|| unavailable("the token has invalid characters"))
    }

    /// Returns `true` if `presented` is the current access token.
    fn is(&self, presented: &HeaderValue) -> bool {
        let current = self.presented(Credential::none());
        current.is_some_and(|current| presented_token(&current) == Some(presented))
    }

    fn presented(&self, rest: Credential) -> Option<Credential> {
        let tokens = self.grant.tokens();
        with_token(rest, &tokens.access_token, tokens.key.as_ref())
    }

    /// Refreshes the tokens, unless the refresh token is revoked or an earlier failure delays it.
    async fn refresh(&mut self) -> Result<(), CredentialError> {
        if self.is_revoked {
            return Err(CredentialError::NotConnected { url: None });
        }
        if let Some(remaining) = self.backoff.remaining() {
            return Err(CredentialError::from(ClientError::Suspended {
                remaining,
                failure: self.failure.clone(),
                code: self.code.clone(),
            }));
        }
        let Err(error) = self.grant.refresh().await else {
            self.backoff.reset();
            return Ok(());
        };
        tracing::warn!(%error, "access token not refreshed");
        self.is_revoked = error.is_invalid_grant();
        if self.is_revoked {
            return Err(CredentialError::NotConnected { url: None });
        }
        self.backoff.record_failure();
        self.failure = error_chain(&error);
        self.code = error.final_code().map(str::to_owned);
        Err(error.into())
    }
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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use tokio::time::{Instant, advance};

    use super::*;
    use crate::client::ServerError;
    use crate::egress::EgressError;

    /// Tokens whose refreshes fail as scripted, and succeed afterwards.
    struct ScriptedTokens {
        tokens: TokenSet,
        expires: Instant,
        script: VecDeque<ClientError>,
        /// Times of the refreshes.
        attempts: Vec<Instant>,
    }

    impl RefreshableTokens for ScriptedTokens {
        fn tokens(&self) -> &TokenSet {
            &self.tokens
        }

        fn expires_within(&self, margin: Duration) -> bool {
            Instant::now() + margin >= self.expires
        }

        async fn refresh(&mut self) -> Result<(), ClientError> {
            self.attempts.push(Instant::now());
            if let Some(failure) = self.script.pop_front() {
                return Err(failure);
            }
            let number = self.attempts.len();
            self.tokens.access_token = format!("refreshed-{number}");
            self.expires = Instant::now() + HOUR;
            Ok(())
        }
    }

    /// Creates a grant with an access token that expires within `lifetime`.
    fn state(
        lifetime: Duration,
        script: impl IntoIterator<Item = ClientError>,
    ) -> GrantState<ScriptedTokens> {
        GrantState::new(ScriptedTokens {
            tokens: TokenSet {
                access_token: "first".to_owned(),
                key: None,
                expires_in: None,
                refresh_token: Some("refresh".to_owned()),
                scope: None,
            },
            expires: Instant::now() + lifetime,
            script: script.into_iter().collect(),
            attempts: Vec::new(),
        })
    }

    fn network() -> ClientError {
        ClientError::Egress {
            url: "https://as.example/token".to_owned(),
            source: EgressError::Unavailable,
        }
    }

    fn rejected(code: &str) -> ClientError {
        ClientError::Token(ServerError::new(code, None))
    }

    /// Presents the token, and returns it or the source of the error.
    async fn present(state: &mut GrantState<ScriptedTokens>) -> Result<String, String> {
        match state.renewed(Credential::none(), None).await {
            Ok(credential) => {
                let header = presented_token(&credential).unwrap();
                Ok(header.to_str().unwrap().to_owned())
            }
            Err(CredentialError::Unavailable(source)) => Err(source.to_string()),
            Err(error) => Err(format!("{error:?}")),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn network_errors_back_off() {
        let start = Instant::now();
        let mut state = state(Duration::ZERO, (0..9).map(|_| network()));
        let mut suspended = 0;
        while let Err(error) = present(&mut state).await {
            suspended += usize::from(error.contains("suspended"));
            advance(Duration::from_millis(100)).await;
        }
        let attempts = state.grant.attempts.iter();
        let seconds: Vec<_> = attempts.map(|at| (*at - start).as_secs()).collect();
        // The calls in between fail without a request.
        assert_eq!(seconds, [0, 0, 1, 3, 7, 15, 31, 63, 123, 183]);
        assert!(suspended > 1_700, "{suspended}");
        assert_eq!(present(&mut state).await.unwrap(), "Bearer refreshed-10");
    }

    #[tokio::test(start_paused = true)]
    async fn a_suspended_refresh_reports_its_last_failure() {
        let mut state = state(Duration::ZERO, (0..3).map(|_| network()));
        for _ in 0..2 {
            assert!(!present(&mut state).await.unwrap_err().contains("suspended"));
        }
        let error = present(&mut state).await.unwrap_err();
        let expected = "token refresh suspended for 1s after a failure: failed to connect";
        assert!(error.starts_with(expected), "{error}");
        assert_eq!(state.grant.attempts.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_valid_token_is_presented_while_refreshes_are_suspended() {
        let mut state = state(MARGIN / 2, (0..100).map(|_| network()));
        for _ in 0..29 {
            assert_eq!(present(&mut state).await.unwrap(), "Bearer first");
            advance(Duration::from_secs(1)).await;
        }
        advance(Duration::from_secs(1)).await;
        assert!(present(&mut state).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_ends_the_backoff() {
        let mut state = state(Duration::ZERO, [network(), rejected("slow_down")]);
        assert!(present(&mut state).await.is_err());
        assert!(present(&mut state).await.is_err());
        advance(Duration::from_secs(1)).await;
        assert_eq!(present(&mut state).await.unwrap(), "Bearer refreshed-3");
        state.grant.expires = Instant::now();
        state.grant.script.push_back(network());
        assert!(present(&mut state).await.is_err());
        assert_eq!(present(&mut state).await.unwrap(), "Bearer refreshed-5");
    }

    #[tokio::test(start_paused = true)]
    async fn a_rejected_refresh_token_is_final() {
        let mut state = state(Duration::ZERO, [rejected("invalid_grant")]);
        for _ in 0..3 {
            let error = present(&mut state).await.unwrap_err();
            assert!(error.contains("NotConnected"), "{error}");
            advance(HOUR).await;
        }
        assert_eq!(state.grant.attempts.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn credentials_back_off_separately() {
        let mut failing = state(Duration::ZERO, (0..3).map(|_| network()));
        let mut other = state(Duration::ZERO, []);
        for _ in 0..3 {
            assert!(present(&mut failing).await.is_err());
        }
        assert_eq!(present(&mut other).await.unwrap(), "Bearer refreshed-1");
    }

    const HOUR: Duration = Duration::from_secs(3600);
}
