//! User accounts and external identities, as documents in a store.
//!
//! A user of an identity provider is identified by issuer and subject (OpenID Connect Core, section
//! 5.7), never by a name or an email address: somebody else may get those later. Local accounts
//! have a name and a password. Every change is one conditional batch, so that concurrent replicas
//! cannot overwrite each other.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use mcp_gateway_auth::Clock;
//! use mcp_gateway_auth::users::{NewUser, Role, UserError, UserUpdate, Users};
//! use mcp_gateway_store::MemoryStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), UserError> {
//! let users = Users::new(Arc::new(MemoryStore::new()), Clock::system());
//! let ada = NewUser::new("ada", "correct horse battery").with_role(Role::Admin);
//! let ada = users.add(ada).await?;
//! let bob = users.create("bob", "staple battery horse").await?;
//! assert!(matches!(users.create("Ada", "another one").await, Err(UserError::NameTaken)));
//!
//! let demotion = UserUpdate::new().with_role(Role::Member);
//! assert!(matches!(users.update(&ada.id, &demotion).await, Err(UserError::LastAdmin)));
//! users.update(&bob.id, &UserUpdate::new().with_role(Role::Admin)).await?;
//! assert_eq!(users.update(&ada.id, &demotion).await?.role, Role::Member);
//! # Ok(())
//! # }
//! ```

mod change;
mod id_token;
mod identity;
mod password;
mod user;

use std::fmt;
use std::sync::Arc;

use futures_util::StreamExt as _;
use mcp_gateway_store::{
    Attachment, Batch, CommitOutcome, DocumentError, DocumentVersion, Documents, Store, Versioned,
    WatchEvent,
};

pub use self::change::{NewUser, UserUpdate};
pub(crate) use self::id_token::IdToken;
pub(crate) use self::identity::{ExternalIdentity, LoginOutcome};
pub use self::user::{LinkedIdentity, Role, User};
use crate::AuthServerError;
use crate::clock::Clock;
use password::Passwords;

/// The user accounts in a store. Cheap to clone.
///
/// Changes are retried if another replica commits first, up to 16 times.
///
/// See the [module documentation](self) for an example.
#[derive(Clone)]
pub struct Users {
    attachment: Attachment,
    clock: Clock,
    documents: Documents<User>,
    /// User ID by external identity.
    identities: Documents<String>,
    /// User ID by account name.
    names: Documents<String>,
    passwords: Passwords,
    /// External identity by allowed login name: the first user with an allowed name claims it.
    pins: Documents<String>,
}

