//! The grants in the store: issuance, redemption and revocation.

use std::sync::Arc;

use mcp_gateway_store::{Batch, Documents, Outcome, Store, Stored};

use super::{Grant, Redemption, State, Step};
use crate::clock::moment;
use crate::secret::identifier;
use crate::server::error::OAuthError;
use crate::server::settings::Lifetimes;
use crate::server::token::revocations::RevocationLog;
use crate::token::Revoked;
use crate::{AuthorityError, Clock, Handle, Keyring, SecretHash};

/// The grants in a store. Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::server) struct Grants {
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
pub(in crate::server) struct Redeemed {
    pub(in crate::server) id: String,
    pub(in crate::server) grant: Grant,
    /// Refresh token for the next request.
    pub(in crate::server) refresh_token: String,
}

/// The credential that was presented, besides its handle.
enum Presented<'a> {
    Code(&'a Redemption<'a>),
    RefreshToken { client: &'a str, generation: u32 },
}

impl Grants {
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
    pub(in crate::server) fn offer(
        &self,
        grant: &Grant,
        batch: Batch,
    ) -> Result<(Batch, String), AuthorityError> {
        let id = identifier("g_")?;
        let batch = batch.if_absent(self.documents.key(&id));
        let expires = grant.expires(self.lifetimes.refresh());
        let batch = self
            .documents
            .put(batch, &id, grant, Some(moment(expires)))?;
        let last = grant.created + self.lifetimes.refresh_absolute.as_secs();
        let entry = format!("{}{id}", below(&grant.person, &grant.client));
        let batch = self.index.put(batch, &entry, &(), Some(moment(last)))?;
        Ok((batch, self.keyring.issue(CODE, Handle::new(id, 0))))
    }

    /// Redeems an authorization code. This succeeds once.
    pub(in crate::server) async fn redeem(
        &self,
        code: &str,
        redemption: &Redemption<'_>,
    ) -> Result<Redeemed, OAuthError> {
        let handle = self.keyring.read(CODE, code);
        let refused = || {
            OAuthError::grant(
                "authorization code invalid, expired, used, or issued to another client",
            )
        };
        let Handle { id, .. } = handle.ok_or_else(refused)?;
        let redeemed = self.step(&id, &Presented::Code(redemption)).await?;
        redeemed.ok_or_else(refused)
    }

    /// Rotates the refresh token `token` of `client`.
    pub(in crate::server) async fn refresh(
        &self,
        token: &str,
        client: &str,
    ) -> Result<Redeemed, OAuthError> {
        let refused = || OAuthError::grant("refresh token invalid, expired or revoked");
        let Handle { id, generation } = self.read(token).ok_or_else(refused)?;
        let presented = Presented::RefreshToken { client, generation };
        let redeemed = self.step(&id, &presented).await?;
        redeemed.ok_or_else(refused)
    }

    /// Returns the handle of a refresh token.
    pub(in crate::server) fn read(&self, token: &str) -> Option<Handle> {
        self.keyring.read(REFRESH_TOKEN, token)
    }

    /// Returns the grant `id`.
    pub(in crate::server) async fn get(&self, id: &str) -> Result<Option<Grant>, AuthorityError> {
        let found = self.documents.get(id).await?;
        Ok(found.map(|stored| stored.value))
    }

    /// Returns `true` if the refresh token `generation` of `grant` is valid.
    pub(in crate::server) fn is_current(&self, grant: &Grant, generation: u32) -> bool {
        let limits = self.lifetimes.refresh();
        let now = self.clock.now();
        matches!(
            grant.refresh(&grant.client, generation, limits, now),
            Step::Advance(_) | Step::Repeat { .. }
        )
    }

    /// Returns the expiration time of the refresh tokens of `grant`.
    pub(in crate::server) fn expires(&self, grant: &Grant) -> u64 {
        grant.expires(self.lifetimes.refresh())
    }

