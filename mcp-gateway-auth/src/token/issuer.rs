use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use mcp_gateway_core::auth::AuthError;

use super::{ClaimMapping, TokenVerifier, VerifiedToken};
use crate::clock::Clock;
use crate::jwks::{KeySet, RemoteKeys};
use crate::jwt::{Expectation, JwtError, JwtVerifier, Unverified, Verified};

/// An identity provider whose access tokens are JWTs.
///
/// What its tokens have to be is the [`Expectation`]. That of RFC 9068 fits many; others need
/// their own, because some providers say `typ: JWT`:
///
/// ```
/// use mcp_gateway_auth::egress::{Egress, EgressPolicy};
/// use mcp_gateway_auth::jwks::RemoteKeys;
/// use mcp_gateway_auth::jwt::{Algorithm, Expectation};
/// use mcp_gateway_auth::token::{ClaimMapping, Issuer};
///
/// # fn main() -> std::io::Result<()> {
/// let realm = "https://keycloak.example.com/realms/staff";
/// let expectation = Expectation::new(realm, "https://gw.example.com/mcp")
///     .with_types(["JWT"])
///     .with_algorithms([Algorithm::Rs256])
///     .with_required(["azp"]);
/// let keys = RemoteKeys::discover(realm, Egress::new(EgressPolicy::new())?);
/// let issuer = Issuer::new(expectation, keys)
///     .with_mapping(ClaimMapping::new().with_groups("/realm_access/roles"))
///     .with_required_scope("mcp");
/// # let _ = issuer;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Issuer {
    expectation: Expectation,
    keys: IssuerKeys,
    mapping: ClaimMapping,
    scopes: Vec<Arc<str>>,
}

/// The keys of an issuer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum IssuerKeys {
    /// These, and no others.
    Fixed(Arc<KeySet>),
    /// Those that the issuer publishes.
    Remote(RemoteKeys),
}

impl From<KeySet> for IssuerKeys {
    fn from(keys: KeySet) -> Self {
        Self::Fixed(Arc::new(keys))
    }
}

impl From<RemoteKeys> for IssuerKeys {
    fn from(keys: RemoteKeys) -> Self {
        Self::Remote(keys)
    }
}

impl Issuer {
    /// The issuer of `expectation`, whose keys are `keys`.
    #[must_use]
    pub fn new(expectation: Expectation, keys: impl Into<IssuerKeys>) -> Self {
        Self {
            expectation,
            keys: keys.into(),
            mapping: ClaimMapping::new(),
            scopes: Vec::new(),
        }
    }

    /// Makes principals by `mapping`.
    #[must_use]
    pub fn with_mapping(mut self, mapping: ClaimMapping) -> Self {
        self.mapping = mapping;
        self
    }

    /// Refuses tokens without `scope`.
    #[must_use]
    pub fn with_required_scope(mut self, scope: impl Into<Arc<str>>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    async fn verify(&self, verifier: &JwtVerifier, token: &str) -> Result<Verified, JwtError> {
        match &self.keys {
            IssuerKeys::Fixed(keys) => verifier.verify(token, keys, &self.expectation),
            IssuerKeys::Remote(keys) => {
                verifier.verify_remote(token, keys, &self.expectation).await
            }
        }
    }

    fn accept(&self, verified: &Verified) -> Result<VerifiedToken, AuthError> {
        let claims = &verified.claims;
        // It is bound to a key that the caller has not shown to have.
        if claims.extra.contains_key("cnf") {
            return Err(AuthError::InvalidToken);
        }
        let principal = self.mapping.principal(self.expectation.issuer(), claims);
        let principal = principal.ok_or(AuthError::InvalidToken)?;
        for scope in &self.scopes {
            if !principal.scopes().contains(scope) {
                let scope = Arc::clone(scope);
                return Err(AuthError::InsufficientScope { scope });
            }
        }
        let token = VerifiedToken::new(principal, claims.exp.unwrap_or(0));
        Ok(token.identified_by(claims))
    }
}

/// Verifies the JWTs of identity providers.
///
/// Which of them has issued a token is read from the token, and believed only as far as that its
/// keys are tried, and those of no other. A token of an issuer that is not listed is not known.
///
/// See the [module documentation](super) for an example.
#[derive(Clone, Debug)]
pub struct ExternalIssuers {
    issuers: HashMap<String, Issuer>,
    verifier: JwtVerifier,
}

impl ExternalIssuers {
    /// Believes `issuers`. Of two with the same name, the last one counts.
    #[must_use]
    pub fn new(issuers: impl IntoIterator<Item = Issuer>) -> Self {
        let named = |issuer: Issuer| (issuer.expectation.issuer().to_owned(), issuer);
        Self {
            issuers: issuers.into_iter().map(named).collect(),
            verifier: JwtVerifier::default(),
        }
    }

    /// Goes by `clock`.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.verifier = JwtVerifier::new(clock);
        self
    }
}

#[async_trait]
impl TokenVerifier for ExternalIssuers {
    async fn verify_token(&self, token: &str) -> Result<Option<VerifiedToken>, AuthError> {
        let Ok(unverified) = Unverified::parse(token) else {
            return Ok(None);
        };
        let issuer = unverified.issuer().and_then(|name| self.issuers.get(name));
        let Some(issuer) = issuer else {
            return Ok(None);
        };
        let verified = issuer.verify(&self.verifier, token).await;
        let verified = verified.map_err(|error| match error {
            JwtError::Keys(error) => AuthError::Unavailable(error.into()),
            error => {
                let issuer = issuer.expectation.issuer();
                tracing::debug!(%error, issuer, "a token was refused");
                AuthError::InvalidToken
            }
        })?;
        issuer.accept(&verified).map(Some)
    }
}
