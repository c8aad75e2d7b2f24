//! Refreshes of connected accounts, each by one of all replicas.
//!
//! A refresh token may be valid once, and some authorization servers end the whole grant upon its
//! second use. So a refresh begins with a conditional write of a lease into the account, which one
//! replica wins; the others wait for the tokens that it stores. Each refresh increments the
//! generation of the account, so that a call whose token was rejected finds the newer one.

use std::mem;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use mcp_gateway_core::BoxError;
use mcp_gateway_core::credential::CredentialError;
use mcp_gateway_store::Versioned;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::account::{ConnectedAccount, EndReason};
use super::cache::{AccountCache, CachedAccount};
use super::locks::KeyedLocks;
use super::outcome::Outcome;
use super::registrations::Registrations;
use super::server::AccountServer;
use super::unsaved::{Unsaved, UnsavedTokens};
use super::{AccountId, ConnectedAccounts};
use crate::AuthServerError;
use crate::client::backoffs::{Backoffs, FailureClass, is_lost};
use crate::client::token;
use crate::client::token_http::TokenFailure;
use crate::egress::Egress;

/// Accounts in memory, and their refreshes.
#[derive(Debug)]
pub(super) struct Renewals {
    accounts: ConnectedAccounts,
    backoffs: Backoffs,
    cache: AccountCache<CachedAccount>,
    egress: Egress,
    /// Renewals of this process.
    locks: KeyedLocks,
    registrations: Registrations,
    /// Renewals in flight. They complete even if the call is dropped, because the server may have
    /// rotated the refresh token.
    tasks: std::sync::Mutex<JoinSet<()>>,
    unsaved: UnsavedTokens,
}

impl Renewals {
    pub(super) fn new(accounts: ConnectedAccounts, egress: Egress) -> Self {
        Self {
            registrations: Registrations::new(accounts.clone()),
            accounts,
            backoffs: Backoffs::default(),
            cache: AccountCache::new(),
            egress,
            locks: KeyedLocks::default(),
            tasks: std::sync::Mutex::default(),
            unsaved: UnsavedTokens::default(),
        }
    }

    /// Returns the stored accounts.
    pub(super) fn accounts(&self) -> &ConnectedAccounts {
        &self.accounts
    }

    /// Returns the accounts in memory.
    pub(super) fn cache(&self) -> &AccountCache<CachedAccount> {
        &self.cache
    }

    /// Returns the client for requests to authorization servers.
    pub(super) fn egress(&self) -> &Egress {
        &self.egress
    }

    /// Returns the registrations at authorization servers.
    pub(super) fn registrations(&self) -> &Registrations {
        &self.registrations
    }

    /// Waits until the renewals in flight have ended. Tokens that cannot be stored now are lost.
    pub(super) async fn finish(&self) {
        self.unsaved.close();
        let tasks = {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            mem::take(&mut *tasks)
        };
        tasks.join_all().await;
    }

    /// Returns the account `id` at `server`, from memory if possible.
    pub(super) async fn find(
        &self,
        id: &AccountId,
        server: &Arc<AccountServer>,
    ) -> Result<Option<Arc<CachedAccount>>, CredentialError> {
        let document = id.document();
        if let Some(cached) = self.cache.get(&document, server) {
            return Ok(cached);
        }
        let epoch = self.cache.epoch();
        let stored = self.accounts.find(id).await.map_err(unavailable)?;
        let found = stored.map(|stored| Arc::new(CachedAccount::new(id, server, stored.value)));
        self.cache.insert(&document, epoch, found.clone());
        Ok(found)
    }

    /// Returns the account `id` with an access token other than `rejected` that is not about to
    /// expire, or with its last one if it cannot be refreshed.
    pub(super) async fn renew(
        self: &Arc<Self>,
        id: &AccountId,
        server: &Arc<AccountServer>,
        rejected: Option<&HeaderValue>,
    ) -> Result<Option<Arc<CachedAccount>>, CredentialError> {
        let document = id.document();
        let lock = self.locks.lock(&document).await;
        // Another call may have renewed it while this one was waiting.
        if let Some(Some(cached)) = self.cache.get(&document, server)
            && !cached.is_due(self.accounts.clock().now(), rejected)
        {
            return Ok(Some(cached));
        }
        let renewal = Renewal {
            all: Arc::clone(self),
            id: id.clone(),
            document,
            server: Arc::clone(server),
            rejected: rejected.cloned(),
        };
        let (sender, renewed) = oneshot::channel();
        {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            while tasks.try_join_next().is_some() {}
            tasks.spawn(async move {
                let result = renewal.run().await;
                drop(lock);
                // The call may have been dropped.
                let _ = sender.send(result);
                renewal.save_late().await;
            });
        }
        renewed.await.map_err(unavailable)?
    }
}

