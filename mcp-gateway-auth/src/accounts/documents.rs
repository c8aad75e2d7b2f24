//! Connected accounts in a store.

use std::fmt;
use std::sync::Arc;

use mcp_gateway_core::Sealer;
use mcp_gateway_store::{
    Attachment, Batch, CommitOutcome, DocumentVersion, Documents, Store, Versioned, WatchStream,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::inputs::SuppliedInputs;
use super::{AccountChange, AccountId, AccountObserver, ConnectedAccount, Owner};
use crate::{AuthServerError, Clock, Keyring};

/// Connected accounts in a store. Cheap to clone.
///
/// The content is sealed, and bound to owner and server: a document that is copied to another
/// account is not accepted there.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use mcp_gateway_auth::accounts::{AccountId, ConnectedAccounts, Owner};
/// use mcp_gateway_auth::{Clock, Keyring};
/// use mcp_gateway_store::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let keyring = Keyring::new(&[7; 32])?;
/// let accounts = ConnectedAccounts::new(Arc::new(MemoryStore::new()), &keyring, Clock::system())?;
/// let alice = Owner::User("alice".into());
/// assert!(accounts.find(&AccountId::new(alice.clone(), "github")).await?.is_none());
/// assert!(accounts.list(&alice).await?.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ConnectedAccounts {
    /// Subject of whoever connects and disconnects.
    actor: Option<Arc<str>>,
    attachment: Attachment,
    clock: Clock,
    pub(super) documents: Documents<SealedAccount>,
    observer: Option<Arc<dyn AccountObserver>>,
    sealer: Arc<Sealer>,
}

/// Stored form of an account.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct SealedAccount {
    /// Set by the write with which the owner connects the account.
    #[serde(default)]
    is_new: bool,
    #[serde(default)]
    pub(super) kind: Kind,
    /// Sealed [`ConnectedAccount`] or [`SuppliedInputs`].
    pub(super) sealed: String,
}

/// Kind of a stored connection.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    #[default]
    Account,
    Inputs,
}

impl Kind {
    /// Returns the purpose to which the sealed content of `id` is bound.
    pub(super) fn purpose(self, id: &AccountId) -> String {
        match self {
            Self::Account => id.purpose(),
            Self::Inputs => format!("inputs of {}", id.purpose()),
        }
    }
}

impl ConnectedAccounts {
    /// Uses the accounts in `store`, sealed with a key of `keyring`.
    ///
    /// # Errors
    ///
    /// [`AuthServerError::Key`] if the cryptographic library rejects a key.
    pub fn new(
        store: Arc<dyn Store>,
        keyring: &Keyring,
        clock: Clock,
    ) -> Result<Self, AuthServerError> {
        let mut keys = keyring.derive("accounts", |key| *key).into_iter();
        let newest = keys.next().ok_or(AuthServerError::Key)?;
        let sealer = Sealer::new(&newest);
        let sealer = keys.fold(sealer, |sealer, key| sealer?.with_previous(&key));
        Ok(Self {
            actor: None,
            attachment: Attachment::default(),
            clock,
            documents: Documents::new(store, PREFIX),
            observer: None,
            sealer: Arc::new(sealer.map_err(|_| AuthServerError::Key)?),
        })
    }

    /// Reports the changes of accounts to `observer`.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn AccountObserver>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Connects and disconnects on behalf of `actor`, instead of the owner.
    #[must_use]
    pub fn acting_as(mut self, actor: impl Into<Arc<str>>) -> Self {
        self.actor = Some(actor.into());
        self
    }

    /// Adds `attachment` to the write of each connection, for its [`AccountId`].
    ///
    /// Methods that connect return [`AuthServerError::Busy`] if one of its conditions does not hold.
    #[must_use]
    pub fn with_attachment(mut self, attachment: Attachment) -> Self {
        self.attachment = attachment;
        self
    }

    /// Returns the account `id`.
    ///
    /// One that is sealed with an unknown key does not exist.
    ///
    /// # Errors
    ///
    /// [`AuthServerError::Store`] if the store is unavailable.
    pub async fn find(
        &self,
        id: &AccountId,
    ) -> Result<Option<Versioned<ConnectedAccount>>, AuthServerError> {
        self.find_as(id, Kind::Account).await
    }

