//! Long-lived API tokens, which are issued without an OAuth client.

use std::sync::Arc;

use async_trait::async_trait;
use mcp_gateway_core::auth::{AuthError, Principal};
use mcp_gateway_store::{Attachment, Batch, CommitOutcome, Documents, Store, Versioned};
use serde::{Deserialize, Serialize};

use super::revocations::RevocationLog;
use crate::clock::system_time;
use crate::secret::random_id;
use crate::token::{RevocationTarget, TokenVerifier, VerifiedToken};
use crate::{AuthServerError, Clock, LoginProvider, Secret, SecretHash};

/// Bearer tokens of users, teams and the organization, valid until they expire or are revoked.
/// Cheap to clone.
///
/// Only hashes are stored. A token consists of a prefix for secret scanners, its ID, and 256 random
/// bits.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use mcp_gateway_auth::login::LoginSessions;
/// use mcp_gateway_auth::server::{AuthorizationServer, TokenOwner};
/// use mcp_gateway_auth::token::TokenVerifier;
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
/// let tokens = server.api_tokens();
/// let owner = TokenOwner::Team("platform".to_owned());
/// let (token, secret) = tokens.create("nightly", owner, None).await?;
/// let verified = tokens.verify_token(secret.expose()).await?.expect("a valid token");
/// assert_eq!(verified.principal().teams(), ["platform".into()]);
///
/// assert!(tokens.revoke(&token.id).await?);
/// assert!(tokens.verify_token(secret.expose()).await?.is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ApiTokens {
    attachment: Attachment,
    documents: Documents<ApiToken>,
    revocations: RevocationLog,
    login_provider: Arc<dyn LoginProvider>,
    clock: Clock,
}

/// The record of an API token, without its secret.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct ApiToken {
    /// Token ID, which is part of the token.
    pub id: String,
    /// Purpose of the token.
    pub name: String,
    /// Owner of the token.
    pub owner: TokenOwner,
    /// Time of creation, in seconds since the Unix epoch.
    pub created: u64,
    /// Expiration time, in seconds since the Unix epoch.
    pub expires: Option<u64>,
    /// Time of the last use, with a resolution of one minute.
    pub last_used: Option<u64>,
    hash: SecretHash,
}

/// The owner of an API token, which determines its access.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TokenOwner {
    /// The whole organization: access to everything that is not restricted to a team.
    Organization,
    /// The user with this ID: the access of that user.
    User(String),
    /// A team: the access of that team.
    Team(String),
}

impl ApiTokens {
    /// Uses the tokens in `store`.
    pub(in crate::server) fn new(
        store: Arc<dyn Store>,
        revocations: RevocationLog,
        login_provider: Arc<dyn LoginProvider>,
        clock: Clock,
    ) -> Self {
        Self {
            attachment: Attachment::default(),
            documents: Documents::new(store, "auth/api-token/"),
            revocations,
            login_provider,
            clock,
        }
    }

    /// Returns the tokens with `attachment` in the batch of each change.
    #[must_use]
    pub fn with_attachment(&self, attachment: Attachment) -> Self {
        Self {
            attachment,
            ..self.clone()
        }
    }

    /// Issues a token for `owner` that expires at `expires`, in seconds since the Unix epoch, or
    /// never.
    ///
    /// # Errors
    ///
    /// If the store is unavailable, or [`AuthServerError::Busy`] if a condition of the attachment
    /// does not hold.
    pub async fn create(
        &self,
        name: &str,
        owner: TokenOwner,
        expires: Option<u64>,
    ) -> Result<(ApiToken, Secret), AuthServerError> {
        self.issue(Batch::new(), name, owner, expires).await
    }

    /// Issues a token with the changes of `batch`.
    async fn issue(
        &self,
        batch: Batch,
        name: &str,
        owner: TokenOwner,
        expires: Option<u64>,
    ) -> Result<(ApiToken, Secret), AuthServerError> {
        let id = random_id("")?;
        let secret = Secret::generate(&format!("{PREFIX}{id}."))?;
        let token = ApiToken {
            name: name.to_owned(),
            owner,
            created: self.clock.now(),
            expires,
            last_used: None,
            hash: secret.hash(),
            id,
        };
        let batch = batch.if_absent(self.documents.key(&token.id));
        let batch = self
            .documents
            .put(batch, &token.id, &token, expires.map(system_time))?;
        let batch = self.attachment.add_to(batch, &token.id);
        match self.documents.store().commit(batch).await? {
            CommitOutcome::Committed => Ok((token, secret)),
            CommitOutcome::Conflict => Err(AuthServerError::Busy),
        }
    }

