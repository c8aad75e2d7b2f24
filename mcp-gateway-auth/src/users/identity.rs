//! Login with an external identity: finding or creating its user, and pinning of login names.
//!
//! The allow-list of a provider may contain login names, which can be reassigned there. The first
//! login with an allowed name pins it to the subject. Another subject with the same name is
//! rejected later.

use mcp_gateway_store::{Batch, CommitOutcome, Versioned};

use super::user::key as identity_key;
use super::{ATTEMPTS, IdToken, Users};
use crate::AuthServerError;
use crate::secret::random_id;
use crate::users::{LinkedIdentity, User};

/// An external identity that a trusted provider has just asserted.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExternalIdentity {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) name: String,
    pub(crate) login: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) teams: Vec<String>,
    /// Teams that the user administers; `None` if the provider does not tell.
    pub(crate) administered_teams: Option<Vec<String>>,
    /// Login name, if the user is allowed by it.
    pub(crate) pinned: Option<String>,
    /// ID token, if it is kept.
    pub(crate) id_token: Option<IdToken>,
}

impl ExternalIdentity {
    /// Returns the record of the identity, with the time of the login.
    pub(crate) fn identity(&self, seen: u64) -> LinkedIdentity {
        LinkedIdentity {
            issuer: self.issuer.clone(),
            subject: self.subject.clone(),
            login: self.login.clone(),
            email: self.email.clone(),
            groups: self.groups.clone(),
            last_seen: seen,
            pinned: self.pinned.as_ref().map(|name| name.to_lowercase()),
        }
    }
}

/// The outcome of a login with an external identity.
#[derive(Clone, Debug)]
pub(crate) enum LoginOutcome {
    /// The account is disabled.
    Disabled,
    /// The allowed login name is pinned to another subject.
    NameReused,
    /// The user is logged in.
    Accepted(Box<User>),
}

impl Users {
    /// Returns the user with the subject `subject` at the identity provider `issuer`, if that user
    /// has logged in before.
    ///
    /// # Errors
    ///
    /// If the store is unavailable.
    ///
    /// # Example
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use mcp_gateway_auth::users::Users;
    /// use mcp_gateway_auth::{AuthServerError, Clock};
    /// use mcp_gateway_store::MemoryStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), AuthServerError> {
    /// let users = Users::new(Arc::new(MemoryStore::new()), Clock::system());
    /// assert!(users.find_by_identity("https://idp.example.com", "42").await?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn find_by_identity(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<User>, AuthServerError> {
        match self.identities.get(&identity_key(issuer, subject)).await? {
            Some(id) => self.find(&id.value).await,
            None => Ok(None),
        }
    }

    /// Finds or creates the user of `claimant`, and records the current claims of the provider.
    pub(crate) async fn link_identity(
        &self,
        claimant: &ExternalIdentity,
    ) -> Result<LoginOutcome, AuthServerError> {
        let identity = claimant.identity(self.clock.now());
        for _ in 0..ATTEMPTS {
            let mut batch = Batch::new();
            if let (Some(pin), key) = (identity.pin_key(), identity.key()) {
                match self.pins.get(&pin).await? {
                    Some(pinned) if pinned.value != key => return Ok(LoginOutcome::NameReused),
                    Some(pinned) => {
                        batch = batch.if_version(self.pins.key(&pin), pinned.version);
                    }
                    None => {
                        batch = batch.if_absent(self.pins.key(&pin));
                        batch = self.pins.put(batch, &pin, &key, None)?;
                    }
                }
            }
            if let Some(arrival) = self.commit_identity(batch, claimant, &identity).await? {
                return Ok(arrival);
            }
        }
        Err(AuthServerError::Busy)
    }

    /// Commits `batch` together with the user. Returns `None` after a conflict.
    async fn commit_identity(
        &self,
        batch: Batch,
        claimant: &ExternalIdentity,
        identity: &LinkedIdentity,
    ) -> Result<Option<LoginOutcome>, AuthServerError> {
        let key = identity.key();
        let (batch, user) = match self.identities.get(&key).await? {
            None => {
                let user = self.new_user(claimant, identity)?;
                let batch = batch.if_absent(self.identities.key(&key));
                let batch = self.identities.put(batch, &key, &user.id, None)?;
                (batch.if_absent(self.documents.key(&user.id)), user)
            }
            Some(id) => {
                // Deleted since the identity was read, as both are deleted in one batch.
                let Some(Versioned { mut value, version }) = self.documents.get(&id.value).await?
                else {
                    return Ok(None);
                };
                if value.disabled {
                    return Ok(Some(LoginOutcome::Disabled));
                }
                update_identity(&mut value, claimant, identity);
                (
                    batch.if_version(self.documents.key(&value.id), version),
                    value,
                )
            }
        };
        let batch = self.documents.put(batch, &user.id, &user, None)?;
        let outcome = self.documents.store().commit(batch).await?;
        Ok((outcome == CommitOutcome::Committed).then_some(LoginOutcome::Accepted(Box::new(user))))
    }

    /// Creates the user of a new identity.
    fn new_user(
        &self,
        claimant: &ExternalIdentity,
        identity: &LinkedIdentity,
    ) -> Result<User, AuthServerError> {
        let id = random_id("usr_")?;
        let mut user = User::new(id, claimant.name.clone(), self.clock.now());
        update_identity(&mut user, claimant, identity);
        Ok(user)
    }
}

/// Records the claims of a login in the user.
fn update_identity(user: &mut User, claimant: &ExternalIdentity, identity: &LinkedIdentity) {
    let mut identity = identity.clone();
    let same = |known: &&mut LinkedIdentity| known.key() == identity.key();
    match user.identities.iter_mut().find(same) {
        Some(known) => {
            // A pin remains until the user is deleted.
            identity.pinned = identity.pinned.or_else(|| known.pinned.take());
            *known = identity;
        }
        None => user.identities.push(identity),
    }
    if user.username.is_none() {
        user.name.clone_from(&claimant.name);
    }
    user.email.clone_from(&claimant.email);
    user.set_teams(claimant.teams.clone());
    if let Some(teams) = &claimant.administered_teams {
        user.administered_teams.clone_from(teams);
    }
}
