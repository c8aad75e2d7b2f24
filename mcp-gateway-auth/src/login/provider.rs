//! The interface to identity providers.

use std::fmt;

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcp_gateway_core::BoxError;

use super::error::LoginError;
use crate::AuthServerError;
use crate::clock::Clock;
use crate::users::{ExternalIdentity, LinkedIdentity};

/// Identifies users after a redirect of their browser to the provider and back.
#[async_trait]
pub(super) trait IdentityProvider: fmt::Debug + Send + Sync + 'static {
    /// Returns the identifier in paths.
    fn id(&self) -> &str;

    /// Returns the display name.
    fn label(&self) -> &str;

    /// Returns the issuer, which qualifies subjects.
    fn issuer(&self) -> &str;

    /// Returns the authorization URL to which the browser is redirected.
    async fn authorization_url(
        &self,
        transaction: &LoginTransaction,
    ) -> Result<String, ProviderError>;

    /// Redeems the authorization response, and returns the external identity if it is allowed.
    async fn identify(
        &self,
        transaction: &LoginTransaction,
        answer: &AuthorizationResponse,
    ) -> Result<ExternalIdentity, ProviderError>;

    /// Returns `true` if the current configuration allows a previously asserted identity.
    fn allows(&self, identity: &LinkedIdentity) -> bool;
}

/// A login transaction: the parameters of one login at a provider.
#[derive(Clone)]
pub(super) struct LoginTransaction {
    pub(super) clock: Clock,
    pub(super) redirect_uri: String,
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) verifier: String,
}

impl LoginTransaction {
    /// Returns the PKCE code challenge of the verifier, with the method `S256`.
    ///
    /// See [RFC 7636, section 4.2](https://www.rfc-editor.org/rfc/rfc7636#section-4.2).
    pub(super) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, self.verifier.as_bytes()))
    }
}

impl fmt::Debug for LoginTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginTransaction").finish_non_exhaustive()
    }
}

/// A successful authorization response. `Debug` does not show the code.
pub(super) struct AuthorizationResponse {
    pub(super) code: String,
    pub(super) iss: Option<String>,
}

impl fmt::Debug for AuthorizationResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationResponse")
            .finish_non_exhaustive()
    }
}

/// The reason for which a user could not be identified.
#[derive(Debug)]
pub(super) enum ProviderError {
    /// The response does not belong to this login, or is invalid.
    Invalid(BoxError),
    /// The user with this name is identified and not allowed.
    NotAllowed(String),
    /// The provider does not respond, or its response is malformed.
    Unavailable(BoxError),
}

impl ProviderError {
    /// Wraps the cause of an invalid response.
    pub(super) fn invalid(error: impl Into<BoxError>) -> Self {
        Self::Invalid(error.into())
    }

    /// Wraps the cause of an unavailable provider.
    pub(super) fn unavailable(error: impl Into<BoxError>) -> Self {
        Self::Unavailable(error.into())
    }
}

impl From<ProviderError> for LoginError {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::Invalid(error) => {
                tracing::warn!(error, "response of identity provider rejected");
                Self::Forged
            }
            ProviderError::NotAllowed(name) => Self::NotAllowed(name),
            ProviderError::Unavailable(error) => AuthServerError::Provider(error).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_the_rfc() {
        let transaction = LoginTransaction {
            clock: Clock::system(),
            redirect_uri: String::new(),
            state: String::new(),
            nonce: String::new(),
            verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned(),
        };
        assert_eq!(
            transaction.challenge(),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
        assert_eq!(format!("{transaction:?}"), "LoginTransaction { .. }");
    }
}
