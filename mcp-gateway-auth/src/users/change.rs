//! Creation, change and deletion of users, each in one batch.

use std::fmt;

use mcp_gateway_store::{Attachment, Batch, CommitOutcome, DocumentVersion, Versioned};

use super::{ATTEMPTS, Role, User, UserError, Users, username};
use crate::AuthServerError;
use crate::secret::random_id;

/// Local account to create.
///
/// # Example
///
/// See [`Users`](crate::users).
#[derive(Clone)]
#[must_use = "an account exists when it has been created"]
pub struct NewUser {
    name: String,
    password: String,
    role: Role,
    teams: Vec<String>,
    administered_teams: Vec<String>,
}

/// Changes of a user; the rest stays as it is.
///
/// # Example
///
/// See [`Users`](crate::users).
#[derive(Clone, Default)]
#[must_use = "a user is changed by `Users::update`"]
pub struct UserUpdate {
    disabled: Option<bool>,
    password: Option<String>,
    role: Option<Role>,
    teams: Option<Vec<String>>,
    administered_teams: Option<Vec<String>>,
}

impl NewUser {
    /// Creates the account of a member with a name and a password.
    pub fn new(name: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            password: password.into(),
            role: Role::Member,
            teams: Vec::new(),
            administered_teams: Vec::new(),
        }
    }

    /// Sets the role.
    pub fn with_role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// Sets the teams.
    pub fn with_teams(mut self, teams: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.teams = teams.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the teams that the user administers, which must be among those of the user.
    pub fn with_administered_teams(
        mut self,
        teams: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.administered_teams = teams.into_iter().map(Into::into).collect();
        self
    }
}

impl UserUpdate {
    /// Creates an update that changes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Disables or enables the account. Its sessions end for good; a disabled user cannot log in.
    pub fn with_disabled(mut self, disabled: bool) -> Self {
        self.disabled = Some(disabled);
        self
    }

    /// Replaces the password of a local account, and ends all its sessions.
    pub fn with_password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Replaces the role.
    pub fn with_role(mut self, role: Role) -> Self {
        self.role = Some(role);
        self
    }

    /// Replaces the teams. A login at an identity provider sets the teams of its users again.
    pub fn with_teams(mut self, teams: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.teams = Some(teams.into_iter().map(Into::into).collect());
        self
    }

    /// Replaces the teams that the user administers, which must be among those of the user. A user
    /// who leaves a team does not administer it any more.
    pub fn with_administered_teams(
        mut self,
        teams: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.administered_teams = Some(teams.into_iter().map(Into::into).collect());
        self
    }

    /// Returns `true` if the account is to be disabled, `false` if it is to be enabled, and `None` if
    /// neither.
    #[must_use]
    pub fn disabled(&self) -> Option<bool> {
        self.disabled
    }

    /// Returns the names of the fields that are set.
    pub fn fields(&self) -> impl Iterator<Item = &'static str> {
        let fields = [
            ("administeredTeams", self.administered_teams.is_some()),
            ("disabled", self.disabled.is_some()),
            ("password", self.password.is_some()),
            ("role", self.role.is_some()),
            ("teams", self.teams.is_some()),
        ];
        fields
            .into_iter()
            .filter(|(_, is_set)| *is_set)
            .map(|(name, _)| name)
    }
}

impl Users {
    /// Creates a local account with the role `member`, a name and a password.
    ///
    /// # Errors
    ///
    /// Those of [`add`](Self::add).
    pub async fn create(&self, name: &str, password: &str) -> Result<User, UserError> {
        self.add(NewUser::new(name, password)).await
    }

    /// Creates a local account.
    ///
    /// # Errors
    ///
    /// [`UserError::Name`] if the name is invalid, [`UserError::NameTaken`] if it exists already,
    /// [`UserError::NotMember`] if the user is to administer a team of others, and
    /// [`UserError::Password`] if the password is too short or too long.
    pub async fn add(&self, new: NewUser) -> Result<User, UserError> {
        let key = username(&new.name).ok_or(UserError::Name)?;
        let hash = self.passwords.hash(&new.password).await?;
        let mut user = User::new(random_id("usr_")?, key.clone(), self.clock.now());
        user.username = Some(key.clone());
        user.password = Some(hash);
        user.role = new.role;
        user.teams = new.teams;
        user.set_administered_teams(new.administered_teams)?;
        let batch = Batch::new()
            .if_absent(self.names.key(&key))
            .if_absent(self.documents.key(&user.id));
        let batch = self.names.put(batch, &key, &user.id, None)?;
        let batch = self.documents.put(batch, &user.id, &user, None)?;
        match self.commit(batch, &user.id).await? {
            CommitOutcome::Committed => Ok(user),
            CommitOutcome::Conflict => Err(UserError::NameTaken),
        }
    }

