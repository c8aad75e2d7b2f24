use std::fmt;

/// Why a call has no target.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// No server of the gateway has such a method.
    #[error("unknown method {method:?}")]
    UnknownMethod {
        /// The method that the client used.
        method: Box<str>,
    },
    /// No server of the gateway has what the client named, or the client may not know of it.
    #[error("unknown {kind} {name:?}")]
    UnknownName {
        /// What the name would be of.
        kind: NameKind,
        /// The name that the client used.
        name: Box<str>,
    },
}

/// Kind of what a client names in a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum NameKind {
    /// A prompt.
    Prompt,
    /// A resource, by its URI.
    Resource,
    /// A task.
    Task,
    /// A tool.
    Tool,
}

impl fmt::Display for NameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prompt => "prompt",
            Self::Resource => "resource",
            Self::Task => "task",
            Self::Tool => "tool",
        })
    }
}
