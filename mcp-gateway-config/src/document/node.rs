use std::fmt;

/// Where something is in a file.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub struct Place {
    /// The line; the first one is 1.
    pub line: usize,
    /// The column, in characters; the first one is 1.
    pub column: usize,
}

impl Place {
    /// The place at that line and column.
    #[must_use]
    pub fn new(line: usize, column: usize) -> Self {
        Self { line, column }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A value in a file, and where it is.
#[derive(Clone, Debug)]
pub struct Node {
    pub at: Place,
    pub value: Value,
}

/// A value in a file.
///
/// Scalars keep their text: whether `8080` is a number or a name is for the reader to say, not for
/// the file.
#[derive(Clone, Debug)]
pub enum Value {
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
    Null,
    Scalar(Scalar),
}

/// A text, a number or a truth value.
#[derive(Clone, Debug)]
pub struct Scalar {
    pub text: String,
    /// Whether it stands in quotes, so that it is a text whatever it looks like.
    pub quoted: bool,
}

/// The name of a value in a map.
#[derive(Clone, Debug)]
pub struct Key {
    pub at: Place,
    pub text: String,
}

impl Value {
    /// What it is, for people.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
            Self::Null => "nothing",
            Self::Scalar(scalar) if scalar.quoted => "a text",
            Self::Scalar(scalar) => match &*scalar.text {
                "true" | "false" => "a truth value",
                text if text.parse::<f64>().is_ok() => "a number",
                _ => "a text",
            },
        }
    }
}
