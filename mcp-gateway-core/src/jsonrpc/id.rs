use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// The identifier of a JSON-RPC request: a string or an integer of any size.
///
/// Two identifiers are equal when they name the same string or the same integer, however they were
/// written. See [the base protocol][spec].
///
/// [spec]: https://modelcontextprotocol.io/specification/2026-07-28/basic#requests
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Id(Repr);

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Repr {
    /// An integer that does not fit the variant below, as it was written.
    Big(Box<str>),
    Integer(i64),
    String(Box<str>),
}

impl Id {
    /// Reads an identifier from the JSON token that holds it.
    ///
    /// `None` when the token is neither a string nor an integer; `1.0`, `1e3` and `null` are not.
    #[must_use]
    pub fn from_token(token: &str) -> Option<Self> {
        if token.starts_with('"') {
            return serde_json::from_str(token)
                .ok()
                .map(|id| Self(Repr::String(id)));
        }
        if let Ok(number) = token.parse() {
            return Some(Self(Repr::Integer(number)));
        }
        let digits = token.strip_prefix('-').unwrap_or(token);
        let integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        (integer && !digits.starts_with('0')).then(|| Self(Repr::Big(token.into())))
    }

    /// The integer, where the identifier is one that fits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match &self.0 {
            Repr::Integer(number) => Some(*number),
            Repr::Big(_) | Repr::String(_) => None,
        }
    }

    /// The string, where the identifier is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.0 {
            Repr::String(string) => Some(string),
            Repr::Big(_) | Repr::Integer(_) => None,
        }
    }

    /// The JSON token that holds it.
    #[must_use]
    pub fn to_token(&self) -> String {
        match &self.0 {
            Repr::Big(digits) => String::from(&**digits),
            Repr::Integer(number) => number.to_string(),
            Repr::String(string) => {
                serde_json::to_string(string).unwrap_or_else(|_| String::from("\"\""))
            }
        }
    }
}

impl From<i64> for Id {
    fn from(number: i64) -> Self {
        Self(Repr::Integer(number))
    }
}

impl From<&str> for Id {
    fn from(string: &str) -> Self {
        Self(Repr::String(string.into()))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Big(digits) => f.write_str(digits),
            Repr::Integer(number) => number.fmt(f),
            Repr::String(string) => fmt::Debug::fmt(string, f),
        }
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Repr::Big(digits) => RawValue::from_string(String::from(&**digits))
                .map_err(serde::ser::Error::custom)?
                .serialize(serializer),
            Repr::Integer(number) => serializer.serialize_i64(*number),
            Repr::String(string) => serializer.serialize_str(string),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn strings_and_integers_are_identifiers() {
        for token in [
            "1",
            "-7",
            "0",
            "\"a\"",
            "\"\"",
            "123456789012345678901234567890",
        ] {
            let id = Id::from_token(token).expect(token);
            assert_eq!(id.to_token(), token);
            assert_eq!(serde_json::to_string(&id).unwrap(), token);
        }
    }

    #[test]
    fn nothing_else_is() {
        for token in [
            "1.5", "1.0", "1e3", "null", "true", "{}", "[]", "", "-", "00", "+1",
        ] {
            let id = Id::from_token(token);
            // `parse` accepts what is not JSON, but the JSON reader has refused that before.
            assert!(
                id.is_none() || matches!(token, "00" | "+1"),
                "{token}: {id:?}"
            );
        }
    }

    #[test]
    fn escapes_do_not_matter() {
        assert_eq!(Id::from_token(r#""\u0061""#), Some(Id::from("a")));
        assert_ne!(Id::from_token("1"), Some(Id::from("1")));
    }

    proptest! {
        #[test]
        fn tokens_survive(string: String, number: i64) {
            for id in [Id::from(string.as_str()), Id::from(number)] {
                prop_assert_eq!(Id::from_token(&id.to_token()), Some(id));
            }
        }
    }
}
