//! Upstream credentials of running servers.

use std::sync::Arc;

use async_trait::async_trait;
use ipnet::IpNet;
use mcp_gateway_auth::TokenForwarding;
use mcp_gateway_auth::accounts::{AccountCredentials, Owner, ServerAccounts, ServerInputs};
use mcp_gateway_auth::client::{ClientCredentials, TokenExchange};
use mcp_gateway_core::credential::{Challenge, CredentialError, CredentialResolver};
use mcp_gateway_core::route::Target;
use mcp_gateway_core::{Caller, Credential};

use super::client_credentials::ClientCredentialsFactory;
use super::credential;
use crate::accounts::{account_server, input_server};
use crate::auth::CallerIdentities;
use crate::reload::generations::{Generations, ServerInstance};
use crate::reload::pins::ReloadablePins;
use crate::spec::{AssignedConnection, RemoteAuth, RemoteForward, ServerRuntime, ServerSpec};

/// Factory of the credentials of servers.
#[derive(Clone, Debug, Default)]
pub(crate) struct CredentialFactory {
    /// Accounts of callers; `None` if callers cannot log in.
    pub(crate) accounts: Option<Arc<AccountCredentials>>,
    /// Generations of the running state.
    pub(crate) generations: Arc<Generations>,
    /// Creator of the credentials of the gateway itself.
    pub(crate) own: Arc<ClientCredentialsFactory>,
    /// Owners whose accounts gateways use instead of those of callers.
    pub(crate) pins: Arc<ReloadablePins>,
}

/// Credentials of one running server: the configured one, that of the gateway itself, the accounts of
/// callers, or tokens for which their identities are exchanged.
///
/// They are those of its spec, and replaced together with the server. A call that an apply has
/// overtaken gets one only if it would still reach this server.
#[derive(Debug)]
pub(crate) struct ServerCredentials {
    generations: Arc<Generations>,
    pins: Arc<ReloadablePins>,
    instance: ServerInstance,
    source: CredentialSource,
    /// Exchange of the identities of callers; `None` if the server has none.
    exchange: Option<Box<TokenExchange>>,
}

/// Source of the credential of a server.
#[derive(Debug)]
enum CredentialSource {
    /// Account of the caller, or of the owner whom the gateway has pinned.
    Accounts(ServerAccounts),
    /// The same request headers for all callers.
    Configured(Credential),
    /// Token for which the identity of the caller is exchanged.
    Exchanged,
    /// Identity token that the caller has presented to the gateway.
    Forwarded(TokenForwarding),
    /// Values that the caller has supplied.
    Inputs(ServerInputs),
    /// Token of the gateway itself, for all callers.
    Own(Box<ClientCredentials>),
}

impl CredentialFactory {
    /// Creates the factory of a platform with `accounts` and identities of callers, whose
    /// authorization servers may be in the private `networks`.
    pub(crate) fn new(
        accounts: Option<Arc<AccountCredentials>>,
        identities: CallerIdentities,
        networks: &[IpNet],
    ) -> Self {
        Self {
            accounts,
            own: Arc::new(ClientCredentialsFactory::new(networks.to_vec(), identities)),
            ..Self::default()
        }
    }

    /// Creates the credentials of a new server with the spec `definition`.
    pub(crate) fn create(&self, definition: &ServerSpec) -> Arc<ServerCredentials> {
        let exchange = self.own.exchange(&definition.transport);
        let exchange = exchange.unwrap_or_else(|error| {
            let server = &*definition.name;
            tracing::error!(server, %error, "server called without an exchange of identities");
            None
        });
        Arc::new(ServerCredentials {
            generations: Arc::clone(&self.generations),
            pins: Arc::clone(&self.pins),
            instance: ServerInstance::new(),
            source: self.source(definition),
            exchange: exchange.map(Box::new),
        })
    }

    fn source(&self, definition: &ServerSpec) -> CredentialSource {
        let accounts = self.accounts.as_ref().zip(account_server(definition));
        if let Some((accounts, server)) = accounts {
            return CredentialSource::Accounts(accounts.of_server(server));
        }
        let accounts = self.accounts.as_ref().zip(input_server(definition));
        if let Some((accounts, server)) = accounts {
            return CredentialSource::Inputs(accounts.of_input_server(server));
        }
        if definition.transport.exchange().is_some() {
            return CredentialSource::Exchanged;
        }
        if let Some(RemoteAuth::Forward(forward)) = definition.transport.auth() {
            return CredentialSource::Forwarded(forwarding(forward, &definition.transport));
        }
        match self.own.create(&definition.transport) {
            Ok(Some(own)) => return CredentialSource::Own(Box::new(own)),
            Ok(None) => {}
            Err(error) => {
                let server = &*definition.name;
                tracing::error!(server, %error, "server called without a token");
            }
        }
        let configured = credential(&definition.transport);
        CredentialSource::Configured(configured.unwrap_or_else(Credential::none))
    }
}

impl ServerCredentials {
    /// Returns the identity of the server.
    pub(crate) fn instance(&self) -> ServerInstance {
        self.instance
    }

