//! Visibility of gateways.

use std::sync::Arc;

/// Callers for whom a gateway exists.
///
/// # Example
///
/// ```
/// use mcp_gateway_platform::spec::Visibility;
///
/// assert_eq!(Visibility::default(), Visibility::Organization);
/// assert!(Visibility::User("ada".into()).is_restricted());
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Visibility {
    /// All callers.
    #[default]
    Organization,
    /// Members of these teams, and administrators.
    Teams(Vec<Arc<str>>),
    /// The principal with this subject alone. Administrators list the gateway, but cannot use it.
    User(Arc<str>),
}

impl Visibility {
    /// Returns `true` if the gateway does not exist for some callers.
    #[must_use]
    pub fn is_restricted(&self) -> bool {
        *self != Self::Organization
    }
}
