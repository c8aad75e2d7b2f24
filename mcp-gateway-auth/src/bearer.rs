//! Extraction of bearer tokens (RFC 6750, section 2.1), and their digests.

use std::hash::{Hash, Hasher};

use aws_lc_rs::constant_time;
use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use http::header::AUTHORIZATION;
use http::request::Parts;
use mcp_gateway_core::auth::AuthError;

/// Returns the bearer token of a request, if it has at most `limit` bytes.
///
/// # Errors
///
/// Those of [`token_of`].
pub(crate) fn bearer_token(request: &Parts, limit: usize) -> Result<&str, AuthError> {
    token_of(request, "Bearer", limit)
}

/// Returns the token of a request with `scheme`, if it has at most `limit` bytes.
///
/// The name of the scheme is case-insensitive ([RFC 9110, section
/// 11.1](https://www.rfc-editor.org/rfc/rfc9110#section-11.1)).
///
/// # Errors
///
/// [`AuthError::MissingToken`] if there is no `Authorization` with the scheme, and
/// [`AuthError::InvalidToken`] if there are several, or the token is too long or not ASCII.
pub(crate) fn token_of<'a>(
    request: &'a Parts,
    scheme: &str,
    limit: usize,
) -> Result<&'a str, AuthError> {
    let mut values = request.headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(AuthError::MissingToken)?;
    if values.next().is_some() {
        // A proxy may have validated another one of them.
        return Err(AuthError::InvalidToken);
    }
    let value = value.to_str().map_err(|_| AuthError::InvalidToken)?.trim();
    let (presented, token) = value.split_once([' ', '\t']).unwrap_or((value, ""));
    let token = token.trim_start();
    if !presented.eq_ignore_ascii_case(scheme) || token.is_empty() {
        return Err(AuthError::MissingToken);
    }
    match token.len() <= limit {
        true => Ok(token),
        false => Err(AuthError::InvalidToken),
    }
}

/// The SHA-256 of a token, as a key of a map.
///
/// The time of a lookup reveals nothing about the stored tokens: digests are compared in constant
/// time, and the map uses a keyed hash.
#[derive(Clone, Copy)]
pub(crate) struct TokenDigest([u8; SHA256_OUTPUT_LEN]);

impl TokenDigest {
    /// Hashes a token.
    pub(crate) fn of(token: &str) -> Self {
        let mut bytes = [0; SHA256_OUTPUT_LEN];
        bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(bytes)
    }
}

impl Eq for TokenDigest {}

impl PartialEq for TokenDigest {
    fn eq(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Hash for TokenDigest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Request};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_header_is_answered(value in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                let (mut parts, ()) = Request::new(()).into_parts();
                parts.headers.insert(AUTHORIZATION, value);
                if let Ok(token) = bearer_token(&parts, 16) {
                    prop_assert!(!token.is_empty() && token.len() <= 16);
                }
            }
        }
    }
}
