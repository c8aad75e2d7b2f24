//! Accounts in memory, so that calls are served without the store.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderValue;
use mcp_gateway_core::Credential;
use moka::sync::Cache;

use super::server::AccountServer;
use super::{AccountId, ConnectedAccount};
use crate::client::presented::presented_token;

/// Account in memory, with its credential.
#[derive(Debug)]
pub(super) struct CachedAccount {
    pub(super) account: ConnectedAccount,
    pub(super) credential: Credential,
    /// Set if the account was connected at the address of the server.
    pub(super) is_for_server: bool,
    /// Time from which the access token is refreshed.
    refresh_at: Option<u64>,
    /// Server for which the credential was created.
    server: Arc<AccountServer>,
}

impl CachedAccount {
    /// Creates the credential of `account` for `server`.
    ///
    /// Its name differs for each connection, so that no session and no list outlives a login with
    /// another identity.
    pub(super) fn new(
        id: &AccountId,
        server: &Arc<AccountServer>,
        account: ConnectedAccount,
    ) -> Self {
        let credential = Credential::new(id.credential(account.connection()));
        let headers = server.headers().iter().cloned();
        let rest = headers.fold(credential, |credential, (name, value)| {
            credential.with_header(name, value)
        });
        Self {
            credential: account.credential(rest),
            is_for_server: account.is_for(server.url()),
            refresh_at: account.refresh_at(),
            account,
            server: Arc::clone(server),
        }
    }

    /// Returns `true` if the access token is about to expire at `now`, or equals `rejected`.
    pub(super) fn is_due(&self, now: u64, rejected: Option<&HeaderValue>) -> bool {
        let is_late = self.refresh_at.is_some_and(|at| at <= now);
        is_late || rejected.is_some_and(|rejected| self.has_token(rejected))
    }

    /// Returns `true` if the access token is that of the header value `presented`.
    pub(super) fn has_token(&self, presented: &HeaderValue) -> bool {
        presented_token(&self.credential) == Some(presented)
    }
}

impl CacheEntry for CachedAccount {
    type Server = AccountServer;

    fn belongs_to(&self, server: &Arc<AccountServer>) -> bool {
        Arc::ptr_eq(&self.server, server)
    }
}

/// Connection in memory, with the credential for a server.
pub(super) trait CacheEntry: Send + Sync + 'static {
    /// Kind of the server.
    type Server;

    /// Returns `true` if the credential was created for `server`, whose headers it has.
    fn belongs_to(&self, server: &Arc<Self::Server>) -> bool;
}

/// Cached connections, by the identifiers of their documents. `None` for those that do not exist.
///
/// The store's [watch](mcp_gateway_store::Store::watch) invalidates entries. An entry that was read
/// before such a change and is inserted after it would stay for ever: see [`CacheEpoch`].
pub(super) struct AccountCache<E> {
    entries: Cache<String, Option<Arc<E>>>,
    epoch: AtomicU64,
}

/// Number of invalidations at the time of a read. The result is inserted only if it is the same.
#[derive(Clone, Copy, Debug)]
pub(super) struct CacheEpoch(u64);

impl<E: CacheEntry> AccountCache<E> {
    pub(super) fn new() -> Self {
        Self {
            entries: Cache::new(MAX_ENTRIES),
            epoch: AtomicU64::new(0),
        }
    }

    /// Returns the entry of a document, if there is one for `server`.
    ///
    /// A server that has been replaced since had other headers, or another address.
    pub(super) fn get(&self, document: &str, server: &Arc<E::Server>) -> Option<Option<Arc<E>>> {
        let entry = self.entries.get(document)?;
        let is_of_server = |cached: &Arc<E>| cached.belongs_to(server);
        entry.as_ref().is_none_or(is_of_server).then_some(entry)
    }

    /// Returns the epoch of a read that begins now.
    pub(super) fn epoch(&self) -> CacheEpoch {
        CacheEpoch(self.epoch.load(Ordering::Acquire))
    }

    /// Inserts the result of a read that began at `epoch`.
    pub(super) fn insert(&self, document: &str, epoch: CacheEpoch, entry: Option<Arc<E>>) {
        if self.epoch().0 != epoch.0 {
            return;
        }
        self.entries.insert(document.to_owned(), entry);
        // An invalidation between the check and the insertion has missed the entry.
        if self.epoch().0 != epoch.0 {
            self.entries.invalidate(document);
        }
    }

    /// Removes the entry of a document.
    pub(super) fn invalidate(&self, document: &str) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.entries.invalidate(document);
    }

    /// Removes all entries.
    pub(super) fn clear(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.entries.invalidate_all();
    }
}

impl<E> fmt::Debug for AccountCache<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountCache").finish_non_exhaustive()
    }
}

/// Maximum number of entries.
const MAX_ENTRIES: u64 = 50_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_that_a_change_overtakes_is_not_cached() {
        let cache = AccountCache::<CachedAccount>::new();
        let url = "https://mcp.example.com/mcp".parse().unwrap();
        let server = Arc::new(AccountServer::new("notes", url));
        let epoch = cache.epoch();
        cache.invalidate("a");
        cache.insert("a", epoch, None);
        assert!(cache.get("a", &server).is_none());
        cache.insert("a", cache.epoch(), None);
        assert!(cache.get("a", &server).is_some());
        cache.clear();
        assert!(cache.get("a", &server).is_none());
    }
}
