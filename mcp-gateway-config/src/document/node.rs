//! Values of a file with their positions.

use std::fmt;

/// Position in a file.
///
/// # Example
///
/// ```
/// use mcp_gateway_config::document::Position;
///
/// assert_eq!(Position::new(3, 7).to_string(), "3:7");
/// assert!(Position::new(3, 7) < Position::new(4, 1));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
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
    /// Position of its first character.
    pub(crate) at: Position,
    /// The value itself.
    pub(crate) value: Value,
}

/// Value in a file.
///
/// Scalars keep their text: the reader decides whether `8080` is a number or a name.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Sequence.
    List(Vec<Node>),
    /// Mapping, in the order of the file, with duplicate keys.
    Map(Vec<(Key, Node)>),
    /// Null, or a key without a value.
    Null,
    /// String, number or boolean.
    Scalar(Scalar),
}

/// String, number or boolean.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    /// Text without quotes and escapes.
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
