//! Issuance of access tokens (RFC 9068).

use serde_json::{Value, json};

use super::opaque::OpaqueTokens;
use crate::dpop;
use crate::jose::Claims;
use crate::secret::random_id;
use crate::server::Scopes;
use crate::server::client::OAuthClient;
use crate::server::key::SigningKeys;
use crate::{AuthServerError, Clock, UserInfo};

/// Issues access tokens in the profile of [RFC 9068, section
/// 2](https://www.rfc-editor.org/rfc/rfc9068#section-2), or opaque ones. Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::server) struct AccessTokens {
    pub(in crate::server) issuer: String,
    pub(in crate::server) keys: SigningKeys,
    pub(in crate::server) clock: Clock,
    /// Lifetime of the tokens, in seconds.
    pub(in crate::server) lifetime: u64,
    /// Seals tokens, if they are to be opaque for clients.
    pub(in crate::server) opaque: Option<OpaqueTokens>,
}

/// The content of an access token.
#[derive(Debug)]
pub(in crate::server) struct TokenSubject<'a> {
    pub(in crate::server) client: &'a OAuthClient,
    /// Thumbprint of the key to which the token is bound.
    pub(in crate::server) key: Option<&'a str>,
    /// User, or `None` if the client acts on its own behalf.
    pub(in crate::server) user: Option<&'a UserInfo>,
    pub(in crate::server) scopes: &'a Scopes,
    pub(in crate::server) audiences: Vec<String>,
    /// ID of the grant, and the time of the user's login.
    pub(in crate::server) grant: Option<(&'a str, u64)>,
    /// Longest lifetime in seconds, if it is shorter than that of other tokens.
    pub(in crate::server) max_lifetime: Option<u64>,
}

impl AccessTokens {
    /// Returns the lifetime of a token for `subject`, in seconds.
    pub(in crate::server) fn lifetime_of(&self, subject: &TokenSubject<'_>) -> u64 {
        let limit = subject.max_lifetime.unwrap_or(u64::MAX);
        self.lifetime.min(limit)
    }

    /// Issues a token for `subject`.
    pub(in crate::server) async fn issue(
        &self,
        subject: TokenSubject<'_>,
    ) -> Result<String, AuthServerError> {
        let now = self.clock.now();
        let lifetime = self.lifetime_of(&subject);
        let sub = subject.user.map_or(&*subject.client.id, |user| &user.id);
        let mut claims = Claims {
            iss: Some(self.issuer.clone()),
            sub: Some(sub.to_owned()),
            aud: subject.audiences,
            iat: Some(now),
            exp: Some(now.saturating_add(lifetime)),
            jti: Some(random_id("t_")?),
            client_id: Some(subject.client.id.clone()),
            scope: (!subject.scopes.is_empty()).then(|| subject.scopes.to_string()),
            ..Claims::default()
        };
        if let Some((grant, authenticated_at)) = subject.grant {
            claims.extra.insert(GRANT.to_owned(), grant.into());
            claims
                .extra
                .insert("auth_time".to_owned(), authenticated_at.into());
        }
        if let Some(key) = subject.key {
            let confirmation = json!({ "jkt": key });
            claims.extra.insert("cnf".to_owned(), confirmation);
        }
        if let Some(user) = subject.user {
            claims
                .extra
                .insert("name".to_owned(), Value::from(&*user.name));
            let list = |items: &[std::sync::Arc<str>]| {
                json!(items.iter().map(|item| &**item).collect::<Vec<_>>())
            };
            if !user.roles.is_empty() {
                claims.extra.insert("roles".to_owned(), list(&user.roles));
            }
            if !user.teams.is_empty() {
                claims.extra.insert("groups".to_owned(), list(&user.teams));
            }
        }
        let key = self.keys.signing().await?;
        let jwt = key.sign(TYPE, &claims).map_err(|_| AuthServerError::Key)?;
        match &self.opaque {
            Some(opaque) => opaque.seal(&jwt),
            None => Ok(jwt),
        }
    }
}

/// Returns the type of a token, which is bound to a key if `is_bound`.
pub(in crate::server) fn token_type(is_bound: bool) -> &'static str {
    if is_bound { dpop::SCHEME } else { "Bearer" }
}

/// Claim with the grant ID, by which all tokens of a grant are revoked at once.
pub(in crate::server) const GRANT: &str = "grant_id";

/// JWT type of access tokens.
const TYPE: &str = "at+jwt";
