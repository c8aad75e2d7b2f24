use std::sync::Arc;

use async_trait::async_trait;
use mcp_gateway_core::auth::{AuthError, Principal};
use serde_json::Value;

use super::access_token::GRANT;
use super::keys::Keys;
use super::opaque::OpaqueTokens;
use super::resource::Resource;
use crate::jwt::{Claims, Expectation, JwtError, JwtVerifier, Unverified};
use crate::token::{Revocations, TokenVerifier, VerifiedToken};
use crate::{AuthorityError, Clock};

/// Knows the access tokens that the authorization server has issued.
///
/// [`AuthorizationServer::verifier`](super::AuthorizationServer::verifier) makes one for each
/// resource: a token for one of them is no good at another.
#[derive(Clone, Debug)]
pub struct OwnTokens {
    pub(super) issuer: Arc<str>,
    pub(super) keys: Keys,
    pub(super) opaque: OpaqueTokens,
    pub(super) clock: Clock,
    pub(super) revocations: Revocations,
    /// The resource that tokens have to be for; any of those that there are if `None`.
    pub(super) resource: Option<Resource>,
    /// The audiences of tokens of this server.
    pub(super) audiences: Vec<String>,
}

impl OwnTokens {
    /// What `token` says, unless it is not good, or not for one of the audiences.
    pub(super) async fn active(&self, token: &str) -> Result<Option<Claims>, AuthorityError> {
        let Some(jwt) = self.opaque.open(token) else {
            return Ok(None);
        };
        match self.claims(&jwt).await {
            Ok(claims) => {
                let is_revoked =
                    verified(&claims).is_none_or(|token| self.revocations.contain(&token));
                Ok((!is_revoked).then_some(claims))
            }
            Err(Failure::Authority(error)) => Err(error),
            Err(Failure::Jwt) => Ok(None),
        }
    }

    async fn claims(&self, token: &str) -> Result<Claims, Failure> {
        let mut audiences = self.audiences.iter();
        let Some(first) = audiences.next() else {
            return Err(Failure::Jwt);
        };
        let expectation = Expectation::access_token(&*self.issuer, first);
        let expectation = audiences.fold(expectation, |all, one| all.with_audience(one));
        let parsed = Unverified::parse(token)?;
        let set = self.keys.set_with(parsed.header().kid.as_deref()).await?;
        let verifier = JwtVerifier::new(self.clock.clone());
        let verified = verifier.verify_parsed(parsed, &set, &expectation)?;
        Ok(verified.claims)
    }
}

enum Failure {
    Authority(AuthorityError),
    Jwt,
}

impl From<AuthorityError> for Failure {
    fn from(error: AuthorityError) -> Self {
        Self::Authority(error)
    }
}

impl From<JwtError> for Failure {
    fn from(error: JwtError) -> Self {
        tracing::debug!(%error, "an access token was refused");
        Self::Jwt
    }
}

#[async_trait]
impl TokenVerifier for OwnTokens {
    async fn verify_token(&self, token: &str) -> Result<Option<VerifiedToken>, AuthError> {
        let jwt = self.opaque.open(token).ok_or(AuthError::InvalidToken)?;
        let is_ours =
            Unverified::parse(&jwt).is_ok_and(|parsed| parsed.issuer() == Some(&*self.issuer));
        if !is_ours {
            return Ok(None);
        }
        let claims = self.claims(&jwt).await.map_err(|failure| match failure {
            Failure::Authority(error) => AuthError::Unavailable(error.into()),
            Failure::Jwt => AuthError::InvalidToken,
        })?;
        let token = verified(&claims).ok_or(AuthError::InvalidToken)?;
        if self.revocations.contain(&token) {
            return Err(AuthError::InvalidToken);
        }
        let principal = token.principal();
        let may_use = |resource: &Resource| resource.admits(principal.roles(), principal.teams());
        match self.resource.as_ref().is_none_or(may_use) {
            true => Ok(Some(token)),
            false => Err(AuthError::InvalidToken),
        }
    }
}

/// Whose token it is that says `claims`.
fn verified(claims: &Claims) -> Option<VerifiedToken> {
    let mut principal = Principal::new(claims.sub.as_deref()?);
    if let Some(client) = &claims.client_id {
        principal = principal.with_client(client.as_str());
    }
    if let Some(name) = claims.extra.get("name").and_then(Value::as_str) {
        principal = principal.with_name(name);
    }
    principal = texts(claims, "roles").fold(principal, Principal::with_role);
    principal = texts(claims, "groups").fold(principal, Principal::with_team);
    principal = claims.scopes().fold(principal, Principal::with_scope);
    let token = VerifiedToken::new(principal, claims.exp?).identified_by(claims);
    Some(match claims.extra.get(GRANT).and_then(Value::as_str) {
        Some(grant) => token.with_grant(grant),
        None => token,
    })
}

fn texts<'a>(claims: &'a Claims, name: &str) -> impl Iterator<Item = &'a str> {
    let items = claims.extra.get(name).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(Value::as_str)
}
