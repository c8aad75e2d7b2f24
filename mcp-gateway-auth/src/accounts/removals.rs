//! Removal of connections from a store.

use std::sync::Arc;

use mcp_gateway_store::{Attachment, Batch, CommitOutcome, Versioned};

use super::documents::SealedAccount;
use super::{AccountChange, AccountId, ConnectedAccounts, Owner, revocations};
use crate::AuthServerError;

impl ConnectedAccounts {
    /// Removes the connection `id`. Returns `false` if it does not exist.
    ///
    /// Its tokens are revoked by [`PendingRevocations`](super::PendingRevocations).
    ///
    /// # Errors
    ///
    /// [`AuthServerError::Store`] if the store is unavailable.
    pub async fn remove(&self, id: &AccountId) -> Result<bool, AuthServerError> {
        loop {
            let Some(stored) = self.documents.get(&id.document()).await? else {
                return Ok(false);
            };
            let batch = self.removal(id, &stored)?;
            let batch = self.attached(batch, id, AccountChange::Disconnected);
            // On a conflict, its tokens have been refreshed.
            if self.documents.store().commit(batch).await? == CommitOutcome::Committed {
                self.report(id, AccountChange::Disconnected);
                return Ok(true);
            }
        }
    }

    /// Removes all accounts of `owner`, each in one write with `attachment` for its [`AccountId`]. Their
    /// tokens are revoked by [`PendingRevocations`](super::PendingRevocations).
    ///
    /// # Errors
    ///
    /// [`AuthServerError::Store`] if the store is unavailable. Some accounts may have been removed
    /// already; the call may be repeated.
    pub async fn remove_all(
        &self,
        owner: &Owner,
        attachment: &Attachment,
    ) -> Result<(), AuthServerError> {
        let below = format!("{}/", owner.key());
        loop {
            let page = self.documents.list(&below, None, PAGE).await?;
            if page.is_empty() {
                return Ok(());
            }
            for (document, stored) in page {
                let server = document.strip_prefix(&below).unwrap_or_default();
                let id = AccountId::new(owner.clone(), server);
                let batch = self.removal(&id, &stored)?;
                let batch = attachment.add_to(batch, &id.to_string());
                // On a conflict, its tokens have been refreshed. The next page has it.
                if self.documents.store().commit(batch).await? == CommitOutcome::Committed {
                    tracing::info!(account = %id, "connected account removed");
                }
            }
        }
    }

    /// Returns the batch that removes the connection `id`, and adds the revocation of its tokens.
    fn removal(
        &self,
        id: &AccountId,
        stored: &Versioned<SealedAccount>,
    ) -> Result<Batch, AuthServerError> {
        let key = self.documents.key(&id.document());
        let batch = Batch::new().if_version(Arc::clone(&key), stored.version);
        let batch = batch.delete(key);
        match self.open(&id.purpose(), &stored.value.sealed) {
            Some(account) => revocations::enqueue(self, batch, &account),
            None => Ok(batch),
        }
    }
}

/// Number of accounts per read.
const PAGE: usize = 100;
