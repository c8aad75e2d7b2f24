//! Arguments of calls, read as far as a condition names them.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::error::EvaluationError;
use super::number::Number;
use super::value::{Item, Map, Value};

/// Reads one level of a JSON text.
pub(crate) fn value(raw: &RawValue) -> Result<Value<'_>, EvaluationError> {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'{') => object(text).map(Value::Map),
        Some(b'[') => {
            let items: Vec<&RawValue> = read(text)?;
            Ok(Value::List(items.into_iter().map(Item::Json).collect()))
        }
        Some(b'"') => {
            let BorrowedText(text) = read(text)?;
            Ok(Value::String(text.into()))
        }
        Some(b'n') => Ok(Value::Null),
        Some(b't' | b'f') => Ok(Value::Bool(text == "true")),
        _ => Number::from_json(text).map(Value::Number),
    }
}

/// Reads the members of an object, in their order. Two may have the same key.
pub(crate) fn members(text: &str) -> Result<Vec<(Cow<'_, str>, &RawValue)>, EvaluationError> {
    read(text).map(|Members(members)| members)
}

/// Reads the members of an object.
pub(super) fn object(text: &str) -> Result<Map<'_>, EvaluationError> {
    let Members(mut members) = read(text)?;
    let pairs: Map<'_> = members
        .iter_mut()
        .map(|(key, raw)| (Value::String(std::mem::take(key).into()), Item::Json(raw)))
        .collect();
    match is_ambiguous(&pairs) {
        true => Err(EvaluationError::Ambiguous),
        false => Ok(pairs),
    }
}

/// Returns `true` if two pairs have the same key.
fn is_ambiguous(pairs: &Map<'_>) -> bool {
    let mut keys: Vec<&str> = pairs
        .iter()
        .filter_map(|(key, _)| key.as_text().ok())
        .collect();
    keys.sort_unstable();
    keys.windows(2).any(|pair| pair[0] == pair[1])
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, EvaluationError> {
    serde_json::from_str(text).map_err(|_| EvaluationError::Mistyped)
}

/// A text that is borrowed unless it contains escapes.
#[derive(serde::Deserialize)]
struct BorrowedText<'a>(#[serde(borrow)] Cow<'a, str>);

/// Members of an object, in their order.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((BorrowedText(key), value)) = map.next_entry()? {
                    members.push((key, value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// Returns the arguments of a call that has none.
pub(super) fn none<'v>() -> Map<'v> {
    Arc::new([])
}
