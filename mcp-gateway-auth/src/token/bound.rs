//! Tokens that are bound to a key, at a resource (RFC 9449, section 7).

use std::sync::Arc;

use http::request::Parts;
use mcp_gateway_core::auth::AuthError;
use url::Url;

use crate::dpop::{DpopError, DpopTarget, DpopVerifier};

/// Acceptance of bound tokens at a resource. Cheap to clone.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::Clock;
/// use mcp_gateway_auth::dpop::DpopVerifier;
/// use mcp_gateway_auth::token::BoundTokens;
///
/// let url = "https://gw.example.com/mcp".parse().unwrap();
/// let accepted = BoundTokens::new(DpopVerifier::new(Clock::system()), [&url]);
/// assert!(!accepted.are_required());
/// assert!(accepted.required().are_required());
/// ```
#[derive(Clone, Debug)]
pub struct BoundTokens {
    verifier: DpopVerifier,
    origins: Arc<[String]>,
    are_required: bool,
}

impl BoundTokens {
    /// Accepts bound tokens at the origins of `urls`, by which clients address the resource.
    #[must_use]
    pub fn new<'a>(verifier: DpopVerifier, urls: impl IntoIterator<Item = &'a Url>) -> Self {
        let urls = urls.into_iter();
        let mut origins: Vec<_> = urls.map(|url| url.origin().ascii_serialization()).collect();
        origins.sort_unstable();
        origins.dedup();
        Self {
            verifier,
            origins: origins.into(),
            are_required: false,
        }
    }

    /// Rejects all other tokens.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.are_required = true;
        self
    }

    /// Returns `true` if all other tokens are rejected.
    #[must_use]
    pub fn are_required(&self) -> bool {
        self.are_required
    }

    /// Verifies that the sender of `request`, whose `token` is bound to `key`, has that key.
    pub(super) fn check(&self, request: &Parts, token: &str, key: &str) -> Result<(), AuthError> {
        let target = DpopTarget::new(&request.method, &self.origins, request.uri.path());
        let proven = self
            .verifier
            .verify(&request.headers, &target.with_token(token));
        match proven {
            Ok(proven) if proven == key => Ok(()),
            // The token of somebody else.
            Ok(_) => Err(AuthError::InvalidToken),
            Err(DpopError::Nonce(nonce)) => Err(AuthError::NonceRequired {
                nonce: nonce.into(),
            }),
            Err(error) => {
                tracing::debug!(%error, "DPoP proof rejected");
                Err(AuthError::InvalidProof)
            }
        }
    }
}
