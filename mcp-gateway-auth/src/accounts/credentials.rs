//! Credentials of connected accounts.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use http::StatusCode;
use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::credential::{Challenge, CredentialError, CredentialResolver};
use mcp_gateway_core::route::Target;
use mcp_gateway_core::{Caller, Credential};
use mcp_gateway_store::WatchEvent;

use super::cache::CachedAccount;
use super::documents::{account_key, is_connection};
use super::inputs::{InputCredentials, InputServer};
use super::renewals::Renewals;
use super::server::{AccountServer, Servers};
use super::server_credentials::{ServerAccounts, ServerInputs};
use super::signals::ConnectionChanges;
use super::step_up::RequiredScopes;
use super::{AccountId, ConnectLinks, ConnectedAccounts, Owner, SharedOwner};
use crate::client::presented::presented_token;
use crate::egress::Egress;

/// Credential resolver with the account that each caller has connected. Cheap to clone.
///
/// A call is made with the account of the caller, otherwise with one of a team of the caller,
/// otherwise with that of the organization. Without any of them, it fails with
/// [`CredentialError::NotConnected`], with a link if the caller is a user who can log in. Servers
/// that are not among [those](Self::replace_servers) of this resolver get no credential.
///
/// A call that requires further scopes fails with [`CredentialError::InsufficientScope`], whose link
/// requests them besides those that the account has. They are requested once for each connection,
/// and not at all for a server whose [scopes](AccountServer::with_scope) are configured.
///
/// Servers are found by name. Where a name may be given to another server while calls are in
/// flight, a resolver [of one server](Self::of_server) keeps the accounts of the former from the
/// address of the latter.
///
/// [Servers with inputs](Self::replace_input_servers) are called with the values that these owners
/// have supplied, in the same order.
///
/// Accounts are served from memory, which [`follow`](Self::follow) keeps up to date. An access
/// token is refreshed before it expires and after a server has rejected it with 401, by one replica
/// at a time. An account ends with the error `invalid_grant`: its access token is presented until
/// it expires, and the link is returned afterwards. Other failures are temporary, and delay further
/// refreshes of the account or, if the authorization server is overloaded or unreachable, of all its
/// accounts.
#[derive(Clone)]
pub struct AccountCredentials {
    changes: ConnectionChanges,
    links: Option<ConnectLinks>,
    inputs: Arc<InputCredentials>,
    /// Owner whose accounts all callers use; `None` for those of each caller.
    pinned: Option<SharedOwner>,
    renewals: Arc<Renewals>,
    servers: Arc<Servers<AccountServer>>,
}

impl AccountCredentials {
    /// Creates a resolver without servers, which refreshes tokens through `egress`.
    #[must_use]
    pub fn new(accounts: ConnectedAccounts, egress: Egress) -> Self {
        Self {
            changes: ConnectionChanges::new(),
            links: None,
            inputs: Arc::new(InputCredentials::new(accounts.clone())),
            pinned: None,
            renewals: Arc::new(Renewals::new(accounts, egress)),
            servers: Arc::default(),
        }
    }

    /// Sets the links for callers who have not connected an account.
    #[must_use]
    pub fn with_links(mut self, links: ConnectLinks) -> Self {
        self.links = Some(links);
        self
    }

    /// Returns a resolver with the accounts of `owner` for all callers, whoever they are.
    ///
    /// It shares accounts and servers with this one. A server without such an account is not called:
    /// the error is [`CredentialError::SharedNotConnected`], without a link, because a caller may not
    /// connect it.
    #[must_use]
    pub fn pinned_to(&self, owner: SharedOwner) -> Self {
        Self {
            pinned: Some(owner),
            ..self.clone()
        }
    }

    /// Replaces all servers. Calls in flight keep the credentials that they have.
    pub fn replace_servers(&self, servers: impl IntoIterator<Item = AccountServer>) {
        let servers = servers.into_iter();
        self.servers
            .replace(servers.map(|server| (Arc::clone(server.name()), server)));
    }

    /// Returns the resolver of `server` alone, whatever servers there are by name.
    #[must_use]
    pub fn of_server(&self, server: AccountServer) -> ServerAccounts {
        ServerAccounts::new(self.clone(), server)
    }

    /// Returns the resolver of `server` alone, which is called with supplied values.
    #[must_use]
    pub fn of_input_server(&self, server: InputServer) -> ServerInputs {
        ServerInputs::new(self.clone(), server)
    }

    /// Replaces all servers that are called with supplied values.
    pub fn replace_input_servers(&self, servers: impl IntoIterator<Item = InputServer>) {
        self.inputs.replace(servers);
    }

