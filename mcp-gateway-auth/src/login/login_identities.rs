//! Identities of users who have logged in with a provider.

use std::sync::Arc;

use async_trait::async_trait;
use mcp_gateway_core::BoxError;
use mcp_gateway_core::auth::Principal;

use super::KeptIdTokens;
use crate::client::{SubjectToken, SubjectTokenType, SubjectTokens};

/// Identities of users at one identity provider, with whose ID tokens they have logged in.
///
/// The subject of a principal is the identifier of the user. Callers with tokens of other issuers and
/// those without a login have none.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use mcp_gateway_auth::client::SubjectTokens;
/// use mcp_gateway_auth::login::{KeptIdTokens, LoginIdentities};
/// use mcp_gateway_auth::users::Users;
/// use mcp_gateway_auth::{Clock, Keyring};
/// use mcp_gateway_core::auth::Principal;
/// use mcp_gateway_store::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), mcp_gateway_core::BoxError> {
/// let users = Users::new(Arc::new(MemoryStore::new()), Clock::system());
/// let tokens = KeptIdTokens::new(&users, Keyring::new(&[7; 32])?);
/// let login = "https://gw.example.com/api/auth/login/corp";
/// let identities = LoginIdentities::new(tokens, "https://idp.example.com", login);
/// let alice = Principal::new("alice");
/// assert!(identities.subject_token(&alice).await?.is_none());
/// assert_eq!(identities.login_url(&alice).as_deref(), Some(login));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct LoginIdentities {
    tokens: KeptIdTokens,
    issuer: Arc<str>,
    url: Arc<str>,
}

impl LoginIdentities {
    /// Uses `tokens` of `issuer`, with which users log in at `url`.
    #[must_use]
    pub fn new(
        tokens: KeptIdTokens,
        issuer: impl Into<Arc<str>>,
        url: impl Into<Arc<str>>,
    ) -> Self {
        Self {
            tokens,
            issuer: issuer.into(),
            url: url.into(),
        }
    }
}

#[async_trait]
impl SubjectTokens for LoginIdentities {
    async fn subject_token(&self, principal: &Principal) -> Result<Option<SubjectToken>, BoxError> {
        let found = self.tokens.find(principal.subject(), &self.issuer).await?;
        Ok(found.map(|token| SubjectToken::new(token, SubjectTokenType::IdToken)))
    }

    fn login_url(&self, _: &Principal) -> Option<Arc<str>> {
        Some(Arc::clone(&self.url))
    }
}
