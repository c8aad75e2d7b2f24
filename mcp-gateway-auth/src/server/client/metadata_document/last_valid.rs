//! The last valid documents of clients in use.

use std::sync::Arc;

use mcp_gateway_store::{Batch, Documents, Store};
use serde::{Deserialize, Serialize};

use crate::clock::system_time;
use crate::server::OAuthClient;
use crate::{AuthServerError, Clock};

/// The last valid documents of clients that have obtained tokens. Cheap to clone.
///
/// Only these are stored: a stranger, who may name any number of documents, cannot fill the store.
#[derive(Clone, Debug)]
pub(super) struct LastValidDocuments {
    documents: Documents<StoredDocument>,
    clock: Clock,
    /// Time for which a document is kept after its last use, in seconds.
    retention: u64,
}

/// A document in the store.
#[derive(Clone, Deserialize, Serialize)]
struct StoredDocument {
    client: OAuthClient,
    /// Time at which the unused document expires, in seconds since the Unix epoch.
    expires: u64,
}

impl LastValidDocuments {
    /// Uses the documents in `store`.
    pub(super) fn new(store: Arc<dyn Store>, clock: Clock, retention: u64) -> Self {
        Self {
            documents: Documents::new(store, "auth/client-document/"),
            clock,
            retention,
        }
    }

    /// Returns the client that the last valid document of `id` describes. A failure of the store is
    /// logged.
    pub(super) async fn get(&self, id: &str) -> Option<OAuthClient> {
        let found = self.stored(id).await;
        let found = found.unwrap_or_else(|error| {
            error.log("last valid client metadata document unavailable");
            None
        });
        found.map(|stored| stored.client)
    }

    /// Stores the document of `client` unless a recent copy of it is in the store.
    pub(super) async fn keep(&self, client: &OAuthClient) -> Result<(), AuthServerError> {
        let expires = self.clock.now().saturating_add(self.retention);
        if let Some(stored) = self.stored(&client.id).await? {
            let is_recent = stored.expires + self.retention / 10 >= expires;
            let (before, after) = (json(&stored.client)?, json(client)?);
            if is_recent && before == after {
                return Ok(());
            }
        }
        let stored = StoredDocument {
            client: client.clone(),
            expires,
        };
        let until = Some(system_time(expires));
        let batch = self
            .documents
            .put(Batch::new(), &client.id, &stored, until)?;
        let _ = self.documents.store().commit(batch).await?;
        Ok(())
    }

    /// Deletes the document of `id`, which has been withdrawn. A failure of the store is logged.
    pub(super) async fn forget(&self, id: &str) {
        let batch = Batch::new().delete(self.documents.key(id));
        if let Err(error) = self.documents.store().commit(batch).await {
            AuthServerError::from(error).log("withdrawn client metadata document not deleted");
        }
    }

    /// Returns the unexpired document of `id`.
    async fn stored(&self, id: &str) -> Result<Option<StoredDocument>, AuthServerError> {
        let found = self.documents.get(id).await?.map(|stored| stored.value);
        Ok(found.filter(|stored| self.clock.now() < stored.expires))
    }
}

/// Returns `client` as JSON, for a comparison.
fn json(client: &OAuthClient) -> Result<serde_json::Value, AuthServerError> {
    serde_json::to_value(client).map_err(AuthServerError::document)
}
