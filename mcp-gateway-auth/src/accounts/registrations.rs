//! Registrations of the gateway as a client of authorization servers.
//!
//! One registration serves all users of the gateway.

use std::sync::Arc;

use mcp_gateway_store::{Batch, CommitOutcome, Documents, Versioned};
use serde::{Deserialize, Serialize};
use url::Url;

use super::ConnectedAccounts;
use super::error::ConnectError;
use crate::client::{AuthorizationTarget, ClientIdentity, OAuthClient};
use crate::{AuthServerError, SecretHash};

/// Registered clients in a store, one for each authorization server. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Registrations {
    /// Seals the registrations.
    accounts: ConnectedAccounts,
    documents: Documents<SealedRegistration>,
}

/// Stored form of a registration.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct SealedRegistration {
    /// Sealed [`Registration`].
    sealed: String,
}

/// Registered client, which is valid for one redirect URI.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Registration {
    client: ClientIdentity,
    redirect_uri: Url,
}

impl Registrations {
    /// Uses the store and the key of `accounts`.
    pub(super) fn new(accounts: ConnectedAccounts) -> Self {
        let store = Arc::clone(accounts.store());
        Self {
            accounts,
            documents: Documents::new(store, PREFIX),
        }
    }

    /// Returns the registered client at the authorization server of `target`; registers it with
    /// `name` if there is none, or if the server does not accept it any more.
    ///
    /// An authorization server that has lost its clients shows an error to the user, and never
    /// returns to the gateway.
    pub(super) async fn client(
        &self,
        oauth: &OAuthClient,
        target: &AuthorizationTarget,
        (name, redirect_uri): (&str, &Url),
    ) -> Result<ClientIdentity, ConnectError> {
        let server = &target.server;
        let id = document(&server.issuer);
        let stored = self.documents.get(&id).await?;
        let known = stored.as_ref();
        if let Some(client) = known.and_then(|it| self.open(&id, it, redirect_uri))
            && oauth.is_accepted(target, &client, redirect_uri).await?
        {
            return Ok(client);
        }
        let client = oauth.register(server, name, redirect_uri, None).await?;
        let registration = Registration {
            client: client.clone(),
            redirect_uri: redirect_uri.clone(),
        };
        let sealed = self.accounts.seal(&purpose(&id), &registration)?;
        let key = self.documents.key(&id);
        let batch = match &stored {
            Some(stored) => Batch::new().if_version(key, stored.version),
            None => Batch::new().if_absent(key),
        };
        let batch = self
            .documents
            .put(batch, &id, &SealedRegistration { sealed }, None)?;
        if self.documents.store().commit(batch).await? == CommitOutcome::Committed {
            return Ok(client);
        }
        // Another replica has registered at the same time.
        let stored = self.documents.get(&id).await?;
        let known = stored.and_then(|stored| self.open(&id, &stored, redirect_uri));
        Ok(known.unwrap_or(client))
    }

    /// Removes the registration at `issuer` if it is that of `client`.
    pub(super) async fn remove(
        &self,
        issuer: &str,
        client: &ClientIdentity,
    ) -> Result<(), AuthServerError> {
        let id = document(issuer);
        let Some(stored) = self.documents.get(&id).await? else {
            return Ok(());
        };
        let sealed = &stored.value.sealed;
        let known: Option<Registration> = self.accounts.open(&purpose(&id), sealed);
        if known.is_some_and(|known| known.client == *client) {
            let key = self.documents.key(&id);
            let batch = Batch::new().if_version(Arc::clone(&key), stored.version);
            let _ = self.documents.store().commit(batch.delete(key)).await?;
        }
        Ok(())
    }

    /// Returns the client of a stored registration, if it is for `redirect_uri`.
    fn open(
        &self,
        id: &str,
        stored: &Versioned<SealedRegistration>,
        redirect_uri: &Url,
    ) -> Option<ClientIdentity> {
        let sealed = &stored.value.sealed;
        let known: Registration = self.accounts.open(&purpose(id), sealed)?;
        (known.redirect_uri == *redirect_uri).then_some(known.client)
    }
}

/// Returns the identifier of the document for `issuer`.
fn document(issuer: &str) -> String {
    SecretHash::digest(issuer).as_str().to_owned()
}

/// Returns the purpose of a sealed registration.
fn purpose(id: &str) -> String {
    format!("registration {id}")
}

/// Store prefix of registrations.
const PREFIX: &str = "account/client/";
