//! Opaque access tokens: sealed JWTs.

use std::borrow::Cow;

use crate::{AuthServerError, Keyring};

/// Seals JWTs into access tokens that only this server can read. Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::server) struct OpaqueTokens(Keyring);

impl OpaqueTokens {
    /// Seals with the keys of `keyring`.
    pub(in crate::server) fn new(keyring: Keyring) -> Self {
        Self(keyring)
    }

    /// Returns an opaque token for `jwt`.
    pub(in crate::server) fn seal(&self, jwt: &str) -> Result<String, AuthServerError> {
        let sealed = self.0.sealer().seal(PURPOSE, jwt.as_bytes());
        let sealed = sealed.map_err(|_| AuthServerError::Random)?;
        Ok(format!("{PREFIX}{sealed}"))
    }

    /// Returns the JWT of `token`, which is opaque or already a JWT. Returns `None` if an opaque
    /// token is invalid.
    pub(in crate::server) fn open<'t>(&self, token: &'t str) -> Option<Cow<'t, str>> {
        let Some(sealed) = token.strip_prefix(PREFIX) else {
            return Some(Cow::Borrowed(token));
        };
        let plain = self.0.sealer().open(PURPOSE, sealed)?;
        String::from_utf8(plain).ok().map(Cow::Owned)
    }
}

/// Prefix for secret scanners.
const PREFIX: &str = "mcpa_";

/// Purpose of the seal.
const PURPOSE: &str = "access token";
