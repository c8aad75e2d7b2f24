//! Credentials of one server.

use std::sync::Arc;

use async_trait::async_trait;
use mcp_gateway_core::credential::{Challenge, CredentialError, CredentialResolver};
use mcp_gateway_core::route::Target;
use mcp_gateway_core::{Caller, Credential};

use super::inputs::InputServer;
use super::server::AccountServer;
use super::{AccountCredentials, SharedOwner};

/// Credential resolver of one server, with the account that each caller has connected.
///
/// Unlike [`AccountCredentials`], it does not look the server up: the credentials are those for the
/// address that the server had when the resolver was created.
///
/// # Example
///
/// ```
/// # use std::sync::Arc;
/// use mcp_gateway_auth::accounts::{AccountCredentials, AccountServer, ConnectedAccounts};
/// # use mcp_gateway_auth::egress::{Egress, EgressPolicy};
/// # use mcp_gateway_auth::{Clock, Keyring};
/// # use mcp_gateway_core::auth::Principal;
/// use mcp_gateway_core::credential::{CredentialError, CredentialResolver};
/// # use mcp_gateway_core::protocol::{Capabilities, ProtocolVersion};
/// # use mcp_gateway_core::route::{Feature, Target};
/// # use mcp_gateway_core::{Caller, ClientInfo};
/// # use mcp_gateway_store::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (store, keyring) = (Arc::new(MemoryStore::new()), Keyring::new(&[7; 32])?);
/// # let accounts = ConnectedAccounts::new(store, &keyring, Clock::system())?;
/// # let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
/// # let caller = Caller::new(Principal::new("alice"), "main", client);
/// let all = AccountCredentials::new(accounts, Egress::new(EgressPolicy::new())?);
/// let notes = all.of_server(AccountServer::new("notes", "https://mcp.example.com".parse()?));
/// let missing = notes.resolve(&caller, &Target::new("notes", Feature::Server)).await;
/// assert!(matches!(missing, Err(CredentialError::NotConnected { .. })));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ServerAccounts {
    all: AccountCredentials,
    server: Arc<AccountServer>,
}

impl ServerAccounts {
    /// Creates the resolver of `server`, with the connections of `all`.
    pub(super) fn new(all: AccountCredentials, server: AccountServer) -> Self {
        let server = Arc::new(server);
        Self { all, server }
    }

    /// Returns a resolver with the account of `owner` for all callers; see
    /// [`AccountCredentials::pinned_to`].
    #[must_use]
    pub fn pinned_to(&self, owner: SharedOwner) -> Self {
        Self {
            all: self.all.pinned_to(owner),
            server: Arc::clone(&self.server),
        }
    }
}

#[async_trait]
impl CredentialResolver for ServerAccounts {
    async fn resolve(&self, caller: &Caller, _: &Target) -> Result<Credential, CredentialError> {
        self.all
            .of_principal(caller.principal(), &self.server)
            .await
    }

    async fn rejected(
        &self,
        caller: &Caller,
        _: &Target,
        credential: &Credential,
        challenge: &Challenge,
    ) -> Result<Option<Credential>, CredentialError> {
        let rejected = (credential, challenge);
        self.all
            .replacement(caller.principal(), &self.server, rejected)
            .await
    }
}

/// Credential resolver of one server, with the values that each owner has supplied.
///
/// As [`ServerAccounts`], it does not look the server up.
#[derive(Clone, Debug)]
pub struct ServerInputs {
    all: AccountCredentials,
    server: Arc<InputServer>,
}

impl ServerInputs {
    /// Creates the resolver of `server`, with the connections of `all`.
    pub(super) fn new(all: AccountCredentials, server: InputServer) -> Self {
        let server = Arc::new(server);
        Self { all, server }
    }

    /// Returns a resolver with the values of `owner` for all callers; see
    /// [`AccountCredentials::pinned_to`].
    #[must_use]
    pub fn pinned_to(&self, owner: SharedOwner) -> Self {
        Self {
            all: self.all.pinned_to(owner),
            server: Arc::clone(&self.server),
        }
    }
}

#[async_trait]
impl CredentialResolver for ServerInputs {
    async fn resolve(&self, caller: &Caller, _: &Target) -> Result<Credential, CredentialError> {
        self.all.supplied(caller.principal(), &self.server).await
    }

    async fn rejected(
        &self,
        caller: &Caller,
        _: &Target,
        credential: &Credential,
        challenge: &Challenge,
    ) -> Result<Option<Credential>, CredentialError> {
        let rejected = (credential, challenge);
        self.all
            .refused(caller.principal(), &self.server, rejected)
            .await
    }
}
