use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;

use super::claims::Claims;
use super::error::JwtError;
use super::expectation::Expectation;
use super::header::Header;
use super::token::Unverified;
use crate::clock::Clock;
use crate::jwks::{KeySet, RemoteKeys, VerificationKey};

/// Verifies JWTs.
///
/// See the [module documentation](super) for what it looks at, and an example.
#[derive(Clone, Debug, Default)]
pub struct JwtVerifier {
    clock: Clock,
}

/// A JWT that is what it was presented as.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Verified {
    /// Its header.
    pub header: Header,
    /// What it says.
    pub claims: Claims,
}

impl JwtVerifier {
    /// Verifies by the time of `clock`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock }
    }

    /// Verifies that `token` is what is expected, and signed with one of `keys`.
    ///
    /// # Errors
    ///
    /// [`JwtError`] says why it is not.
    pub fn verify(
        &self,
        token: &str,
        keys: &KeySet,
        expectation: &Expectation,
    ) -> Result<Verified, JwtError> {
        self.verify_parsed(Unverified::parse(token)?, keys, expectation)
    }

    /// Verifies that `token` is what is expected, and signed with a key of the issuer `keys`.
    ///
    /// # Errors
    ///
    /// [`JwtError`] says why it is not; [`JwtError::Keys`], why that cannot be told.
    ///
    /// # Cancel safety
    ///
    /// A fetch of keys goes on for others when this is dropped.
    pub async fn verify_remote(
        &self,
        token: &str,
        keys: &RemoteKeys,
        expectation: &Expectation,
    ) -> Result<Verified, JwtError> {
        let token = Unverified::parse(token)?;
        // Before strangers can make keys be fetched with tokens that would be refused anyway.
        expectation.check_header(&token.header)?;
        expectation.check_claims(&token.claims, self.clock.now())?;
        let keys = keys.keys(token.header.kid.as_deref()).await;
        self.verify_parsed(token, &*keys.map_err(JwtError::Keys)?, expectation)
    }

    /// As [`verify`](Self::verify), of a token that was taken apart before.
    ///
    /// # Errors
    ///
    /// [`JwtError`] says why it is not what is expected.
    pub fn verify_parsed(
        &self,
        token: Unverified<'_>,
        keys: &KeySet,
        expectation: &Expectation,
    ) -> Result<Verified, JwtError> {
        expectation.check_header(&token.header)?;
        check_signature(&token, keys)?;
        expectation.check_claims(&token.claims, self.clock.now())?;
        Ok(Verified {
            header: token.header,
            claims: token.claims,
        })
    }
}

fn check_signature(token: &Unverified<'_>, keys: &KeySet) -> Result<(), JwtError> {
    let mut error = JwtError::Key;
    for key in keys.candidates(&token.header).take(MAX_CANDIDATES) {
        if is_signed(token, key) {
            return Ok(());
        }
        error = JwtError::Signature;
    }
    Err(error)
}

fn is_signed(token: &Unverified<'_>, key: &VerificationKey) -> bool {
    // Not through the provider of the process: another crate may have installed one that takes
    // short keys, or none, in which case the library panics.
    let verifier =
        (DEFAULT_PROVIDER.verifier_factory)(&token.header.algorithm.foreign(), key.decoding());
    let message = token.message.as_bytes();
    verifier.is_ok_and(|verifier| verifier.verify(message, &token.signature).is_ok())
}

/// How many keys are tried on a token that does not say with which one it was signed.
const MAX_CANDIDATES: usize = 10;
