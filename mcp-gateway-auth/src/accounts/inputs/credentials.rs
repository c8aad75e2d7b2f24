//! Resolution of supplied values for a caller.

use std::fmt;
use std::sync::Arc;

use mcp_gateway_core::Credential;
use mcp_gateway_core::credential::CredentialError;

use super::InputServer;
use crate::accounts::cache::{AccountCache, CacheEntry};
use crate::accounts::renewals::unavailable;
use crate::accounts::server::Servers;
use crate::accounts::{AccountId, ConnectedAccounts, Owner};

/// Credentials of the values that owners have supplied.
pub(in crate::accounts) struct InputCredentials {
    accounts: ConnectedAccounts,
    cache: AccountCache<CachedInputs>,
    servers: Servers<InputServer>,
}

/// Supplied values in memory.
#[derive(Debug)]
struct CachedInputs {
    /// Credential; `None` if the values were supplied for something else.
    credential: Option<Credential>,
    /// Server for which the credential was created.
    server: Arc<InputServer>,
}

impl CacheEntry for CachedInputs {
    type Server = InputServer;

    fn belongs_to(&self, server: &Arc<InputServer>) -> bool {
        Arc::ptr_eq(&self.server, server)
    }
}

impl InputCredentials {
    pub(in crate::accounts) fn new(accounts: ConnectedAccounts) -> Self {
        Self {
            accounts,
            cache: AccountCache::new(),
            servers: Servers::default(),
        }
    }

    /// Returns the servers.
    pub(in crate::accounts) fn servers(&self) -> &Servers<InputServer> {
        &self.servers
    }

    /// Replaces all servers. Calls in flight keep the credentials that they have.
    pub(in crate::accounts) fn replace(&self, servers: impl IntoIterator<Item = InputServer>) {
        let servers = servers.into_iter();
        self.servers
            .replace(servers.map(|server| (Arc::clone(server.name()), server)));
    }

    /// Removes the entry of a document from memory; all entries if `None`.
    pub(in crate::accounts) fn invalidate(&self, document: Option<&str>) {
        match document {
            Some(document) => self.cache.invalidate(document),
            None => self.cache.clear(),
        }
    }

    /// Returns the credential of the first of `owners` with a connection of `server`.
    ///
    /// An own connection precedes all others even if its values cannot be used any more: a person
    /// who has connected expects to act under that identity, and under no other.
    pub(in crate::accounts) async fn resolve(
        &self,
        owners: impl Iterator<Item = Owner> + Send,
        server: &Arc<InputServer>,
    ) -> Result<Option<Credential>, CredentialError> {
        for owner in owners {
            let is_own = matches!(owner, Owner::User(_));
            let id = AccountId::new(owner, Arc::clone(server.name()));
            let Some(found) = self.find(&id, server).await? else {
                continue;
            };
            if is_own || found.credential.is_some() {
                return Ok(found.credential.clone());
            }
        }
        Ok(None)
    }

    /// Returns the values of `id` at `server`, from memory if possible.
    async fn find(
        &self,
        id: &AccountId,
        server: &Arc<InputServer>,
    ) -> Result<Option<Arc<CachedInputs>>, CredentialError> {
        let document = id.document();
        if let Some(cached) = self.cache.get(&document, server) {
            return Ok(cached);
        }
        let epoch = self.cache.epoch();
        let supplied = self.accounts.find_inputs(id).await.map_err(unavailable)?;
        let found = supplied.map(|supplied| {
            let is_usable = supplied.is_for(server);
            let credential = is_usable.then(|| server.credential(id, &supplied));
            let server = Arc::clone(server);
            Arc::new(CachedInputs { credential, server })
        });
        self.cache.insert(&document, epoch, found.clone());
        Ok(found)
    }
}

impl fmt::Debug for InputCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InputCredentials")
            .field("servers", &self.servers)
            .finish_non_exhaustive()
    }
}
