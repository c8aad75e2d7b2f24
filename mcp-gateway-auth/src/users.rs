//! The people who may use the gateway, as they are kept in the store.
//!
//! Somebody is who an identity provider says they are: the key is the issuer with the subject, never
//! a name or an address, which others may get later. Accounts of the gateway itself have a name and
//! a password. Every change is one conditional batch, so that replicas cannot get in each other's
//! way.
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

use mcp_gateway_store::{Batch, DocumentError, Documents, Outcome, Store, Stored};

pub(crate) use self::identity::{Arrival, Claimant};
pub use self::user::{Identity, Role, User};
use crate::AuthorityError;
use crate::clock::Clock;
use crate::secret::identifier;
use password::Passwords;

/// The people who may use the gateway. Cheap to clone.
///
/// See the [module documentation](self) for an example.
#[derive(Clone)]
pub struct Users {
    clock: Clock,
    documents: Documents<User>,
    /// Whose an identity at a provider is.
    identities: Documents<String>,
    /// Whose the name of an account is, and who was the first to have one.
    names: Documents<String>,
    passwords: Passwords,
    /// Whose identity an allowed name at a provider has turned out to be.
    pins: Documents<String>,
}

impl Users {
    /// The people in `store`.
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

    /// Makes an account with a name and a password. The first one ever is an admin's.
    ///
    /// # Errors
    ///
    /// When the name is taken or cannot be one, or when the password is too short or too long.
    pub async fn create(&self, name: &str, password: &str) -> Result<User, UserError> {
        let key = username(name).ok_or(UserError::Name)?;
        let hash = self.passwords.hash(password).await?;
        let mut user = User::new(identifier("usr_")?, key.clone(), self.clock.now());
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
            if self.commit(batch).await? == Outcome::Committed {
                return Ok(user);
            }
        }
        match self.names.get(&key).await?.is_some() {
            true => Err(UserError::NameTaken),
            false => Err(AuthorityError::Busy.into()),
        }
    }

    /// The person `id`.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked.
    pub async fn find(&self, id: &str) -> Result<Option<User>, AuthorityError> {
        // The key of a document must not be that of another kind.
        if !id.starts_with("usr_") || id.contains('/') {
            return Ok(None);
        }
        Ok(self.documents.get(id).await?.map(|stored| stored.value))
    }

    /// Who has the account of that name.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked.
    pub async fn find_by_name(&self, name: &str) -> Result<Option<User>, AuthorityError> {
        let Some(key) = username(name) else {
            return Ok(None);
        };
        match self.names.get(&key).await? {
            Some(id) => self.find(&id.value).await,
            None => Ok(None),
        }
    }

    /// Up to `limit` people, those after the person `after`, in the order of their identifiers.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked.
    pub async fn list(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<User>, AuthorityError> {
        let found = self.documents.list("", after, limit).await?;
        Ok(found.into_iter().map(|(_, stored)| stored.value).collect())
    }

    /// Says that somebody may not, or may again, log in. Sessions and tokens that they have are
    /// worthless while they may not.
    ///
    /// # Errors
    ///
    /// When there is nobody of that identifier.
    pub async fn set_disabled(&self, id: &str, disabled: bool) -> Result<User, UserError> {
        self.change(id, |user| user.disabled = disabled).await
    }

    /// Gives an account another password. All its sessions end.
    ///
    /// # Errors
    ///
    /// When there is nobody of that identifier with an account of the gateway itself, or when the
    /// password is too short or too long.
    pub async fn set_password(&self, id: &str, password: &str) -> Result<User, UserError> {
        let known = self.find(id).await?.ok_or(UserError::Unknown)?;
        if known.username.is_none() {
            return Err(UserError::Unknown);
        }
        let hash = self.passwords.hash(password).await?;
        let now = self.clock.now();
        self.change(id, |user| {
            user.password = Some(hash.clone());
            // Sessions of the same second may be the thief's.
            user.sessions_since = now + 1;
        })
        .await
    }

    /// Gives somebody another role.
    ///
    /// # Errors
    ///
    /// When there is nobody of that identifier.
    pub async fn set_role(&self, id: &str, role: Role) -> Result<User, UserError> {
        self.change(id, |user| user.role = role).await
    }

    /// Puts somebody into `teams`, and no others. Those of people who log in at an identity provider
    /// are set again each time they do.
    ///
    /// # Errors
    ///
    /// When there is nobody of that identifier.
    pub async fn set_teams(&self, id: &str, teams: Vec<String>) -> Result<User, UserError> {
        self.change(id, |user| user.teams.clone_from(&teams)).await
    }

    /// Forgets somebody. Who logs in with the same identity later is somebody else.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked, or when they are changed all the time.
    pub async fn delete(&self, id: &str) -> Result<(), UserError> {
        for _ in 0..ATTEMPTS {
            let Some(Stored { value, version }) = self.documents.get(id).await? else {
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
            if self.commit(batch).await? == Outcome::Committed {
                return Ok(());
            }
        }
        Err(AuthorityError::Busy.into())
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The store that they are in.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        self.documents.store()
    }

    /// Who has the account `name` with that password. Takes as long when there is none.
    pub(crate) async fn authenticate(
        &self,
        name: &str,
        password: String,
    ) -> Result<Option<User>, AuthorityError> {
        let user = self.find_by_name(name).await?;
        let hash = user.as_ref().and_then(|user| user.password.clone());
        let is_right = self.passwords.verify(password, hash).await?;
        Ok(user.filter(|user| is_right && !user.disabled))
    }

    async fn change(&self, id: &str, change: impl Fn(&mut User) + Send) -> Result<User, UserError> {
        for _ in 0..ATTEMPTS {
            let stored = self.documents.get(id).await?;
            let Stored { mut value, version } = stored.ok_or(UserError::Unknown)?;
            change(&mut value);
            let batch = Batch::new().if_version(self.documents.key(id), version);
            let batch = self.documents.put(batch, id, &value, None)?;
            if self.commit(batch).await? == Outcome::Committed {
                return Ok(value);
            }
        }
        Err(AuthorityError::Busy.into())
    }

    async fn commit(&self, batch: Batch) -> Result<Outcome, AuthorityError> {
        Ok(self.documents.store().commit(batch).await?)
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users").finish_non_exhaustive()
    }
}

/// Why an account could not be made or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UserError {
    /// It cannot be done now.
    #[error("it cannot be done now")]
    Authority(#[from] AuthorityError),
    /// A name has up to 128 letters and digits of ASCII, and `.`, `_`, `-`, `@`, `+` in between.
    #[error("the name has characters that names cannot have")]
    Name,
    /// Somebody has that name already.
    #[error("the name is taken")]
    NameTaken,
    /// A password has 8 to 1024 bytes.
    #[error("the password is too short or too long")]
    Password,
    /// A role is `admin` or `member`.
    #[error("there is no such role")]
    Role,
    /// There is nobody like that.
    #[error("there is no such account")]
    Unknown,
}

impl From<DocumentError> for UserError {
    fn from(error: DocumentError) -> Self {
        AuthorityError::from(error).into()
    }
}

/// The form of a name that no two accounts share; `None` if it cannot be one.
fn username(name: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-@+".contains(c);
    let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.len() <= MAX_NAME
        && name.chars().all(is_plain);
    is_name.then(|| name.to_ascii_lowercase())
}

/// How often a change is tried anew that others got ahead of.
const ATTEMPTS: usize = 16;

/// Where it is kept who has had the first account; no name begins like that.
const FIRST: &str = "~first";

const MAX_NAME: usize = 128;

#[cfg(test)]
mod tests;
