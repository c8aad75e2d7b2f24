use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use mcp_gateway_store::{Batch, Documents, Outcome, Store, Stored};
use serde::{Deserialize, Serialize};

use super::client::{Client, ClientOrigin};
use super::error::OAuthError;
use super::metadata_document::MetadataDocuments;
use super::revocations::RevocationLog;
use crate::clock::moment;
use crate::token::Revoked;
use crate::{AuthorityError, Clock, SecretHash};

/// All clients. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Clients {
    /// Those that the operator has set up, by their identifiers.
    fixed: Arc<ArcSwap<HashMap<String, Client>>>,
    /// Those that have a document of their own.
    documented: Option<MetadataDocuments>,
    registered: Documents<Registered>,
    revocations: RevocationLog,
    clock: Clock,
    lifetimes: ClientLifetimes,
}

/// How long clients are kept that have registered themselves, in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClientLifetimes {
    /// One that nobody has let in yet.
    pub(super) new: u64,
    /// One that is not used any more.
    pub(super) unused: u64,
}

/// A client in the store.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Registered {
    pub(super) client: Client,
    /// The hash of the token that it manages its registration with.
    pub(super) management: Option<SecretHash>,
    /// When it is forgotten if it is not used; never if `None`.
    pub(super) expires: Option<u64>,
}

impl Clients {
    pub(super) fn new(
        store: Arc<dyn Store>,
        revocations: RevocationLog,
        clock: Clock,
        lifetimes: ClientLifetimes,
    ) -> Self {
        Self {
            fixed: Arc::default(),
            documented: None,
            registered: Documents::new(store, "auth/client/"),
            revocations,
            clock,
            lifetimes,
        }
    }

    /// Knows clients by the documents that their identifiers lead to.
    pub(super) fn with_documents(self, documents: MetadataDocuments) -> Self {
        Self {
            documented: Some(documents),
            ..self
        }
    }

    /// Whether clients may have a document of their own.
    pub(super) fn has_documents(&self) -> bool {
        self.documented.is_some()
    }

    /// Replaces those that the operator has set up.
    pub(super) fn fix(&self, clients: impl IntoIterator<Item = Client>) {
        let clients = clients
            .into_iter()
            .map(|client| (client.id.clone(), client));
        self.fixed.store(Arc::new(clients.collect()));
    }

    /// The client `id`.
    pub(super) async fn find(&self, id: &str) -> Result<Option<Client>, OAuthError> {
        if let Some(client) = self.fixed.load().get(id) {
            return Ok(Some(client.clone()));
        }
        if id.starts_with("https://") {
            return match &self.documented {
                Some(documents) => documents.get(id).await,
                None => Ok(None),
            };
        }
        let found = self.registration(id).await?;
        Ok(found.map(|stored| stored.value.client))
    }

    /// Whether the client `id` has not been removed; one with a document of its own never is.
    pub(super) async fn is_there(&self, id: &str) -> Result<bool, AuthorityError> {
        let is_elsewhere = id.starts_with("https://") || self.fixed.load().contains_key(id);
        Ok(is_elsewhere || self.registration(id).await?.is_some())
    }

    /// The registration of the client `id`, if it can be managed.
    pub(super) async fn registration(
        &self,
        id: &str,
    ) -> Result<Option<Stored<Registered>>, AuthorityError> {
        let found = self.registered.get(id).await?;
        let now = self.clock.now();
        let is_good = |stored: &Stored<Registered>| {
            let expires = stored.value.expires;
            expires.is_none_or(|expires| now < expires)
        };
        Ok(found.filter(is_good))
    }

    /// Registers `client`. If there was one of its identifier before, what was issued to that stays
    /// worthless.
    pub(super) async fn register(
        &self,
        client: Client,
        management: Option<SecretHash>,
    ) -> Result<Client, AuthorityError> {
        let expires = match client.origin {
            ClientOrigin::Dynamic => Some(self.clock.now().saturating_add(self.lifetimes.new)),
            ClientOrigin::MetadataDocument | ClientOrigin::Static => None,
        };
        let key = self.registered.key(&client.id);
        let batch = Batch::new().if_absent(key);
        let batch = match client.origin {
            ClientOrigin::Dynamic => batch,
            // It may have been deleted and be back.
            _ => self
                .revocations
                .add_lift(batch, Revoked::Client, &client.id)?,
        };
        let (id, registered) = (
            client.id.clone(),
            Registered {
                client,
                management,
                expires,
            },
        );
        let batch = self
            .registered
            .put(batch, &id, &registered, expires.map(moment))?;
        match self.registered.store().commit(batch).await? {
            Outcome::Committed => {
                self.revocations.note_lift(Revoked::Client, &id);
                Ok(registered.client)
            }
            Outcome::Conflict => Err(AuthorityError::Busy),
        }
    }

    /// Replaces what was read as `before`; `false` when somebody else has changed it since.
    pub(super) async fn replace(
        &self,
        before: &Stored<Registered>,
        after: &Registered,
    ) -> Result<bool, AuthorityError> {
        let id = &after.client.id;
        let batch = Batch::new().if_version(self.registered.key(id), before.version);
        let batch = self
            .registered
            .put(batch, id, after, after.expires.map(moment))?;
        let outcome = self.registered.store().commit(batch).await?;
        Ok(outcome == Outcome::Committed)
    }

    /// Forgets the client `id`, and makes everything that it was issued worthless.
    pub(super) async fn remove(&self, id: &str) -> Result<(), AuthorityError> {
        let batch = Batch::new().delete(self.registered.key(id));
        let batch = self.revocations.add(batch, Revoked::Client, id)?;
        let _ = self.registered.store().commit(batch).await?;
        self.revocations.note(Revoked::Client, id);
        Ok(())
    }

    /// Notes that `client` is in use, so that it is not forgotten.
    pub(super) async fn touch(&self, client: &Client) -> Result<(), AuthorityError> {
        if client.origin != ClientOrigin::Dynamic {
            return Ok(());
        }
        let Some(stored) = self.registered.get(&client.id).await? else {
            return Ok(());
        };
        let unused = self.lifetimes.unused;
        let fresh = self.clock.now().saturating_add(unused);
        // Not more often than is needed for it not to be forgotten.
        let is_due = stored
            .value
            .expires
            .is_some_and(|old| old + unused / 10 < fresh);
        if is_due {
            let after = Registered {
                expires: Some(fresh),
                ..stored.value.clone()
            };
            self.replace(&stored, &after).await?;
        }
        Ok(())
    }

    /// Up to `limit` clients of the store, after the one `after`.
    pub(super) async fn list(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Client>, AuthorityError> {
        let found = self.registered.list("", after, limit).await?;
        let clients = found.into_iter().map(|(_, stored)| stored.value.client);
        Ok(clients.collect())
    }
}
