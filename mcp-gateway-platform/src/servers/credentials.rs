//! Upstream credentials of running servers.

use std::sync::Arc;

use async_trait::async_trait;
use mcp_gateway_auth::accounts::{AccountCredentials, ServerAccounts, ServerInputs};
use mcp_gateway_auth::client::ClientCredentials;
use mcp_gateway_core::credential::{Challenge, CredentialError, CredentialResolver};
use mcp_gateway_core::route::Target;
use mcp_gateway_core::{Caller, Credential};

use super::client_credentials::ClientCredentialsFactory;
use super::credential;
use crate::accounts::{account_server, input_server};
use crate::reload::generations::{Generations, ServerInstance};
use crate::spec::ServerSpec;

/// Factory of the credentials of servers.
#[derive(Clone, Debug, Default)]
pub(crate) struct CredentialFactory {
    /// Accounts of callers; `None` if callers cannot log in.
    pub(crate) accounts: Option<Arc<AccountCredentials>>,
    /// Generations of the running state.
    pub(crate) generations: Arc<Generations>,
    /// Creator of the credentials of the gateway itself.
    pub(crate) own: Arc<ClientCredentialsFactory>,
}

/// Credentials of one running server: the configured one, that of the gateway itself, or the
/// accounts of callers.
///
/// They are those of its spec, and replaced together with the server. A call that an apply has
/// overtaken gets one only if it would still reach this server.
#[derive(Debug)]
pub(crate) struct ServerCredentials {
    generations: Arc<Generations>,
    instance: ServerInstance,
    source: CredentialSource,
}

/// Source of the credential of a server.
#[derive(Debug)]
enum CredentialSource {
    /// Account of the caller.
    Accounts(ServerAccounts),
    /// The same request headers for all callers.
    Configured(Credential),
    /// Values that the caller has supplied.
    Inputs(ServerInputs),
    /// Token of the gateway itself, for all callers.
    Own(Box<ClientCredentials>),
}

impl CredentialFactory {
    /// Creates the credentials of a new server with the spec `definition`.
    pub(crate) fn create(&self, definition: &ServerSpec) -> Arc<ServerCredentials> {
        Arc::new(ServerCredentials {
            generations: Arc::clone(&self.generations),
            instance: ServerInstance::new(),
            source: self.source(definition),
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

    /// Returns the configured credential.
    #[cfg(test)]
    pub(crate) fn configured(&self) -> Option<&Credential> {
        match &self.source {
            CredentialSource::Accounts(_)
            | CredentialSource::Inputs(_)
            | CredentialSource::Own(_) => None,
            CredentialSource::Configured(credential) => Some(credential),
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
        self.generations
            .admit(caller, target, self.instance)
            .await?;
        match &self.source {
            CredentialSource::Accounts(accounts) => accounts.resolve(caller, target).await,
            CredentialSource::Configured(credential) => Ok(credential.clone()),
            CredentialSource::Inputs(inputs) => inputs.resolve(caller, target).await,
            CredentialSource::Own(own) => own.resolve(caller, target).await,
        }
    }

    /// Returns another credential of an account or of the gateway. A configured credential has no
    /// replacement, so the call fails.
    async fn rejected(
        &self,
        caller: &Caller,
        target: &Target,
        credential: &Credential,
        challenge: &Challenge,
    ) -> Result<Option<Credential>, CredentialError> {
        let source: &dyn CredentialResolver = match &self.source {
            CredentialSource::Accounts(accounts) => accounts,
            CredentialSource::Configured(_) => return Ok(None),
            CredentialSource::Inputs(inputs) => inputs,
            CredentialSource::Own(own) => &**own,
        };
        source.rejected(caller, target, credential, challenge).await
    }
}
