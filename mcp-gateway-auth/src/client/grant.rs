//! Grant of a client.

use std::time::Duration;

use tokio::time::Instant;

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
    /// Requested scopes, separated by spaces.
    requested: Option<String>,
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
            requested: None,
            tokens,
        }
    }

    /// Sets the scopes of the authorization request, separated by spaces.
    ///
    /// They are granted unless the response says otherwise (RFC 6749, section 5.1).
    pub(super) fn with_requested_scope(mut self, scope: Option<String>) -> Self {
        if self.tokens.scope.is_none() {
            self.tokens.scope.clone_from(&scope);
        }
        self.requested = scope;
        self
    }

    /// Requested scopes, separated by spaces.
    #[must_use]
    pub fn requested_scope(&self) -> Option<&str> {
        self.requested.as_deref()
    }

    /// Returns the server, the client and the tokens.
    #[must_use]
    pub fn into_parts(self) -> (AuthorizationTarget, ClientIdentity, TokenSet) {
        (self.found, self.identity, self.tokens)
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
        let key = self.tokens.key.as_ref();
        let tokens = token::refresh(&self.egress, known, refresh_token, key).await?;
        self.issued = Instant::now();
        self.tokens = tokens;
        Ok(())
    }
}
