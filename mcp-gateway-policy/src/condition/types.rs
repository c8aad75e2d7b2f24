//! Static types of conditions.

use std::fmt;

/// Type of an expression, as far as it is known before evaluation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Type {
    /// Known at evaluation only: everything that is read from arguments.
    Dynamic,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Timestamp,
    Duration,
    /// The type of a value, as `type()` returns it.
    Meta,
    List(Box<Self>),
    /// A map, with the type of its values.
    Map(Box<Self>),
}

impl Type {
    /// Returns the type of a list of `item`.
    pub(super) fn list(item: Self) -> Self {
        Self::List(Box::new(item))
    }

    /// Returns the type of a map to `value`.
    pub(super) fn map(value: Self) -> Self {
        Self::Map(Box::new(value))
    }

    /// Returns `true` if a value of this type may be one of `other`.
    pub(super) fn may_be(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Dynamic, _) | (_, Self::Dynamic) => true,
            (Self::List(a), Self::List(b)) | (Self::Map(a), Self::Map(b)) => a.may_be(b),
            _ => self == other,
        }
    }

    /// Returns `true` if a value of this type may be a number.
    pub(super) fn may_be_number(&self) -> bool {
        self.may_be(&Self::Int) || self.may_be(&Self::Uint) || self.may_be(&Self::Double)
    }

    /// Returns `true` if values of both types can be equal.
    pub(super) fn is_comparable(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, _) | (_, Self::Null) => true,
            (Self::List(a), Self::List(b)) | (Self::Map(a), Self::Map(b)) => a.is_comparable(b),
            _ => self.may_be(other) || (self.may_be_number() && other.may_be_number()),
        }
    }

    /// Returns the type of a value that has one of both types.
    pub(super) fn union(self, other: &Self) -> Self {
        match (self, other) {
            (Self::List(a), Self::List(b)) => Self::list(a.union(b)),
            (Self::Map(a), Self::Map(b)) => Self::map(a.union(b)),
            (this, other) if this == *other => this,
            _ => Self::Dynamic,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dynamic => f.write_str("any"),
            Self::Null => f.write_str("null"),
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Uint => f.write_str("uint"),
            Self::Double => f.write_str("double"),
            Self::String => f.write_str("string"),
            Self::Bytes => f.write_str("bytes"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Duration => f.write_str("duration"),
            Self::Meta => f.write_str("type"),
            Self::List(item) => write!(f, "list({item})"),
            Self::Map(value) => write!(f, "map({value})"),
        }
    }
}
