//! Password hashing with Argon2id (RFC 9106), with bounded concurrency.
//!
//! A hash costs 19 MiB and tens of milliseconds of CPU time. Without a bound, a flood of login
//! attempts would exhaust both. Attempts beyond the bound are rejected as busy.

use std::fmt;
use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc;
use argon2::{PasswordHasher, PasswordVerifier};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::UserError;
use crate::AuthServerError;

/// The Argon2id hash of a password in PHC format, with its salt and parameters.
#[derive(Clone, Deserialize, Serialize)]
#[serde(transparent)]
pub(super) struct PasswordHash(String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHash").finish_non_exhaustive()
    }
}

/// Hashes and verifies passwords on blocking threads, a few at a time. Cheap to clone.
#[derive(Clone)]
pub(super) struct Passwords {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Passwords {
    /// Creates a hasher with its own limits.
    pub(super) fn new() -> Self {
        Self {
            running: Arc::new(Semaphore::new(MAX_RUNNING)),
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
        }
    }

    /// Hashes a password with a random salt.
    ///
    /// # Errors
    ///
    /// [`UserError::Password`] if the length is invalid.
    pub(super) async fn hash(&self, password: &str) -> Result<PasswordHash, UserError> {
        if !(MIN_PASSWORD..=MAX_PASSWORD).contains(&password.len()) {
            return Err(UserError::Password);
        }
        let password = password.to_owned();
        let hash = self.run(move || hash(&password)).await?;
        Ok(hash?)
    }

    /// Returns `true` if `password` matches `hash`. Takes as long if there is no hash.
    pub(super) async fn verify(
        &self,
        password: String,
        hash: Option<PasswordHash>,
    ) -> Result<bool, AuthServerError> {
        let is_known = hash.is_some();
        let hash = hash.map_or_else(|| NOBODY.to_owned(), |PasswordHash(hash)| hash);
        let is_right = self.run(move || verify(&password, &hash)).await?;
        Ok(is_right && is_known)
    }

    /// Runs `work` on a blocking thread, within the limits.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, AuthServerError> {
        let waiting = Arc::clone(&self.waiting).try_acquire_owned();
        let waiting = waiting.map_err(|_| AuthServerError::Busy)?;
        let running = Arc::clone(&self.running).acquire_owned().await;
        let running = running.map_err(|_| AuthServerError::Busy)?;
        // The work owns its permits: it runs to its end even if the caller is dropped.
        let result = spawn_blocking(move || {
            let _permits = (waiting, running);
            work()
        });
        result.await.map_err(|_| AuthServerError::Busy)
    }
}

/// Hashes a password with the default parameters of Argon2id.
fn hash(password: &str) -> Result<PasswordHash, AuthServerError> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    let hash: phc::PasswordHash = hash.map_err(|_| AuthServerError::Random)?;
    Ok(PasswordHash(hash.to_string()))
}

/// Returns `true` if `password` matches the PHC string `hash`.
fn verify(password: &str, hash: &str) -> bool {
    if password.len() > MAX_PASSWORD {
        return false;
    }
    let Ok(hash) = phc::PasswordHash::new(hash) else {
        return false;
    };
    Argon2::default()
        .verify_password(password.as_bytes(), &hash)
        .is_ok()
}

/// Maximum number of concurrent hashes. Each needs 19 MiB and a core for tens of milliseconds.
const MAX_RUNNING: usize = 2;

/// Maximum number of pending hashes. Beyond that, the wait would exceed the patience of users.
const MAX_WAITING: usize = 64;

/// Minimum length by NIST SP 800-63B and OWASP, in bytes.
const MIN_PASSWORD: usize = 8;
const MAX_PASSWORD: usize = 1024;

/// A hash that no password has, with the same parameters as all others.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$\
                      AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_is() {
        let passwords = Passwords::new();
        let hash = passwords.hash("correct horse").await.unwrap();
        assert!(hash.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let verify = async |password: &str, hash: Option<&PasswordHash>| {
            passwords
                .verify(password.to_owned(), hash.cloned())
                .await
                .unwrap()
        };
        assert!(verify("correct horse", Some(&hash)).await);
        assert!(!verify("correct horsf", Some(&hash)).await);
        assert!(!verify("", Some(&hash)).await);
        assert!(!verify("correct horse", None).await);
        assert_eq!(format!("{hash:?}"), "PasswordHash { .. }");
        for wrong in ["", "1234567", &"x".repeat(1025)] {
            assert!(matches!(
                passwords.hash(wrong).await,
                Err(UserError::Password)
            ));
        }
    }

    #[test]
    fn o28_a_name_that_nobody_has_costs_the_same() {
        let hash = phc::PasswordHash::new(NOBODY).unwrap();
        let ours = super::hash("anything").unwrap();
        let ours = phc::PasswordHash::new(&ours.0).unwrap();
        assert_eq!(hash.algorithm, ours.algorithm);
        assert_eq!(hash.params, ours.params);
        assert_eq!(hash.hash.unwrap().len(), ours.hash.unwrap().len());
        assert_eq!(hash.salt.unwrap().len(), ours.salt.unwrap().len());
    }
}
