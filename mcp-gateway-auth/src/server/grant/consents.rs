//! The consents of users, as documents in the store.

use std::sync::Arc;

use mcp_gateway_store::{Batch, Documents, Store};
use serde::{Deserialize, Serialize};

use crate::server::Scopes;
use crate::{AuthServerError, SecretHash};

/// The consents in a store. Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::server) struct ConsentStore {
    documents: Documents<Consent>,
}

/// The consent of a user: a client may act on the user's behalf.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Consent {
    /// Client ID.
    pub client: String,
    /// Name of the client at the time of the consent.
    pub name: String,
    /// Redirect URI at the time of the consent.
    pub redirect_uri: String,
    /// Scopes that the client may be granted.
    pub scopes: Scopes,
    /// Resources that the client may access.
    pub resources: Vec<String>,
    /// Time of the consent, in seconds since the Unix epoch.
    pub at: u64,
    /// Fingerprint of the client at the time of the consent.
    pub(in crate::server) fingerprint: SecretHash,
}

impl ConsentStore {
    /// Uses the consents in `store`.
    pub(in crate::server) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            documents: Documents::new(store, "auth/consent/"),
        }
    }

    /// Returns the consent of `user` for `client`.
    pub(in crate::server) async fn find(
        &self,
        user: &str,
        client: &str,
    ) -> Result<Option<Consent>, AuthServerError> {
        let found = self.documents.get(&id(user, client)).await?;
        Ok(found.map(|stored| stored.value))
    }

    /// Adds the consent of `user` to `batch`.
    pub(in crate::server) fn add(
        &self,
        batch: Batch,
        user: &str,
        consent: &Consent,
    ) -> Result<Batch, AuthServerError> {
        let id = id(user, &consent.client);
        Ok(self.documents.put(batch, &id, consent, None)?)
    }

    /// Returns the consents of `user`.
    pub(in crate::server) async fn list(
        &self,
        user: &str,
    ) -> Result<Vec<Consent>, AuthServerError> {
        let found = self
            .documents
            .list(&format!("{user}/"), None, MAX_CONSENTS)
            .await?;
        Ok(found.into_iter().map(|(_, stored)| stored.value).collect())
    }

    /// Deletes the consent of `user` for `client`.
    pub(in crate::server) async fn remove(
        &self,
        user: &str,
        client: &str,
    ) -> Result<(), AuthServerError> {
        let batch = Batch::new().delete(self.documents.key(&id(user, client)));
        let _ = self.documents.store().commit(batch).await?;
        Ok(())
    }
}

impl Consent {
    /// Returns `true` if the consent covers `other`: the same client and redirect URI, and no
    /// further scopes or resources.
    pub(in crate::server) fn covers(&self, other: &Self) -> bool {
        self.fingerprint.as_str() == other.fingerprint.as_str()
            && self.redirect_uri == other.redirect_uri
            && self.scopes.contains_all(&other.scopes)
            && other
                .resources
                .iter()
                .all(|resource| self.resources.contains(resource))
    }
}

/// Returns the ID of a consent. Client IDs are hashed, because they may be URLs.
fn id(user: &str, client: &str) -> String {
    format!("{user}/{}", SecretHash::digest(client).as_str())
}

/// Maximum number of consents per user.
const MAX_CONSENTS: usize = 1000;
