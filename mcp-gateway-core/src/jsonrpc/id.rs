//! Identifiers of JSON-RPC requests.
//!
//! See [MCP 2026-07-28,
//! requests](https://modelcontextprotocol.io/specification/2026-07-28/basic#requests): an `id` is a
//! string or an integer and never `null`.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// Identifier of a JSON-RPC request: a string or an integer of any size.
///
/// Two identifiers are equal if they denote the same string or the same integer, regardless of
/// escapes in their JSON text. The string `"1"` and the integer `1` differ. Integers outside of the
/// range of [`i64`] keep their digits. See [the base protocol][spec].
///
/// # Example
///
/// ```
/// use mcp_gateway_core::jsonrpc::Id;
///
/// assert_eq!(Id::from_token(r#""\u0061""#), Some(Id::from("a")));
/// assert_eq!(Id::from_token("7"), Some(Id::from(7)));
/// assert_ne!(Id::from_token("1"), Some(Id::from("1")));
/// assert_eq!(Id::from_token("1.5"), None);
/// ```
///
/// [spec]: https://modelcontextprotocol.io/specification/2026-07-28/basic#requests
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Id(Repr);

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Repr {
    /// Digits of an integer outside of the range of [`i64`], with its sign.
    Big(Box<str>),
    Integer(i64),
    String(Box<str>),
}

impl Id {
    /// Parses the JSON token of an identifier.
    ///
    /// Returns `None` if the token is neither a string nor an integer. `1.0`, `1e3` and `null` are
    /// rejected. The token must be valid JSON; [`Message::parse`](super::Message::parse) has
    /// validated it before.
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

    /// Returns the value of an integer identifier that fits [`i64`].
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match &self.0 {
            Repr::Integer(number) => Some(*number),
            Repr::Big(_) | Repr::String(_) => None,
        }
    }

    /// Returns the value of a string identifier, with its escapes resolved.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.0 {
            Repr::String(string) => Some(string),
            Repr::Big(_) | Repr::Integer(_) => None,
        }
    }

    /// Returns the JSON token of the identifier.
    ///
    /// `Id::from_token` of the token yields an equal identifier.
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

impl Id {
    /// Returns `true` if a response with this identifier answers the request `expected`.
    ///
    /// Some servers return the number of a request as a string. Clients that compare the number
    /// accept this, so it is accepted here too.
    pub(crate) fn answers(&self, expected: &Self) -> bool {
        self == expected
            || self
                .number()
                .is_some_and(|number| expected.0 == Repr::Integer(number))
    }

    /// Returns the identifier as a number, also if it is a string of decimal digits.
    pub(crate) fn number(&self) -> Option<i64> {
        match &self.0 {
            Repr::Integer(number) => Some(*number),
            Repr::String(digits) => digits
                .parse()
                .ok()
                .filter(|number: &i64| *number.to_string() == **digits),
            Repr::Big(_) => None,
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
    fn a_number_may_come_back_as_a_string() {
        assert!(Id::from("7").answers(&Id::from(7)));
        assert!(Id::from(7).answers(&Id::from(7)));
        for other in [Id::from("07"), Id::from("+7"), Id::from(" 7"), Id::from(8)] {
            assert!(!other.answers(&Id::from(7)), "{other}");
        }
        assert!(!Id::from(7).answers(&Id::from("7")));
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
