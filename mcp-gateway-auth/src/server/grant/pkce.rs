//! Proof Key for Code Exchange (RFC 7636). Only `S256` is supported.
//!
//! The verifier never leaves the client before the token request. A code that is intercepted on the
//! redirect is therefore useless.

use aws_lc_rs::constant_time;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// An S256 code challenge.
///
/// See [RFC 7636, section 4](https://www.rfc-editor.org/rfc/rfc7636#section-4).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub(in crate::server) struct CodeChallenge(String);

impl CodeChallenge {
    /// Parses a challenge: the base64url encoding of 32 bytes.
    pub(in crate::server) fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        (bytes.len() == 32).then(|| Self(text.to_owned()))
    }

    /// Returns `true` if `verifier` is valid and its hash is the challenge. The comparison takes
    /// constant time.
    pub(in crate::server) fn matches(&self, verifier: &str) -> bool {
        let hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        let same = constant_time::verify_slices_are_equal(hash.as_bytes(), self.0.as_bytes());
        is_verifier(verifier) && same.is_ok()
    }
}

/// Returns `true` if `text` has the form of a verifier: 43 to 128 unreserved characters.
fn is_verifier(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    (43..=128).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test vector of RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_vector_of_the_rfc_is_met() {
        let challenge = CodeChallenge::parse(CHALLENGE).unwrap();
        assert!(challenge.matches(VERIFIER));
        assert!(!challenge.matches(&VERIFIER.replace('d', "e")));
        assert!(!challenge.matches(CHALLENGE), "plain");
    }

    #[test]
    fn what_is_no_challenge_is_refused() {
        let long = format!("{CHALLENGE}A");
        let padded = format!("{CHALLENGE}=");
        for text in ["", "short", &long, &padded, &CHALLENGE.replace('-', "+")] {
            assert_eq!(CodeChallenge::parse(text), None, "{text}");
        }
    }
}
