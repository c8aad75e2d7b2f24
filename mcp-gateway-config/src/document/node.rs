//! Values of a file with their positions.

use std::fmt;

/// Position in a file.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Position {
    /// Creates a position.
    #[must_use]
    pub fn new(line: usize, column: usize) -> Self {
        Self { line, column }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Value in a file, with its position.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) at: Position,
    pub(crate) value: Value,
}

/// Value in a file.
///
/// Scalars keep their text: the reader decides whether `8080` is a number or a name.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
    Null,
    Scalar(Scalar),
}

/// String, number or boolean.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    /// Set if the scalar is quoted, and therefore always a string.
    pub(crate) quoted: bool,
}

/// Key of a value in a map.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) at: Position,
    pub(crate) text: String,
}

impl Value {
    /// Returns the type for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
            Self::Null => "nothing",
            Self::Scalar(scalar) if scalar.quoted => "a string",
            Self::Scalar(scalar) => match &*scalar.text {
                "true" | "false" => "a boolean",
                text if text.parse::<f64>().is_ok() => "a number",
                _ => "a string",
            },
        }
    }
}
