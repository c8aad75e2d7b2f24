use std::fmt;

use aws_lc_rs::constant_time;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::AuthorityError;

/// 256 random bits that somebody is given once, and that nobody keeps.
///
/// What is kept is its [`SecretHash`]. As the bits are random, no slow hash is needed.
pub struct Secret(String);

impl Secret {
    /// A new secret, which begins with `prefix` so that scanners and people know it.
    ///
    /// # Errors
    ///
    /// When the system has no random numbers.
    pub fn generate(prefix: &str) -> Result<Self, AuthorityError> {
        let mut bits = [0; 32];
        rand::fill(&mut bits).map_err(|_| AuthorityError::Random)?;
        Ok(Self(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bits))))
    }

    /// What is to be kept of it.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(&self.0)
    }

    /// The secret itself, for whom it is meant.
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

/// The SHA-256 of a secret.
#[derive(Clone, Deserialize, Serialize)]
#[serde(transparent)]
pub struct SecretHash(String);

impl SecretHash {
    /// The hash of what somebody presents.
    #[must_use]
    pub fn of(presented: &str) -> Self {
        let hash = digest(&SHA256, presented.as_bytes());
        Self(URL_SAFE_NO_PAD.encode(hash))
    }

    /// Whether `presented` is the secret. Takes the same time, however much of it is right.
    #[must_use]
    pub fn matches(&self, presented: &str) -> bool {
        let presented = Self::of(presented);
        constant_time::verify_slices_are_equal(self.0.as_bytes(), presented.0.as_bytes()).is_ok()
    }

    /// The hash as text that can be part of a key.
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

/// A random identifier of 128 bits, which is not a secret.
pub(crate) fn identifier(prefix: &str) -> Result<String, AuthorityError> {
    let mut bits = [0; 16];
    rand::fill(&mut bits).map_err(|_| AuthorityError::Random)?;
    Ok(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bits)))
}
