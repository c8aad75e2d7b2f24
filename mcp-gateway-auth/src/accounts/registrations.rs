//! Registrations of the gateway as a client of authorization servers.
//!
//! One registration serves all users of the gateway.

use std::collections::BTreeSet;
use std::sync::Arc;

use mcp_gateway_store::{Batch, CommitOutcome, DocumentVersion, Documents};
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
    /// Registered scopes, separated by spaces.
    #[serde(default)]
    scope: Option<String>,
}

/// Registration in the store, and the one that is to replace it.
#[derive(Default)]
struct StoredRegistration {
    /// The stored one, if it is for the redirect URI.
    known: Option<Registration>,
    /// Scopes of the next one.
    scope: Option<String>,
    /// Version of the document, if there is one.
    version: Option<DocumentVersion>,
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

    /// Returns the registered client at the authorization server of `target`; registers it with a
    /// name if there is none, or none that is accepted any more.
    ///
    /// An authorization server that has lost its clients shows an error to the user, and never
    /// returns to the gateway. The client `accepted` is known to be accepted.
    pub(super) async fn client(
        &self,
        (oauth, target): (&OAuthClient, &AuthorizationTarget),
        registration: (&str, &Url),
        accepted: Option<&ClientIdentity>,
    ) -> Result<ClientIdentity, ConnectError> {
        let mut stored = self.stored(&target.server.issuer, registration.1).await?;
        if let Some(Registration { client, scope, .. }) = stored.known.take() {
            if accepted == Some(&client)
                || oauth.is_accepted(target, &client, registration.1).await?
            {
                return Ok(client);
            }
            stored.scope = scope;
        }
        self.register((oauth, target), registration, stored).await
    }

    /// Replaces the registration at the authorization server of `target` by one that may request
    /// `scope`, too.
    ///
    /// Some servers register a client for the scopes of its request only (RFC 7591, section 2).
    pub(super) async fn extend(
        &self,
        (oauth, target): (&OAuthClient, &AuthorizationTarget),
        registration: (&str, &Url),
        scope: &str,
    ) -> Result<ClientIdentity, ConnectError> {
        let mut stored = self.stored(&target.server.issuer, registration.1).await?;
        let known = stored.known.take().and_then(|known| known.scope);
        let known = known.unwrap_or_default();
        let scopes: BTreeSet<_> = known.split(' ').chain(scope.split(' ')).collect();
        let scopes = scopes.into_iter().filter(|scope| !scope.is_empty());
        stored.scope = Some(scopes.collect::<Vec<_>>().join(" "));
        self.register((oauth, target), registration, stored).await
    }

    /// Registers a client, and stores it in place of `stored`.
    async fn register(
        &self,
        (oauth, target): (&OAuthClient, &AuthorizationTarget),
        (name, redirect_uri): (&str, &Url),
        stored: StoredRegistration,
    ) -> Result<ClientIdentity, ConnectError> {
        let server = &target.server;
        let id = document(&server.issuer);
        let scope = stored.scope;
        let client = oauth.register_with_scope(server, (name, redirect_uri), scope.as_deref());
        let client = client.await?;
        let registration = Registration {
            client: client.clone(),
            redirect_uri: redirect_uri.clone(),
            scope,
        };
        let sealed = self.accounts.seal(&purpose(&id), &registration)?;
        let key = self.documents.key(&id);
        let batch = match stored.version {
            Some(version) => Batch::new().if_version(key, version),
            None => Batch::new().if_absent(key),
        };
        let batch = self
            .documents
            .put(batch, &id, &SealedRegistration { sealed }, None)?;
        if self.documents.store().commit(batch).await? == CommitOutcome::Committed {
            return Ok(client);
        }
        // Another replica has registered at the same time.
        let stored = self.stored(&server.issuer, redirect_uri).await?;
        Ok(stored.known.map_or(client, |known| known.client))
    }

    /// Returns the stored registration at `issuer` for `redirect_uri`.
    async fn stored(
        &self,
        issuer: &str,
        redirect_uri: &Url,
    ) -> Result<StoredRegistration, ConnectError> {
        let id = document(issuer);
        let Some(stored) = self.documents.get(&id).await? else {
            return Ok(StoredRegistration::default());
        };
        let sealed = &stored.value.sealed;
        let known: Option<Registration> = self.accounts.open(&purpose(&id), sealed);
        Ok(StoredRegistration {
            known: known.filter(|known| known.redirect_uri == *redirect_uri),
            scope: None,
            version: Some(stored.version),
        })
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
