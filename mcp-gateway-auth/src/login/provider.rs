use std::fmt;

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcp_gateway_core::BoxError;

use super::refusal::Refusal;
use crate::AuthorityError;
use crate::clock::Clock;
use crate::users::{Claimant, Identity};

/// Says who somebody is, after they have been there with their browser.
#[async_trait]
pub(super) trait IdentityProvider: fmt::Debug + Send + Sync + 'static {
    /// Its name in addresses.
    fn id(&self) -> &str;

    /// Its name for people.
    fn label(&self) -> &str;

    /// What tells its subjects from those of others.
    fn issuer(&self) -> &str;

    /// Where the browser is sent.
    async fn address(&self, trip: &Trip) -> Result<String, ProviderError>;

    /// Who has come back with `answer`, and whether they may log in.
    async fn identify(&self, trip: &Trip, answer: &Answer) -> Result<Claimant, ProviderError>;

    /// Whether somebody may log in who was `identity` the last time.
    fn allows(&self, identity: &Identity) -> bool;
}

/// A way of a browser to a provider and back.
#[derive(Clone)]
pub(super) struct Trip {
    pub(super) clock: Clock,
    pub(super) redirect_uri: String,
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) verifier: String,
}

impl Trip {
    /// What a provider is told of the verifier in the first place.
    ///
    /// See [RFC 7636](https://www.rfc-editor.org/rfc/rfc7636#section-4.2).
    pub(super) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, self.verifier.as_bytes()))
    }
}

impl fmt::Debug for Trip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trip").finish_non_exhaustive()
    }
}

/// What a browser brings back.
pub(super) struct Answer {
    pub(super) code: String,
    pub(super) iss: Option<String>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}

/// Why it is not known who somebody is.
#[derive(Debug)]
pub(super) enum ProviderError {
    /// What came back is not what the provider gives to us for this trip.
    Invalid(BoxError),
    /// They are known, by this name, and may not log in.
    NotAllowed(String),
    /// The provider does not answer, or not in a way that is understood.
    Unavailable(BoxError),
}

impl ProviderError {
    pub(super) fn invalid(error: impl Into<BoxError>) -> Self {
        Self::Invalid(error.into())
    }

    pub(super) fn unavailable(error: impl Into<BoxError>) -> Self {
        Self::Unavailable(error.into())
    }
}

impl From<ProviderError> for Refusal {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::Invalid(error) => {
                tracing::warn!(error, "an identity provider's answer is refused");
                Self::Forged
            }
            ProviderError::NotAllowed(name) => Self::NotAllowed(name),
            ProviderError::Unavailable(error) => AuthorityError::Provider(error).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_the_rfc() {
        let trip = Trip {
            clock: Clock::system(),
            redirect_uri: String::new(),
            state: String::new(),
            nonce: String::new(),
            verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned(),
        };
        assert_eq!(
            trip.challenge(),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
        assert_eq!(format!("{trip:?}"), "Trip { .. }");
    }
}
