//! Connected accounts.

use std::fmt;
use std::time::Duration;

use mcp_gateway_core::Credential;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::AuthServerError;
use crate::client::presented::with_token;
use crate::client::{AuthorizationTarget, ClientIdentity, Grant, TokenSet};
use crate::dpop::DpopKey;
use crate::secret::random_id;

/// Connected account: tokens that its owner has authorized, and what refreshes them.
///
/// All times are in seconds since the Unix epoch. The serialized form contains the tokens, and must
/// be sealed; `Debug` omits them.
#[derive(Clone, Deserialize, Serialize)]
pub struct ConnectedAccount {
    /// Identifier of the connection, new each time that the owner connects.
    connection: String,
    /// Number of refreshes of the connection.
    generation: u64,
    target: AuthorizationTarget,
    identity: ClientIdentity,
    access_token: String,
    /// Key to which the tokens are bound.
    #[serde(default)]
    key: Option<DpopKey>,
    refresh_token: Option<String>,
    scope: Option<String>,
    /// Scopes that the owner was asked for, separated by spaces.
    #[serde(default)]
    requested: Option<String>,
    connected_at: u64,
    issued_at: u64,
    expires_at: Option<u64>,
    /// Refresh in flight.
    lease: Option<Lease>,
    /// Set if a response to a refresh was lost, so that the server may have rotated the token.
    is_uncertain: bool,
    end: Option<EndReason>,
}

/// Refresh in flight, by one of all replicas.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Lease {
    /// Random identifier.
    id: String,
    /// Time after which the holder counts as ended.
    until: u64,
}

/// Reason for which a connected account cannot be refreshed any more.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EndReason {
    /// The authorization server does not accept the registered client any more.
    ClientRejected,
    /// The authorization server rejects the refresh token: it is expired or revoked.
    GrantRejected,
    /// The authorization server rejects the refresh token after the response to an earlier refresh
    /// was lost: it has rotated the token.
    ResponseLost,
}

impl ConnectedAccount {
    /// Creates the account of a grant that was issued at `now`.
    ///
    /// # Errors
    ///
    /// [`AuthServerError::Random`] if the system has no random numbers.
    pub fn new(grant: Grant, now: u64) -> Result<Self, AuthServerError> {
        let requested = grant.requested_scope().map(str::to_owned);
        let (target, identity, tokens) = grant.into_parts();
        Ok(Self {
            connection: random_id("")?,
            generation: 0,
            target,
            identity,
            expires_at: expiry(&tokens, now),
            access_token: tokens.access_token,
            key: tokens.key,
            refresh_token: tokens.refresh_token,
            scope: tokens.scope,
            requested,
            connected_at: now,
            issued_at: now,
            lease: None,
            is_uncertain: false,
            end: None,
        })
    }