    /// Follows the changes of other replicas for as long as it is polled.
    ///
    /// It completes when the store is closed.
    pub async fn follow(&self) {
        let accounts = self.renewals.accounts();
        let cache = self.renewals.cache();
        let mut events = accounts.watch();
        while let Some(event) = events.next().await {
            let (key, is_connection) = match &event {
                WatchEvent::Put(entry) => (&entry.key, is_connection(&entry.document.value)),
                WatchEvent::Deleted(key) => (key, true),
                // Reset, or one that may have been a write.
                _ => {
                    cache.clear();
                    self.inputs.invalidate(None);
                    self.changes.report(None);
                    continue;
                }
            };
            let document = account_key(key);
            cache.invalidate(document);
            self.inputs.invalidate(Some(document));
            if is_connection && let Some(id) = AccountId::of_document(document) {
                accounts.report_connection(&id).await;
                self.changes.report(Some(id));
            }
        }
    }

    /// Waits until the refreshes in flight have ended. Their tokens would be lost otherwise.
    ///
    /// # Cancel safety
    ///
    /// Refreshes in flight end when the future is dropped.
    pub async fn close(&self) {
        self.renewals.finish().await;
    }

    /// Returns the sender of the changes of connections.
    pub(super) fn connection_changes(&self) -> &ConnectionChanges {
        &self.changes
    }

    /// Returns the servers.
    pub(super) fn servers(&self) -> &Servers<AccountServer> {
        &self.servers
    }

    /// Returns the supplied values and their servers.
    pub(super) fn inputs(&self) -> &InputCredentials {
        &self.inputs
    }

    /// Returns the refreshes and what they use.
    pub(super) fn renewals(&self) -> &Arc<Renewals> {
        &self.renewals
    }

    /// Returns the owners whose accounts calls of `principal` may use, in the order of preference.
    pub(super) fn owners(&self, principal: &Principal) -> impl Iterator<Item = Owner> {
        let pinned = self.pinned.iter().cloned().map(Owner::from);
        let own = Owner::of(principal).filter(|_| self.pinned.is_none());
        pinned.chain(own)
    }

    /// Returns the first account for calls of `principal` at `server` that was connected at its
    /// address.
    ///
    /// An own account for another address is replaced by none of a team or the organization: its
    /// owner expects to act under that identity.
    async fn account(
        &self,
        principal: &Principal,
        server: &Arc<AccountServer>,
    ) -> Result<Option<(AccountId, Arc<CachedAccount>)>, CredentialError> {
        for owner in self.owners(principal) {
            let is_own = matches!(owner, Owner::User(_));
            let id = AccountId::new(owner, Arc::clone(server.name()));
            match self.renewals.find(&id, server).await? {
                Some(found) if found.is_for_server => return Ok(Some((id, found))),
                Some(_) if is_own => return Ok(None),
                Some(_) | None => {}
            }
        }
        Ok(None)
    }

    /// Returns the credential of `found`, refreshed if it is due or equals `rejected`; `None` if
    /// its owner must connect the account again.
    async fn current(
        &self,
        server: &Arc<AccountServer>,
        (id, found): (AccountId, Arc<CachedAccount>),
        rejected: Option<&Credential>,
    ) -> Result<Option<Credential>, CredentialError> {
        let clock = self.renewals.accounts().clock();
        let rejected = rejected.and_then(presented_token);
        if !found.is_due(clock.now(), rejected) {
            return Ok(Some(found.credential.clone()));
        }
        let renewed = match found.account.refresh_token() {
            Some(_) => self.renewals.renew(&id, server, rejected).await,
            None => Ok(Some(Arc::clone(&found))),
        };
        let current = match renewed {
            Ok(Some(current)) => current,
            Ok(None) => return Ok(None),
            // The token is presented as long as it is valid.
            Err(_) if rejected.is_none() && !found.account.is_expired(clock.now()) => found,
            Err(error) => return Err(error),
        };
        let is_rejected = rejected.is_some_and(|rejected| current.has_token(rejected));
        let is_usable = !is_rejected && !current.account.is_expired(clock.now());
        Ok(is_usable.then(|| current.credential.clone()))
    }

    /// Resolves the credential of `principal` for `server`.
    pub(super) async fn of_principal(
        &self,
        principal: &Principal,
        server: &Arc<AccountServer>,
    ) -> Result<Credential, CredentialError> {
        let current = match self.account(principal, server).await? {
            Some(found) => self.current(server, found, None).await?,
            None => None,
        };
        match current {
            Some(credential) => Ok(credential),
            None => Err(self.not_connected(principal, server.name()).await),
        }
    }

