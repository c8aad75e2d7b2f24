//! Tools in the lists of servers.

use std::sync::Arc;

/// Tool that a server has listed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ListedTool<'a> {
    /// Name at the server.
    pub name: &'a Arc<str>,
    /// `true` if the caller may see it.
    pub is_permitted: bool,
}

impl<'a> ListedTool<'a> {
    /// Creates a tool that the caller may see if `is_permitted`.
    #[must_use]
    pub fn new(name: &'a Arc<str>, is_permitted: bool) -> Self {
        Self { name, is_permitted }
    }

    /// Creates a tool that the caller may see.
    #[must_use]
    pub fn permitted(name: &'a Arc<str>) -> Self {
        Self::new(name, true)
    }
}
