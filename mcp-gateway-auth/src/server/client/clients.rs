//! The registry of clients: configured, registered, and described by metadata documents.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use mcp_gateway_store::{Attachment, Batch, CommitOutcome, Documents, Store, Versioned};
use serde::{Deserialize, Serialize};

use super::metadata_document::ClientMetadataDocuments;
use super::{ClientOrigin, OAuthClient};
use crate::clock::system_time;
use crate::server::error::OAuthError;
use crate::server::token::revocations::RevocationLog;
use crate::token::RevocationTarget;
use crate::{AuthServerError, Clock, SecretHash};

/// All clients. Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::server) struct ClientRegistry {
    /// Clients that the operator has configured, by client ID.
    static_clients: Arc<ArcSwap<HashMap<String, OAuthClient>>>,
    /// Clients with a metadata document.
    documented: Option<ClientMetadataDocuments>,
    registered: Documents<StoredClient>,
    revocations: RevocationLog,
    clock: Clock,
    lifetimes: ClientLifetimes,
}

/// Lifetimes of dynamically registered clients, in seconds.
#[derive(Clone, Copy, Debug)]
pub(in crate::server) struct ClientLifetimes {
    /// Lifetime until the first use.
    pub(in crate::server) new: u64,
    /// Idle timeout after the last use.
    pub(in crate::server) unused: u64,
}

/// A client in the store.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(in crate::server) struct StoredClient {
    pub(in crate::server) client: OAuthClient,
    /// Hash of the registration access token (RFC 7592).
    pub(in crate::server) management: Option<SecretHash>,
    /// Time at which the unused client expires; never if `None`.
    pub(in crate::server) expires: Option<u64>,
}

impl ClientRegistry {
    /// Uses the clients in `store`.
    pub(in crate::server) fn new(
        store: Arc<dyn Store>,
        revocations: RevocationLog,
        clock: Clock,
        lifetimes: ClientLifetimes,
    ) -> Self {
        Self {
            static_clients: Arc::default(),
            documented: None,
            registered: Documents::new(store, "auth/client/"),
            revocations,
            clock,
            lifetimes,
        }
    }

    /// Enables client ID metadata documents.
    pub(in crate::server) fn with_documents(self, documents: ClientMetadataDocuments) -> Self {
        Self {
            documented: Some(documents),
            ..self
        }
    }

    /// Returns `true` if client ID metadata documents are enabled.
    pub(in crate::server) fn has_documents(&self) -> bool {
        self.documented.is_some()
    }

    /// Returns `true` if client ID metadata documents are enabled and can be fetched at the moment.
    ///
    /// If clients can register otherwise, those of all well-known clients must be reachable.
    pub(in crate::server) async fn advertises_documents(&self, can_register: bool) -> bool {
        match &self.documented {
            Some(documents) => documents.are_reachable(can_register).await,
            None => false,
        }
    }

    /// Replaces the configured clients.
    pub(in crate::server) fn set_static(&self, clients: impl IntoIterator<Item = OAuthClient>) {
        let clients = clients
            .into_iter()
            .map(|client| (client.id.clone(), client));
        self.static_clients.store(Arc::new(clients.collect()));
    }

    /// Returns the configured clients, ordered by ID.
    pub(in crate::server) fn configured(&self) -> Vec<OAuthClient> {
        let mut clients: Vec<_> = self.static_clients.load().values().cloned().collect();
        clients.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        clients
    }