    /// Returns the issuer identifier of the authorization server.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.target.server.issuer
    }

    /// Returns the granted scopes, separated by spaces, if the server has listed them.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// Returns `true` if the owner has been asked for `scope`, or has granted it.
    pub(super) fn has_requested(&self, scope: &str) -> bool {
        let all = [&self.requested, &self.scope].into_iter().flatten();
        let mut all = all.flat_map(|scopes| scopes.split_whitespace());
        all.any(|known| known == scope)
    }

    /// Returns `true` if the access token is the result of a refresh.
    pub(super) fn is_refreshed(&self) -> bool {
        self.generation > 0
    }

    /// Returns the time at which the owner has connected the account.
    #[must_use]
    pub fn connected_at(&self) -> u64 {
        self.connected_at
    }

    /// Returns the reason for which the account cannot be refreshed, if it has ended.
    #[must_use]
    pub fn end(&self) -> Option<EndReason> {
        self.end
    }

    /// Returns the scopes that the metadata of the resource lists.
    pub(super) fn resource_scopes(&self) -> impl Iterator<Item = &str> {
        self.target.resource_scopes.iter().map(String::as_str)
    }

    /// Returns the identifier of the connection.
    pub(super) fn connection(&self) -> &str {
        &self.connection
    }

    /// Returns `true` if its tokens are for the server at `url`. They are for another one if the
    /// address of the server was changed after the account had been connected. It parses a URL.
    pub(super) fn is_for(&self, url: &Url) -> bool {
        self.target.is_for(url)
    }

    /// Returns the parts of a request to the authorization server.
    pub(super) fn client(&self) -> (&AuthorizationTarget, &ClientIdentity) {
        (&self.target, &self.identity)
    }

    /// Returns the refresh token, unless it is known to be invalid.
    pub(super) fn refresh_token(&self) -> Option<&str> {
        let token = self.refresh_token.as_deref();
        token.filter(|_| self.end.is_none())
    }

    /// Returns the token whose revocation ends the grant.
    pub(super) fn revocable_token(&self) -> &str {
        self.refresh_token.as_ref().unwrap_or(&self.access_token)
    }

    /// Returns the key to which the tokens are bound.
    pub(super) fn key(&self) -> Option<&DpopKey> {
        self.key.as_ref()
    }

    /// Adds the access token to `rest`, unless it has invalid characters.
    pub(super) fn credential(&self, rest: Credential) -> Credential {
        let credential = with_token(rest.clone(), &self.access_token, self.key());
        credential.unwrap_or(rest)
    }

    /// Returns `true` if the access token has expired at `now`.
    pub(super) fn is_expired(&self, now: u64) -> bool {
        self.expires_at.is_some_and(|expires| expires <= now)
    }

    /// Returns the time from which the access token is refreshed: a minute before it expires, or
    /// later if its lifetime is short.
    pub(super) fn refresh_at(&self) -> Option<u64> {
        let expires = self.expires_at?;
        let lifetime = expires.saturating_sub(self.issued_at);
        Some(expires - MARGIN.min(lifetime / 4))
    }

    /// Returns `true` if the access token was refreshed less than [`SETTLING`] ago.
    pub(super) fn is_settling(&self, now: u64) -> bool {
        self.generation > 0 && now < self.issued_at.saturating_add(SETTLING.as_secs())
    }

    /// Returns `true` if `other` has the same tokens.
    pub(super) fn is_same_generation(&self, other: &Self) -> bool {
        (&self.connection, self.generation) == (&other.connection, other.generation)
    }

    /// Returns `true` if a refresh of another holder is in flight at `now`.
    pub(super) fn is_leased(&self, now: u64) -> bool {
        self.lease.as_ref().is_some_and(|lease| now < lease.until)
    }

    /// Returns the identifier of the refresh in flight, or of one whose holder has not ended it.
    pub(super) fn lease_id(&self) -> Option<&str> {
        self.lease.as_ref().map(|lease| &*lease.id)
    }

    /// Begins a refresh that ends before `until`.
    ///
    /// The response to an earlier one that has not ended in time counts as lost.
    pub(super) fn lease(mut self, until: u64) -> Result<Self, AuthServerError> {
        self.is_uncertain |= self.lease.is_some();
        let id = random_id("")?;
        self.lease = Some(Lease { id, until });
        Ok(self)
    }

    /// Completes a refresh with the tokens that were issued at `now`.
    pub(super) fn refreshed(mut self, tokens: TokenSet, now: u64) -> Self {
        self.expires_at = expiry(&tokens, now);
        self.generation += 1;
        self.access_token = tokens.access_token;
        self.key = tokens.key;
        self.refresh_token = tokens.refresh_token;
        self.scope = tokens.scope.or(self.scope);
        self.issued_at = now;
        self.lease = None;
        self.is_uncertain = false;
        self.end = None;
        self
    }

    /// Completes a refresh without new tokens. The response is lost if `is_lost`.
    pub(super) fn unchanged(mut self, is_lost: bool) -> Self {
        self.lease = None;
        self.is_uncertain |= is_lost;
        self
    }

    /// Ends the account. Its access token is used until it expires.
    pub(super) fn ended(mut self, reason: EndReason) -> Self {
        self.lease = None;
        self.end = Some(match (reason, self.is_uncertain) {
            (EndReason::GrantRejected, true) => EndReason::ResponseLost,
            (reason, _) => reason,
        });
        self
    }
}

impl fmt::Debug for ConnectedAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectedAccount")
            .field("issuer", &self.issuer())
            .field("connection", &self.connection)
            .field("generation", &self.generation)
            .field("expires_at", &self.expires_at)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClientRejected => "client rejected",
            Self::GrantRejected => "refresh token rejected",
            Self::ResponseLost => "refresh token rejected after a lost response",
        })
    }
}

/// Returns the expiration time of `tokens`, issued at `now`.
fn expiry(tokens: &TokenSet, now: u64) -> Option<u64> {
    let lifetime = tokens.expires_in?;
    Some(now.saturating_add(lifetime.as_secs()))
}

/// Maximum time before its expiry at which an access token is refreshed, in seconds.
const MARGIN: u64 = 60;

/// Time after a refresh in which a rejection is not answered by another refresh.
const SETTLING: Duration = Duration::from_secs(5);
