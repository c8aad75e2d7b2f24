//! Lists of connections in a store.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::documents::{Kind, SealedAccount};
use super::inputs::SuppliedInputs;
use super::{AccountId, ConnectedAccount, ConnectedAccounts, Owner};
use crate::AuthServerError;

/// Opened connection.
#[derive(Clone, Debug)]
pub(super) enum StoredConnection {
    Account(Box<ConnectedAccount>),
    Inputs(SuppliedInputs),
}

impl ConnectedAccounts {
    /// Returns the accounts of `owner` with the names of their servers.
    ///
    /// # Errors
    ///
    /// [`AuthServerError::Store`] if the store is unavailable.
    pub async fn list(
        &self,
        owner: &Owner,
    ) -> Result<Vec<(Arc<str>, ConnectedAccount)>, AuthServerError> {
        self.list_as(owner, Kind::Account).await
    }

    /// Returns the supplied values of `owner` with the names of their servers.
    ///
    /// # Errors
    ///
    /// [`AuthServerError::Store`] if the store is unavailable.
    pub async fn list_inputs(
        &self,
        owner: &Owner,
    ) -> Result<Vec<(Arc<str>, SuppliedInputs)>, AuthServerError> {
        self.list_as(owner, Kind::Inputs).await
    }

    /// Returns up to `limit` connections of all owners, ordered by the documents, of which `after` is
    /// the last one before. Those that are sealed with an unknown key are omitted.
    pub(super) async fn all(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(AccountId, StoredConnection)>, AuthServerError> {
        let documents = self.documents.list("", after, limit).await?;
        let found = documents.iter().filter_map(|(id, stored)| {
            let id = AccountId::of_document(id)?;
            let connection = self.open_any(&id, &stored.value)?;
            Some((id, connection))
        });
        Ok(found.collect())
    }

    /// Returns the connection `id`, of any kind.
    pub(super) async fn get(
        &self,
        id: &AccountId,
    ) -> Result<Option<StoredConnection>, AuthServerError> {
        let stored = self.documents.get(&id.document()).await?;
        Ok(stored.and_then(|stored| self.open_any(id, &stored.value)))
    }

    fn open_any(&self, id: &AccountId, stored: &SealedAccount) -> Option<StoredConnection> {
        let purpose = stored.kind.purpose(id);
        match stored.kind {
            Kind::Account => {
                let account = self.open(&purpose, &stored.sealed);
                account.map(Box::new).map(StoredConnection::Account)
            }
            Kind::Inputs => self
                .open(&purpose, &stored.sealed)
                .map(StoredConnection::Inputs),
        }
    }

    /// Returns the connections of `owner` that are of `kind`.
    async fn list_as<T: DeserializeOwned>(
        &self,
        owner: &Owner,
        kind: Kind,
    ) -> Result<Vec<(Arc<str>, T)>, AuthServerError> {
        let below = format!("{}/", owner.key());
        let documents = self.documents.list(&below, None, MAX_ACCOUNTS).await?;
        let of_kind = documents.iter();
        let of_kind = of_kind.filter(|(_, stored)| stored.value.kind == kind);
        let found = of_kind.filter_map(|(id, stored)| {
            let server: Arc<str> = id.strip_prefix(&below)?.into();
            let id = AccountId::new(owner.clone(), Arc::clone(&server));
            let connection = self.open(&kind.purpose(&id), &stored.value.sealed)?;
            Some((server, connection))
        });
        Ok(found.collect())
    }
}

/// Maximum number of accounts that an owner is shown.
const MAX_ACCOUNTS: usize = 1000;
