//! Tokens that prove who calls.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use mcp_gateway_core::BoxError;
use mcp_gateway_core::auth::{Assertion, Principal};

use crate::bearer::TokenDigest;
use crate::token::ExternalToken;

/// Source of the tokens with which callers prove their identity to an authorization server.
#[async_trait]
pub trait SubjectTokens: fmt::Debug + Send + Sync + 'static {
    /// Returns the token of `principal`; `None` if there is none.
    ///
    /// # Errors
    ///
    /// Any error if that cannot be determined.
    async fn subject_token(&self, principal: &Principal) -> Result<Option<SubjectToken>, BoxError>;

    /// Returns the address at which `principal` gets such a token by logging in; `None`, the default,
    /// if there is none.
    fn login_url(&self, principal: &Principal) -> Option<Arc<str>> {
        let _ = principal;
        None
    }
}

/// Token that proves the identity of a caller (RFC 8693, section 2.1: `subject_token`).
#[derive(Clone)]
pub struct SubjectToken {
    token: Assertion,
    kind: SubjectTokenType,
    digest: TokenDigest,
}

/// Type of a token (RFC 8693, section 3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SubjectTokenType {
    /// Access token.
    AccessToken,
    /// ID token of OpenID Connect.
    IdToken,
    /// JWT of another purpose.
    Jwt,
}

impl SubjectToken {
    /// Creates a token of the type `kind`.
    #[must_use]
    pub fn new(token: Assertion, kind: SubjectTokenType) -> Self {
        let digest = TokenDigest::of(token.expose());
        Self {
            token,
            kind,
            digest,
        }
    }

    /// Returns the token.
    pub(super) fn expose(&self) -> String {
        self.token.expose().to_owned()
    }

    /// Returns the type.
    pub(super) fn kind(&self) -> SubjectTokenType {
        self.kind
    }

    /// Returns the digest, by which exchanged tokens are cached.
    pub(super) fn digest(&self) -> TokenDigest {
        self.digest
    }
}

impl fmt::Debug for SubjectToken {
    /// Omits the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubjectToken")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl SubjectTokenType {
    /// Returns the identifier.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "urn:ietf:params:oauth:token-type:access_token",
            Self::IdToken => "urn:ietf:params:oauth:token-type:id_token",
            Self::Jwt => "urn:ietf:params:oauth:token-type:jwt",
        }
    }
}

/// Tokens that callers have presented to the gateway, if a certain issuer has issued them.
///
/// It requires a verifier that [keeps](crate::token::BearerVerifier::with_external_assertion) such
/// tokens. Those of the gateway itself are never used: another server must not learn them.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::client::{PresentedTokens, SubjectTokenType, SubjectTokens};
/// use mcp_gateway_auth::token::ExternalToken;
/// use mcp_gateway_core::auth::{Assertion, Principal};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), mcp_gateway_core::BoxError> {
/// let idp = "https://idp.example.com";
/// let tokens = PresentedTokens::new(idp, SubjectTokenType::AccessToken);
/// let alice = Principal::new("alice").with_assertion(Assertion::new("eyJhbGciOi"));
/// assert!(tokens.subject_token(&alice).await?.is_none());
/// let alice = alice.with_extension(ExternalToken::new(idp, ["gateway".to_owned()], 1_900_000_000));
/// assert!(tokens.subject_token(&alice).await?.is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct PresentedTokens {
    issuer: Arc<str>,
    kind: SubjectTokenType,
}

impl PresentedTokens {
    /// Uses tokens of `issuer`, which have the type `kind`.
    #[must_use]
    pub fn new(issuer: impl Into<Arc<str>>, kind: SubjectTokenType) -> Self {
        let issuer = issuer.into();
        Self { issuer, kind }
    }
}

#[async_trait]
impl SubjectTokens for PresentedTokens {
    async fn subject_token(&self, principal: &Principal) -> Result<Option<SubjectToken>, BoxError> {
        let external = ExternalToken::of(principal);
        let is_theirs = external.is_some_and(|token| *token.issuer() == *self.issuer);
        let presented = principal.assertion().filter(|_| is_theirs);
        Ok(presented.map(|token| SubjectToken::new(token.clone(), self.kind)))
    }
}