/// Renewal of one account.
struct Renewal {
    all: Arc<Renewals>,
    id: AccountId,
    document: String,
    server: Arc<AccountServer>,
    rejected: Option<HeaderValue>,
}

type Renewed = Result<Option<Arc<CachedAccount>>, CredentialError>;

impl Renewal {
    /// Refreshes the account, unless another replica does or has done so.
    async fn run(&self) -> Renewed {
        let accounts = &self.all.accounts;
        let mut overdue = None;
        loop {
            if let Some(unsaved) = self.all.unsaved.get(&self.document) {
                self.save(&unsaved).await.map_err(unavailable)?;
            }
            let epoch = self.all.cache.epoch();
            let stored = accounts.find(&self.id).await.map_err(unavailable)?;
            let Some(Versioned { value, version }) = stored else {
                self.all.cache.insert(&self.document, epoch, None);
                return Ok(None);
            };
            let now = accounts.clock().now();
            let current = self.cached(value);
            let account = &current.account;
            if !current.is_due(now, self.rejected.as_ref()) || account.refresh_token().is_none() {
                let found = Some(Arc::clone(&current));
                self.all.cache.insert(&self.document, epoch, found);
                return Ok(Some(current));
            }
            if account.is_leased(now) {
                // The token is presented while another replica refreshes it ahead of time.
                if self.rejected.is_none() && !account.is_expired(now) {
                    return Ok(Some(current));
                }
                sleep(POLL).await;
                continue;
            }
            let lease = account.lease_id();
            if lease.is_some() && lease != overdue.as_deref() {
                overdue = lease.map(str::to_owned);
                sleep(OVERDUE).await;
                continue;
            }
            let backoffs = &self.all.backoffs;
            let suspended = backoffs.check([account.issuer(), &self.document]);
            suspended.map_err(CredentialError::from)?;
            let leased = account.clone().lease(now.saturating_add(LEASE.as_secs()));
            let leased = leased.map_err(unavailable)?;
            let replaced = accounts.replace(&self.id, version, &leased, None).await;
            if replaced.map_err(unavailable)? {
                return self.refresh(leased).await;
            }
        }
    }

    /// Refreshes the account whose lease this replica holds, and stores the outcome.
    async fn refresh(&self, leased: ConnectedAccount) -> Renewed {
        let all = &self.all;
        let token = leased.refresh_token().unwrap_or_default();
        let response = token::refresh(&all.egress, leased.client(), token, leased.key()).await;
        let (outcome, error) = match response {
            Ok(tokens) => {
                all.backoffs.reset([leased.issuer(), &self.document]);
                (Outcome::Refreshed(tokens, all.accounts.clock().now()), None)
            }
            Err(failure) => {
                let error = &failure.error;
                tracing::warn!(account = %self.id, %error, "access token not refreshed");
                (self.failed(&leased, &failure).await, Some(failure.error))
            }
        };
        let settled = self.settle(&leased, &outcome).await?;
        match (outcome, error) {
            // A valid access token is presented in the meantime.
            (Outcome::Failed(_), Some(error)) if self.is_in_vain(settled.as_deref()) => {
                Err(error.into())
            }
            _ => Ok(settled),
        }
    }

    /// Returns `true` if the account has no token to present.
    fn is_in_vain(&self, settled: Option<&CachedAccount>) -> bool {
        let now = self.all.accounts.clock().now();
        settled.is_some_and(|settled| {
            let rejected = self.rejected.as_ref();
            let is_rejected = rejected.is_some_and(|rejected| settled.has_token(rejected));
            is_rejected || settled.account.is_expired(now)
        })
    }

    /// Returns the outcome of a failed refresh, and delays the next one.
    async fn failed(&self, leased: &ConnectedAccount, failure: &TokenFailure) -> Outcome {
        let all = &self.all;
        match FailureClass::of(failure) {
            FailureClass::Grant => return Outcome::Ended(EndReason::GrantRejected),
            FailureClass::Client if self.server.client().is_none() => {
                let (target, client) = leased.client();
                let removed = all
                    .registrations
                    .remove(&target.server.issuer, client)
                    .await;
                if let Err(error) = removed {
                    tracing::warn!(%error, "rejected registration not removed");
                }
                return Outcome::Ended(EndReason::ClientRejected);
            }
            FailureClass::Server => all.backoffs.record_failure(leased.issuer(), failure),
            FailureClass::Account | FailureClass::Client => {
                all.backoffs.record_failure(&self.document, failure);
            }
        }
        Outcome::Failed(is_lost(&failure.error))
    }

