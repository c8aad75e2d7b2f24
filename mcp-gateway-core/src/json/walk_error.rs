//! Syntax errors of JSON text.

/// A syntax error and its offset in bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{kind} at offset {at}")]
pub(crate) struct WalkError {
    /// Kind of the error.
    pub(crate) kind: WalkErrorKind,
    /// Offset in the text.
    pub(super) at: usize,
}

/// Kind of a syntax error.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum WalkErrorKind {
    /// Another token was expected; its description.
    #[error("expected {0}")]
    Expected(&'static str),
    /// The text continues after its value.
    #[error("trailing data after the value")]
    Trailing,
    /// Arrays and objects are nested deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
    #[error("nesting too deep")]
    TooDeep,
}