    /// Returns the connection that the gateway of `caller` uses; that of the caller if the server has
    /// no other.
    fn connection(&self, caller: &Caller, target: &Target) -> AssignedConnection {
        match &self.source {
            CredentialSource::Accounts(_) | CredentialSource::Inputs(_) => {
                self.pins.connection(caller.gateway(), &target.server)
            }
            CredentialSource::Configured(_)
            | CredentialSource::Exchanged
            | CredentialSource::Forwarded(_)
            | CredentialSource::Own(_) => AssignedConnection::Caller,
        }
    }

    /// Returns the exchange of the identities of callers.
    ///
    /// # Errors
    ///
    /// [`CredentialError::Unavailable`] if there is none.
    fn exchange(&self) -> Result<&TokenExchange, CredentialError> {
        let exchange = self.exchange.as_deref();
        exchange.ok_or_else(|| CredentialError::Unavailable("no exchange of identities".into()))
    }

    /// Returns the configured credential.
    #[cfg(test)]
    pub(crate) fn configured(&self) -> Option<&Credential> {
        match &self.source {
            CredentialSource::Configured(credential) => Some(credential),
            _ => None,
        }
    }
}

#[async_trait]
impl CredentialResolver for ServerCredentials {
    async fn resolve(
        &self,
        caller: &Caller,
        target: &Target,
    ) -> Result<Credential, CredentialError> {
        // Before the call is admitted, so that its pin is that of the generation that admits it.
        let connection = self.connection(caller, target);
        self.generations
            .admit(caller, target, self.instance)
            .await?;
        match (&self.source, connection) {
            (CredentialSource::Configured(credential), _) => Ok(credential.clone()),
            (CredentialSource::Own(own), _) => own.resolve(caller, target).await,
            (CredentialSource::Exchanged, _) | (_, AssignedConnection::Enterprise) => {
                self.exchange()?.resolve(caller, target).await
            }
            (CredentialSource::Accounts(accounts), AssignedConnection::Pinned(owner)) => {
                accounts.pinned_to(owner).resolve(caller, target).await
            }
            (CredentialSource::Forwarded(tokens), _) => tokens.resolve(caller, target).await,
            (CredentialSource::Accounts(accounts), AssignedConnection::Caller) => {
                accounts.resolve(caller, target).await
            }
            (CredentialSource::Inputs(inputs), AssignedConnection::Pinned(owner)) => {
                inputs.pinned_to(owner).resolve(caller, target).await
            }
            (CredentialSource::Inputs(inputs), AssignedConnection::Caller) => {
                inputs.resolve(caller, target).await
            }
        }
    }

    /// Returns another credential of the account that was used, of the exchanged identity, or of the
    /// gateway. A configured credential and the token of a caller have no replacement, so the call
    /// fails; so does that of a call whose connection has been chosen anew.
    async fn rejected(
        &self,
        caller: &Caller,
        target: &Target,
        credential: &Credential,
        challenge: &Challenge,
    ) -> Result<Option<Credential>, CredentialError> {
        let (pinned_accounts, pinned_inputs);
        let connection = self.connection(caller, target);
        if !has_used(credential, &connection) {
            return Ok(None);
        }
        let source: &dyn CredentialResolver = match (&self.source, connection) {
            (CredentialSource::Configured(_) | CredentialSource::Forwarded(_), _) => {
                return Ok(None);
            }
            (CredentialSource::Own(own), _) => &**own,
            (CredentialSource::Exchanged, _) | (_, AssignedConnection::Enterprise) => {
                self.exchange()?
            }
            (CredentialSource::Accounts(accounts), AssignedConnection::Pinned(owner)) => {
                pinned_accounts = accounts.pinned_to(owner);
                &pinned_accounts
            }
            (CredentialSource::Accounts(accounts), AssignedConnection::Caller) => accounts,
            (CredentialSource::Inputs(inputs), AssignedConnection::Pinned(owner)) => {
                pinned_inputs = inputs.pinned_to(owner);
                &pinned_inputs
            }
            (CredentialSource::Inputs(inputs), AssignedConnection::Caller) => inputs,
        };
        source.rejected(caller, target, credential, challenge).await
    }
}

/// Returns the forwarding of identity tokens of callers to `transport`, beside its request headers.
fn forwarding(forward: &RemoteForward, transport: &ServerRuntime) -> TokenForwarding {
    let tokens = TokenForwarding::new(forward.audiences.iter().cloned());
    let tokens = tokens.with_headers_of(credential(transport).unwrap_or_else(Credential::none));
    let issuers = forward.issuers.iter();
    issuers.fold(tokens, TokenForwarding::with_issuer)
}

/// Returns `true` if `credential` may be that of `connection`.
fn has_used(credential: &Credential, connection: &AssignedConnection) -> bool {
    let account = credential.account();
    match connection {
        AssignedConnection::Caller => true,
        AssignedConnection::Enterprise => account.starts_with(TokenExchange::ACCOUNT),
        AssignedConnection::Pinned(owner) => {
            account.starts_with(&format!("{}@", Owner::from(owner.clone())))
        }
    }
}
