//! Administration of consents, users and clients by the embedding service.

use mcp_gateway_store::Attachment;

use super::client::OAuthClient;
use super::grant::consents::Consent;
use super::{AuthorizationServer, Rooms};
use crate::AuthServerError;
use crate::token::RevocationTarget;

impl AuthorizationServer {
    /// Returns the server with `attachment` in the batch of each change of a client with the methods
    /// below.
    #[must_use]
    pub fn with_attachment(&self, attachment: Attachment) -> Self {
        Self {
            attachment,
            ..self.clone()
        }
    }

    /// Returns the consents of the user `user`.
    ///
    /// # Errors
    ///
    /// If the store is unavailable.
    pub async fn consents_of(&self, user: &str) -> Result<Vec<Consent>, AuthServerError> {
        self.rooms.grants.consents.list(user).await
    }

    /// Revokes the consent of `user` for `client`, with all tokens of the client.
    ///
    /// # Errors
    ///
    /// If the store is unavailable. Some grants may have been revoked already; the call may be
    /// repeated.
    pub async fn revoke_consent(&self, user: &str, client: &str) -> Result<(), AuthServerError> {
        self.rooms.grants.revoke(user, client).await
    }

    /// Revokes all tokens of the user `user` that exist, and rejects new ones until
    /// [`restore_user`](Self::restore_user).
    ///
    /// # Errors
    ///
    /// If the store is unavailable.
    pub async fn revoke_user(&self, user: &str) -> Result<(), AuthServerError> {
        let Rooms { grants, tokens, .. } = &*self.rooms;
        grants.revoke_user(user).await?;
        tokens
            .revocations
            .revoke(RevocationTarget::Subject, user)
            .await
    }

    /// Accepts new tokens of the user `user` again, after [`revoke_user`](Self::revoke_user).
    /// Earlier tokens remain revoked.
    ///
    /// # Errors
    ///
    /// If the store is unavailable.
    pub async fn restore_user(&self, user: &str) -> Result<(), AuthServerError> {
        self.rooms
            .tokens
            .revocations
            .reinstate(RevocationTarget::Subject, user)
            .await
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
    ) -> Result<Vec<OAuthClient>, AuthServerError> {
        self.rooms.clients.list(after, limit).await
    }

    /// Returns the clients that the operator has configured, ordered by ID.
    #[must_use]
    pub fn configured_clients(&self) -> Vec<OAuthClient> {
        self.rooms.clients.configured()
    }

    /// Returns the registered client `id`, unless it has expired.
    ///
    /// # Errors
    ///
    /// If the store is unavailable.
    pub async fn registered_client(
        &self,
        id: &str,
    ) -> Result<Option<OAuthClient>, AuthServerError> {
        let found = self.rooms.clients.registration(id).await?;
        Ok(found.map(|stored| stored.value.client))
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
    /// use mcp_gateway_auth::login::LoginSessions;
    /// use mcp_gateway_auth::server::{AuthorizationServer, OAuthClient};
    /// use mcp_gateway_auth::users::Users;
    /// use mcp_gateway_auth::{Clock, Keyring};
    /// use mcp_gateway_store::MemoryStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (store, keyring) = (Arc::new(MemoryStore::new()), Keyring::new(&[7; 32])?);
    /// let users = Users::new(store.clone(), Clock::system());
    /// let login = LoginSessions::new(users, keyring.clone(), "https://gw.example.com")?;
    /// let base = "https://gw.example.com".parse()?;
    /// let server = AuthorizationServer::builder(base, store, keyring, Arc::new(login)).build();
    ///
    /// server.create_client(OAuthClient::new("ci", "Build server")).await?;
    /// assert!(server.create_client(OAuthClient::new("ci", "Another one")).await.is_err());
    /// server.delete_client("ci").await?;
    /// assert!(server.clients_after(None, 10).await?.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn create_client(&self, client: OAuthClient) -> Result<OAuthClient, AuthServerError> {
        let clients = &self.rooms.clients;
        clients.register(client, None, &self.attachment).await
    }

    /// Deletes the registered client `id` and revokes all its tokens.
    ///
    /// # Errors
    ///
    /// If the store is unavailable.
    pub async fn delete_client(&self, id: &str) -> Result<(), AuthServerError> {
        self.rooms.clients.remove(id, &self.attachment).await
    }
}
