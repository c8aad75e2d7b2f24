//! Tokens of an OpenID Connect provider, and the claims that they carry.

use mcp_gateway_core::auth::Assertion;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::OidcProvider;
use crate::egress::ClientAuth;
use crate::jose::{JwtError, JwtVerifier, Validation};
use crate::login::provider::{LoginTransaction, ProviderError};
use crate::login::provider_metadata::ProviderMetadata;
use crate::users::IdToken;

/// Token response (OpenID Connect Core, section 3.1.3.3).
#[derive(Deserialize)]
pub(super) struct TokenResponse {
    access_token: Option<String>,
    id_token: String,
}

impl TokenResponse {
    /// Returns the ID token, which has been verified, and expires at `expires`.
    pub(super) fn into_id_token(self, expires: u64) -> IdToken {
        let token = Assertion::new(self.id_token);
        IdToken { token, expires }
    }
}

impl OidcProvider {
    /// Returns the client authentication, by a method that the provider supports.
    fn client_auth(&self, discovery: &ProviderMetadata) -> Result<ClientAuth, ProviderError> {
        let client_id = self.client_id.clone();
        let Some(secret) = self.secret.clone() else {
            return Ok(ClientAuth::None);
        };
        let methods = &discovery.token_endpoint_auth_methods_supported;
        let takes = |name: &str| methods.iter().any(|method| method == name);
        if methods.is_empty() || takes("client_secret_basic") {
            Ok(ClientAuth::Basic { client_id, secret })
        } else if takes("client_secret_post") {
            Ok(ClientAuth::Post { client_id, secret })
        } else {
            Err(ProviderError::unavailable(
                "no supported token_endpoint_auth_method",
            ))
        }
    }

    /// Exchanges a code for tokens.
    pub(super) async fn tokens(
        &self,
        transaction: &LoginTransaction,
        code: &str,
        discovery: &ProviderMetadata,
    ) -> Result<TokenResponse, ProviderError> {
        let auth = self.client_auth(discovery)?;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &transaction.redirect_uri),
            ("code_verifier", &transaction.verifier),
        ];
        if matches!(auth, ClientAuth::None) {
            form.push(("client_id", &self.client_id));
        }
        let endpoint = &discovery.token_endpoint;
        let fetched = self
            .egress
            .post_form(endpoint, &form, &auth, MAX_ANSWER)
            .await;
        let fetched = fetched.map_err(ProviderError::unavailable)?;
        if fetched.status.is_client_error() {
            return Err(ProviderError::invalid(format!(
                "token endpoint returned {}",
                fetched.status
            )));
        }
        let tokens = serde_json::from_slice(&fetched.body);
        tokens.map_err(|_| ProviderError::unavailable("malformed token response"))
    }

    /// Returns the subject and the claims of the ID token, completed by the UserInfo response, and its
    /// expiration time.
    pub(super) async fn claims(
        &self,
        transaction: &LoginTransaction,
        tokens: &TokenResponse,
        discovery: &ProviderMetadata,
    ) -> Result<(String, Map<String, Value>, u64), ProviderError> {
        let expectation = Validation::id_token(&self.issuer, &self.client_id);
        let verifier = JwtVerifier::new(transaction.clock.clone());
        let verified = verifier.verify_remote(&tokens.id_token, &self.keys, &expectation);
        let verified = verified.await.map_err(|error| match error {
            JwtError::Keys(error) => ProviderError::unavailable(error),
            error => ProviderError::invalid(error),
        })?;
        let expires = verified.claims.exp.unwrap_or_default();
        let mut claims = verified.claims.extra;
        if claims.get("nonce").and_then(Value::as_str) != Some(&*transaction.nonce) {
            return Err(ProviderError::invalid("nonce mismatch"));
        }
        let sub = verified.claims.sub.unwrap_or_default();
        let wants_groups = !self.groups.is_empty() || !self.teams.is_empty();
        let is_short = !claims.contains_key("email")
            || (wants_groups && !claims.contains_key(&self.groups_claim));
        if let (true, Some(url), Some(token)) =
            (is_short, &discovery.userinfo_endpoint, &tokens.access_token)
        {
            let fetched = self.egress.get_json_as(url, token, MAX_ANSWER).await;
            let fetched = fetched.map_err(ProviderError::unavailable)?;
            let more: Map<String, Value> =
                serde_json::from_slice(&fetched.body).map_err(ProviderError::unavailable)?;
            if more.get("sub").and_then(Value::as_str) != Some(&*sub) {
                return Err(ProviderError::invalid(
                    "subject mismatch in UserInfo response",
                ));
            }
            for (name, value) in more {
                claims.entry(name).or_insert(value);
            }
        }
        Ok((sub, claims, expires))
    }
}

/// Maximum size of a response, in bytes.
const MAX_ANSWER: usize = 64 * 1024;