impl Users {
    /// Uses the accounts in `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Clock) -> Self {
        Self {
            attachment: Attachment::default(),
            clock,
            documents: Documents::new(Arc::clone(&store), PREFIX),
            identities: Documents::new(Arc::clone(&store), "auth/identity/"),
            names: Documents::new(Arc::clone(&store), "auth/username/"),
            passwords: Passwords::new(),
            pins: Documents::new(store, "auth/pinned/"),
        }
    }

    /// Returns the accounts with `attachment` in the batch of each change by an administrator.
    #[must_use]
    pub fn with_attachment(mut self, attachment: Attachment) -> Self {
        self.attachment = attachment;
        self
    }

    /// Returns the user with the ID `id`.
    ///
    /// # Errors
    ///
    /// If the store is unavailable.
    pub async fn find(&self, id: &str) -> Result<Option<User>, AuthServerError> {
        Ok(self.find_versioned(id).await?.map(|stored| stored.value))
    }

    /// Returns the user with the ID `id`, and the version of the document.
    ///
    /// # Errors
    ///
    /// If the store is unavailable.
    pub async fn find_versioned(
        &self,
        id: &str,
    ) -> Result<Option<Versioned<User>>, AuthServerError> {
        // The ID comes from outside and must not address another kind of document.
        if !id.starts_with("usr_") || id.contains('/') {
            return Ok(None);
        }
        Ok(self.documents.get(id).await?)
    }

    /// Returns an attachment that requires that the document of the user `id` has `version`.
    #[must_use]
    pub fn if_version(&self, id: &str, version: DocumentVersion) -> Attachment {
        let key = self.documents.key(id);
        Attachment::new(move |batch, _| batch.if_version(key.clone(), version))
    }

    /// Returns the user with the account name `name`, without regard to case.
    ///
    /// # Errors
    ///
    /// If the store is unavailable.
    pub async fn find_by_name(&self, name: &str) -> Result<Option<User>, AuthServerError> {
        let Some(key) = username(name) else {
            return Ok(None);
        };
        match self.names.get(&key).await? {
            Some(id) => self.find(&id.value).await,
            None => Ok(None),
        }
    }

    /// Returns up to `limit` users with an ID greater than `after`, ordered by ID.
    ///
    /// # Errors
    ///
    /// If the store is unavailable.
    pub async fn list(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<User>, AuthServerError> {
        let found = self.documents.list("", after, limit).await?;
        Ok(found.into_iter().map(|(_, stored)| stored.value).collect())
    }

    /// Calls `changed` with the ID of each user who is changed, by any replica, and with `None` where
    /// changes may have been missed, until the store ends.
    pub(crate) async fn follow(
        &self,
        changed: &(dyn Fn(Option<&str>) + Send + Sync),
    ) -> AuthServerError {
        let mut events = self.store().watch(PREFIX);
        while let Some(event) = events.next().await {
            match &event {
                WatchEvent::Deleted(key) => changed(key.strip_prefix(PREFIX)),
                WatchEvent::Put(written) => changed(written.key.strip_prefix(PREFIX)),
                _ => changed(None),
            }
        }
        AuthServerError::Busy
    }

    /// Returns the clock of all timestamps.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Returns the store of the accounts.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        self.documents.store()
    }

    /// Returns the user with this account name and password, unless disabled. An unknown name takes
    /// as long as a wrong password, so that the time does not reveal account names.
    pub(crate) async fn authenticate(
        &self,
        name: &str,
        password: String,
    ) -> Result<Option<User>, AuthServerError> {
        let user = self.find_by_name(name).await?;
        let hash = user.as_ref().and_then(|user| user.password.clone());
        let is_right = self.passwords.verify(password, hash).await?;
        Ok(user.filter(|user| is_right && !user.disabled))
    }

    /// Commits a change of the user `id` with its attachment.
    async fn commit(&self, batch: Batch, id: &str) -> Result<CommitOutcome, AuthServerError> {
        let batch = self.attachment.add_to(batch, id);
        Ok(self.documents.store().commit(batch).await?)
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users").finish_non_exhaustive()
    }
}

/// The reason for which an account could not be created or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UserError {
    /// A temporary failure of the store or the system.
    #[error("temporarily unavailable")]
    Authority(#[from] AuthServerError),
    /// The user must not log in.
    #[error("the user is disabled")]
    Disabled,
    /// The change would leave no administrator.
    #[error("the user is the last admin; make another user an admin first")]
    LastAdmin,
    /// The name is invalid. It must have up to 128 ASCII letters, digits and `.`, `_`, `-`, `@`,
    /// `+`, and begin with a letter or a digit.
    #[error(
        "invalid account name; expected up to 128 ASCII letters, digits and . _ - @ +, beginning with \
         a letter or a digit"
    )]
    Name,
    /// The name belongs to another account.
    #[error("account name already exists")]
    NameTaken,
    /// The user has no local account.
    #[error("the user logs in at an identity provider and has no password")]
    NoPassword,
    /// The user is to administer a team without being a member.
    #[error("the user is no member of the team {0:?}")]
    NotMember(String),
    /// The password is too short or too long: it must have 8 to 1024 bytes.
    #[error("password must have 8 to 1024 bytes")]
    Password,
    /// The role is neither `admin` nor `member`.
    #[error("unknown role; expected admin or member")]
    Role,
    /// The account does not exist.
    #[error("no such account")]
    Unknown,
}

impl From<DocumentError> for UserError {
    fn from(error: DocumentError) -> Self {
        AuthServerError::from(error).into()
    }
}

/// Returns the case-insensitive form of an account name, or `None` if the name is invalid.
fn username(name: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-@+".contains(c);
    let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.len() <= MAX_NAME
        && name.chars().all(is_plain);
    is_name.then(|| name.to_ascii_lowercase())
}

/// Store prefix of users.
const PREFIX: &str = "auth/user/";

/// Maximum number of attempts for a change that conflicts with others.
const ATTEMPTS: usize = 16;

const MAX_NAME: usize = 128;

#[cfg(test)]
mod tests;
