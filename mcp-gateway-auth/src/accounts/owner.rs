//! Owners of connected accounts.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcp_gateway_core::auth::Principal;

use crate::AdministeredTeams;
use crate::users::Role;

/// Owner of a connected account.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::accounts::Owner;
/// use mcp_gateway_core::auth::Principal;
///
/// // An account of the caller precedes one of a team, which precedes one of the organization.
/// let alice = Principal::new("alice").with_team("platform");
/// let owners: Vec<_> = Owner::of(&alice).map(|owner| owner.to_string()).collect();
/// assert_eq!(owners, ["user/alice", "team/platform", "organization"]);
/// assert_eq!("team/platform".parse(), Ok(Owner::Team("platform".into())));
/// ```
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Owner {
    /// All callers of the gateway.
    Organization,
    /// Members of a team.
    Team(Arc<str>),
    /// One user.
    User(Arc<str>),
}

impl Owner {
    /// Returns the owners whose accounts `principal` may use, in the order of preference.
    pub fn of(principal: &Principal) -> impl Iterator<Item = Self> {
        let user = std::iter::once_with(|| Self::User(principal.subject().into()));
        let teams = principal.teams().iter().map(Arc::clone).map(Self::Team);
        user.chain(teams).chain([Self::Organization])
    }

    /// Returns `true` if `principal` manages the connections of this owner: the user, an
    /// administrator of the team, or an administrator of the organization for all but users.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_auth::accounts::Owner;
    /// use mcp_gateway_auth::AdministeredTeams;
    /// use mcp_gateway_core::auth::Principal;
    ///
    /// let teams = AdministeredTeams::new(["platform".into()]);
    /// let ada = Principal::new("ada").with_extension(teams);
    /// let manages = |owner: &str| owner.parse::<Owner>().unwrap().is_managed_by(&ada);
    /// assert!(manages("user/ada") && manages("team/platform"));
    /// assert!(!manages("user/bob") && !manages("team/sales") && !manages("organization"));
    /// ```
    #[must_use]
    pub fn is_managed_by(&self, principal: &Principal) -> bool {
        match self {
            Self::Organization => Role::Admin.is_held_by(principal),
            Self::Team(team) => {
                Role::Admin.is_held_by(principal) || AdministeredTeams::of(principal).contains(team)
            }
            Self::User(user) => **user == *principal.subject(),
        }
    }

    /// Returns the segment of store keys.
    pub(super) fn key(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.to_string())
    }

    /// Returns the owner with the segment `key`.
    fn from_key(key: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(key).ok()?).ok()?;
        text.parse().ok()
    }
}

/// The reason for which a text is not an owner.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected organization, team/NAME or user/ID")]
#[non_exhaustive]
pub struct OwnerError;

impl FromStr for Owner {
    type Err = OwnerError;

    /// Parses the form that [`Display`](fmt::Display) writes.
    fn from_str(text: &str) -> Result<Self, OwnerError> {
        if text == ORGANIZATION {
            return Ok(Self::Organization);
        }
        match text.split_once('/') {
            Some(("team", name)) if is_name(name) => Ok(Self::Team(name.into())),
            Some(("user", id)) if is_name(id) => Ok(Self::User(id.into())),
            _ => Err(OwnerError),
        }
    }
}

/// Returns `true` if `name` can be told apart from others, in a table and in the path of a URL.
fn is_name(name: &str) -> bool {
    let is_trimmed = !name.is_empty() && name.trim() == name;
    is_trimmed && !name.contains(char::is_control) && ![".", ".."].contains(&name)
}

/// Text of the organization.
const ORGANIZATION: &str = "organization";

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Organization => f.write_str(ORGANIZATION),
            Self::Team(team) => write!(f, "team/{team}"),
            Self::User(user) => write!(f, "user/{user}"),
        }
    }
}

/// Owner whose account may be used for the calls of others: never a user.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::accounts::{Owner, SharedOwner};
///
/// let owner = SharedOwner::Team("platform".into());
/// assert_eq!(owner.to_string(), "the team \"platform\"");
/// assert_eq!(Owner::from(owner).to_string(), "team/platform");
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum SharedOwner {
    /// All callers of the gateway.
    Organization,
    /// Members of a team.
    Team(Arc<str>),
}

impl From<SharedOwner> for Owner {
    fn from(owner: SharedOwner) -> Self {
        match owner {
            SharedOwner::Organization => Self::Organization,
            SharedOwner::Team(team) => Self::Team(team),
        }
    }
}

impl fmt::Display for SharedOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Organization => f.write_str("the organization"),
            Self::Team(team) => write!(f, "the team {team:?}"),
        }
    }
}

/// Identity of a connected account: its owner and its server.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::accounts::{AccountId, Owner};
///
/// let id = AccountId::new(Owner::User("alice".into()), "github");
/// assert_eq!(id.to_string(), "user/alice@github");
/// assert_eq!(AccountId::from_key(&id.key()), Some(id));
/// assert_eq!(AccountId::from_key("x.github"), None);
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct AccountId {
    /// Owner.
    pub owner: Owner,
    /// Name of the server.
    pub server: Arc<str>,
}

impl AccountId {
    /// Creates the identity of the account of `owner` at `server`.
    #[must_use]
    pub fn new(owner: Owner, server: impl Into<Arc<str>>) -> Self {
        Self {
            owner,
            server: server.into(),
        }
    }

    /// Returns the identifier of the document.
    pub(super) fn document(&self) -> String {
        format!("{}/{}", self.owner.key(), self.server)
    }

    /// Returns the account of the [`Credential`]s of its connection `connection`: another one for each
    /// connection, so that no session and no list outlives a connection.
    ///
    /// [`Credential`]: mcp_gateway_core::Credential::account
    pub(super) fn credential(&self, connection: &str) -> String {
        format!("{self}#{connection}")
    }

    /// Returns `true` if credentials with the account `credential` are of a connection of this one.
    #[must_use]
    pub fn has_credential(&self, credential: &str) -> bool {
        let connection = credential.strip_prefix(&self.to_string());
        connection.is_some_and(|connection| connection.starts_with('#'))
    }

    /// Returns an opaque text that identifies the account in URLs.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}.{}", self.owner.key(), self.server)
    }

    /// Returns the identity with the [key](Self::key) `key`.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        let (owner, server) = key.split_once('.')?;
        let is_server = !server.is_empty() && !server.contains(['/', '\0']);
        is_server.then_some(())?;
        Some(Self::new(Owner::from_key(owner)?, server))
    }

    /// Returns the identity of the account with the document `id`.
    pub(super) fn of_document(id: &str) -> Option<Self> {
        let (owner, server) = id.split_once('/')?;
        Some(Self::new(Owner::from_key(owner)?, server))
    }

    /// Returns the purpose to which the sealed content is bound. No two accounts have the same.
    pub(super) fn purpose(&self) -> String {
        let Self { owner, server } = self;
        format!("account {} {server} {owner}", server.len())
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.owner, self.server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_owners_are_told_apart() {
        for text in [
            "",
            "team",
            "team/",
            "team/ ",
            "team/ a",
            "team/a ",
            "team/.",
            "team/..",
            "user/",
            "team/a\r\n",
            "user/\0",
            "other/a",
            "Organization",
        ] {
            assert!(text.parse::<Owner>().is_err(), "{text:?}");
        }
        for text in ["organization", "team/a b", "team/a/b", "user/usr_1"] {
            assert_eq!(text.parse::<Owner>().unwrap().to_string(), text);
        }
    }
}
