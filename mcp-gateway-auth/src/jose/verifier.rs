//! Verification of JWTs against local keys and a [`Validation`]. The signature is verified before
//! the claims.

use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;

use super::claims::Claims;
use super::error::JwtError;
use super::expectation::Validation;
use super::header::Header;
use super::set::{KeySet, VerificationKey};
use super::token::UnverifiedJwt;
use crate::clock::Clock;

/// Verifies JWTs. Stateless and cheap to clone.
///
/// See the [module documentation](super) for the checks and an example.
#[derive(Clone, Debug, Default)]
pub struct JwtVerifier {
    clock: Clock,
}

/// A JWT with a valid signature and the expected properties.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct VerifiedJwt {
    /// The verified header.
    pub header: Header,
    /// The verified claims.
    pub claims: Claims,
}

impl JwtVerifier {
    /// Creates a verifier that validates times against `clock`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock }
    }

    /// Verifies that `token` was signed with one of `keys` and meets `expectation`.
    ///
    /// # Errors
    ///
    /// A [`JwtError`] with the first check that failed.
    pub fn verify(
        &self,
        token: &str,
        keys: &KeySet,
        expectation: &Validation,
    ) -> Result<VerifiedJwt, JwtError> {
        self.verify_parsed(UnverifiedJwt::parse(token)?, keys, expectation)
    }

    /// Validates everything but the signature.
    pub(crate) fn check_unsigned(
        &self,
        token: &UnverifiedJwt<'_>,
        expectation: &Validation,
    ) -> Result<(), JwtError> {
        expectation.check_header(&token.header)?;
        expectation.check_claims(&token.claims, self.clock.now())
    }

    /// Verifies a parsed token, as [`verify`](Self::verify) does.
    ///
    /// Use this if the keys depend on the unverified issuer or subject.
    ///
    /// # Errors
    ///
    /// A [`JwtError`] with the first check that failed.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_auth::Clock;
    /// use mcp_gateway_auth::jose::{
    ///     Algorithm, Validation, JwkSet, JwtError, JwtVerifier, KeySet, SigningKey, UnverifiedJwt,
    /// };
    /// use serde_json::json;
    ///
    /// # fn main() -> Result<(), JwtError> {
    /// let clock = Clock::fixed(1_800_000_000);
    /// let one = SigningKey::generate(Algorithm::Es256)?;
    /// let other = SigningKey::generate(Algorithm::Es256)?;
    /// let token = one.sign("at+jwt", &json!({
    ///     "iss": "https://one.example.com",
    ///     "aud": "https://gw.example.com/mcp",
    ///     "exp": clock.now() + 60,
    /// }))?;
    ///
    /// // The claimed issuer selects the keys; it is trusted only after the verification.
    /// let parsed = UnverifiedJwt::parse(&token)?;
    /// let key = match parsed.issuer() {
    ///     Some("https://one.example.com") => &one,
    ///     _ => &other,
    /// };
    /// let keys = KeySet::from(&JwkSet::new([key.public().clone()]));
    /// let expectation = Validation::new("https://one.example.com", "https://gw.example.com/mcp");
    /// let verifier = JwtVerifier::new(clock);
    /// assert!(verifier.verify_parsed(parsed, &keys, &expectation).is_ok());
    ///
    /// let foreign = KeySet::from(&JwkSet::new([other.public().clone()]));
    /// let rejected = verifier.verify(&token, &foreign, &expectation);
    /// assert!(matches!(rejected, Err(JwtError::Key)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn verify_parsed(
        &self,
        token: UnverifiedJwt<'_>,
        keys: &KeySet,
        expectation: &Validation,
    ) -> Result<VerifiedJwt, JwtError> {
        expectation.check_header(&token.header)?;
        check_signature(&token, keys)?;
        expectation.check_claims(&token.claims, self.clock.now())?;
        Ok(VerifiedJwt {
            header: token.header,
            claims: token.claims,
        })
    }
}

/// Verifies the signature with each candidate key.
///
/// # Errors
///
/// [`JwtError::Key`] if there is no candidate, and [`JwtError::Signature`] if none of them verifies
/// the token.
fn check_signature(token: &UnverifiedJwt<'_>, keys: &KeySet) -> Result<(), JwtError> {
    let mut error = JwtError::Key;
    for key in keys.candidates(&token.header).take(MAX_CANDIDATES) {
        if is_signed(token, key) {
            return Ok(());
        }
        error = JwtError::Signature;
    }
    Err(error)
}

/// Returns `true` if `key` verifies the signature of `token`.
pub(super) fn is_signed(token: &UnverifiedJwt<'_>, key: &VerificationKey) -> bool {
    // Not through the process-wide provider: another crate may have installed one that accepts
    // short keys. Without a provider, the library panics.
    let verifier =
        (DEFAULT_PROVIDER.verifier_factory)(&token.header.algorithm.foreign(), key.decoding());
    let message = token.message.as_bytes();
    verifier.is_ok_and(|verifier| verifier.verify(message, &token.signature).is_ok())
}

/// Maximum number of keys that are tried for a token without a key ID. It bounds the CPU time of an
/// unauthenticated request.
const MAX_CANDIDATES: usize = 10;
