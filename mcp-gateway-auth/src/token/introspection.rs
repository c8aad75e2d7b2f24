use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use mcp_gateway_core::auth::AuthError;
use serde_json::Value;

use super::{ClaimMapping, TokenVerifier, VerifiedToken};
use crate::clock::Clock;
use crate::egress::{ClientAuth, Egress, EgressError};
use crate::jwt::Claims;

/// Asks an authorization server about tokens, as
/// [RFC 7662](https://www.rfc-editor.org/rfc/rfc7662) has it.
///
/// Tokens that look like JWTs are not sent, because they are somebody else's, unless
/// [`with_jwts`](Self::with_jwts) says so. What the server says is believed for thirty seconds,
/// and not after the token expires.
///
/// # Example
///
/// ```no_run
/// use mcp_gateway_auth::egress::{ClientAuth, Egress, EgressPolicy};
/// use mcp_gateway_auth::token::Introspection;
///
/// # fn main() -> std::io::Result<()> {
/// let introspection = Introspection::new(
///     "https://as.example.com",
///     "https://gw.example.com/mcp",
///     "https://as.example.com/introspect",
///     Egress::new(EgressPolicy::new())?,
/// )
/// .with_auth(ClientAuth::Basic {
///     client_id: "gateway".to_owned(),
///     secret: "from where secrets are kept".to_owned(),
/// });
/// # let _ = introspection;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
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
    /// Asks `endpoint` about tokens that `issuer` has issued for `audience`.
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

    /// Says by `auth` who asks.
    #[must_use]
    pub fn with_auth(mut self, auth: ClientAuth) -> Self {
        self.auth = auth;
        self
    }

    /// Goes by `clock`.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Takes tokens of which the server does not say whom they are for.
    ///
    /// Every service that such a token is presented to can then use it here.
    #[must_use]
    pub fn with_insecure_missing_audience(mut self) -> Self {
        self.any_audience = true;
        self
    }

    /// Asks about tokens that look like JWTs, too.
    #[must_use]
    pub fn with_jwts(mut self) -> Self {
        self.jwts = true;
        self
    }

    /// Makes principals by `mapping`.
    #[must_use]
    pub fn with_mapping(mut self, mapping: ClaimMapping) -> Self {
        self.mapping = mapping;
        self
    }

    /// For how long the server is believed.
    #[must_use]
    pub fn with_max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age.as_secs();
        self
    }

    /// Refuses tokens without `scope`.
    #[must_use]
    pub fn with_required_scope(mut self, scope: impl Into<Arc<str>>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// What the server says of an active token.
    fn accept(&self, claims: &Claims) -> Result<VerifiedToken, AuthError> {
        let now = self.clock.now();
        let exp = claims.exp.unwrap_or(u64::MAX);
        let is_ours = match claims.aud.as_slice() {
            [] => self.any_audience,
            aud => aud.contains(&self.audience),
        };
        let is_theirs = claims.iss.as_ref().is_none_or(|iss| *iss == self.issuer);
        let has_begun = claims.nbf.is_none_or(|nbf| nbf <= now);
        if !is_ours || !is_theirs || !has_begun || exp <= now || !is_bearer(claims) {
            return Err(AuthError::InvalidToken);
        }
        let principal = self.mapping.principal(&self.issuer, claims);
        let principal = principal.ok_or(AuthError::InvalidToken)?;
        if let Some(scope) = self
            .scopes
            .iter()
            .find(|scope| !principal.scopes().contains(scope))
        {
            let scope = Arc::clone(scope);
            return Err(AuthError::InsufficientScope { scope });
        }
        let fresh_until = now.saturating_add(self.max_age);
        let token = VerifiedToken::new(principal, exp).with_fresh_until(fresh_until);
        Ok(token.identified_by(claims))
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
            // It does not believe this gateway, which says nothing of the token.
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

/// Whether whoever has the token may use it.
fn is_bearer(claims: &Claims) -> bool {
    let kind = claims.extra.get("token_type");
    let is_bearer = |kind: &Value| {
        let kind = kind.as_str();
        kind.is_some_and(|kind| kind.eq_ignore_ascii_case("Bearer"))
    };
    kind.is_none_or(is_bearer) && !claims.extra.contains_key("cnf")
}

/// The largest response that is taken, in bytes.
const LIMIT: usize = 64 * 1024;

/// For how long a revoked token may still be believed, in seconds.
const MAX_AGE: u64 = 30;
