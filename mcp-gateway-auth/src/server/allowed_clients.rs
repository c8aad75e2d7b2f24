//! The clients that users have authorized, for the account page of a login.

use async_trait::async_trait;

use super::{AuthorizationServer, RedirectUri};
use crate::AuthorityError;
use crate::allowed_client::{AllowedClient, AllowedClients};

#[async_trait]
impl AllowedClients for AuthorizationServer {
    async fn list(&self, id: &str) -> Result<Vec<AllowedClient>, AuthorityError> {
        let consents = self.consents_of(id).await?.into_iter();
        let clients = consents.map(|consent| {
            let place = consent.redirect_uri.parse::<RedirectUri>();
            let place = place.map_or(consent.redirect_uri, |uri| uri.host());
            let detail = format!("at {place}, may use {}", consent.scopes);
            AllowedClient::new(consent.client, consent.name, detail)
        });
        Ok(clients.collect())
    }

    async fn revoke(&self, id: &str, client: &str) -> Result<(), AuthorityError> {
        self.revoke_consent(id, client).await
    }
}