    /// Changes a user, in one write.
    ///
    /// # Errors
    ///
    /// [`UserError::Unknown`] if there is no such user, [`UserError::NoPassword`] if the user has no
    /// local account whose password could be replaced, [`UserError::Password`] if the password is too
    /// short or too long, [`UserError::NotMember`] if the user is to administer a team of others, and
    /// [`UserError::LastAdmin`] if no other user would be an administrator.
    pub async fn update(&self, id: &str, update: &UserUpdate) -> Result<User, UserError> {
        let known = self.find(id).await?.ok_or(UserError::Unknown)?;
        let hash = match &update.password {
            Some(_) if known.username.is_none() => return Err(UserError::NoPassword),
            Some(password) => Some(self.passwords.hash(password).await?),
            None => None,
        };
        for _ in 0..ATTEMPTS {
            let stored = self.documents.get(id).await?.ok_or(UserError::Unknown)?;
            let mut after = stored.value.clone();
            if hash.is_some() || update.disabled.is_some_and(|is| is != after.disabled) {
                // A session from the same second may belong to an attacker.
                after.sessions_since = after.session_start(self.clock.now()) + 1;
            }
            after.password = hash.clone().or(after.password);
            after.disabled = update.disabled.unwrap_or(after.disabled);
            after.role = update.role.unwrap_or(after.role);
            if let Some(teams) = &update.teams {
                after.set_teams(teams.clone());
            }
            if let Some(teams) = &update.administered_teams {
                after.set_administered_teams(teams.clone())?;
            }
            let batch = self.replacement(&stored, Some(&after)).await?;
            let batch = self.documents.put(batch, id, &after, None)?;
            if self.commit(batch, id).await? == CommitOutcome::Committed {
                return Ok(after);
            }
        }
        Err(AuthServerError::Busy.into())
    }

    /// Deletes a user with all external identities. A later login with the same identity creates a
    /// new user with another ID.
    ///
    /// # Errors
    ///
    /// [`UserError::Unknown`] if there is no such user, [`UserError::LastAdmin`] if no other user
    /// would be an administrator, and [`UserError::Authority`] if the store is unavailable or other
    /// replicas change the user all the time.
    pub async fn delete(&self, id: &str) -> Result<(), UserError> {
        for _ in 0..ATTEMPTS {
            let stored = self.documents.get(id).await?.ok_or(UserError::Unknown)?;
            let batch = self.replacement(&stored, None).await?;
            let mut batch = batch.delete(self.documents.key(id));
            if let Some(name) = &stored.value.username {
                batch = batch.delete(self.names.key(name));
            }
            for identity in &stored.value.identities {
                batch = batch.delete(self.identities.key(&identity.key()));
                if let Some(pin) = identity.pin_key() {
                    batch = batch.delete(self.pins.key(&pin));
                }
            }
            if self.commit(batch, id).await? == CommitOutcome::Committed {
                return Ok(());
            }
        }
        Err(AuthServerError::Busy.into())
    }

    /// Returns an attachment that requires that the user `id` is neither changed nor deleted until
    /// its batch is committed.
    ///
    /// # Errors
    ///
    /// [`UserError::Unknown`] if there is no such user, and [`UserError::Disabled`] if the user must
    /// not log in.
    pub async fn unchanged(&self, id: &str) -> Result<Attachment, UserError> {
        let stored = self.documents.get(id).await?.ok_or(UserError::Unknown)?;
        if stored.value.disabled {
            return Err(UserError::Disabled);
        }
        let key = self.documents.key(id);
        Ok(Attachment::new(move |batch, _| {
            batch.if_version(key.clone(), stored.version)
        }))
    }

    /// Begins the batch that replaces `before` by `after`, or deletes it.
    ///
    /// An administrator is removed only if another one stays: the batch requires that this one is not
    /// changed, so that of two concurrent removals of each other one fails.
    async fn replacement(
        &self,
        before: &Versioned<User>,
        after: Option<&User>,
    ) -> Result<Batch, UserError> {
        let Versioned {
            value: user,
            version,
        } = before;
        let batch = Batch::new().if_version(self.documents.key(&user.id), *version);
        if !user.is_administrator() || after.is_some_and(User::is_administrator) {
            return Ok(batch);
        }
        let other = self.other_administrator(&user.id).await?;
        let (id, version) = other.ok_or(UserError::LastAdmin)?;
        Ok(batch.if_version(self.documents.key(&id), version))
    }

    /// Returns an administrator other than `id`, if there is one.
    async fn other_administrator(
        &self,
        id: &str,
    ) -> Result<Option<(String, DocumentVersion)>, AuthServerError> {
        let mut after: Option<String> = None;
        loop {
            let page = self.documents.list("", after.as_deref(), PAGE).await?;
            let mut users = page.iter();
            let other = |(found, stored): &&(String, Versioned<User>)| {
                stored.value.is_administrator() && found != id
            };
            if let Some((other, stored)) = users.find(other) {
                return Ok(Some((other.clone(), stored.version)));
            }
            match page.into_iter().next_back() {
                Some((last, _)) => after = Some(last),
                None => return Ok(None),
            }
        }
    }
}

impl fmt::Debug for NewUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewUser")
            .field("name", &self.name)
            .field("role", &self.role)
            .field("teams", &self.teams)
            .field("administered_teams", &self.administered_teams)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for UserUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserUpdate")
            .field("disabled", &self.disabled)
            .field("role", &self.role)
            .field("teams", &self.teams)
            .field("administered_teams", &self.administered_teams)
            .finish_non_exhaustive()
    }
}

/// Number of users per read.
const PAGE: usize = 500;
