//! Teams that a principal administers.

use std::sync::Arc;

use mcp_gateway_core::auth::Principal;

/// Teams of which a principal is an administrator: an [extension](Principal::with_extension) of the
/// principals of users.
///
/// An administrator of a team manages its connections and gateways. That is no role in the
/// organization.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::AdministeredTeams;
/// use mcp_gateway_core::auth::Principal;
///
/// let teams = AdministeredTeams::new(["platform".into()]);
/// let ada = Principal::new("ada").with_team("platform").with_extension(teams);
/// assert!(AdministeredTeams::of(&ada).contains(&"platform".into()));
/// assert!(AdministeredTeams::of(&Principal::new("bob")).is_empty());
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AdministeredTeams(Arc<[Arc<str>]>);

impl AdministeredTeams {
    /// Creates the extension.
    #[must_use]
    pub fn new(teams: impl IntoIterator<Item = Arc<str>>) -> Self {
        Self(teams.into_iter().collect())
    }

    /// Returns the teams that `principal` administers.
    #[must_use]
    pub fn of(principal: &Principal) -> &[Arc<str>] {
        let teams = principal.extension::<Self>();
        teams.map_or(&[], |Self(teams)| teams)
    }
}
