//! The record of a user: profile, role, teams and external identities.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcp_gateway_core::auth::Principal;
use serde::{Deserialize, Serialize};

use super::UserError;
use super::password::PasswordHash;
use crate::UserInfo;

/// A user of the gateway.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct User {
    /// User ID with the prefix `usr_`. It is never reassigned.
    pub id: String,
    /// Display name.
    pub name: String,
    /// Login name of a local account.
    pub username: Option<String>,
    /// Email address that an identity provider has verified.
    pub email: Option<String>,
    /// Role in the gateway.
    pub role: Role,
    /// Teams of the user.
    pub teams: Vec<String>,
    /// Teams of the user that the user administers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub administered_teams: Vec<String>,
    /// External identities of the user.
    pub identities: Vec<LinkedIdentity>,
    /// `true` if the user must not log in.
    pub disabled: bool,
    /// Time of creation, in seconds since the Unix epoch.
    pub created: u64,
    /// Sessions from before this time are invalid, in seconds since the Unix epoch.
    #[serde(default)]
    pub(super) sessions_since: u64,
    /// Hash of the password of a local account.
    pub(super) password: Option<PasswordHash>,
}

/// A role in the gateway, beyond its use.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::users::Role;
///
/// assert_eq!("admin".parse::<Role>()?, Role::Admin);
/// assert_eq!(Role::Member.to_string(), "member");
/// assert!("Admin".parse::<Role>().is_err());
/// # Ok::<(), mcp_gateway_auth::users::UserError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Role {
    /// Administers the gateway.
    Admin,
    /// Uses the gateway only.
    #[default]
    Member,
}

/// An external identity, as of the last login.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LinkedIdentity {
    /// Identity provider.
    pub issuer: String,
    /// Subject at the provider. It is never reassigned.
    pub subject: String,
    /// Login name at the provider. It may be reassigned.
    pub login: Option<String>,
    /// Email address, if the provider has verified it.
    pub email: Option<String>,
    /// Groups or organizations at the provider.
    pub groups: Vec<String>,
    /// Time of the last login, in seconds since the Unix epoch.
    pub last_seen: u64,
    /// Allowed login name, which is pinned to this identity.
    pub(super) pinned: Option<String>,
}

impl User {
    /// Creates a member without any identity or password.
    pub(super) fn new(id: String, name: String, created: u64) -> Self {
        Self {
            id,
            name,
            username: None,
            email: None,
            role: Role::Member,
            teams: Vec::new(),
            administered_teams: Vec::new(),
            identities: Vec::new(),
            disabled: false,
            created,
            sessions_since: 0,
            password: None,
        }
    }

    /// Replaces the teams. The user does not administer others any more.
    pub(super) fn set_teams(&mut self, teams: Vec<String>) {
        self.administered_teams.retain(|team| teams.contains(team));
        self.teams = teams;
    }

    /// Replaces the teams that the user administers.
    ///
    /// # Errors
    ///
    /// [`UserError::NotMember`] if the user is no member of one of them.
    pub(super) fn set_administered_teams(&mut self, teams: Vec<String>) -> Result<(), UserError> {
        match teams.iter().find(|team| !self.teams.contains(team)) {
            Some(foreign) => Err(UserError::NotMember(foreign.clone())),
            None => {
                self.administered_teams = teams;
                Ok(())
            }
        }
    }

    /// Returns `true` if the user administers the gateway.
    pub(super) fn is_administrator(&self) -> bool {
        self.role == Role::Admin && !self.disabled
    }

    /// Returns `true` if a session that began at `authenticated_at` is still valid.
    pub(crate) fn accepts_session_of(&self, authenticated_at: u64) -> bool {
        authenticated_at >= self.sessions_since
    }

    /// Returns the start time of a session that begins now. It is not before the time from which
    /// sessions are valid.
    pub(crate) fn session_start(&self, now: u64) -> u64 {
        now.max(self.sessions_since)
    }

    /// Returns `true` if the user has a local account.
    pub(crate) fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// Returns the profile that the authorization server works with.
    pub(crate) fn user(&self) -> UserInfo {
        let texts = |teams: &[String]| teams.iter().map(|team| team.as_str().into()).collect();
        UserInfo {
            administered_teams: texts(&self.administered_teams),
            email: self.email.as_deref().map(Into::into),
            roles: vec![self.role.as_str().into()],
            teams: texts(&self.teams),
            ..UserInfo::new(self.id.as_str(), self.name.as_str())
        }
    }
}

impl Role {
    /// Returns `admin` or `member`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Member => "member",
        }
    }
}

impl Role {
    /// Returns `true` if `principal` has the role.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_auth::users::Role;
    /// use mcp_gateway_core::auth::Principal;
    ///
    /// let alice = Principal::new("alice");
    /// assert!(!Role::Admin.is_held_by(&alice));
    /// assert!(Role::Admin.is_held_by(&alice.with_role("admin")));
    /// ```
    #[must_use]
    pub fn is_held_by(self, principal: &Principal) -> bool {
        let mut roles = principal.roles().iter();
        roles.any(|role| **role == *self.as_str())
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UserError;

    fn from_str(text: &str) -> Result<Self, UserError> {
        match text {
            "admin" => Ok(Self::Admin),
            "member" => Ok(Self::Member),
            _ => Err(UserError::Role),
        }
    }
}

impl LinkedIdentity {
    /// Returns the key of the identity in the store. It has a fixed length and alphabet, whatever
    /// the provider asserts.
    pub(super) fn key(&self) -> String {
        key(&self.issuer, &self.subject)
    }

    /// Returns the pinned login name.
    pub(crate) fn pinned(&self) -> Option<&str> {
        self.pinned.as_deref()
    }

    /// Returns the key of the pin in the store.
    pub(super) fn pin_key(&self) -> Option<String> {
        self.pinned.as_ref().map(|login| key(&self.issuer, login))
    }
}

/// Derives the store key of the name `name` at `issuer`.
///
/// The length of the first part separates the parts unambiguously.
pub(super) fn key(issuer: &str, name: &str) -> String {
    let text = format!("{}\n{issuer}\n{name}", issuer.len());
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}
