//! Changes of clients.

use mcp_gateway_auth::server::OAuthClient;
use mcp_gateway_auth::{AuthServerError, Secret};

use super::Administrator;
use crate::new_client::{ClientError, NewClient};

impl Administrator<'_> {
    /// Creates a client. Its secret, if it has one, is returned only here.
    ///
    /// # Errors
    ///
    /// [`ClientError`] if the client exists already, or its properties do not fit together.
    pub async fn create_client(
        &self,
        new: NewClient,
    ) -> Result<(OAuthClient, Option<Secret>), ClientError> {
        let (client, secret) = new.build()?;
        if self.find_client(&client.id).await?.is_some() {
            return Err(ClientError::Exists(client.id));
        }
        let record = self.attachment("client.create", "client");
        let server = self.administration.server.with_attachment(record);
        Ok((server.create_client(client).await?, secret))
    }

    /// Deletes a registered client, and revokes its tokens.
    ///
    /// # Errors
    ///
    /// [`ClientError::Configured`] for a client of the configuration, and [`ClientError::Unknown`]
    /// if there is no such client.
    pub async fn delete_client(&self, id: &str) -> Result<(), ClientError> {
        let server = &self.administration.server;
        if server
            .configured_clients()
            .iter()
            .any(|known| known.id == id)
        {
            return Err(ClientError::Configured);
        }
        if server.registered_client(id).await?.is_none() {
            return Err(ClientError::Unknown);
        }
        let record = self.attachment("client.revoke", "client");
        server.with_attachment(record).delete_client(id).await?;
        Ok(())
    }

    /// Returns the configured or registered client `id`.
    ///
    /// # Errors
    ///
    /// [`AuthServerError`] if the store is unavailable.
    pub async fn find_client(&self, id: &str) -> Result<Option<OAuthClient>, AuthServerError> {
        let server = &self.administration.server;
        let mut configured = server.configured_clients().into_iter();
        match configured.find(|known| known.id == id) {
            Some(client) => Ok(Some(client)),
            None => server.registered_client(id).await,
        }
    }
}
