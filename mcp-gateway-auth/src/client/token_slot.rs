//! Token that is replaced before it expires.

use std::sync::Arc;
use std::time::Duration;

use ::http::StatusCode;
use arc_swap::ArcSwapOption;
use mcp_gateway_core::Credential;
use mcp_gateway_core::credential::{Challenge, CredentialError};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::presented::with_token;
use super::{ClientError, TokenSet};

/// Token with the state of its requests, of which at most one is in flight.
///
/// Other calls wait for it unless they have a valid token.
pub(super) struct TokenSlot<S> {
    current: ArcSwapOption<IssuedToken>,
    requests: Mutex<S>,
}

/// Access token, in the credential that presents it.
pub(super) struct IssuedToken {
    credential: Credential,
    issued: Instant,
    lifetime: Option<Duration>,
}

/// Requests for the tokens of a slot with the state `S`.
pub(super) trait TokenRequests<S> {
    /// Requests a token. `is_rejected` is set if the server has rejected the last one.
    fn request(
        &self,
        state: &mut S,
        is_rejected: bool,
    ) -> impl Future<Output = Result<IssuedToken, CredentialError>> + Send;
}

impl<S: Default> Default for TokenSlot<S> {
    fn default() -> Self {
        Self {
            current: ArcSwapOption::empty(),
            requests: Mutex::default(),
        }
    }
}

impl<S: Send> TokenSlot<S> {
    /// Returns a credential with the current token, or with one that `requests` returns.
    ///
    /// # Errors
    ///
    /// That of the request, unless there is a valid token.
    pub(super) async fn resolve(
        &self,
        requests: &impl TokenRequests<S>,
    ) -> Result<Credential, CredentialError> {
        match &*self.current.load() {
            Some(token) if !token.is_due() => return Ok(token.credential.clone()),
            _ => {}
        }
        self.renewed(requests, None).await
    }

    /// Returns a credential with another token than `rejected`, which the server has rejected with
    /// `challenge`; `None` if that would be rejected as well.
    ///
    /// # Errors
    ///
    /// That of the request, or [`CredentialError::InsufficientScope`].
    pub(super) async fn rejected(
        &self,
        requests: &impl TokenRequests<S>,
        (rejected, challenge): (&Credential, &Challenge),
    ) -> Result<Option<Credential>, CredentialError> {
        // Another token has no further scopes.
        if challenge.is_insufficient_scope() {
            let scopes: Vec<_> = challenge.scopes().collect();
            let scopes = scopes.join(" ").into();
            return Err(CredentialError::InsufficientScope { scopes, url: None });
        }
        if challenge.status() != StatusCode::UNAUTHORIZED {
            return Ok(None);
        }
        let current = self.current.load_full();
        let is_new = |token: &IssuedToken| token.issued.elapsed() < SETTLING;
        if current.is_some_and(|token| token.is(rejected) && is_new(&token)) {
            return Ok(None);
        }
        self.renewed(requests, Some(rejected)).await.map(Some)
    }

    /// Returns a credential with a token other than that of `rejected`.
    async fn renewed(
        &self,
        requests: &impl TokenRequests<S>,
        rejected: Option<&Credential>,
    ) -> Result<Credential, CredentialError> {
        let Some(mut state) = self.begin(rejected).await else {
            // Another call requests the token.
            return self
                .valid()
                .ok_or_else(|| CredentialError::Unavailable("no token".into()));
        };
        let current = self.current.load_full();
        let current = current.filter(|token| rejected.is_none_or(|it| !token.is(it)));
        match current {
            // Another call has obtained it in the meantime.
            Some(token) if !token.is_due() => Ok(token.credential.clone()),
            current => match requests.request(&mut state, rejected.is_some()).await {
                Ok(token) => {
                    let credential = token.credential.clone();
                    self.current.store(Some(Arc::new(token)));
                    Ok(credential)
                }
                Err(error) => match current.filter(|token| !token.is_expired()) {
                    Some(token) => Ok(token.credential.clone()),
                    None => Err(error),
                },
            },
        }
    }

    /// Waits for the permission to request a token. Returns `None` if another call does so, and a
    /// valid token can be presented.
    async fn begin(&self, rejected: Option<&Credential>) -> Option<MutexGuard<'_, S>> {
        match self.requests.try_lock() {
            Ok(state) => Some(state),
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

impl IssuedToken {
    /// Adds the access token of `tokens` to the headers of `rest`.
    ///
    /// # Errors
    ///
    /// [`ClientError::Response`] if it is no header value.
    pub(super) fn new(tokens: &TokenSet, rest: Credential) -> Result<Self, ClientError> {
        let rest = match &tokens.key {
            // Connections sign with the key with which they were opened.
            Some(key) => {
                let account = format!("{}#{}", rest.account(), key.thumbprint());
                rest.with_account(account)
            }
            None => rest,
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

/// Maximum time before its expiry at which a token is replaced.
const MARGIN: Duration = Duration::from_secs(60);

/// Time after which a token that the server rejects is replaced again.
const SETTLING: Duration = Duration::from_secs(5);

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
            let token = IssuedToken::new(&tokens, Credential::none()).unwrap();
            assert_eq!((token.is_due(), token.is_expired()), (due == 0, due == 0));
            advance(Duration::from_secs(due)).await;
            assert!(token.is_due());
            assert_eq!(token.is_expired(), lifetime == due);
            advance(Duration::from_secs(lifetime - due)).await;
            assert!(token.is_expired());
        }
    }
}
