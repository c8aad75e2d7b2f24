//! Values of conditions.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

use serde_json::value::RawValue;
use time::{Duration, OffsetDateTime};

use super::error::EvaluationError;
use super::json;
use super::number::Number;

/// A value. It has no `Debug`, because it may be a secret.
#[derive(Clone)]
pub(crate) enum Value<'v> {
    Null,
    Bool(bool),
    Number(Number),
    String(Text<'v>),
    Bytes(Arc<[u8]>),
    List(Arc<[Item<'v>]>),
    Map(Map<'v>),
    Timestamp(OffsetDateTime),
    Duration(Duration),
    Type(&'static str),
}

/// A text, of the request or computed.
#[derive(Clone)]
pub(crate) enum Text<'v> {
    Borrowed(&'v str),
    Shared(Arc<str>),
}

/// An item of a list, or value of a map.
#[derive(Clone)]
pub(crate) enum Item<'v> {
    Value(Value<'v>),
    /// JSON text, read when it is needed.
    Json(&'v RawValue),
}

/// Pairs of key and value, each key once.
pub(crate) type Map<'v> = Arc<[(Value<'v>, Item<'v>)]>;

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Shared(text) => text,
        }
    }
}

impl<'v> From<Cow<'v, str>> for Text<'v> {
    fn from(text: Cow<'v, str>) -> Self {
        match text {
            Cow::Borrowed(text) => Self::Borrowed(text),
            Cow::Owned(text) => Self::Shared(text.into()),
        }
    }
}

impl<'v> Item<'v> {
    /// Returns the value.
    pub(super) fn value(&self) -> Result<Value<'v>, EvaluationError> {
        match self {
            Self::Value(value) => Ok(value.clone()),
            Self::Json(text) => json::value(text),
        }
    }
}

impl<'v> Value<'v> {
    /// Returns the value of a text of the request.
    pub(crate) fn text(text: &'v str) -> Self {
        Self::String(Text::Borrowed(text))
    }

    /// Returns the value of a computed text.
    pub(super) fn shared_text(text: impl Into<Arc<str>>) -> Self {
        Self::String(Text::Shared(text.into()))
    }

    /// Returns the value of a list of texts.
    pub(crate) fn texts(texts: &'v [Arc<str>]) -> Self {
        let items = texts.iter().map(|text| Item::Value(Self::text(text)));
        Self::List(items.collect())
    }

    /// Returns the signed integer.
    pub(crate) fn int(int: i64) -> Self {
        Self::Number(Number::Int(int))
    }

    /// Returns the truth value; nothing else is one.
    pub(super) fn as_bool(&self) -> Result<bool, EvaluationError> {
        match self {
            Self::Bool(value) => Ok(*value),
            _ => Err(EvaluationError::Mistyped),
        }
    }

    /// Returns the text.
    pub(super) fn as_text(&self) -> Result<&str, EvaluationError> {
        match self {
            Self::String(text) => Ok(text),
            _ => Err(EvaluationError::Mistyped),
        }
    }

    /// Returns the number.
    pub(super) fn as_number(&self) -> Result<Number, EvaluationError> {
        match self {
            Self::Number(number) => Ok(*number),
            _ => Err(EvaluationError::Mistyped),
        }
    }

    /// Returns the pairs of a map.
    pub(super) fn as_map(&self) -> Result<&Map<'v>, EvaluationError> {
        match self {
            Self::Map(map) => Ok(map),
            _ => Err(EvaluationError::Mistyped),
        }
    }

    /// Returns the name of the type.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Number(Number::Int(_)) => "int",
            Self::Number(Number::Uint(_)) => "uint",
            Self::Number(Number::Double(_)) => "double",
            Self::String(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Timestamp(_) => "google.protobuf.Timestamp",
            Self::Duration(_) => "google.protobuf.Duration",
            Self::Type(_) => "type",
        }
    }
}