    /// Revokes the grant `id` with all its tokens.
    pub(in crate::server) async fn revoke(&self, id: &str) -> Result<(), AuthorityError> {
        for _ in 0..MAX_ATTEMPTS {
            let Some(stored) = self.documents.get(id).await? else {
                return Ok(());
            };
            let is_revoked = stored.value.state == State::Revoked;
            if is_revoked || self.write(id, &stored, State::Revoked).await?.is_some() {
                return Ok(());
            }
        }
        Err(AuthorityError::Busy)
    }

    /// Revokes all grants of `person` for `client`.
    pub(in crate::server) async fn revoke_all(
        &self,
        person: &str,
        client: &str,
    ) -> Result<(), AuthorityError> {
        let below = below(person, client);
        let found = self.index.list(&below, None, MAX_GRANTS).await?;
        for (entry, _) in found {
            self.revoke(entry.strip_prefix(&below).unwrap_or_default())
                .await?;
        }
        Ok(())
    }

    /// Performs the transition of a grant, and retries after conflicts.
    async fn step(
        &self,
        id: &str,
        presented: &Presented<'_>,
    ) -> Result<Option<Redeemed>, AuthorityError> {
        // The loser of a race sees the state that the winner has written.
        for _ in 0..MAX_ATTEMPTS {
            let Some(stored) = self.documents.get(id).await? else {
                return Ok(None);
            };
            let now = self.clock.now();
            let step = match presented {
                Presented::Code(redemption) => stored.value.redeem(redemption, now),
                Presented::RefreshToken { client, generation } => {
                    let limits = self.lifetimes.refresh();
                    stored.value.refresh(client, *generation, limits, now)
                }
            };
            let state = match step {
                Step::Advance(state) => state,
                Step::Refuse => return Ok(None),
                Step::Repeat { generation } => {
                    return Ok(Some(self.redeemed(id, stored.value, generation)));
                }
                Step::Revoke => {
                    tracing::warn!(
                        client = stored.value.client,
                        person = stored.value.person,
                        "authorization code or refresh token replayed; grant revoked"
                    );
                    self.revoke(id).await?;
                    return Ok(None);
                }
            };
            let written = self.write(id, &stored, state).await?;
            if let (Some(grant), State::Active { generation, .. }) = (written, state) {
                return Ok(Some(self.redeemed(id, grant, generation)));
            }
        }
        Err(AuthorityError::Busy)
    }

    /// Writes the grant in `state`. Returns `None` if it has changed since it was read.
    async fn write(
        &self,
        id: &str,
        stored: &Stored<Grant>,
        state: State,
    ) -> Result<Option<Grant>, AuthorityError> {
        let grant = Grant {
            state,
            ..stored.value.clone()
        };
        let batch = Batch::new().if_version(self.documents.key(id), stored.version);
        let expires = grant.expires(self.lifetimes.refresh());
        let mut batch = self
            .documents
            .put(batch, id, &grant, Some(moment(expires)))?;
        if state == State::Revoked {
            batch = self.revocations.add(batch, Revoked::Grant, id)?;
        }
        match self.documents.store().commit(batch).await? {
            Outcome::Committed => {
                if state == State::Revoked {
                    self.revocations.note(Revoked::Grant, id);
                }
                Ok(Some(grant))
            }
            Outcome::Conflict => Ok(None),
        }
    }

    /// Returns a grant with its next refresh token.
    fn redeemed(&self, id: &str, grant: Grant, generation: u32) -> Redeemed {
        Redeemed {
            refresh_token: self
                .keyring
                .issue(REFRESH_TOKEN, Handle::new(id, generation)),
            id: id.to_owned(),
            grant,
        }
    }
}

/// Returns the index prefix of the grants of `person` for `client`.
fn below(person: &str, client: &str) -> String {
    format!("{person}/{}/", SecretHash::of(client).as_str())
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
