//! Revocation of the tokens of removed accounts at their authorization servers, in the background.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use mcp_gateway_store::{Batch, CommitOutcome, DocumentError, Documents, Store, Versioned};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::{ConnectedAccount, ConnectedAccounts};
use crate::client::{AuthorizationTarget, ClientIdentity, token};
use crate::clock::system_time;
use crate::egress::Egress;
use crate::secret::random_id;
use crate::{AuthServerError, Clock};

/// Tokens that wait for their revocation (RFC 7009) in a store, by all replicas. Cheap to clone.
///
/// Accounts that are disconnected, or whose users are deleted, leave the store at once; their tokens
/// remain valid at the authorization server until [`run`](Self::run) of any replica has revoked
/// them. A revocation that fails is repeated after increasing pauses, up to eight times within a
/// day. Restarts do not matter.
/// Nothing waits for a server without a revocation endpoint.
#[derive(Clone)]
pub struct PendingRevocations {
    accounts: ConnectedAccounts,
    documents: Documents<Pending>,
    egress: Egress,
}

/// Stored revocation.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Pending {
    /// Sealed [`Revocable`].
    sealed: String,
    /// Number of attempts.
    attempts: u32,
    /// Time of the next attempt, in seconds since the Unix epoch.
    due: u64,
}

/// Token, and the request that revokes it.
#[derive(Deserialize, Serialize)]
struct Revocable {
    target: AuthorizationTarget,
    identity: ClientIdentity,
    token: String,
}

impl PendingRevocations {
    /// Revokes the tokens of removed `accounts` through `egress`.
    #[must_use]
    pub fn new(accounts: ConnectedAccounts, egress: Egress) -> Self {
        Self {
            documents: documents(accounts.store()),
            accounts,
            egress,
        }
    }

    /// Revokes tokens as they become due. Completes when the store is closed.
    ///
    /// # Cancel safety
    ///
    /// A revocation in flight is repeated later.
    pub async fn run(&self) {
        let mut added = self.accounts.store().watch(PREFIX);
        loop {
            let pause = match self.revoke_due().await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::warn!(%error, "tokens of removed accounts wait for the store");
                    RETRY
                }
            };
            if let Ok(None) = timeout(pause, added.next()).await {
                return;
            }
        }
    }

    /// Revokes the tokens that are due, and returns the time until the next one is.
    async fn revoke_due(&self) -> Result<Duration, AuthServerError> {
        let (mut after, mut next) = (None::<String>, u64::MAX);
        loop {
            let page = self.documents.list("", after.as_deref(), PAGE).await?;
            for (id, stored) in &page {
                next = next.min(match stored.value.due <= self.clock().now() {
                    true => self.attempt(id, stored).await?,
                    false => stored.value.due,
                });
            }
            match page.into_iter().next_back() {
                Some((last, _)) => after = Some(last),
                None => break,
            }
        }
        let seconds = next.saturating_sub(self.clock().now());
        Ok(Duration::from_secs(seconds).clamp(MIN_PAUSE, MAX_PAUSE))
    }

    /// Revokes a token unless another replica does, and returns the time of its next attempt.
    ///
    /// The next attempt is written first: the replica that does so is the one that revokes.
    async fn attempt(&self, id: &str, stored: &Versioned<Pending>) -> Result<u64, AuthServerError> {
        let key = self.documents.key(id);
        let mut next = stored.value.clone();
        next.attempts += 1;
        next.due = self.clock().now().saturating_add(pause(next.attempts));
        let batch = Batch::new().if_version(Arc::clone(&key), stored.version);
        let batch = put(&self.documents, batch, id, &next, self.clock())?;
        if self.documents.store().commit(batch).await? == CommitOutcome::Conflict {
            return Ok(u64::MAX);
        }
        // One that is sealed with an unknown key can never be revoked.
        let revocable: Option<Revocable> = self.accounts.open(&purpose(id), &next.sealed);
        let failure = match &revocable {
            Some(revocable) => self.revoke(revocable).await.err(),
            None => None,
        };
        if let Some(error) = failure {
            let issuer = revocable.map(|revocable| revocable.target.server.issuer);
            tracing::warn!(%error, issuer, attempt = next.attempts, "tokens of a removed account not revoked");
            if next.attempts < ATTEMPTS {
                return Ok(next.due);
            }
        }
        let _ = self
            .documents
            .store()
            .commit(Batch::new().delete(key))
            .await?;
        Ok(u64::MAX)
    }

    async fn revoke(&self, revocable: &Revocable) -> Result<(), crate::client::ClientError> {
        let Revocable {
            target,
            identity,
            token,
        } = revocable;
        token::revoke(&self.egress, (target, identity), token).await
    }

    fn clock(&self) -> &Clock {
        self.accounts.clock()
    }
}

/// Adds the revocation of the tokens of `account` to `batch`, if its server has an endpoint for it.
pub(super) fn enqueue(
    accounts: &ConnectedAccounts,
    batch: Batch,
    account: &ConnectedAccount,
) -> Result<Batch, AuthServerError> {
    let (target, identity) = account.client();
    if target.server.revocation_endpoint.is_none() {
        return Ok(batch);
    }
    let id = random_id("")?;
    let revocable = Revocable {
        target: target.clone(),
        identity: identity.clone(),
        token: account.revocable_token().to_owned(),
    };
    let pending = Pending {
        sealed: accounts.seal(&purpose(&id), &revocable)?,
        attempts: 0,
        due: accounts.clock().now(),
    };
    let documents = documents(accounts.store());
    Ok(put(&documents, batch, &id, &pending, accounts.clock())?)
}

fn documents(store: &Arc<dyn Store>) -> Documents<Pending> {
    Documents::new(Arc::clone(store), PREFIX)
}

/// Adds a write of `pending` to `batch`. It expires if no replica ever runs.
fn put(
    documents: &Documents<Pending>,
    batch: Batch,
    id: &str,
    pending: &Pending,
    clock: &Clock,
) -> Result<Batch, DocumentError> {
    let expires = system_time(clock.now().saturating_add(LIFETIME));
    documents.put(batch, id, pending, Some(expires))
}

/// Returns the purpose to which the sealed content is bound.
fn purpose(id: &str) -> String {
    format!("revocation {id}")
}

/// Returns the pause after the attempt `number`, in seconds: 10, 40, 160 …
fn pause(number: u32) -> u64 {
    10 * 4_u64.saturating_pow(number.saturating_sub(1))
}

impl fmt::Debug for PendingRevocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingRevocations")
            .field("documents", &self.documents)
            .finish_non_exhaustive()
    }
}

/// Store prefix of pending revocations.
const PREFIX: &str = "account/revocation/";

/// Maximum number of attempts.
const ATTEMPTS: u32 = 8;

/// Lifetime of a pending revocation after its last attempt, in seconds.
const LIFETIME: u64 = 7 * 24 * 60 * 60;

/// Number of revocations per read.
const PAGE: usize = 100;

/// Pause after a failure of the store.
const RETRY: Duration = Duration::from_secs(5);

/// Minimum pause between two reads.
const MIN_PAUSE: Duration = Duration::from_secs(1);

/// Maximum pause between two reads.
const MAX_PAUSE: Duration = Duration::from_secs(60 * 60);