    /// Returns the values that the owner of `id` has supplied.
    ///
    /// Those that are sealed with an unknown key do not exist.
    ///
    /// # Errors
    ///
    /// [`AuthServerError::Store`] if the store is unavailable.
    pub async fn find_inputs(
        &self,
        id: &AccountId,
    ) -> Result<Option<SuppliedInputs>, AuthServerError> {
        let found = self.find_supplied(id).await?;
        Ok(found.map(|found| found.value))
    }

    /// Returns the values that the owner of `id` has supplied, with the version of their document.
    pub(super) async fn find_supplied(
        &self,
        id: &AccountId,
    ) -> Result<Option<Versioned<SuppliedInputs>>, AuthServerError> {
        self.find_as(id, Kind::Inputs).await
    }

    /// Returns the connection `id`, if it is of `kind`.
    async fn find_as<T: DeserializeOwned>(
        &self,
        id: &AccountId,
        kind: Kind,
    ) -> Result<Option<Versioned<T>>, AuthServerError> {
        let stored = self.documents.get(&id.document()).await?;
        let stored = stored.filter(|stored| stored.value.kind == kind);
        Ok(stored.and_then(|stored| {
            let value = self.open(&kind.purpose(id), &stored.value.sealed);
            if value.is_none() {
                tracing::warn!(account = %id, "connected account sealed with an unknown key");
            }
            let version = stored.version;
            Some(Versioned {
                value: value?,
                version,
            })
        }))
    }

    /// Connects the account `id`; it replaces an earlier one.
    ///
    /// # Errors
    ///
    /// [`AuthServerError::Store`] if the store is unavailable.
    pub async fn connect(
        &self,
        id: &AccountId,
        account: &ConnectedAccount,
    ) -> Result<(), AuthServerError> {
        self.connect_as(id, Kind::Account, account).await
    }

    /// Stores the values that the owner of `id` has supplied; they replace an earlier connection.
    ///
    /// # Errors
    ///
    /// [`AuthServerError::Store`] if the store is unavailable.
    pub async fn supply(
        &self,
        id: &AccountId,
        supplied: &SuppliedInputs,
    ) -> Result<(), AuthServerError> {
        self.connect_as(id, Kind::Inputs, supplied).await
    }

    async fn connect_as(
        &self,
        id: &AccountId,
        kind: Kind,
        connection: &impl Serialize,
    ) -> Result<(), AuthServerError> {
        let stored = SealedAccount {
            is_new: true,
            kind,
            sealed: self.seal(&kind.purpose(id), connection)?,
        };
        let batch = self
            .documents
            .put(Batch::new(), &id.document(), &stored, None)?;
        let batch = self.attached(batch, id, AccountChange::Connected);
        let batch = self.attachment.add_to(batch, &id.to_string());
        if self.documents.store().commit(batch).await? == CommitOutcome::Conflict {
            return Err(AuthServerError::Busy);
        }
        self.report(id, AccountChange::Connected);
        Ok(())
    }

    /// Replaces `version` of the account `id`, which is a `change` for its observer or none. Returns
    /// `false` if it has been replaced already.
    pub(super) async fn replace(
        &self,
        id: &AccountId,
        version: DocumentVersion,
        account: &ConnectedAccount,
        change: Option<AccountChange>,
    ) -> Result<bool, AuthServerError> {
        let batch = self.replacement(id, version, (Kind::Account, account))?;
        let batch = match change {
            Some(change) => self.attached(batch, id, change),
            None => batch,
        };
        let outcome = self.documents.store().commit(batch).await?;
        Ok(outcome == CommitOutcome::Committed)
    }

    /// Replaces `version` of the values `id`, unless they have been replaced already.
    pub(super) async fn replace_inputs(
        &self,
        id: &AccountId,
        version: DocumentVersion,
        supplied: &SuppliedInputs,
    ) -> Result<(), AuthServerError> {
        let batch = self.replacement(id, version, (Kind::Inputs, supplied))?;
        match self.documents.store().commit(batch).await? {
            CommitOutcome::Committed | CommitOutcome::Conflict => Ok(()),
        }
    }

