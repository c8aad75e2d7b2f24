//! Verification of JWTs with the keys of a remote issuer.
//!
//! The claims are validated before the keys are fetched: an unauthenticated sender must not cause
//! requests to an issuer with tokens that are rejected anyway.

use super::remote::RemoteJwks;
use crate::jose::{JwtError, JwtVerifier, UnverifiedJwt, Validation, VerifiedJwt};

impl JwtVerifier {
    /// Verifies that `token` was signed with a key of the issuer `keys` and meets `expectation`.
    ///
    /// Keys are fetched only if the header and the claims of the token are acceptable.
    ///
    /// # Errors
    ///
    /// A [`JwtError`] with the first check that failed. [`JwtError::Keys`] means that the keys are
    /// unavailable, and the token could not be verified.
    ///
    /// # Cancel safety
    ///
    /// A fetch of keys continues for other callers if this future is dropped.
    pub async fn verify_remote(
        &self,
        token: &str,
        keys: &RemoteJwks,
        expectation: &Validation,
    ) -> Result<VerifiedJwt, JwtError> {
        let token = UnverifiedJwt::parse(token)?;
        // An unauthenticated sender must not trigger a fetch with a token that is rejected anyway.
        self.check_unsigned(&token, expectation)?;
        let keys = keys.keys(token.header().kid.as_deref()).await;
        self.verify_parsed(token, &*keys.map_err(JwtError::Keys)?, expectation)
    }
}
