//! Credentials that an operator has configured.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use mcp_gateway_core::credential::{CredentialError, CredentialResolver};
use mcp_gateway_core::route::Target;
use mcp_gateway_core::{Caller, Credential};

/// Presents configured credentials to servers, the same for every caller.
///
/// The credentials can be replaced while calls are in flight.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::StaticCredentials;
/// use mcp_gateway_core::Credential;
///
/// let key = Credential::new("configuration");
/// let credentials = StaticCredentials::new([("github", key)]);
/// assert!(credentials.get("github").is_some());
/// assert!(credentials.get("docs").is_none());
/// credentials.replace([("docs", Credential::new("configuration"))]);
/// assert!(credentials.get("github").is_none());
/// ```
#[derive(Debug, Default)]
pub struct StaticCredentials(ArcSwap<HashMap<Arc<str>, Credential>>);

impl StaticCredentials {
    /// Credentials by the name of the server. Other servers get none.
    pub fn new<N: Into<Arc<str>>>(credentials: impl IntoIterator<Item = (N, Credential)>) -> Self {
        let new = Self::default();
        new.replace(credentials);
        new
    }

    /// Replaces all credentials.
    pub fn replace<N: Into<Arc<str>>>(
        &self,
        credentials: impl IntoIterator<Item = (N, Credential)>,
    ) {
        let credentials = credentials.into_iter();
        let credentials = credentials.map(|(name, credential)| (name.into(), credential));
        self.0.store(Arc::new(credentials.collect()));
    }

    /// Returns the credential for `server`.
    #[must_use]
    pub fn get(&self, server: &str) -> Option<Credential> {
        self.0.load().get(server).cloned()
    }
}

#[async_trait]
impl CredentialResolver for StaticCredentials {
    async fn resolve(&self, _: &Caller, target: &Target) -> Result<Credential, CredentialError> {
        let credential = self.get(&target.server);
        Ok(credential.unwrap_or_else(Credential::none))
    }
}
