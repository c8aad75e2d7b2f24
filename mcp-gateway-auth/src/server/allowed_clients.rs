//! The clients that users have authorized, for the account page of a login.

use async_trait::async_trait;

use super::{AuthorizationServer, RedirectUri};
use crate::AuthServerError;
use crate::authorized_client::{AuthorizedClient, AuthorizedClients};

#[async_trait]
impl AuthorizedClients for AuthorizationServer {
    async fn list(&self, id: &str) -> Result<Vec<AuthorizedClient>, AuthServerError> {
        let consents = self.consents_of(id).await?.into_iter();
        let clients = consents.map(|consent| {
            let place = consent.redirect_uri.parse::<RedirectUri>();
            let place = place.map_or(consent.redirect_uri, |uri| uri.host());
            let detail = format!("at {place}, may use {}", consent.scopes);
            AuthorizedClient::new(consent.client, consent.name, detail)
        });
        Ok(clients.collect())
    }

    async fn revoke(&self, id: &str, client: &str) -> Result<(), AuthServerError> {
        self.revoke_consent(id, client).await
    }
}
