//! The grants in the store: issuance, redemption and revocation.

use std::sync::Arc;

use mcp_gateway_store::{Batch, CommitOutcome, Documents, Store, Versioned};

use super::{Grant, GrantState, TokenRequest, Transition};
use crate::clock::system_time;
use crate::secret::random_id;
use crate::server::error::OAuthError;
use crate::server::settings::Lifetimes;
use crate::server::token::revocations::RevocationLog;
use crate::token::RevocationTarget;
use crate::{AuthServerError, Clock, Handle, Keyring, SecretHash};

/// The grants in a store. Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::server) struct GrantStore {
    documents: Documents<Grant>,
    /// Index of the grants by user and client.
    index: Documents<()>,
    revocations: RevocationLog,
    keyring: Keyring,
    clock: Clock,
    lifetimes: Lifetimes,
}

/// A grant for which tokens are issued.
#[derive(Debug)]
pub(in crate::server) struct RedeemedGrant {
    pub(in crate::server) id: String,
    pub(in crate::server) grant: Grant,
    /// Refresh token for the next request.
    pub(in crate::server) refresh_token: String,
}

/// The credential that was presented, besides its handle.
enum PresentedGrant<'a> {
    Code(&'a TokenRequest<'a>),
    RefreshToken {
        client: &'a str,
        key: Option<&'a str>,
        generation: u32,
    },
}

impl PresentedGrant<'_> {
    /// Returns the thumbprint of the key to which refresh tokens are bound from now on.
    fn new_key(&self) -> Option<&str> {
        match self {
            Self::Code(request) => request.key.filter(|_| request.binds_refresh_tokens),
            Self::RefreshToken { .. } => None,
        }
    }
}

impl GrantStore {
    /// Uses the grants in `store`.
    pub(in crate::server) fn new(
        store: Arc<dyn Store>,
        revocations: RevocationLog,
        keyring: Keyring,
        clock: Clock,
        lifetimes: Lifetimes,
    ) -> Self {
        Self {
            documents: Documents::new(Arc::clone(&store), "auth/grant/"),
            index: Documents::new(store, "auth/grants/"),
            revocations,
            keyring,
            clock,
            lifetimes,
        }
    }

    /// Adds `grant` to `batch`, and returns its authorization code. The code is valid once the
    /// batch has been committed.
    pub(in crate::server) fn issue_code(
        &self,
        grant: &Grant,
        batch: Batch,
    ) -> Result<(Batch, String), AuthServerError> {
        let id = random_id("g_")?;
        let batch = batch.if_absent(self.documents.key(&id));
        let expires = grant.expires(self.lifetimes.refresh());
        let batch = self
            .documents
            .put(batch, &id, grant, Some(system_time(expires)))?;
        let last = grant.created + self.lifetimes.refresh_absolute.as_secs();
        let entry = format!("{}{id}", index_prefix(&grant.user, &grant.client));
        let batch = self
            .index
            .put(batch, &entry, &(), Some(system_time(last)))?;
        Ok((batch, self.keyring.issue(CODE, Handle::new(id, 0))))
    }

    /// Redeems an authorization code. This succeeds once.
    pub(in crate::server) async fn exchange_code(
        &self,
        code: &str,
        redemption: &TokenRequest<'_>,
    ) -> Result<RedeemedGrant, OAuthError> {
        let handle = self.keyring.verify(CODE, code);
        let refused = || {
            OAuthError::invalid_grant(
                "authorization code invalid, expired, used, or issued to another client",
            )
        };
        let Handle { id, .. } = handle.ok_or_else(refused)?;
        let redeemed = self
            .transition(&id, &PresentedGrant::Code(redemption))
            .await?;
        redeemed.ok_or_else(refused)
    }

    /// Rotates the refresh token `token` of `client`, which has proved the possession of `key`.
    pub(in crate::server) async fn refresh(
        &self,
        token: &str,
        (client, key): (&str, Option<&str>),
    ) -> Result<RedeemedGrant, OAuthError> {
        let refused = || OAuthError::invalid_grant("refresh token invalid, expired or revoked");
        let Handle { id, generation } = self.parse_refresh_token(token).ok_or_else(refused)?;
        let presented = PresentedGrant::RefreshToken {
            client,
            key,
            generation,
        };
        let redeemed = self.transition(&id, &presented).await?;
        redeemed.ok_or_else(refused)
    }

    /// Returns the handle of a refresh token.
    pub(in crate::server) fn parse_refresh_token(&self, token: &str) -> Option<Handle> {
        self.keyring.verify(REFRESH_TOKEN, token)
    }

    /// Returns the grant `id`.
    pub(in crate::server) async fn get(&self, id: &str) -> Result<Option<Grant>, AuthServerError> {
        let found = self.documents.get(id).await?;
        Ok(found.map(|stored| stored.value))
    }

    /// Returns `true` if the refresh token `generation` of `grant` is valid.
    pub(in crate::server) fn is_current(&self, grant: &Grant, generation: u32) -> bool {
        let limits = self.lifetimes.refresh();
        let now = self.clock.now();
        matches!(
            grant.refresh(
                (&grant.client, grant.key.as_deref()),
                generation,
                limits,
                now
            ),
            Transition::Advance(_) | Transition::Reissue { .. }
        )
    }

