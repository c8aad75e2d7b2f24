//! Verification of the access tokens of this server.

use std::sync::Arc;

use async_trait::async_trait;
use mcp_gateway_core::auth::{AuthError, Principal};
use serde_json::Value;

use super::access_token::GRANT;
use super::opaque::OpaqueTokens;
use crate::jose::{Claims, JwtError, JwtVerifier, UnverifiedJwt, Validation};
use crate::server::key::SigningKeys;
use crate::server::resource::Resource;
use crate::server::workload;
use crate::token::{Revocations, TokenVerifier, VerifiedToken};
use crate::{AuthServerError, Clock, LoginProvider};

/// Verifies the access tokens that the authorization server has issued.
///
/// [`AuthorizationServer::verifier`](crate::server::AuthorizationServer::verifier) creates one per
/// resource. A token for another resource is rejected: a server that receives a token cannot use it
/// at other servers (RFC 8707, section 3). So is one whose user has lost a team or a role that the
/// token contains: its client refreshes it.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use mcp_gateway_auth::login::LoginSessions;
/// use mcp_gateway_auth::server::{AuthorizationServer, Resource};
/// use mcp_gateway_auth::token::TokenVerifier;
/// use mcp_gateway_auth::users::Users;
/// use mcp_gateway_auth::{Clock, Keyring};
/// use mcp_gateway_core::auth::AuthError;
/// use mcp_gateway_store::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (store, keyring) = (Arc::new(MemoryStore::new()), Keyring::new(&[7; 32])?);
/// let users = Users::new(store.clone(), Clock::system());
/// let login = LoginSessions::new(users, keyring.clone(), "https://gw.example.com")?;
/// let base = "https://gw.example.com".parse()?;
/// let server = AuthorizationServer::builder(base, store, keyring, Arc::new(login)).build();
/// let notes = Resource::new("https://gw.example.com/notes".parse()?, "Notes");
/// server.set_resources([notes.clone()]);
///
/// // Tokens of others are left to other verifiers; invalid opaque tokens are rejected.
/// let verifier = server.verifier(Some(&notes));
/// assert!(verifier.verify_token("a.b.c").await?.is_none());
/// let error = verifier.verify_token("mcpa_forged").await.unwrap_err();
/// assert!(matches!(error, AuthError::InvalidToken));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct IssuedTokenVerifier {
    pub(in crate::server) issuer: Arc<str>,
    pub(in crate::server) keys: SigningKeys,
    pub(in crate::server) opaque: OpaqueTokens,
    pub(in crate::server) clock: Clock,
    pub(in crate::server) revocations: Revocations,
    pub(in crate::server) login_provider: Arc<dyn LoginProvider>,
    /// Required resource; any resource of the server if `None`.
    pub(in crate::server) resource: Option<Resource>,
    /// Accepted audiences.
    pub(in crate::server) audiences: Vec<String>,
}

impl IssuedTokenVerifier {
    /// Returns the claims of `token`, or `None` if it is invalid, expired, revoked, or has none of
    /// the audiences.
    pub(in crate::server) async fn active_claims(
        &self,
        token: &str,
    ) -> Result<Option<Claims>, AuthServerError> {
        let Some(jwt) = self.opaque.open(token) else {
            return Ok(None);
        };
        match self.claims(&jwt).await {
            Ok(claims) => {
                let token = verified(&claims);
                let token = token.filter(|token| !self.revocations.is_revoked(token));
                let is_active = match token {
                    Some(token) => self.is_current(token.principal()).await?,
                    None => false,
                };
                Ok(is_active.then_some(claims))
            }
            Err(Failure::Authority(error)) => Err(error),
            Err(Failure::Jwt) => Ok(None),
        }
    }

    /// Returns `true` if the user `principal` still has all its roles and teams.
    async fn is_current(&self, principal: &Principal) -> Result<bool, AuthServerError> {
        // Without any, there is nothing to lose. Revocation is another matter.
        let has_none = principal.roles().is_empty() && principal.teams().is_empty();
        // The access of a workload is that of its rule.
        if has_none || principal.subject().starts_with(workload::SUBJECT) {
            return Ok(true);
        }
        let user = self.login_provider.user(principal.subject()).await?;
        Ok(user.is_some_and(|user| {
            let has_role = |role| user.roles.contains(role);
            let is_member = |team| user.teams.contains(team);
            principal.roles().iter().all(has_role) && principal.teams().iter().all(is_member)
        }))
    }

    /// Verifies a JWT of this server.
    async fn claims(&self, token: &str) -> Result<Claims, Failure> {
        let mut audiences = self.audiences.iter();
        let Some(first) = audiences.next() else {
            return Err(Failure::Jwt);
        };
        let expectation = Validation::access_token(&*self.issuer, first);
        let expectation = audiences.fold(expectation, |all, one| all.with_audience(one));
        let parsed = UnverifiedJwt::parse(token)?;
        let set = self.keys.set_with(parsed.header().kid.as_deref()).await?;
        let verifier = JwtVerifier::new(self.clock.clone());
        let verified = verifier.verify_parsed(parsed, &set, &expectation)?;
        Ok(verified.claims)
    }
}

/// The reason for which a token could not be verified.
enum Failure {
    Authority(AuthServerError),
    Jwt,
}

impl From<AuthServerError> for Failure {
    fn from(error: AuthServerError) -> Self {
        Self::Authority(error)
    }
}

impl From<JwtError> for Failure {
    fn from(error: JwtError) -> Self {
        tracing::debug!(%error, "access token rejected");
        Self::Jwt
    }
}

#[async_trait]
impl TokenVerifier for IssuedTokenVerifier {
    async fn verify_token(&self, token: &str) -> Result<Option<VerifiedToken>, AuthError> {
        let jwt = self.opaque.open(token).ok_or(AuthError::InvalidToken)?;
        let is_ours =
            UnverifiedJwt::parse(&jwt).is_ok_and(|parsed| parsed.issuer() == Some(&*self.issuer));
        if !is_ours {
            return Ok(None);
        }
        let claims = self.claims(&jwt).await.map_err(|failure| match failure {
            Failure::Authority(error) => AuthError::Unavailable(error.into()),
            Failure::Jwt => AuthError::InvalidToken,
        })?;
        let token = verified(&claims).ok_or(AuthError::InvalidToken)?;
        if self.revocations.is_revoked(&token) {
            return Err(AuthError::InvalidToken);
        }
        let principal = token.principal();
        let is_current = self.is_current(principal).await;
        if !is_current.map_err(|error| AuthError::Unavailable(error.into()))? {
            return Err(AuthError::InvalidToken);
        }
        let may_use = |resource: &Resource| {
            resource.allows(principal.subject(), principal.roles(), principal.teams())
        };
        match self.resource.as_ref().is_none_or(may_use) {
            true => Ok(Some(token)),
            false => Err(AuthError::InvalidToken),
        }
    }
}

/// Returns the token of verified claims.
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
    let token = token.bound_by(claims)?;
    Some(match claims.extra.get(GRANT).and_then(Value::as_str) {
        Some(grant) => token.with_grant(grant),
        None => token,
    })
}

/// Returns the strings in an array claim.
fn texts<'a>(claims: &'a Claims, name: &str) -> impl Iterator<Item = &'a str> {
    let items = claims.extra.get(name).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(Value::as_str)
}
