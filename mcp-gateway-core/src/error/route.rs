//! Routing errors.

use std::fmt;

/// Failure to find the target of a call.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// Several servers have a feature of that name, and nothing tells which of them is meant.
    #[error("ambiguous {kind} {name:?}")]
    AmbiguousName {
        /// Kind of the named feature.
        kind: NameKind,
        /// Name in the request.
        name: Box<str>,
        /// Names that are unambiguous.
        candidates: Box<[String]>,
    },
    /// No server of the gateway supports the method.
    #[error("unknown method {method:?}")]
    UnknownMethod {
        /// Method of the request.
        method: Box<str>,
    },
    /// No server of the gateway has the named target, or the policy hides it from the caller.
    #[error("unknown {kind} {name:?}")]
    UnknownName {
        /// Kind of the named feature.
        kind: NameKind,
        /// Name in the request.
        name: Box<str>,
    },
}

impl RouteError {
    /// Creates the error for an unknown `method`.
    pub(crate) fn unknown_method(method: &str) -> Self {
        Self::UnknownMethod {
            method: method.into(),
        }
    }

    /// Creates the error for a `name` that may be any of `candidates`.
    pub(crate) fn ambiguous_name(kind: NameKind, name: &str, candidates: Vec<String>) -> Self {
        Self::AmbiguousName {
            kind,
            name: name.into(),
            candidates: candidates.into(),
        }
    }

    /// Creates the error for an unknown `name`.
    pub(crate) fn unknown_name(kind: NameKind, name: &str) -> Self {
        Self::UnknownName {
            kind,
            name: name.into(),
        }
    }
}

/// Kind of a feature that a client names in a request.
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
