use std::sync::Arc;

use async_trait::async_trait;
use mcp_gateway_core::auth::{AuthError, Principal};
use mcp_gateway_store::{Batch, Documents, Outcome, Store, Stored};
use serde::{Deserialize, Serialize};

use super::revocations::RevocationLog;
use crate::clock::moment;
use crate::secret::identifier;
use crate::token::{Revoked, TokenVerifier, VerifiedToken};
use crate::{Authenticator, AuthorityError, Clock, Secret, SecretHash};

/// Bearer tokens that people and machines are handed out, and that are good until they are revoked.
/// Cheap to clone.
///
/// They are kept as hashes. A token is a prefix that scanners of secrets can know, an identifier,
/// and 256 random bits.
#[derive(Clone, Debug)]
pub struct ApiTokens {
    documents: Documents<ApiToken>,
    revocations: RevocationLog,
    people: Arc<dyn Authenticator>,
    clock: Clock,
}

/// A token that was handed out, without the token.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct ApiToken {
    /// Its identifier, which is part of it.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// Whose it is.
    pub owner: TokenOwner,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// When it expires, if it does.
    pub expires: Option<u64>,
    /// When it was used last, to a minute.
    pub last_used: Option<u64>,
    hash: SecretHash,
}

/// Whose a token is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TokenOwner {
    /// Everybody's: it opens what is not for a team.
    Organization,
    /// A person's, by their identifier: it opens what they may use.
    Person(String),
    /// A team's: it opens what the team may use.
    Team(String),
}

impl ApiTokens {
    pub(super) fn new(
        store: Arc<dyn Store>,
        revocations: RevocationLog,
        people: Arc<dyn Authenticator>,
        clock: Clock,
    ) -> Self {
        Self {
            documents: Documents::new(store, "auth/api-token/"),
            revocations,
            people,
            clock,
        }
    }

    /// Hands out a token of `owner`, which expires at `expires`, in seconds since 1970, if it does.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked.
    pub async fn create(
        &self,
        name: &str,
        owner: TokenOwner,
        expires: Option<u64>,
    ) -> Result<(ApiToken, Secret), AuthorityError> {
        let id = identifier("")?;
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
        let batch = Batch::new().if_absent(self.documents.key(&token.id));
        let batch = self
            .documents
            .put(batch, &token.id, &token, expires.map(moment))?;
        match self.documents.store().commit(batch).await? {
            Outcome::Committed => Ok((token, secret)),
            Outcome::Conflict => Err(AuthorityError::Busy),
        }
    }

    /// Up to `limit` tokens, after the one `after`.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked.
    pub async fn list(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ApiToken>, AuthorityError> {
        let found = self.documents.list("", after, limit).await?;
        Ok(found.into_iter().map(|(_, stored)| stored.value).collect())
    }

    /// Puts another secret in the place of that of the token `id`, which is worthless from now on;
    /// `None` when there is no such token.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked.
    pub async fn rotate(&self, id: &str) -> Result<Option<(ApiToken, Secret)>, AuthorityError> {
        let Some(stored) = self.documents.get(id).await? else {
            return Ok(None);
        };
        let ApiToken {
            name,
            owner,
            expires,
            ..
        } = stored.value;
        let created = self.create(&name, owner, expires).await?;
        self.revoke(id).await?;
        Ok(Some(created))
    }

    /// Makes the token `id` worthless; `false` when there is no such token.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked.
    pub async fn revoke(&self, id: &str) -> Result<bool, AuthorityError> {
        let Some(stored) = self.documents.get(id).await? else {
            return Ok(false);
        };
        let key = self.documents.key(id);
        let batch = Batch::new()
            .if_version(key.clone(), stored.version)
            .delete(key);
        let batch = self.revocations.add(batch, Revoked::Token, id)?;
        match self.documents.store().commit(batch).await? {
            Outcome::Committed => {
                self.revocations.note(Revoked::Token, id);
                Ok(true)
            }
            Outcome::Conflict => Err(AuthorityError::Busy),
        }
    }

    async fn verified(&self, token: &str) -> Result<Option<VerifiedToken>, AuthorityError> {
        let id = token
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once('.'));
        let Some((id, _)) = id else { return Ok(None) };
        let stored = self.documents.get(id).await?;
        let now = self.clock.now();
        let good = |stored: &Stored<ApiToken>| {
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
        // What counts is whether its owner may use it now, not whether they could when it was made
        // or was last looked at.
        let verified = verified.with_issued_at(u64::MAX);
        Ok(Some(verified.with_fresh_until(now.saturating_add(RECHECK))))
    }

    /// Whom the bearer of `token` is taken for; nobody if its owner is not there any more.
    async fn principal(&self, token: &ApiToken) -> Result<Option<Principal>, AuthorityError> {
        Ok(match &token.owner {
            TokenOwner::Organization => {
                Some(Principal::new(format!("token:{}", token.id)).with_name(token.name.as_str()))
            }
            TokenOwner::Person(id) => {
                let person = self.people.person(id).await?;
                person.map(|person| person.principal())
            }
            TokenOwner::Team(team) => Some(
                Principal::new(format!("token:{}", token.id))
                    .with_name(token.name.as_str())
                    .with_team(team.as_str()),
            ),
        })
    }

    /// Notes that the token is in use, once a minute.
    async fn note_use(&self, stored: &Stored<ApiToken>, now: u64) -> Result<(), AuthorityError> {
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
            .put(batch, &token.id, &used, used.expires.map(moment))?;
        // Somebody else has noted it, or revoked it, which the next look finds out.
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

/// What scanners of secrets can know them by.
const PREFIX: &str = "mcpt_";

/// How long a token is believed, and how exactly its last use is known, in seconds.
const RECHECK: u64 = 60;
