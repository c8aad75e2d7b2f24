//! What is presented to servers, as the configuration says it at present.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use mcp_gateway_core::credential::{CredentialError, CredentialResolver};
use mcp_gateway_core::route::Target;
use mcp_gateway_core::{Caller, Credential};

use crate::servers::credential;
use crate::spec::Server;

/// The credentials of the configuration, which can be exchanged while calls are made.
#[derive(Debug, Default)]
pub(crate) struct Credentials(ArcSwap<HashMap<Arc<str>, Credential>>);

impl Credentials {
    /// Exchanges the credentials for those of `servers`.
    pub(crate) fn replace(&self, servers: &[Server]) {
        let credentials = servers.iter().filter_map(|server| {
            let credential = credential(&server.transport)?;
            Some((Arc::clone(&server.name), credential))
        });
        self.0.store(Arc::new(credentials.collect()));
    }
}

#[async_trait]
impl CredentialResolver for Credentials {
    async fn resolve(&self, _: &Caller, target: &Target) -> Result<Credential, CredentialError> {
        let credentials = self.0.load();
        let known = credentials.get(&target.server);
        Ok(known.cloned().unwrap_or_else(Credential::none))
    }
}