    /// Returns the batch that replaces `version` of the connection `id`.
    fn replacement(
        &self,
        id: &AccountId,
        version: DocumentVersion,
        (kind, connection): (Kind, &impl Serialize),
    ) -> Result<Batch, AuthServerError> {
        let batch = Batch::new().if_version(self.documents.key(&id.document()), version);
        let stored = SealedAccount {
            is_new: false,
            kind,
            sealed: self.seal(&kind.purpose(id), connection)?,
        };
        Ok(self.documents.put(batch, &id.document(), &stored, None)?)
    }

    /// Adds to `batch` what the observer adds to `change`.
    pub(super) fn attached(&self, batch: Batch, id: &AccountId, change: AccountChange) -> Batch {
        match &self.observer {
            Some(observer) => {
                let attachment = observer.attachment(id, change, self.actor(id, change));
                attachment.add_to(batch, &id.to_string())
            }
            None => batch,
        }
    }

    /// Returns the subject of whoever has made a change; `None` for the gateway.
    fn actor<'a>(&'a self, id: &'a AccountId, change: AccountChange) -> Option<&'a str> {
        match (change, &self.actor, &id.owner) {
            (AccountChange::Ended(_) | AccountChange::Refreshed, _, _) => None,
            (_, Some(actor), _) | (_, None, Owner::User(actor)) => Some(&**actor),
            (_, None, Owner::Organization | Owner::Team(_)) => None,
        }
    }

    /// Reports a change that has been stored.
    pub(super) fn report(&self, id: &AccountId, change: AccountChange) {
        tracing::info!(account = %id, ?change, "connected account changed");
        if let Some(observer) = &self.observer {
            observer.on_change(id, change, self.actor(id, change));
        }
    }

    /// Reports that the account `id` was connected or disconnected in some replica.
    pub(super) async fn report_connection(&self, id: &AccountId) {
        let Some(observer) = &self.observer else {
            return;
        };
        // Of an unavailable store, nothing is current: what is ended needlessly starts again.
        let current = self.current_credential(id).await.unwrap_or_default();
        observer.on_connection_end(id, current.as_deref());
        observer.on_connections_change(&id.server);
    }

    /// Returns the account of the credentials of the connection `id`.
    async fn current_credential(&self, id: &AccountId) -> Result<Option<String>, AuthServerError> {
        if let Some(supplied) = self.find_inputs(id).await? {
            return Ok(Some(id.credential(supplied.connection())));
        }
        let account = self.find(id).await?;
        Ok(account.map(|account| id.credential(account.value.connection())))
    }

    /// Returns the changes of all accounts; see [`account_key`].
    pub(super) fn watch(&self) -> WatchStream {
        self.documents.store().watch(PREFIX)
    }

    /// Returns the clock.
    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Returns the store.
    pub(super) fn store(&self) -> &Arc<dyn Store> {
        self.documents.store()
    }

    /// Seals `value` for `purpose`.
    pub(super) fn seal(
        &self,
        purpose: &str,
        value: &impl Serialize,
    ) -> Result<String, AuthServerError> {
        let plain = serde_json::to_vec(value).map_err(AuthServerError::document)?;
        let sealed = self.sealer.seal(purpose, &plain);
        sealed.map_err(|_| AuthServerError::Random)
    }

    /// Opens a value that was sealed for `purpose`.
    pub(super) fn open<T: DeserializeOwned>(&self, purpose: &str, sealed: &str) -> Option<T> {
        let plain = self.sealer.open(purpose, sealed)?;
        serde_json::from_slice(&plain).ok()
    }
}

impl fmt::Debug for ConnectedAccounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectedAccounts")
            .field("documents", &self.documents)
            .finish_non_exhaustive()
    }
}

/// Returns the identifier of the document under `key`.
pub(super) fn account_key(key: &str) -> &str {
    key.strip_prefix(PREFIX).unwrap_or(key)
}

/// Returns `true` if the document `value` was written when its owner connected the account.
pub(super) fn is_connection(value: &[u8]) -> bool {
    let stored: Result<SealedAccount, _> = serde_json::from_slice(value);
    stored.is_ok_and(|stored| stored.is_new)
}

/// Store prefix of connected accounts.
const PREFIX: &str = "account/connected/";
