//! Verification of opaque tokens at their authorization server (RFC 7662).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use mcp_gateway_core::auth::AuthError;
use serde_json::Value;

use super::{ClaimMapping, TokenVerifier, VerifiedToken};
use crate::clock::Clock;
use crate::dpop;
use crate::egress::{ClientAuth, Egress, EgressError};
use crate::jose::Claims;

/// Verifies tokens at the introspection endpoint of an authorization server, as of [RFC
/// 7662](https://www.rfc-editor.org/rfc/rfc7662).
///
/// Tokens in the form of a JWT are not sent, because they belong to another issuer, unless
/// [`with_jwts`](Self::with_jwts) is set. A response remains valid for thirty seconds, but not
/// beyond the expiration of the token. A token may be [bound](VerifiedToken::key) to a key; one that
/// is bound to something else, such as a certificate, is rejected.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::egress::{ClientAuth, Egress, EgressPolicy};
/// use mcp_gateway_auth::token::{Introspection, TokenVerifier};
/// use mcp_gateway_core::auth::AuthError;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let introspection = Introspection::new(
///     "https://as.example.com",
///     "https://gw.example.com/mcp",
///     "https://169.254.169.254/introspect",
///     Egress::new(EgressPolicy::new())?,
/// )
/// .with_auth(ClientAuth::Basic {
///     client_id: "gateway".to_owned(),
///     secret: "from the secret store".to_owned(),
/// });
/// // A JWT is not sent, and an endpoint in the own network is not reached.
/// assert!(introspection.verify_token("a.b.c").await?.is_none());
/// let error = introspection.verify_token("opaque").await.unwrap_err();
/// assert!(matches!(error, AuthError::Unavailable(_)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[doc(alias("RFC 7662"))]
pub struct Introspection {
    any_audience: bool,
    audience: String,
    auth: ClientAuth,
    clock: Clock,
    egress: Egress,
    endpoint: String,
    issuer: String,
    jwts: bool,
    mapping: ClaimMapping,
    max_age: u64,
    scopes: Vec<Arc<str>>,
}

impl Introspection {
    /// Verifies tokens that `issuer` has issued for `audience` at its introspection endpoint
    /// `endpoint`.
    #[must_use]
    pub fn new(
        issuer: impl Into<String>,
        audience: impl Into<String>,
        endpoint: impl Into<String>,
        egress: Egress,
    ) -> Self {
        Self {
            any_audience: false,
            audience: audience.into(),
            auth: ClientAuth::None,
            clock: Clock::system(),
            egress,
            endpoint: endpoint.into(),
            issuer: issuer.into(),
            jwts: false,
            mapping: ClaimMapping::new(),
            max_age: MAX_AGE,
            scopes: Vec::new(),
        }
    }

    /// Sets the client authentication at the endpoint. By default, there is none.
    #[must_use]
    pub fn with_auth(mut self, auth: ClientAuth) -> Self {
        self.auth = auth;
        self
    }

    /// Replaces the clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Accepts tokens without an audience.
    ///
    /// Every other service that receives such a token can then use it here.
    #[must_use]
    pub fn with_insecure_missing_audience(mut self) -> Self {
        self.any_audience = true;
        self
    }

    /// Sends tokens in the form of a JWT as well.
    #[must_use]
    pub fn with_jwts(mut self) -> Self {
        self.jwts = true;
        self
    }

    /// Sets the mapping of claims to principals.
    #[must_use]
    pub fn with_mapping(mut self, mapping: ClaimMapping) -> Self {
        self.mapping = mapping;
        self
    }

    /// Sets the lifetime of a response: thirty seconds by default. A revoked token may be accepted
    /// for that long.
    #[must_use]
    pub fn with_max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age.as_secs();
        self
    }

    /// Rejects tokens without `scope`.
    #[must_use]
    pub fn with_required_scope(mut self, scope: impl Into<Arc<str>>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// Validates the response for an active token.
    fn accept(&self, claims: &Claims) -> Result<VerifiedToken, AuthError> {
        let now = self.clock.now();
        let exp = claims.exp.unwrap_or(u64::MAX);
        let is_ours = match claims.aud.as_slice() {
            [] => self.any_audience,
            aud => aud.contains(&self.audience),
        };
        let is_theirs = claims.iss.as_ref().is_none_or(|iss| *iss == self.issuer);
        let has_started = claims.nbf.is_none_or(|nbf| nbf <= now);
        if !is_ours || !is_theirs || !has_started || exp <= now {
            return Err(AuthError::InvalidToken);
        }
        let principal = self.mapping.principal(&self.issuer, claims);
        let principal = principal.ok_or(AuthError::InvalidToken)?;
        let has = |scope: &Arc<str>| principal.scopes().contains(scope);
        if !self.scopes.iter().all(has) {
            let scopes = self.scopes.clone();
            return Err(AuthError::InsufficientScope { scopes });
        }
        let fresh_until = now.saturating_add(self.max_age);
        let token = VerifiedToken::new(principal, exp).with_fresh_until(fresh_until);
        let token = token.bound_by(claims).filter(|it| has_type_of(it, claims));
        Ok(token.ok_or(AuthError::InvalidToken)?.identified_by(claims))
    }
}

#[async_trait]
impl TokenVerifier for Introspection {
    async fn verify_token(&self, token: &str) -> Result<Option<VerifiedToken>, AuthError> {
        if !self.jwts && token.split('.').count() == 3 {
            return Ok(None);
        }
        let form = [("token", token), ("token_type_hint", "access_token")];
        let fetched = self
            .egress
            .post_form(&self.endpoint, &form, &self.auth, LIMIT)
            .await;
        let fetched = fetched.map_err(|error| AuthError::Unavailable(error.into()))?;
        if fetched.status != StatusCode::OK {
            // The server rejects this gateway, which means nothing for the token.
            let error = EgressError::Status(fetched.status);
            return Err(AuthError::Unavailable(error.into()));
        }
        let claims = Claims::parse(&fetched.body);
        let claims = claims.map_err(|error| AuthError::Unavailable(error.into()))?;
        match claims.extra.get("active") {
            Some(Value::Bool(true)) => self.accept(&claims).map(Some),
            Some(Value::Bool(false)) => Ok(None),
            _ => Err(AuthError::InvalidToken),
        }
    }
}

/// Returns `true` if the response has no type of `token`, or the one that follows from its key.
fn has_type_of(token: &VerifiedToken, claims: &Claims) -> bool {
    let expected = token.key().map_or("Bearer", |_| dpop::SCHEME);
    let is_expected = |kind: &Value| {
        let kind = kind.as_str();
        kind.is_some_and(|kind| kind.eq_ignore_ascii_case(expected))
    };
    claims.extra.get("token_type").is_none_or(is_expected)
}

/// Maximum size of a response, in bytes.
const LIMIT: usize = 64 * 1024;

/// Default lifetime of a response, in seconds.
const MAX_AGE: u64 = 30;
