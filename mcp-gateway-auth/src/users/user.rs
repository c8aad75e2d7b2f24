use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::UserError;
use super::password::PasswordHash;
use crate::Person;

/// Somebody who may use the gateway.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct User {
    /// The identifier, which nobody else gets later.
    pub id: String,
    /// The name that people know them by.
    pub name: String,
    /// The name that they log in with, if they have an account of the gateway itself.
    pub username: Option<String>,
    /// The address that an identity provider has verified.
    pub email: Option<String>,
    /// What they may do beyond using the gateway.
    pub role: Role,
    /// The teams that they belong to.
    pub teams: Vec<String>,
    /// Who they are elsewhere.
    pub identities: Vec<Identity>,
    /// Whether they may not log in.
    pub disabled: bool,
    /// When they were first seen, in seconds since 1970.
    pub created: u64,
    /// Sessions from before this are over.
    #[serde(default)]
    pub(super) sessions_since: u64,
    pub(super) password: Option<PasswordHash>,
}

/// What somebody may do beyond using the gateway.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Role {
    /// Administers it.
    Admin,
    /// Nothing.
    #[default]
    Member,
}

/// Who somebody is at an identity provider, as of the last time they logged in there.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Identity {
    /// The provider.
    pub issuer: String,
    /// Their identifier there, which nobody else gets later.
    pub subject: String,
    /// Their name there, which somebody else may get later.
    pub login: Option<String>,
    /// Their address, if it was verified.
    pub email: Option<String>,
    /// The groups or organizations that they belong to there.
    pub groups: Vec<String>,
    /// When they last logged in there, in seconds since 1970.
    pub seen: u64,
    /// The name that they are allowed by, which is theirs alone from now on.
    pub(super) pinned: Option<String>,
}

impl User {
    pub(super) fn new(id: String, name: String, created: u64) -> Self {
        Self {
            id,
            name,
            username: None,
            email: None,
            role: Role::Member,
            teams: Vec::new(),
            identities: Vec::new(),
            disabled: false,
            created,
            sessions_since: 0,
            password: None,
        }
    }

    /// Whether a session that began at `authenticated_at` may still be good.
    pub(crate) fn accepts_session_of(&self, authenticated_at: u64) -> bool {
        authenticated_at >= self.sessions_since
    }

    /// When a session may begin now.
    pub(crate) fn session_start(&self, now: u64) -> u64 {
        now.max(self.sessions_since)
    }

    pub(crate) fn has_password(&self) -> bool {
        self.password.is_some()
    }

    pub(crate) fn person(&self) -> Person {
        Person {
            email: self.email.as_deref().map(Into::into),
            roles: vec![self.role.as_str().into()],
            teams: self.teams.iter().map(|team| team.as_str().into()).collect(),
            ..Person::new(self.id.as_str(), self.name.as_str())
        }
    }
}

impl Role {
    /// `admin` or `member`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Member => "member",
        }
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

impl Identity {
    /// What it is kept under, whatever is in it.
    pub(super) fn key(&self) -> String {
        key(&self.issuer, &self.subject)
    }

    /// The name that they are allowed by.
    pub(crate) fn pinned(&self) -> Option<&str> {
        self.pinned.as_deref()
    }

    pub(super) fn pin_key(&self) -> Option<String> {
        self.pinned.as_ref().map(|login| key(&self.issuer, login))
    }
}

/// The key of the person whom `issuer` knows as `name`.
///
/// The length of the first part keeps the parts apart.
pub(super) fn key(issuer: &str, name: &str) -> String {
    let text = format!("{}\n{issuer}\n{name}", issuer.len());
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}
