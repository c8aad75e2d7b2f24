use super::AuthorizationServer;
use super::client::Client;
use super::consents::Consent;
use crate::AuthorityError;
use crate::token::Revoked;

impl AuthorizationServer {
    /// What `person` lets clients do.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked.
    pub async fn consents_of(&self, person: &str) -> Result<Vec<Consent>, AuthorityError> {
        self.consents().list(person).await
    }

    /// Takes back what `person` lets `client` do: its tokens are worthless from now on.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked; some of it may have been taken back then.
    pub async fn revoke_consent(&self, person: &str, client: &str) -> Result<(), AuthorityError> {
        self.consents().remove(person, client).await?;
        self.grants().revoke_all(person, client).await
    }

    /// Makes all tokens of `person` worthless, for as long as access tokens last.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked.
    pub async fn revoke_person(&self, person: &str) -> Result<(), AuthorityError> {
        for consent in self.consents_of(person).await? {
            self.revoke_consent(person, &consent.client).await?;
        }
        self.revocations().revoke(Revoked::Subject, person).await
    }

    /// Lets tokens of `person` be good again that they get from now on, after
    /// [`revoke_person`](Self::revoke_person); those from before stay worthless.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked.
    pub async fn restore_person(&self, person: &str) -> Result<(), AuthorityError> {
        self.revocations().lift(Revoked::Subject, person).await
    }

    /// Up to `limit` of the clients in the store, after the one `after`.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked.
    pub async fn clients_after(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Client>, AuthorityError> {
        self.clients().list(after, limit).await
    }

    /// Puts `client` into the store.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked, or there is a client of the same identifier.
    pub async fn create_client(&self, client: Client) -> Result<Client, AuthorityError> {
        self.clients().register(client, None).await
    }

    /// Forgets the client `id` of the store: its tokens are worthless from now on.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked.
    pub async fn delete_client(&self, id: &str) -> Result<(), AuthorityError> {
        self.clients().remove(id).await
    }
}
