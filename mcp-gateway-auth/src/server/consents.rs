use std::sync::Arc;

use mcp_gateway_store::{Batch, Documents, Store};
use serde::{Deserialize, Serialize};

use super::Scopes;
use crate::{AuthorityError, SecretHash};

/// What people have agreed to. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Consents {
    documents: Documents<Consent>,
}

/// That a person lets a client act for them.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Consent {
    /// The identifier of the client.
    pub client: String,
    /// The name that the client had.
    pub name: String,
    /// Where browsers were sent back to.
    pub redirect_uri: String,
    /// What it may be granted.
    pub scopes: Scopes,
    /// What it may use.
    pub resources: Vec<String>,
    /// When, in seconds since 1970.
    pub at: u64,
    /// What the client looked like.
    pub(super) fingerprint: SecretHash,
}

impl Consents {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            documents: Documents::new(store, "auth/consent/"),
        }
    }

    pub(super) async fn find(
        &self,
        person: &str,
        client: &str,
    ) -> Result<Option<Consent>, AuthorityError> {
        let found = self.documents.get(&id(person, client)).await?;
        Ok(found.map(|stored| stored.value))
    }

    /// Adds to `batch` that `person` agrees to `consent`.
    pub(super) fn add(
        &self,
        batch: Batch,
        person: &str,
        consent: &Consent,
    ) -> Result<Batch, AuthorityError> {
        let id = id(person, &consent.client);
        Ok(self.documents.put(batch, &id, consent, None)?)
    }

    /// What `person` has agreed to.
    pub(super) async fn list(&self, person: &str) -> Result<Vec<Consent>, AuthorityError> {
        let found = self
            .documents
            .list(&format!("{person}/"), None, MAX_CONSENTS)
            .await?;
        Ok(found.into_iter().map(|(_, stored)| stored.value).collect())
    }

    /// Takes back what `person` has agreed to.
    pub(super) async fn remove(&self, person: &str, client: &str) -> Result<(), AuthorityError> {
        let batch = Batch::new().delete(self.documents.key(&id(person, client)));
        let _ = self.documents.store().commit(batch).await?;
        Ok(())
    }
}

impl Consent {
    /// Whether it covers `other`, which the same person is asked for.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.fingerprint.as_str() == other.fingerprint.as_str()
            && self.redirect_uri == other.redirect_uri
            && self.scopes.contains_all(&other.scopes)
            && other
                .resources
                .iter()
                .all(|resource| self.resources.contains(resource))
    }
}

/// Identifiers of clients may be URLs.
fn id(person: &str, client: &str) -> String {
    format!("{person}/{}", SecretHash::of(client).as_str())
}

/// Nobody uses more clients.
const MAX_CONSENTS: usize = 1000;
