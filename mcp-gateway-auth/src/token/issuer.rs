//! Verification of JWT access tokens of external issuers (RFC 9068).

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use mcp_gateway_core::auth::AuthError;

use super::{ClaimMapping, ExternalToken, TokenVerifier, VerifiedToken};
use crate::clock::Clock;
use crate::jose::{JwtError, JwtVerifier, KeySet, UnverifiedJwt, Validation, VerifiedJwt};
use crate::jwks::RemoteJwks;

/// An identity provider that issues JWT access tokens.
///
/// The [`Validation`] defines what its tokens must contain. The one of RFC 9068 fits many
/// providers; others need their own one, for example because they use `typ: JWT`:
///
/// ```
/// use mcp_gateway_auth::egress::{Egress, EgressPolicy};
/// use mcp_gateway_auth::jose::{Algorithm, Validation};
/// use mcp_gateway_auth::jwks::RemoteJwks;
/// use mcp_gateway_auth::token::{ClaimMapping, ExternalIssuers, Issuer, TokenVerifier};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let realm = "https://keycloak.example.com/realms/staff";
/// let expectation = Validation::new(realm, "https://gw.example.com/mcp")
///     .with_types(["JWT"])
///     .with_algorithms([Algorithm::Rs256])
///     .with_required(["azp"]);
/// let keys = RemoteJwks::discover(realm, Egress::new(EgressPolicy::new())?);
/// let issuer = Issuer::new(expectation, keys)
///     .with_mapping(ClaimMapping::new().with_groups("/realm_access/roles"))
///     .with_required_scope("mcp");
///
/// // Tokens of other issuers are left to other verifiers; no keys are fetched for them.
/// let issuers = ExternalIssuers::new([issuer]);
/// assert!(issuers.verify_token("opaque").await?.is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Issuer {
    expectation: Validation,
    keys: IssuerKeys,
    mapping: ClaimMapping,
    scopes: Vec<Arc<str>>,
}

/// The keys of an issuer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum IssuerKeys {
    /// A fixed set.
    Fixed(Arc<KeySet>),
    /// The set that the issuer publishes.
    Remote(RemoteJwks),
}

impl From<KeySet> for IssuerKeys {
    fn from(keys: KeySet) -> Self {
        Self::Fixed(Arc::new(keys))
    }
}

impl From<RemoteJwks> for IssuerKeys {
    fn from(keys: RemoteJwks) -> Self {
        Self::Remote(keys)
    }
}

impl IssuerKeys {
    /// Verifies that `token` was signed with one of the keys, and meets `expectation`.
    pub(crate) async fn verify(
        &self,
        verifier: &JwtVerifier,
        token: &str,
        expectation: &Validation,
    ) -> Result<VerifiedJwt, JwtError> {
        match self {
            Self::Fixed(keys) => verifier.verify(token, keys, expectation),
            Self::Remote(keys) => verifier.verify_remote(token, keys, expectation).await,
        }
    }
}

impl Issuer {
    /// Creates the issuer of `expectation` with `keys`.
    #[must_use]
    pub fn new(expectation: Validation, keys: impl Into<IssuerKeys>) -> Self {
        Self {
            expectation,
            keys: keys.into(),
            mapping: ClaimMapping::new(),
            scopes: Vec::new(),
        }
    }

    /// Sets the mapping of claims to principals.
    #[must_use]
    pub fn with_mapping(mut self, mapping: ClaimMapping) -> Self {
        self.mapping = mapping;
        self
    }

    /// Rejects tokens without `scope`.
    #[must_use]
    pub fn with_required_scope(mut self, scope: impl Into<Arc<str>>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// Maps a verified token to its principal.
    fn accept(&self, verified: &VerifiedJwt) -> Result<VerifiedToken, AuthError> {
        let claims = &verified.claims;
        let principal = self.mapping.principal(self.expectation.issuer(), claims);
        let principal = principal.ok_or(AuthError::InvalidToken)?;
        let has = |scope: &Arc<str>| principal.scopes().contains(scope);
        if !self.scopes.iter().all(has) {
            let scopes = self.scopes.clone();
            return Err(AuthError::InsufficientScope { scopes });
        }
        let external = ExternalToken::of_claims(self.expectation.issuer(), claims);
        let token = VerifiedToken::new(principal, claims.exp.unwrap_or(0));
        let token = token.bound_by(claims).ok_or(AuthError::InvalidToken)?;
        Ok(token.identified_by(claims).with_extension(external))
    }
}

/// Verifies the JWTs of several identity providers.
///
/// The unverified `iss` of a token only selects the issuer: its keys are tried, and those of no
/// other. Tokens of unlisted issuers are left to other verifiers.
///
/// See the [module documentation](super) and [`Issuer`] for examples.
#[derive(Clone, Debug)]
#[doc(alias("JWT", "OIDC", "RFC 9068"))]
pub struct ExternalIssuers {
    issuers: HashMap<String, Issuer>,
    verifier: JwtVerifier,
}

impl ExternalIssuers {
    /// Accepts `issuers`. Of two with the same identifier, the last one counts.
    #[must_use]
    pub fn new(issuers: impl IntoIterator<Item = Issuer>) -> Self {
        let named = |issuer: Issuer| (issuer.expectation.issuer().to_owned(), issuer);
        Self {
            issuers: issuers.into_iter().map(named).collect(),
            verifier: JwtVerifier::default(),
        }
    }

    /// Replaces the clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.verifier = JwtVerifier::new(clock);
        self
    }
}

#[async_trait]
impl TokenVerifier for ExternalIssuers {
    async fn verify_token(&self, token: &str) -> Result<Option<VerifiedToken>, AuthError> {
        let Ok(unverified) = UnverifiedJwt::parse(token) else {
            return Ok(None);
        };
        let issuer = unverified.issuer().and_then(|name| self.issuers.get(name));
        let Some(issuer) = issuer else {
            return Ok(None);
        };
        let verified = issuer
            .keys
            .verify(&self.verifier, token, &issuer.expectation);
        let verified = verified.await.map_err(|error| match error {
            JwtError::Keys(error) => AuthError::Unavailable(error.into()),
            error => {
                let issuer = issuer.expectation.issuer();
                tracing::debug!(%error, issuer, "token rejected");
                AuthError::InvalidToken
            }
        })?;
        issuer.accept(&verified).map(Some)
    }
}
