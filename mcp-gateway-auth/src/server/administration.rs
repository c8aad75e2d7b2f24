//! Administration of consents, users and clients by the embedding service.

use super::AuthorizationServer;
use super::client::Client;
use super::consents::Consent;
use crate::AuthorityError;
use crate::token::Revoked;

impl AuthorizationServer {
    /// Returns the consents of the user `person`.
    ///
    /// # Errors
    ///
    /// If the store is unavailable.
    pub async fn consents_of(&self, person: &str) -> Result<Vec<Consent>, AuthorityError> {
        self.consents().list(person).await
    }

    /// Revokes the consent of `person` for `client`, with all tokens of the client.
    ///
    /// # Errors
    ///
    /// If the store is unavailable. Some grants may have been revoked already; the call may be
    /// repeated.
    pub async fn revoke_consent(&self, person: &str, client: &str) -> Result<(), AuthorityError> {
        self.consents().remove(person, client).await?;
        self.grants().revoke_all(person, client).await
    }

    /// Revokes all tokens of the user `person` that exist, and rejects new ones until
    /// [`restore_person`](Self::restore_person).
    ///
    /// # Errors
    ///
    /// If the store is unavailable.
    pub async fn revoke_person(&self, person: &str) -> Result<(), AuthorityError> {
        for consent in self.consents_of(person).await? {
            self.revoke_consent(person, &consent.client).await?;
        }
        self.revocations().revoke(Revoked::Subject, person).await
    }

    /// Accepts new tokens of the user `person` again, after [`revoke_person`](Self::revoke_person).
    /// Earlier tokens remain revoked.
    ///
    /// # Errors
    ///
    /// If the store is unavailable.
    pub async fn restore_person(&self, person: &str) -> Result<(), AuthorityError> {
        self.revocations().lift(Revoked::Subject, person).await
    }

    /// Returns up to `limit` registered clients with an ID greater than `after`.
    ///
    /// # Errors
    ///
    /// If the store is unavailable.
    pub async fn clients_after(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Client>, AuthorityError> {
        self.clients().list(after, limit).await
    }

    /// Stores the client `client`.
    ///
    /// # Errors
    ///
    /// If the store is unavailable, or a client with this ID exists.
    ///
    /// # Example
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use mcp_gateway_auth::login::Login;
    /// use mcp_gateway_auth::server::{AuthorizationServer, Client};
    /// use mcp_gateway_auth::users::Users;
    /// use mcp_gateway_auth::{Clock, Keyring};
    /// use mcp_gateway_store::MemoryStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (store, keyring) = (Arc::new(MemoryStore::new()), Keyring::new(&[7; 32])?);
    /// let users = Users::new(store.clone(), Clock::system());
    /// let login = Login::new(users, keyring.clone(), "https://gw.example.com")?;
    /// let base = "https://gw.example.com".parse()?;
    /// let server = AuthorizationServer::builder(base, store, keyring, Arc::new(login)).build();
    ///
    /// server.create_client(Client::new("ci", "Build server")).await?;
    /// assert!(server.create_client(Client::new("ci", "Another one")).await.is_err());
    /// server.delete_client("ci").await?;
    /// assert!(server.clients_after(None, 10).await?.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn create_client(&self, client: Client) -> Result<Client, AuthorityError> {
        self.clients().register(client, None).await
    }

    /// Deletes the registered client `id` and revokes all its tokens.
    ///
    /// # Errors
    ///
    /// If the store is unavailable.
    pub async fn delete_client(&self, id: &str) -> Result<(), AuthorityError> {
        self.clients().remove(id).await
    }
}