    /// Returns up to `limit` tokens with an ID greater than `after`.
    ///
    /// # Errors
    ///
    /// If the store is unavailable.
    pub async fn list(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ApiToken>, AuthServerError> {
        let found = self.documents.list("", after, limit).await?;
        Ok(found.into_iter().map(|(_, stored)| stored.value).collect())
    }

    /// Returns the token `id`.
    ///
    /// # Errors
    ///
    /// If the store is unavailable.
    pub async fn find(&self, id: &str) -> Result<Option<ApiToken>, AuthServerError> {
        Ok(self.documents.get(id).await?.map(|stored| stored.value))
    }

    /// Replaces the token `id` by a new one with the same name, owner and expiration, and revokes
    /// the old one, in one write. Returns `None` if there is no such token.
    ///
    /// # Errors
    ///
    /// If the store is unavailable, or [`AuthServerError::Busy`] if the token is changed at the same
    /// time or a condition of the attachment does not hold.
    pub async fn rotate(&self, id: &str) -> Result<Option<(ApiToken, Secret)>, AuthServerError> {
        let Some(stored) = self.documents.get(id).await? else {
            return Ok(None);
        };
        let batch = self.revocation(id, &stored)?;
        let ApiToken {
            name,
            owner,
            expires,
            ..
        } = stored.value;
        let issued = self.issue(batch, &name, owner, expires).await?;
        self.revocations.apply_local(RevocationTarget::Token, id);
        Ok(Some(issued))
    }

    /// Revokes the token `id`. Returns `false` if there is no such token.
    ///
    /// # Errors
    ///
    /// If the store is unavailable, or the token is changed all the time.
    pub async fn revoke(&self, id: &str) -> Result<bool, AuthServerError> {
        for _ in 0..ATTEMPTS {
            let Some(stored) = self.documents.get(id).await? else {
                return Ok(false);
            };
            let batch = self.revocation(id, &stored)?;
            let batch = self.attachment.add_to(batch, id);
            if self.documents.store().commit(batch).await? == CommitOutcome::Committed {
                self.revocations.apply_local(RevocationTarget::Token, id);
                return Ok(true);
            }
        }
        Err(AuthServerError::Busy)
    }

    /// Revokes all tokens of `owner`, each in a write of its own.
    ///
    /// # Errors
    ///
    /// If the store is unavailable. Some tokens may have been revoked already; the call may be
    /// repeated.
    pub async fn revoke_all(&self, owner: &TokenOwner) -> Result<(), AuthServerError> {
        let mut after: Option<String> = None;
        loop {
            let page = self.documents.list("", after.as_deref(), PAGE).await?;
            for (id, stored) in &page {
                if stored.value.owner == *owner {
                    self.revoke(id).await?;
                }
            }
            match page.into_iter().next_back() {
                Some((last, _)) => after = Some(last),
                None => return Ok(()),
            }
        }
    }

    /// Returns the batch that deletes and revokes the token `id`.
    fn revocation(&self, id: &str, stored: &Versioned<ApiToken>) -> Result<Batch, AuthServerError> {
        let key = self.documents.key(id);
        let batch = Batch::new().if_version(Arc::clone(&key), stored.version);
        let batch = batch.delete(key);
        self.revocations.add(batch, RevocationTarget::Token, id)
    }

    /// Verifies a token, and records its use.
    async fn verified(&self, token: &str) -> Result<Option<VerifiedToken>, AuthServerError> {
        let id = token
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once('.'));
        let Some((id, _)) = id else { return Ok(None) };
        let stored = self.documents.get(id).await?;
        let now = self.clock.now();
        let good = |stored: &Versioned<ApiToken>| {
            let ApiToken { hash, expires, .. } = &stored.value;
            hash.matches(token) && expires.is_none_or(|expires| now < expires)
        };
        let Some(stored) = stored.filter(good) else {
            return Ok(None);
        };
        let Some(principal) = self.principal(&stored.value).await? else {
            return Ok(None);
        };
        self.note_use(&stored, now).await?;
        let expires = stored.value.expires.unwrap_or(u64::MAX);
        let verified = VerifiedToken::new(principal, expires).with_token_id(id);
        // Authorized by the current state of the owner, not by the one at the time of issue or of
        // the last verification.
        let verified = verified.with_issued_at(u64::MAX);
        Ok(Some(verified.with_fresh_until(now.saturating_add(RECHECK))))
    }

    /// Returns the principal of a token, or `None` if its owner does not exist any more.
    async fn principal(&self, token: &ApiToken) -> Result<Option<Principal>, AuthServerError> {
        Ok(match &token.owner {
            TokenOwner::Organization => {
                Some(Principal::new(format!("token:{}", token.id)).with_name(token.name.as_str()))
            }
            TokenOwner::User(id) => {
                let user = self.login_provider.user(id).await?;
                user.map(|user| user.principal())
            }
            TokenOwner::Team(team) => Some(
                Principal::new(format!("token:{}", token.id))
                    .with_name(token.name.as_str())
                    .with_team(team.as_str()),
            ),
        })
    }

    /// Records the use of a token, at most once a minute.
    async fn note_use(
        &self,
        stored: &Versioned<ApiToken>,
        now: u64,
    ) -> Result<(), AuthServerError> {
        let token = &stored.value;
        if token
            .last_used
            .is_some_and(|last| now < last.saturating_add(RECHECK))
        {
            return Ok(());
        }
        let used = ApiToken {
            last_used: Some(now),
            ..token.clone()
        };
        let batch = Batch::new().if_version(self.documents.key(&token.id), stored.version);
        let batch = self
            .documents
            .put(batch, &token.id, &used, used.expires.map(system_time))?;
        // On a conflict, another replica has recorded the use or revoked the token. The next
        // verification sees it.
        let _ = self.documents.store().commit(batch).await?;
        Ok(())
    }
}

#[async_trait]
impl TokenVerifier for ApiTokens {
    async fn verify_token(&self, token: &str) -> Result<Option<VerifiedToken>, AuthError> {
        if !token.starts_with(PREFIX) {
            return Ok(None);
        }
        let verified = self.verified(token).await;
        verified.map_err(|error| AuthError::Unavailable(error.into()))
    }
}

/// Prefix for secret scanners.
const PREFIX: &str = "mcpt_";

/// Maximum number of attempts for a change that conflicts with others.
const ATTEMPTS: usize = 16;

/// Number of tokens per read.
const PAGE: usize = 500;

/// Lifetime of a verification, and resolution of the last use, in seconds.
const RECHECK: u64 = 60;