    /// Returns the expiration time of the refresh tokens of `grant`.
    pub(in crate::server) fn expires(&self, grant: &Grant) -> u64 {
        grant.expires(self.lifetimes.refresh())
    }

    /// Revokes the grant `id` with all its tokens.
    pub(in crate::server) async fn revoke(&self, id: &str) -> Result<(), AuthServerError> {
        for _ in 0..MAX_ATTEMPTS {
            let Some(stored) = self.documents.get(id).await? else {
                return Ok(());
            };
            let is_revoked = stored.value.state == GrantState::Revoked;
            if is_revoked
                || self
                    .write(id, &stored, (GrantState::Revoked, None))
                    .await?
                    .is_some()
            {
                return Ok(());
            }
        }
        Err(AuthServerError::Busy)
    }

    /// Revokes all grants of `user` for `client`.
    pub(in crate::server) async fn revoke_all(
        &self,
        user: &str,
        client: &str,
    ) -> Result<(), AuthServerError> {
        self.revoke_below(&index_prefix(user, client)).await
    }

    /// Revokes all grants of `user`, also those of clients without a recorded consent.
    pub(in crate::server) async fn revoke_user(&self, user: &str) -> Result<(), AuthServerError> {
        self.revoke_below(&format!("{user}/")).await
    }

    /// Revokes the grants of the index entries that begin with `prefix`.
    async fn revoke_below(&self, prefix: &str) -> Result<(), AuthServerError> {
        for (entry, _) in self.index.list(prefix, None, MAX_GRANTS).await? {
            let (_, id) = entry.rsplit_once('/').unwrap_or_default();
            self.revoke(id).await?;
        }
        Ok(())
    }

    /// Performs the transition of a grant, and retries after conflicts.
    async fn transition(
        &self,
        id: &str,
        presented: &PresentedGrant<'_>,
    ) -> Result<Option<RedeemedGrant>, AuthServerError> {
        // The loser of a race sees the state that the winner has written.
        for _ in 0..MAX_ATTEMPTS {
            let Some(stored) = self.documents.get(id).await? else {
                return Ok(None);
            };
            let now = self.clock.now();
            let step = match presented {
                PresentedGrant::Code(redemption) => stored.value.redeem(redemption, now),
                PresentedGrant::RefreshToken {
                    client,
                    key,
                    generation,
                } => {
                    let limits = self.lifetimes.refresh();
                    stored
                        .value
                        .refresh((client, *key), *generation, limits, now)
                }
            };
            let state = match step {
                Transition::Advance(state) => state,
                Transition::Reject => return Ok(None),
                Transition::Reissue { generation } => {
                    return Ok(Some(self.redeemed(id, stored.value, generation)));
                }
                Transition::Revoke => {
                    tracing::warn!(
                        client = stored.value.client,
                        user = stored.value.user,
                        "authorization code or refresh token replayed; grant revoked"
                    );
                    self.revoke(id).await?;
                    return Ok(None);
                }
            };
            let key = presented.new_key();
            let written = self.write(id, &stored, (state, key)).await?;
            if let (Some(grant), GrantState::Active { generation, .. }) = (written, state) {
                return Ok(Some(self.redeemed(id, grant, generation)));
            }
        }
        Err(AuthServerError::Busy)
    }

    /// Writes the grant in `state`, bound to `key` if there is one. Returns `None` if it has changed
    /// since it was read.
    async fn write(
        &self,
        id: &str,
        stored: &Versioned<Grant>,
        (state, key): (GrantState, Option<&str>),
    ) -> Result<Option<Grant>, AuthServerError> {
        let grant = Grant {
            state,
            key: key.map(str::to_owned).or_else(|| stored.value.key.clone()),
            ..stored.value.clone()
        };
        let batch = Batch::new().if_version(self.documents.key(id), stored.version);
        let expires = grant.expires(self.lifetimes.refresh());
        let mut batch = self
            .documents
            .put(batch, id, &grant, Some(system_time(expires)))?;
        if state == GrantState::Revoked {
            batch = self.revocations.add(batch, RevocationTarget::Grant, id)?;
        }
        match self.documents.store().commit(batch).await? {
            CommitOutcome::Committed => {
                if state == GrantState::Revoked {
                    self.revocations.apply_local(RevocationTarget::Grant, id);
                }
                Ok(Some(grant))
            }
            CommitOutcome::Conflict => Ok(None),
        }
    }

    /// Returns a grant with its next refresh token.
    fn redeemed(&self, id: &str, grant: Grant, generation: u32) -> RedeemedGrant {
        RedeemedGrant {
            refresh_token: self
                .keyring
                .issue(REFRESH_TOKEN, Handle::new(id, generation)),
            id: id.to_owned(),
            grant,
        }
    }
}

/// Returns the index prefix of the grants of `user` for `client`.
fn index_prefix(user: &str, client: &str) -> String {
    format!("{user}/{}/", SecretHash::digest(client).as_str())
}

/// Purpose of code handles.
const CODE: &str = "authorization code";

/// Purpose of refresh token handles.
const REFRESH_TOKEN: &str = "refresh token";

/// Maximum number of attempts. One of the concurrent attempts succeeds each time, after which the
/// others are decided.
const MAX_ATTEMPTS: usize = 16;

/// Maximum number of grants per user and client. Nobody connects a client more often within the
/// lifetime of grants.
const MAX_GRANTS: usize = 10_000;
