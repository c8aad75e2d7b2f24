//! Roles of the person on a page.

use mcp_gateway_auth::AdministeredTeams;
use mcp_gateway_auth::users::Role as UserRole;
use mcp_gateway_core::auth::Principal;

/// Scope that the person on a page administers. It decides which pages are linked; the API decides
/// about everything else.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Role {
    /// Nothing.
    Member,
    /// Teams.
    TeamAdmin,
    /// The organization.
    Admin,
}

impl Role {
    /// Returns the role of `principal`.
    pub(crate) fn of(principal: &Principal) -> Self {
        if UserRole::Admin.is_held_by(principal) {
            Self::Admin
        } else if AdministeredTeams::of(principal).is_empty() {
            Self::Member
        } else {
            Self::TeamAdmin
        }
    }

    /// Returns the role for people.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::TeamAdmin => "team administrator",
            Self::Admin => "administrator",
        }
    }
}
