//! Random secrets, such as client secrets and tokens, and the hashes that are stored of them.

use std::fmt;

use aws_lc_rs::constant_time;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::AuthServerError;

/// A random secret of 256 bits, which is shown once and never stored.
///
/// Store its [`SecretHash`]. A slow password hash is unnecessary, because a random secret cannot be
/// guessed. `Debug` does not show it.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::Secret;
///
/// # fn main() -> Result<(), mcp_gateway_auth::AuthServerError> {
/// let secret = Secret::generate("mcpgw_")?;
/// assert!(secret.expose().starts_with("mcpgw_"));
/// assert!(!format!("{secret:?}").contains("mcpgw_"));
///
/// let stored = secret.hash();
/// assert!(stored.matches(secret.expose()));
/// assert!(!stored.matches("mcpgw_guess"));
/// # Ok(())
/// # }
/// ```
pub struct Secret(String);

impl Secret {
    /// Generates a secret with the prefix `prefix`, by which secret scanners recognize it.
    ///
    /// # Errors
    ///
    /// [`AuthServerError::Random`] if the system has no random numbers.
    pub fn generate(prefix: &str) -> Result<Self, AuthServerError> {
        let mut bits = [0; 32];
        rand::fill(&mut bits).map_err(|_| AuthServerError::Random)?;
        Ok(Self(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bits))))
    }

    /// Returns the hash to be stored.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        SecretHash::digest(&self.0)
    }

    /// Returns the secret, for its owner.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").finish_non_exhaustive()
    }
}

/// The SHA-256 of a secret, as base64url.
#[derive(Clone, Deserialize, Serialize)]
#[serde(transparent)]
pub struct SecretHash(String);

impl SecretHash {
    /// Hashes a presented secret.
    #[must_use]
    pub fn digest(presented: &str) -> Self {
        let hash = digest(&SHA256, presented.as_bytes());
        Self(URL_SAFE_NO_PAD.encode(hash))
    }

    /// Returns `true` if `presented` is the secret. The comparison takes constant time.
    #[must_use]
    pub fn matches(&self, presented: &str) -> bool {
        let presented = Self::digest(presented);
        constant_time::verify_slices_are_equal(self.0.as_bytes(), presented.0.as_bytes()).is_ok()
    }

    /// Returns the hash as text, which may be part of a store key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretHash").finish_non_exhaustive()
    }
}

/// Generates a random identifier of 128 bits, which is not a secret.
#[cfg(any(feature = "login", feature = "server"))]
pub(crate) fn random_id(prefix: &str) -> Result<String, AuthServerError> {
    let mut bits = [0; 16];
    rand::fill(&mut bits).map_err(|_| AuthServerError::Random)?;
    Ok(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bits)))
}
