//! Grant of a client, and the credential derived from it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::http::HeaderValue;
use ::http::header::AUTHORIZATION;
use async_trait::async_trait;
use mcp_gateway_core::credential::{CredentialError, CredentialResolver};
use mcp_gateway_core::route::Target;
use mcp_gateway_core::{BoxError, Caller, Credential};
use tokio::sync::Mutex;

use super::{ClientError, ClientIdentity, Discovered, Tokens, token};
use crate::egress::Egress;

/// Tokens, and all that refreshes them.
#[derive(Clone, Debug)]
pub struct Grant {
    egress: Egress,
    found: Discovered,
    identity: ClientIdentity,
    issued: Instant,
    tokens: Tokens,
}

impl Grant {
    pub(super) fn new(
        egress: Egress,
        (found, identity): (Discovered, ClientIdentity),
        tokens: Tokens,
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
    pub fn tokens(&self) -> &Tokens {
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
    /// A [`ClientError`] if the server rejects the refresh token, or there is none.
    ///
    /// # Cancel safety
    ///
    /// The server may have rotated the refresh token when this is dropped: let it run to its end.
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

/// Presents the access token of one grant to every server, and refreshes it before it expires.
pub struct GrantCredentials {
    grant: Arc<Mutex<Grant>>,
    rest: Credential,
}

impl GrantCredentials {
    /// Presents the tokens of `grant`, besides the headers of `rest`.
    #[must_use]
    pub fn new(grant: Grant, rest: Credential) -> Self {
        Self {
            grant: Arc::new(Mutex::new(grant)),
            rest,
        }
    }
}

#[async_trait]
impl CredentialResolver for GrantCredentials {
    async fn resolve(&self, _: &Caller, _: &Target) -> Result<Credential, CredentialError> {
        let grant = Arc::clone(&self.grant);
        // A task, because a refresh must run to its end when the call is dropped.
        let token = tokio::spawn(async move { current(&mut *grant.lock().await).await });
        let token = token.await.map_err(unavailable)??;
        let value = HeaderValue::try_from(format!("Bearer {token}"));
        let mut value = value.map_err(unavailable)?;
        value.set_sensitive(true);
        Ok(self.rest.clone().with_header(AUTHORIZATION, value))
    }
}

/// Returns the access token, refreshed if it is about to expire.
async fn current(grant: &mut Grant) -> Result<String, CredentialError> {
    if grant.expires_within(MARGIN)
        && grant.tokens.refresh_token.is_some()
        && let Err(error) = grant.refresh().await
    {
        if grant.expires_within(Duration::ZERO) {
            return Err(unavailable(error));
        }
        tracing::warn!(%error, "access token not refreshed");
    }
    Ok(grant.tokens.access_token.clone())
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
