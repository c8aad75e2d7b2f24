//! Upstream credentials of the current spec.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use mcp_gateway_auth::accounts::AccountCredentials;
use mcp_gateway_core::credential::{Challenge, CredentialError, CredentialResolver};
use mcp_gateway_core::route::Target;
use mcp_gateway_core::{Caller, Credential};

use crate::accounts::account_servers;
use crate::servers::credential;
use crate::spec::DynamicSpec;

/// Credentials of all servers: configured ones, and the accounts of callers.
#[derive(Debug, Default)]
pub(crate) struct ServerCredentials {
    /// Sources by server, without servers that are called without a credential.
    sources: ArcSwap<HashMap<Arc<str>, CredentialSource>>,
    /// Accounts of callers; `None` if callers cannot log in.
    accounts: Option<Arc<AccountCredentials>>,
}

/// Source of the credential of a server.
#[derive(Clone, Debug)]
enum CredentialSource {
    /// Account of the caller.
    Accounts(Arc<AccountCredentials>),
    /// The same request headers for all callers.
    Configured(Credential),
}

impl ServerCredentials {
    /// Creates the credentials of no server.
    pub(crate) fn new(accounts: Option<Arc<AccountCredentials>>) -> Self {
        Self {
            sources: ArcSwap::default(),
            accounts,
        }
    }

    /// Returns `true` if servers can be called with the accounts of callers.
    pub(crate) fn has_accounts(&self) -> bool {
        self.accounts.is_some()
    }

    /// Replaces all credentials by those of `spec`. Servers without any are omitted.
    pub(crate) fn replace(&self, spec: &DynamicSpec) {
        let sources = spec.servers.iter().filter_map(|server| {
            let source = match (&self.accounts, server.transport.auth()) {
                (Some(accounts), Some(_)) => CredentialSource::Accounts(Arc::clone(accounts)),
                _ => CredentialSource::Configured(credential(&server.transport)?),
            };
            Some((Arc::clone(&server.name), source))
        });
        self.sources.store(Arc::new(sources.collect()));
        if let Some(accounts) = &self.accounts {
            accounts.replace_servers(account_servers(spec));
        }
    }

    /// Returns the configured credential of `server`.
    #[cfg(test)]
    pub(crate) fn configured(&self, server: &str) -> Option<Credential> {
        match self.sources.load().get(server)? {
            CredentialSource::Accounts(_) => None,
            CredentialSource::Configured(credential) => Some(credential.clone()),
        }
    }

    /// Returns the accounts, if `server` is called with them.
    fn accounts(&self, server: &str) -> Option<Arc<AccountCredentials>> {
        match self.sources.load().get(server)? {
            CredentialSource::Accounts(accounts) => Some(Arc::clone(accounts)),
            CredentialSource::Configured(_) => None,
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
        let accounts = match self.sources.load().get(&*target.server) {
            None => return Ok(Credential::none()),
            Some(CredentialSource::Configured(credential)) => return Ok(credential.clone()),
            Some(CredentialSource::Accounts(accounts)) => Arc::clone(accounts),
        };
        accounts.resolve(caller, target).await
    }

    /// Returns another credential of an account. A configured credential has no replacement, so the
    /// call fails.
    async fn rejected(
        &self,
        caller: &Caller,
        target: &Target,
        credential: &Credential,
        challenge: &Challenge,
    ) -> Result<Option<Credential>, CredentialError> {
        match self.accounts(&target.server) {
            Some(accounts) => {
                let next = accounts.rejected(caller, target, credential, challenge);
                next.await
            }
            None => Ok(None),
        }
    }
}
