//! Errors of conditions.

use std::fmt;

use super::types::Type;

/// Mistake in a condition, found before anything is decided with it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConditionError {
    /// The expression has more bytes than [`MAX_LENGTH`](super::MAX_LENGTH).
    #[error(
        "condition longer than {} bytes; split it into several rules",
        super::MAX_LENGTH
    )]
    TooLong,
    /// The expression has more nested parts than it may have.
    #[error("condition too deeply nested; split it into several rules")]
    TooDeep,
    /// Text that is no CEL expression.
    #[error("{message} (line {line}, column {column})")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// Message of the parser.
        message: String,
    },
    /// Name that is no variable.
    #[error("unknown name `{0}`; a condition has caller, tool, arguments and context")]
    UnknownName(String),
    /// Variable that is not followed by one of its fields.
    #[error("`{0}` has fields, of which one must be named: {1}")]
    Incomplete(String, String),
    /// Field that a variable does not have.
    #[error("unknown field `{0}`; `{1}` has {2}")]
    UnknownField(String, String, String),
    /// Function that conditions do not have.
    #[error("unknown function `{0}`")]
    UnknownFunction(String),
    /// Function or operator that takes values of other types.
    #[error("`{function}` takes no {types}")]
    Mismatch {
        /// Function or operator.
        function: String,
        /// Types of its operands.
        types: String,
    },
    /// Part of CEL that conditions do not have.
    #[error("{0} are not supported in conditions")]
    Unsupported(&'static str),
    /// Pattern of `matches` that is computed or invalid.
    #[error("the pattern of `matches` must be a valid regular expression in quotes: {0}")]
    Pattern(String),
    /// Constant part that always fails.
    #[error("`{function}` always fails: {error}")]
    Constant {
        /// Function or operator.
        function: String,
        /// Failure of the evaluation.
        error: EvaluationError,
    },
    /// Expression whose value is not a truth value.
    #[error("condition is of type {0} instead of bool")]
    NotBoolean(String),
}

impl ConditionError {
    /// Returns the error of `function` with operands of `types`.
    pub(super) fn mismatch(function: &str, types: &[Type]) -> Self {
        let types: Vec<_> = types.iter().map(ToString::to_string).collect();
        Self::Mismatch {
            function: function.to_owned(),
            types: types.join(", "),
        }
    }
}

/// Failure of the evaluation of a condition.
///
/// It never contains a value that was evaluated, so that it can be logged.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum EvaluationError {
    /// A member, or the item of a list, is absent.
    Absent,
    /// A value is of another type than the operator or function takes.
    Mistyped,
    /// A number or time is outside of the range that can be computed with.
    OutOfRange,
    /// An object has the same member twice, so that the server could read another one.
    Ambiguous,
    /// A text is not in the format that the function reads.
    InvalidText,
    /// The evaluation needs more steps than [`MAX_COST`](super::MAX_COST).
    TooExpensive,
    /// The attributes of the tool are unknown because its server has not listed it yet.
    Unlisted,
}

impl EvaluationError {
    /// Returns the name of the failure, for logs and metrics.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_policy::condition::EvaluationError;
    ///
    /// assert_eq!(EvaluationError::Absent.as_str(), "absent");
    /// ```
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Mistyped => "mistyped",
            Self::OutOfRange => "out_of_range",
            Self::Ambiguous => "ambiguous",
            Self::InvalidText => "invalid_text",
            Self::TooExpensive => "too_expensive",
            Self::Unlisted => "unlisted",
        }
    }
}

impl fmt::Display for EvaluationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "a member is absent",
            Self::Mistyped => "a value has another type",
            Self::OutOfRange => "a number or time is out of range",
            Self::Ambiguous => "an object has a member twice",
            Self::InvalidText => "a text has another format",
            Self::TooExpensive => "the evaluation takes too many steps",
            Self::Unlisted => "the tool has not been listed",
        })
    }
}

impl std::error::Error for EvaluationError {}
