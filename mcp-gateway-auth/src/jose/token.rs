//! Parsing of a JWT in JWS compact serialization, before its verification (RFC 7515, section 7.1).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::claims::Claims;
use super::error::JwtError;
use super::header::Header;

/// A parsed JWT whose signature has not been verified.
///
/// Use its contents only to choose the keys for the verification: anybody can write them.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::jose::{Algorithm, JwtError, MAX_TOKEN, SigningKey, UnverifiedJwt};
/// use serde_json::json;
///
/// let key = SigningKey::generate(Algorithm::Es256)?;
/// let token = key.sign("at+jwt", &json!({"iss": "https://idp.example.com", "sub": "alice"}))?;
/// let unverified = UnverifiedJwt::parse(&token)?;
/// assert_eq!(unverified.issuer(), Some("https://idp.example.com"));
/// assert_eq!(unverified.subject(), Some("alice"));
///
/// let long = "a".repeat(MAX_TOKEN + 1);
/// assert!(matches!(UnverifiedJwt::parse(&long), Err(JwtError::TooLong)));
/// # Ok::<(), JwtError>(())
/// ```
#[derive(Debug)]
pub struct UnverifiedJwt<'a> {
    pub(super) header: Header,
    pub(super) claims: Claims,
    /// Signing input: the encoded header and claims with the period between them.
    pub(super) message: &'a str,
    pub(super) signature: Vec<u8>,
}

impl<'a> UnverifiedJwt<'a> {
    /// Parses `token`.
    ///
    /// # Errors
    ///
    /// [`JwtError::TooLong`] if `token` is longer than [`MAX_TOKEN`], [`JwtError::Malformed`] if it
    /// is not a signed JWT, and [`JwtError::Algorithm`], [`JwtError::Header`] or
    /// [`JwtError::Claim`] if a header parameter or a claim cannot be accepted.
    pub fn parse(token: &'a str) -> Result<Self, JwtError> {
        if token.len() > MAX_TOKEN {
            return Err(JwtError::TooLong);
        }
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(JwtError::Malformed);
        };
        let message = &token[..header.len() + 1 + claims.len()];
        Ok(Self {
            header: Header::parse(&decode(header)?)?,
            claims: Claims::parse(&decode(claims)?)?,
            message,
            signature: decode(signature)?,
        })
    }

    /// Returns the unverified header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the unverified issuer.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.claims.iss.as_deref()
    }

    /// Returns the unverified subject. In a client assertion, this is the client ID.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.claims.sub.as_deref()
    }
}

/// Decodes base64url without padding. Only the canonical form is accepted, so that one token has
/// one spelling.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, JwtError> {
    let bytes = URL_SAFE_NO_PAD.decode(text);
    bytes.map_err(|_| JwtError::Malformed)
}

/// Maximum length of an accepted token, in bytes.
pub const MAX_TOKEN: usize = 16 * 1024;
