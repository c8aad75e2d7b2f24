//! ID tokens with which users have logged in.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mcp_gateway_core::auth::Assertion;
use mcp_gateway_store::{Batch, Documents};
use moka::sync::Cache;
use serde::{Deserialize, Serialize};

use crate::clock::system_time;
use crate::users::{IdToken, Users};
use crate::{AuthServerError, Clock, Keyring, SecretHash};

/// ID tokens with which users have logged in, kept until they expire. Cheap to clone.
///
/// They are sealed in the store, for their user and issuer. A provider that [keeps
/// them](super::OidcProvider::with_kept_id_tokens) replaces the token of a user with each login.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use mcp_gateway_auth::login::{KeptIdTokens, LoginPages, LoginSessions};
/// use mcp_gateway_auth::users::Users;
/// use mcp_gateway_auth::{Clock, Keyring};
/// use mcp_gateway_store::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let keyring = Keyring::new(&[7; 32])?;
/// let users = Users::new(Arc::new(MemoryStore::new()), Clock::system());
/// let tokens = KeptIdTokens::new(&users, keyring.clone());
/// assert!(tokens.find("usr_1", "https://idp.example.com").await?.is_none());
/// let sessions = LoginSessions::new(users, keyring, "https://gw.example.com")?;
/// let pages = LoginPages::new(sessions).with_id_tokens(tokens);
/// # let _ = pages;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct KeptIdTokens {
    clock: Clock,
    documents: Documents<KeptToken>,
    keyring: Keyring,
    /// Tokens in memory, so that calls do not read the store.
    known: Cache<String, (Assertion, u64)>,
}

/// Stored ID token.
#[derive(Deserialize, Serialize)]
struct KeptToken {
    expires: u64,
    sealed: String,
}

impl KeptIdTokens {
    /// Uses the store of `users`.
    #[must_use]
    pub fn new(users: &Users, keyring: Keyring) -> Self {
        let known = Cache::builder()
            .max_capacity(MAX_KNOWN)
            .time_to_live(MAX_AGE)
            .build();
        Self {
            clock: users.clock().clone(),
            documents: Documents::new(Arc::clone(users.store()), "auth/id-token/"),
            keyring,
            known,
        }
    }

    /// Returns the last token with which `user` has logged in with `issuer`, unless it has expired.
    ///
    /// # Errors
    ///
    /// If the store is unavailable.
    pub async fn find(
        &self,
        user: &str,
        issuer: &str,
    ) -> Result<Option<Assertion>, AuthServerError> {
        let id = document(user, issuer);
        let known = match self.known.get(&id) {
            Some(known) => Some(known),
            None => self.read(&id).await?,
        };
        let valid = known.filter(|(_, expires)| self.clock.now() < *expires);
        Ok(valid.map(|(token, _)| token))
    }

    async fn read(&self, id: &str) -> Result<Option<(Assertion, u64)>, AuthServerError> {
        let Some(stored) = self.documents.get(id).await? else {
            return Ok(None);
        };
        let kept = stored.value;
        let plain = self.keyring.sealer().open(&purpose(id), &kept.sealed);
        let Some(token) = plain.and_then(|plain| String::from_utf8(plain).ok()) else {
            return Ok(None);
        };
        let found = (Assertion::new(token), kept.expires);
        self.known.insert(id.to_owned(), found.clone());
        Ok(Some(found))
    }

    /// Keeps `token`, with which `user` has logged in with `issuer`.
    pub(super) async fn keep(
        &self,
        (user, issuer): (&str, &str),
        token: &IdToken,
    ) -> Result<(), AuthServerError> {
        let id = document(user, issuer);
        let plain = token.token.expose().as_bytes();
        let sealed = self.keyring.sealer().seal(&purpose(&id), plain);
        let kept = KeptToken {
            expires: token.expires,
            sealed: sealed.map_err(|_| AuthServerError::Random)?,
        };
        let until = Some(system_time(token.expires));
        let batch = self.documents.put(Batch::new(), &id, &kept, until)?;
        let _ = self.documents.store().commit(batch).await?;
        self.known.invalidate(&id);
        Ok(())
    }
}

impl fmt::Debug for KeptIdTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptIdTokens").finish_non_exhaustive()
    }
}

/// Returns the identifier of the document of `user` at `issuer`.
fn document(user: &str, issuer: &str) -> String {
    format!("{user}/{}", SecretHash::digest(issuer).as_str())
}

/// Returns the purpose of the seal, so that a token is opened for its own user and issuer only.
fn purpose(id: &str) -> String {
    format!("id-token/{id}")
}

/// Number of tokens in memory.
const MAX_KNOWN: u64 = 10_000;

/// Time after which the store is read again, because another replica may have replaced a token.
const MAX_AGE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use mcp_gateway_store::MemoryStore;

    use super::*;

    #[tokio::test]
    async fn o103_a_token_is_that_of_its_user_and_issuer_until_it_expires() {
        let clock = Clock::fixed(4_000_000_000);
        let users = Users::new(Arc::new(MemoryStore::new()), clock.clone());
        let keyring = Keyring::new(&[7; 32]).unwrap();
        let tokens = KeptIdTokens::new(&users, keyring.clone());
        let expires = clock.now() + 60;
        let token = |text: &str| IdToken {
            token: Assertion::new(text),
            expires,
        };
        let find = async |user: &str, issuer: &str| {
            let found = tokens.find(user, issuer).await.unwrap();
            found.map(|token| token.expose().to_owned())
        };
        tokens
            .keep(("ada", "https://a"), &token("one"))
            .await
            .unwrap();
        assert_eq!(find("ada", "https://a").await.as_deref(), Some("one"));
        for (user, issuer) in [("bob", "https://a"), ("ada", "https://b")] {
            assert_eq!(find(user, issuer).await, None);
        }
        tokens
            .keep(("ada", "https://a"), &token("two"))
            .await
            .unwrap();
        assert_eq!(find("ada", "https://a").await.as_deref(), Some("two"));
        // Whoever writes to the store cannot give the token to another user.
        let stored = tokens.documents.get(&document("ada", "https://a")).await;
        let stored = stored.unwrap().unwrap().value;
        let id = document("bob", "https://a");
        let batch = tokens.documents.put(Batch::new(), &id, &stored, None);
        let _ = users.store().commit(batch.unwrap()).await.unwrap();
        assert_eq!(find("bob", "https://a").await, None);
        clock.advance(Duration::from_secs(60));
        assert_eq!(find("ada", "https://a").await, None);
    }
}
