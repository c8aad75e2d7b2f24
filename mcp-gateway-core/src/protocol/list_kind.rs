//! Kinds of lists.

use super::Method;

/// Kind of a list.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::catalog::ListKind;
/// use mcp_gateway_core::protocol::Method;
///
/// assert_eq!(ListKind::from_method(&Method::ResourcesTemplatesList), Some(ListKind::Templates));
/// assert_eq!(ListKind::Templates.member(), "resourceTemplates");
/// assert_eq!(ListKind::Templates.key(), "uriTemplate");
/// assert_eq!(ListKind::from_method(&Method::ToolsCall), None);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the specification defines exactly these four"
)]
pub enum ListKind {
    /// Prompts, `prompts/list`.
    Prompts,
    /// Resources, `resources/list`.
    Resources,
    /// Resource templates, `resources/templates/list`.
    Templates,
    /// Tools, `tools/list`.
    Tools,
}

impl ListKind {
    /// All kinds.
    pub const ALL: &'static [Self] =
        &[Self::Prompts, Self::Resources, Self::Templates, Self::Tools];

    /// Returns the kind that `method` lists, or `None` if it lists nothing.
    #[must_use]
    pub fn from_method(method: &Method) -> Option<Self> {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "all other methods list nothing"
        )]
        match method {
            Method::PromptsList => Some(Self::Prompts),
            Method::ResourcesList => Some(Self::Resources),
            Method::ResourcesTemplatesList => Some(Self::Templates),
            Method::ToolsList => Some(Self::Tools),
            _ => None,
        }
    }

    /// Returns the method that requests the list.
    #[must_use]
    pub fn method(self) -> Method {
        match self {
            Self::Prompts => Method::PromptsList,
            Self::Resources => Method::ResourcesList,
            Self::Templates => Method::ResourcesTemplatesList,
            Self::Tools => Method::ToolsList,
        }
    }

    /// Returns the notification of a changed list.
    ///
    /// Resources and resource templates share one.
    #[must_use]
    pub fn list_changed_method(self) -> Method {
        match self {
            Self::Prompts => Method::PromptsListChanged,
            Self::Resources | Self::Templates => Method::ResourcesListChanged,
            Self::Tools => Method::ToolsListChanged,
        }
    }

    /// Returns the capability that a server with such a list declares.
    #[must_use]
    pub fn capability(self) -> &'static str {
        match self {
            Self::Prompts => "prompts",
            Self::Resources | Self::Templates => "resources",
            Self::Tools => "tools",
        }
    }

    /// Returns the member of the result that holds the list.
    #[must_use]
    pub fn member(self) -> &'static str {
        match self {
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
            Self::Tools => "tools",
        }
    }

    /// Returns the member of an entry that identifies it.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Prompts | Self::Tools => "name",
            Self::Resources => "uri",
            Self::Templates => "uriTemplate",
        }
    }

    /// Returns the index of the kind in an array with one value per kind.
    pub(crate) fn index(self) -> usize {
        match self {
            Self::Prompts => 0,
            Self::Resources => 1,
            Self::Templates => 2,
            Self::Tools => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_found_by_their_method() {
        for (at, kind) in ListKind::ALL.iter().copied().enumerate() {
            assert_eq!(ListKind::from_method(&kind.method()), Some(kind));
            assert_eq!(kind.index(), at);
        }
        assert_eq!(ListKind::from_method(&Method::ToolsCall), None);
    }
}
