use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::claims::Claims;
use super::error::JwtError;
use super::header::Header;

/// A JWT whose signature nobody has looked at.
///
/// What it says is good for choosing the keys to verify it with, and for nothing else.
#[derive(Debug)]
pub struct Unverified<'a> {
    pub(super) header: Header,
    pub(super) claims: Claims,
    /// What is signed.
    pub(super) message: &'a str,
    pub(super) signature: Vec<u8>,
}

impl<'a> Unverified<'a> {
    /// Takes `token` apart.
    ///
    /// # Errors
    ///
    /// When it is longer than [`MAX_TOKEN`], or not a signed JWT.
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

    /// What the header says.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Who it says has issued it.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.claims.iss.as_deref()
    }

    /// Whom it says it is about; of a client assertion, the client.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.claims.sub.as_deref()
    }
}

/// Takes nothing but the one canonical form.
fn decode(text: &str) -> Result<Vec<u8>, JwtError> {
    let bytes = URL_SAFE_NO_PAD.decode(text);
    bytes.map_err(|_| JwtError::Malformed)
}

/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN: usize = 16 * 1024;