    /// Returns another credential of `principal` than `rejected`, if `server` may accept one.
    pub(super) async fn replacement(
        &self,
        principal: &Principal,
        server: &Arc<AccountServer>,
        (rejected, challenge): (&Credential, &Challenge),
    ) -> Result<Option<Credential>, CredentialError> {
        let account = self.account(principal, server).await?;
        if let Some((_, found)) = &account
            && let Some(required) = RequiredScopes::of(challenge, &found.account)
        {
            // The owner may have granted the scopes in the meantime.
            return match presented_token(rejected).is_some_and(|token| !found.has_token(token)) {
                true => Ok(Some(found.credential.clone())),
                false => Err(self.insufficient(principal, server, found, &required).await),
            };
        }
        if challenge.status() != StatusCode::UNAUTHORIZED {
            return Ok(None);
        }
        let current = match account {
            Some((_, found)) if is_settling(self, &found, rejected) => return Ok(None),
            Some(found) => self.current(server, found, Some(rejected)).await?,
            None => None,
        };
        match current {
            Some(credential) => Ok(Some(credential)),
            None => Err(self.not_connected(principal, server.name()).await),
        }
    }

    /// Returns the error of a caller whose account `found` at `server` lacks the scopes `required`.
    ///
    /// Scopes that the owner was asked for before, or that the configuration does not allow, are not
    /// asked for again.
    async fn insufficient(
        &self,
        principal: &Principal,
        server: &AccountServer,
        found: &CachedAccount,
        required: &RequiredScopes,
    ) -> CredentialError {
        let may_ask = server.scope().is_none() && required.lacks_of(&found.account);
        let url = match &self.links {
            Some(links) if may_ask && self.pinned.is_none() => {
                let url = links.step_up_url(principal, server.name(), required);
                url.await
            }
            _ => None,
        };
        let scopes = required.text().into();
        CredentialError::InsufficientScope { scopes, url }
    }

    /// Resolves the values that `principal` uses at `server`.
    pub(super) async fn supplied(
        &self,
        principal: &Principal,
        server: &Arc<InputServer>,
    ) -> Result<Credential, CredentialError> {
        match self.inputs.resolve(self.owners(principal), server).await? {
            Some(credential) => Ok(credential),
            None => Err(self.not_connected(principal, server.name()).await),
        }
    }

    /// Returns the error of a call of `principal` without an account of `server`.
    pub(super) async fn not_connected(
        &self,
        principal: &Principal,
        server: &str,
    ) -> CredentialError {
        if let Some(owner) = &self.pinned {
            let owner = owner.to_string().into();
            return CredentialError::SharedNotConnected { owner };
        }
        let url = match &self.links {
            Some(links) => links.url(principal, server).await,
            None => None,
        };
        CredentialError::NotConnected { url }
    }
}

#[async_trait]
impl CredentialResolver for AccountCredentials {
    async fn resolve(
        &self,
        caller: &Caller,
        target: &Target,
    ) -> Result<Credential, CredentialError> {
        let principal = caller.principal();
        if let Some(server) = self.servers.get(&target.server) {
            return self.of_principal(principal, &server).await;
        }
        match self.inputs.servers().get(&target.server) {
            Some(server) => self.supplied(principal, &server).await,
            None => Ok(Credential::none()),
        }
    }

    async fn rejected(
        &self,
        caller: &Caller,
        target: &Target,
        credential: &Credential,
        challenge: &Challenge,
    ) -> Result<Option<Credential>, CredentialError> {
        let principal = caller.principal();
        if let Some(server) = self.servers.get(&target.server) {
            let rejected = (credential, challenge);
            return self.replacement(principal, &server, rejected).await;
        }
        match self.inputs.servers().get(&target.server) {
            Some(server) => {
                let rejected = (credential, challenge);
                self.refused(principal, &server, rejected).await
            }
            None => Ok(None),
        }
    }
}

/// Returns `true` if the rejected credential was refreshed just now: the server would reject the
/// next one, too.
fn is_settling(all: &AccountCredentials, found: &CachedAccount, rejected: &Credential) -> bool {
    let now = all.renewals.accounts().clock().now();
    let is_presented = presented_token(rejected).is_some_and(|token| found.has_token(token));
    is_presented && found.account.is_settling(now)
}

impl fmt::Debug for AccountCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountCredentials")
            .field("links", &self.links)
            .field("inputs", &self.inputs)
            .field("pinned", &self.pinned)
            .field("servers", &self.servers)
            .finish_non_exhaustive()
    }
}
