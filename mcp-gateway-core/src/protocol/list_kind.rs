use super::Method;

/// What can be listed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the specification knows these four"
)]
pub enum ListKind {
    /// Prompts.
    Prompts,
    /// Resources.
    Resources,
    /// Templates of resources.
    Templates,
    /// Tools.
    Tools,
}

impl ListKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Prompts, Self::Resources, Self::Templates, Self::Tools];

    /// What `method` lists.
    #[must_use]
    pub fn of(method: &Method) -> Option<Self> {
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

    /// The method that lists it.
    #[must_use]
    pub fn method(self) -> Method {
        match self {
            Self::Prompts => Method::PromptsList,
            Self::Resources => Method::ResourcesList,
            Self::Templates => Method::ResourcesTemplatesList,
            Self::Tools => Method::ToolsList,
        }
    }

    /// The notification that says that the list has changed.
    #[must_use]
    pub fn changed(self) -> Method {
        match self {
            Self::Prompts => Method::PromptsListChanged,
            Self::Resources | Self::Templates => Method::ResourcesListChanged,
            Self::Tools => Method::ToolsListChanged,
        }
    }

    /// The capability of servers that have it.
    #[must_use]
    pub fn capability(self) -> &'static str {
        match self {
            Self::Prompts => "prompts",
            Self::Resources | Self::Templates => "resources",
            Self::Tools => "tools",
        }
    }

    /// The member of the result that holds the list.
    #[must_use]
    pub fn member(self) -> &'static str {
        match self {
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
            Self::Tools => "tools",
        }
    }

    /// The member of an entry that identifies it.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Prompts | Self::Tools => "name",
            Self::Resources => "uri",
            Self::Templates => "uriTemplate",
        }
    }

    /// Its place in an array of one value per kind.
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
        for (at, kind) in ListKind::ALL.into_iter().enumerate() {
            assert_eq!(ListKind::of(&kind.method()), Some(kind));
            assert_eq!(kind.index(), at);
        }
        assert_eq!(ListKind::of(&Method::ToolsCall), None);
    }
}
