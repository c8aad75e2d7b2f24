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
//! use mcp_gateway_auth::users::{Role, UserError, Users};
//! use mcp_gateway_store::MemoryStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), UserError> {
//! let users = Users::new(Arc::new(MemoryStore::new()), Clock::system());
//! let ada = users.create("ada", "correct horse battery").await?;
//! assert_eq!(ada.role, Role::Admin);
//! assert_eq!(users.create("bob", "staple battery horse").await?.role, Role::Member);
//! assert!(matches!(users.create("Ada", "another one").await, Err(UserError::NameTaken)));
//!
//! users.set_disabled(&ada.id, true).await?;
//! assert!(users.find_by_name("ada").await?.is_some_and(|ada| ada.disabled));
//! # Ok(())
//! # }
//! ```

mod identity;
mod password;
mod user;

use std::fmt;
use std::sync::Arc;

use mcp_gateway_store::{Batch, CommitOutcome, DocumentError, Documents, Store, Versioned};

pub(crate) use self::identity::{ExternalIdentity, LoginOutcome};
pub use self::user::{LinkedIdentity, Role, User};
use crate::AuthServerError;
use crate::clock::Clock;
use crate::secret::random_id;
use password::Passwords;

/// The user accounts in a store. Cheap to clone.
///
/// Changes are retried if another replica commits first, up to 16 times.
///
/// See the [module documentation](self) for an example.
#[derive(Clone)]
pub struct Users {
    clock: Clock,
    documents: Documents<User>,
    /// User ID by external identity.
    identities: Documents<String>,
    /// User ID by account name, and under a reserved key that of the first account.
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
            clock,
            documents: Documents::new(Arc::clone(&store), "auth/user/"),
            identities: Documents::new(Arc::clone(&store), "auth/identity/"),
            names: Documents::new(Arc::clone(&store), "auth/username/"),
            passwords: Passwords::new(),
            pins: Documents::new(store, "auth/pinned/"),
        }
    }

    /// Creates a local account with a name and a password. The first account ever is an
    /// administrator.
    ///
    /// # Errors
    ///
    /// [`UserError::Name`] if the name is invalid, [`UserError::NameTaken`] if it exists already,
    /// and [`UserError::Password`] if the password is too short or too long.
    pub async fn create(&self, name: &str, password: &str) -> Result<User, UserError> {
        let key = username(name).ok_or(UserError::Name)?;
        let hash = self.passwords.hash(password).await?;
        let mut user = User::new(random_id("usr_")?, key.clone(), self.clock.now());
        user.username = Some(key.clone());
        user.password = Some(hash);
        for role in [Role::Admin, Role::Member] {
            user.role = role;
            let batch = Batch::new()
                .if_absent(self.names.key(&key))
                .if_absent(self.documents.key(&user.id));
            let batch = self.names.put(batch, &key, &user.id, None)?;
            let batch = self.documents.put(batch, &user.id, &user, None)?;
            let batch = match role {
                Role::Admin => {
                    let batch = batch.if_absent(self.names.key(FIRST));
                    self.names.put(batch, FIRST, &user.id, None)?
                }
                Role::Member => batch,
            };
            if self.commit(batch).await? == CommitOutcome::Committed {
                return Ok(user);
            }
        }
        match self.names.get(&key).await?.is_some() {
            true => Err(UserError::NameTaken),
            false => Err(AuthServerError::Busy.into()),
        }
    }

    /// Returns the user with the ID `id`.
    ///
    /// # Errors
    ///
    /// If the store is unavailable.
    pub async fn find(&self, id: &str) -> Result<Option<User>, AuthServerError> {
        // The ID comes from outside and must not address another kind of document.
        if !id.starts_with("usr_") || id.contains('/') {
            return Ok(None);
        }
        Ok(self.documents.get(id).await?.map(|stored| stored.value))
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

    /// Disables or enables an account. Sessions and tokens of a disabled user are rejected.
    ///
    /// # Errors
    ///
    /// [`UserError::Unknown`] if there is no such user.
    pub async fn set_disabled(&self, id: &str, disabled: bool) -> Result<User, UserError> {
        self.change(id, |user| user.disabled = disabled).await
    }

    /// Replaces the password of a local account, and ends all its sessions.
    ///
    /// # Errors
    ///
    /// [`UserError::Unknown`] if there is no such user with a local account, and
    /// [`UserError::Password`] if the password is too short or too long.
    pub async fn set_password(&self, id: &str, password: &str) -> Result<User, UserError> {
        let known = self.find(id).await?.ok_or(UserError::Unknown)?;
        if known.username.is_none() {
            return Err(UserError::Unknown);
        }
        let hash = self.passwords.hash(password).await?;
        let now = self.clock.now();
        self.change(id, |user| {
            user.password = Some(hash.clone());
            // A session from the same second may belong to an attacker.
            user.sessions_since = now + 1;
        })
        .await
    }

    /// Replaces the role of a user.
    ///
    /// # Errors
    ///
    /// [`UserError::Unknown`] if there is no such user.
    pub async fn set_role(&self, id: &str, role: Role) -> Result<User, UserError> {
        self.change(id, |user| user.role = role).await
    }

    /// Replaces the teams of a user. A login at an identity provider sets the teams of its users
    /// again.
    ///
    /// # Errors
    ///
    /// [`UserError::Unknown`] if there is no such user.
    pub async fn set_teams(&self, id: &str, teams: Vec<String>) -> Result<User, UserError> {
        self.change(id, |user| user.teams.clone_from(&teams)).await
    }

    /// Deletes a user with all external identities. A later login with the same identity creates a
    /// new user with another ID.
    ///
    /// # Errors
    ///
    /// If the store is unavailable, or other replicas change the user all the time.
    pub async fn delete(&self, id: &str) -> Result<(), UserError> {
        for _ in 0..ATTEMPTS {
            let Some(Versioned { value, version }) = self.documents.get(id).await? else {
                return Ok(());
            };
            let key = self.documents.key(id);
            let mut batch = Batch::new().if_version(key.clone(), version).delete(key);
            if let Some(name) = &value.username {
                batch = batch.delete(self.names.key(name));
            }
            for identity in &value.identities {
                batch = batch.delete(self.identities.key(&identity.key()));
                if let Some(pin) = identity.pin_key() {
                    batch = batch.delete(self.pins.key(&pin));
                }
            }
            if self.commit(batch).await? == CommitOutcome::Committed {
                return Ok(());
            }
        }
        Err(AuthServerError::Busy.into())
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

    /// Applies a change to the current version of a user, and retries after conflicts.
    async fn change(&self, id: &str, change: impl Fn(&mut User) + Send) -> Result<User, UserError> {
        for _ in 0..ATTEMPTS {
            let stored = self.documents.get(id).await?;
            let Versioned { mut value, version } = stored.ok_or(UserError::Unknown)?;
            change(&mut value);
            let batch = Batch::new().if_version(self.documents.key(id), version);
            let batch = self.documents.put(batch, id, &value, None)?;
            if self.commit(batch).await? == CommitOutcome::Committed {
                return Ok(value);
            }
        }
        Err(AuthServerError::Busy.into())
    }

    /// Commits a batch.
    async fn commit(&self, batch: Batch) -> Result<CommitOutcome, AuthServerError> {
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

/// Maximum number of attempts for a change that conflicts with others.
const ATTEMPTS: usize = 16;

/// Reserved key for the first account. No account name begins with this character.
const FIRST: &str = "~first";

const MAX_NAME: usize = 128;

#[cfg(test)]
mod tests;
