//! Digests of definitions.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{Context, SHA256};

use crate::json::CanonicalJson;

/// SHA-256 of a definition in canonical JSON (RFC 8785).
///
/// It depends neither on whitespace nor on the order of members nor on the notation of numbers. Numbers
/// with digits that the canonical form loses, such as integers beyond 2^53, are hashed with all of
/// their digits after that form.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::catalog::DefinitionDigest;
///
/// let digest = DefinitionDigest::of_json(r#"{ "name": "add", "inputSchema": {} }"#).unwrap();
/// assert_eq!(DefinitionDigest::of_json(r#"{"inputSchema":{},"name":"add"}"#), Some(digest));
/// assert_eq!(digest.to_string().parse(), Ok(digest));
/// // Readers could differ about which of the two counts.
/// assert_eq!(DefinitionDigest::of_json(r#"{"name":"add","name":"delete"}"#), None);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DefinitionDigest([u8; 32]);

/// A text that is not a digest.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected sha256: and 64 hexadecimal digits")]
#[non_exhaustive]
pub struct DigestError;

impl DefinitionDigest {
    /// Returns the digest of a JSON text; `None` if its meaning is uncertain: it is invalid, nested too
    /// deep, or has the same member twice.
    #[must_use]
    pub fn of_json(text: &str) -> Option<Self> {
        let canonical = CanonicalJson::of(text)?;
        let mut context = Context::new(&SHA256);
        context.update(canonical.text.as_bytes());
        for number in &canonical.inexact {
            context.update(b"\0");
            context.update(number.as_bytes());
        }
        let digest = context.finish();
        digest.as_ref().try_into().ok().map(Self)
    }
}

impl fmt::Display for DefinitionDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ALGORITHM)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for DefinitionDigest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let digits = text.strip_prefix(ALGORITHM).ok_or(DigestError)?;
        let is_hex = |c: char| matches!(c, '0'..='9' | 'a'..='f');
        if digits.len() != 64 || !digits.chars().all(is_hex) {
            return Err(DigestError);
        }
        let mut bytes = [0; 32];
        for (at, byte) in bytes.iter_mut().enumerate() {
            let pair = digits.get(2 * at..2 * at + 2).ok_or(DigestError)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| DigestError)?;
        }
        Ok(Self(bytes))
    }
}

/// Name of the algorithm, before the digits.
const ALGORITHM: &str = "sha256:";

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<DefinitionDigest> {
        DefinitionDigest::of_json(text)
    }

    #[test]
    fn a_digest_is_that_of_the_canonical_text() {
        // printf '{"a":[1,"ä"]}' | sha256sum
        let expected = "sha256:c97c8ce68f1442638d1e9bd89c22a13b37a5da83dddfcc5ccde2c61657beb17f";
        assert_eq!(
            of(r#" {"a" : [1.0, "\u00e4"]} "#).unwrap().to_string(),
            expected
        );
        assert_eq!(expected.parse(), Ok(of(r#"{"a":[1,"ä"]}"#).unwrap()));
    }

    #[test]
    fn digits_that_a_client_receives_are_hashed() {
        let of = |number: &str| of(&format!(r#"{{"maximum":{number}}}"#)).unwrap();
        assert_eq!(of("1.0"), of("1"));
        assert_ne!(of("9007199254740993"), of("9007199254740992"));
        assert_ne!(of("1.00000000000000000001"), of("1"));
    }

    #[test]
    fn other_texts_are_no_digests() {
        let digits = "0".repeat(64);
        assert!(
            format!("sha256:{digits}")
                .parse::<DefinitionDigest>()
                .is_ok()
        );
        for text in [
            "",
            "sha256:",
            &digits,
            &format!("sha512:{digits}"),
            &format!("sha256:{digits}0"),
            &format!("sha256:{}", "A".repeat(64)),
            &format!("sha256:{}", "ä".repeat(32)),
        ] {
            assert_eq!(text.parse::<DefinitionDigest>(), Err(DigestError), "{text}");
        }
    }
}
