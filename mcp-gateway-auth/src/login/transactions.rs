//! Login transactions: redirects to an identity provider and back, as documents in the store.
//!
//! The `state` is a handle of the stored transaction, which is bound to the browser that began it
//! and can be redeemed once. A code of another login is therefore not accepted (RFC 6749, section
//! 10.12).

use std::sync::Arc;

use mcp_gateway_store::{Batch, CommitOutcome, Documents};
use serde::{Deserialize, Serialize};

use super::browser::BrowserId;
use super::error::LoginError;
use super::provider::LoginTransaction;
use super::return_to::ReturnTo;
use crate::clock::{Clock, system_time};
use crate::keyring::Handle;
use crate::secret::random_id;
use crate::users::Users;
use crate::{AuthServerError, Keyring, Secret};

/// The pending login transactions in a store. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct LoginTransactions {
    clock: Clock,
    documents: Documents<StoredTransaction>,
    keyring: Keyring,
    /// Public origin, to which the redirect URIs belong.
    origin: String,
}

/// A stored login transaction.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct StoredTransaction {
    provider: String,
    /// Browser that began the login.
    browser: String,
    return_to: ReturnTo,
    expires: u64,
    /// Sealed [`TransactionSecrets`].
    sealed: String,
}

/// The secret parameters: the nonce of the ID token and the PKCE code verifier.
#[derive(Deserialize, Serialize)]
struct TransactionSecrets {
    nonce: String,
    verifier: String,
}

impl LoginTransactions {
    /// Uses the store of `users`.
    pub(super) fn new(users: &Users, keyring: Keyring, origin: String) -> Self {
        Self {
            clock: users.clock().clone(),
            documents: Documents::new(Arc::clone(users.store()), "auth/login/"),
            keyring,
            origin,
        }
    }

    /// Begins a login transaction with `browser`.
    pub(super) async fn start(
        &self,
        provider: &str,
        browser: &BrowserId,
        return_to: ReturnTo,
    ) -> Result<LoginTransaction, AuthServerError> {
        let id = random_id("")?;
        let secrets = TransactionSecrets {
            nonce: Secret::generate("")?.expose().to_owned(),
            verifier: Secret::generate("")?.expose().to_owned(),
        };
        let plain = serde_json::to_vec(&secrets).map_err(AuthServerError::document)?;
        let sealed = self.keyring.sealer().seal(PURPOSE, &plain);
        let expires = self.clock.now().saturating_add(LIFETIME);
        let pending = StoredTransaction {
            provider: provider.to_owned(),
            browser: browser.id().to_owned(),
            return_to,
            expires,
            sealed: sealed.map_err(|_| AuthServerError::Random)?,
        };
        let batch = Batch::new().if_absent(self.documents.key(&id));
        let batch = self
            .documents
            .put(batch, &id, &pending, Some(system_time(expires)))?;
        let _ = self.documents.store().commit(batch).await?;
        Ok(self.transaction(provider, id, secrets))
    }

    /// Redeems the transaction of `state`, if `browser` began it with `provider` and it has not
    /// been redeemed before.
    ///
    /// # Errors
    ///
    /// [`LoginError::Forged`] otherwise, and [`LoginError::Unavailable`] if the store is unavailable.
    pub(super) async fn redeem(
        &self,
        provider: &str,
        state: &str,
        browser: &BrowserId,
    ) -> Result<(LoginTransaction, ReturnTo), LoginError> {
        let handle = self
            .keyring
            .verify(PURPOSE, state)
            .ok_or(LoginError::Forged)?;
        let id = handle.id;
        let stored = self
            .documents
            .get(&id)
            .await
            .map_err(AuthServerError::from)?;
        let stored = stored.ok_or(LoginError::Forged)?;
        let pending = stored.value;
        let is_ours = pending.browser == browser.id() && pending.provider == provider;
        if !is_ours || self.clock.now() >= pending.expires {
            return Err(LoginError::Forged);
        }
        let key = self.documents.key(&id);
        let batch = Batch::new()
            .if_version(key.clone(), stored.version)
            .delete(key);
        let outcome = self.documents.store().commit(batch).await;
        if outcome.map_err(AuthServerError::from)? == CommitOutcome::Conflict {
            return Err(LoginError::Forged);
        }
        let plain = self.keyring.sealer().open(PURPOSE, &pending.sealed);
        let secrets = plain.and_then(|plain| serde_json::from_slice(&plain).ok());
        let secrets = secrets.ok_or(LoginError::Forged)?;
        Ok((self.transaction(provider, id, secrets), pending.return_to))
    }

    /// Returns the parameters of a transaction.
    fn transaction(
        &self,
        provider: &str,
        id: String,
        secrets: TransactionSecrets,
    ) -> LoginTransaction {
        LoginTransaction {
            clock: self.clock.clone(),
            redirect_uri: format!("{}/api/auth/callback/{provider}", self.origin),
            state: self.keyring.issue(PURPOSE, Handle::new(id, 0)),
            nonce: secrets.nonce,
            verifier: secrets.verifier,
        }
    }
}

/// Purpose of the `state` handles and the sealed secrets.
const PURPOSE: &str = "login";

/// Lifetime of a login transaction, in seconds.
const LIFETIME: u64 = 10 * 60;

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;

    use super::*;
    use crate::yielding::YieldingStore;

    #[tokio::test]
    async fn o49_of_all_that_redeem_a_transaction_at_once_one_does() {
        let users = Users::new(Arc::new(YieldingStore::new()), Clock::system());
        let keyring = Keyring::new(&[7; 32]).unwrap();
        let transactions = LoginTransactions::new(&users, keyring, "https://gw.example".to_owned());
        let browser = BrowserId::new().unwrap();
        let return_to = ReturnTo::default();
        let transaction = transactions
            .start("github", &browser, return_to)
            .await
            .unwrap();
        assert_eq!(
            transaction.redirect_uri,
            "https://gw.example/api/auth/callback/github"
        );
        let mut tasks = JoinSet::new();
        for _ in 0..8 {
            let (browser, state) = (browser.clone(), transaction.state.clone());
            let transactions = transactions.clone();
            tasks.spawn(async move { transactions.redeem("github", &state, &browser).await });
        }
        let ended = tasks.join_all().await;
        let mut ended = ended.into_iter().filter_map(Result::ok);
        let (same, _) = ended.next().unwrap();
        assert_eq!(
            (same.nonce, same.verifier),
            (transaction.nonce, transaction.verifier)
        );
        assert!(ended.next().is_none());
    }
}