    /// Stores the outcome, unless the account has been replaced in the meantime.
    ///
    /// If the store is unavailable, it is retried for as long as the lease lasts. Refreshed tokens are
    /// used from memory afterwards, and [stored later](Self::save_late).
    async fn settle(&self, leased: &ConnectedAccount, outcome: &Outcome) -> Renewed {
        loop {
            let error = match self.try_settle(leased, outcome).await {
                Ok(Some(Settled(settled))) => return Ok(settled),
                Ok(None) => continue,
                Err(error) => error,
            };
            if leased.is_leased(self.all.accounts.clock().now()) {
                sleep(RETRY).await;
                continue;
            }
            let Outcome::Refreshed(..) = outcome else {
                return Err(unavailable(error));
            };
            tracing::error!(account = %self.id, %error, "refreshed tokens not stored yet");
            let unsaved = (leased.clone(), outcome.clone());
            self.all.unsaved.insert(&self.document, unsaved);
            let current = self.cached(outcome.apply(leased.clone()));
            let epoch = self.all.cache.epoch();
            let found = Some(Arc::clone(&current));
            self.all.cache.insert(&self.document, epoch, found);
            return Ok(Some(current));
        }
    }

    /// Stores tokens that could not be stored when they were issued.
    async fn save(&self, (leased, outcome): &Unsaved) -> Result<(), AuthServerError> {
        while self.try_settle(leased, outcome).await?.is_none() {}
        self.all.unsaved.remove(&self.document);
        Ok(())
    }

    /// Retries until the tokens of this renewal are stored, if they could not be stored before.
    async fn save_late(&self) {
        while let Some(unsaved) = self.all.unsaved.get(&self.document) {
            match self.save(&unsaved).await {
                Ok(()) => tracing::info!(account = %self.id, "refreshed tokens stored"),
                Err(_) if self.all.unsaved.is_closed() => return,
                Err(_) => sleep(RETRY).await,
            }
        }
    }

    /// Stores the outcome. Returns `None` if another write has interfered.
    async fn try_settle(
        &self,
        leased: &ConnectedAccount,
        outcome: &Outcome,
    ) -> Result<Option<Settled>, AuthServerError> {
        let accounts = &self.all.accounts;
        let Some(stored) = accounts.find(&self.id).await? else {
            self.discard(leased, outcome).await;
            return Ok(Some(Settled(None)));
        };
        if !stored.value.is_same_generation(leased) {
            return Ok(Some(Settled(Some(self.cached(stored.value)))));
        }
        let next = outcome.apply(stored.value);
        let change = outcome.change(&next);
        let version = stored.version;
        if !accounts.replace(&self.id, version, &next, change).await? {
            return Ok(None);
        }
        if let Some(change) = change {
            accounts.report(&self.id, change);
        }
        let current = self.cached(next);
        self.all.cache.invalidate(&self.document);
        let epoch = self.all.cache.epoch();
        let found = Some(Arc::clone(&current));
        self.all.cache.insert(&self.document, epoch, found);
        Ok(Some(Settled(Some(current))))
    }

    /// Revokes refreshed tokens of an account that was disconnected during the refresh.
    async fn discard(&self, leased: &ConnectedAccount, outcome: &Outcome) {
        let Outcome::Refreshed(tokens, _) = outcome else {
            return;
        };
        let token = tokens
            .refresh_token
            .as_ref()
            .unwrap_or(&tokens.access_token);
        let revoked = token::revoke(&self.all.egress, leased.client(), token).await;
        if let Err(error) = revoked {
            tracing::warn!(account = %self.id, %error, "tokens of a disconnected account not revoked");
        }
    }

    fn cached(&self, account: ConnectedAccount) -> Arc<CachedAccount> {
        Arc::new(CachedAccount::new(&self.id, &self.server, account))
    }
}

/// Account after a refresh; `None` if it was disconnected.
struct Settled(Option<Arc<CachedAccount>>);

/// Wraps a temporary failure.
pub(super) fn unavailable(error: impl Into<BoxError>) -> CredentialError {
    CredentialError::Unavailable(error.into())
}

/// Time within which a refresh ends: more than the deadline of [`Egress`].
const LEASE: Duration = Duration::from_secs(20);

/// Interval in which an account is read while another replica refreshes it.
const POLL: Duration = Duration::from_millis(50);

/// Time after which another replica takes over an overdue lease: its holder may have been without the
/// store, and stores its tokens as soon as it can.
const OVERDUE: Duration = Duration::from_secs(1);

/// Interval in which a write is retried.
const RETRY: Duration = Duration::from_millis(200);