    /// Returns the client `id`.
    pub(in crate::server) async fn find(
        &self,
        id: &str,
    ) -> Result<Option<OAuthClient>, OAuthError> {
        if let Some(client) = self.static_clients.load().get(id) {
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

    /// Returns `true` unless the client `id` has been deleted. Clients with a metadata document are
    /// never deleted.
    pub(in crate::server) async fn exists(&self, id: &str) -> Result<bool, AuthServerError> {
        let is_configured =
            id.starts_with("https://") || self.static_clients.load().contains_key(id);
        Ok(is_configured || self.registration(id).await?.is_some())
    }

    /// Returns the unexpired registration of the client `id`.
    pub(in crate::server) async fn registration(
        &self,
        id: &str,
    ) -> Result<Option<Versioned<StoredClient>>, AuthServerError> {
        let found = self.registered.get(id).await?;
        let now = self.clock.now();
        let is_valid = |stored: &Versioned<StoredClient>| {
            let expires = stored.value.expires;
            expires.is_none_or(|expires| now < expires)
        };
        Ok(found.filter(is_valid))
    }

    /// Stores `client`. Tokens of a previous client with the same ID remain revoked.
    pub(in crate::server) async fn register(
        &self,
        client: OAuthClient,
        management: Option<SecretHash>,
        attachment: &Attachment,
    ) -> Result<OAuthClient, AuthServerError> {
        let expires = match client.origin {
            ClientOrigin::Dynamic => Some(self.clock.now().saturating_add(self.lifetimes.new)),
            ClientOrigin::MetadataDocument | ClientOrigin::Static => None,
        };
        let key = self.registered.key(&client.id);
        let batch = Batch::new().if_absent(key);
        let batch = match client.origin {
            ClientOrigin::Dynamic => batch,
            // A client with the same ID may have been deleted before.
            _ => self
                .revocations
                .add_lift(batch, RevocationTarget::Client, &client.id)?,
        };
        let (id, registered) = (
            client.id.clone(),
            StoredClient {
                client,
                management,
                expires,
            },
        );
        let batch = self
            .registered
            .put(batch, &id, &registered, expires.map(system_time))?;
        let batch = attachment.add_to(batch, &id);
        match self.registered.store().commit(batch).await? {
            CommitOutcome::Committed => {
                self.revocations.note_lift(RevocationTarget::Client, &id);
                Ok(registered.client)
            }
            CommitOutcome::Conflict => Err(AuthServerError::Busy),
        }
    }

    /// Replaces the registration `before`. Returns `false` if it has changed in the meantime.
    pub(in crate::server) async fn replace(
        &self,
        before: &Versioned<StoredClient>,
        after: &StoredClient,
    ) -> Result<bool, AuthServerError> {
        let id = &after.client.id;
        let batch = Batch::new().if_version(self.registered.key(id), before.version);
        let batch = self
            .registered
            .put(batch, id, after, after.expires.map(system_time))?;
        let outcome = self.registered.store().commit(batch).await?;
        Ok(outcome == CommitOutcome::Committed)
    }

    /// Deletes the client `id` and revokes its tokens.
    pub(in crate::server) async fn remove(
        &self,
        id: &str,
        attachment: &Attachment,
    ) -> Result<(), AuthServerError> {
        let batch = Batch::new().delete(self.registered.key(id));
        let batch = attachment.add_to(batch, id);
        let batch = self.revocations.add(batch, RevocationTarget::Client, id)?;
        let _ = self.registered.store().commit(batch).await?;
        self.revocations.apply_local(RevocationTarget::Client, id);
        Ok(())
    }

    /// Records the use of `client`, so that it does not expire.
    pub(in crate::server) async fn touch(
        &self,
        client: &OAuthClient,
    ) -> Result<(), AuthServerError> {
        match (client.origin, &self.documented) {
            (ClientOrigin::Dynamic, _) => {}
            (ClientOrigin::MetadataDocument, Some(documents)) => {
                return documents.keep(client).await;
            }
            (ClientOrigin::MetadataDocument | ClientOrigin::Static, _) => return Ok(()),
        }
        let Some(stored) = self.registered.get(&client.id).await? else {
            return Ok(());
        };
        let unused = self.lifetimes.unused;
        let fresh = self.clock.now().saturating_add(unused);
        // Written only after a tenth of the idle timeout.
        let is_due = stored
            .value
            .expires
            .is_some_and(|old| old + unused / 10 < fresh);
        if is_due {
            let after = StoredClient {
                expires: Some(fresh),
                ..stored.value.clone()
            };
            self.replace(&stored, &after).await?;
        }
        Ok(())
    }

    /// Returns up to `limit` registered clients with an ID greater than `after`.
    pub(in crate::server) async fn list(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<OAuthClient>, AuthServerError> {
        let found = self.registered.list("", after, limit).await?;
        let clients = found.into_iter().map(|(_, stored)| stored.value.client);
        Ok(clients.collect())
    }
}
