//! Token introspection (RFC 7662) and revocation (RFC 7009).
//!
//! Introspection requires client authentication; public clients are rejected. Clients see their own
//! tokens only, and resource servers see all. For every other token, the response equals that for
//! an unknown one (`{"active": false}`), so that the endpoint is no oracle for stolen tokens.
//!
//! Revoking a refresh token revokes its grant with all access tokens; revoking an access token
//! revokes only that token. Both take effect at once in this replica, and in the others as soon as
//! they receive the change.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use serde_json::{Map, Value, json};

use super::form::Form;
use super::payload::LimitedBody;
use crate::AuthServerError;
use crate::jose::Claims;
use crate::server::client::OAuthClient;
use crate::server::client::authentication::ClientAuthenticator;
use crate::server::error::OAuthError;
use crate::server::grant::grants::GrantStore;
use crate::server::limits::EndpointLimiter;
use crate::server::token::access_token::{GRANT, token_type};
use crate::server::token::tokens::Tokens;
use crate::token::RevocationTarget;

/// `POST /introspect`: the introspection endpoint.
///
/// See [RFC 7662, section 2](https://www.rfc-editor.org/rfc/rfc7662#section-2).
pub(in crate::server) async fn introspect(
    State(endpoint): State<Arc<IntrospectionEndpoint>>,
    headers: HeaderMap,
    LimitedBody(body): LimitedBody,
) -> Response {
    match endpoint.introspect(&headers, &body).await {
        Ok(answer) => ([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response(),
        Err(error) => error.into_response(),
    }
}

/// `POST /revoke`: the revocation endpoint.
///
/// See [RFC 7009, section 2](https://www.rfc-editor.org/rfc/rfc7009#section-2).
pub(in crate::server) async fn revoke(
    State(endpoint): State<Arc<IntrospectionEndpoint>>,
    headers: HeaderMap,
    LimitedBody(body): LimitedBody,
) -> Response {
    match endpoint.revoke(&headers, &body).await {
        Ok(()) => [(header::CACHE_CONTROL, "no-store")].into_response(),
        Err(error) => error.into_response(),
    }
}

/// Introspection and revocation endpoints.
#[derive(Debug)]
pub(in crate::server) struct IntrospectionEndpoint {
    pub(in crate::server) clients: ClientAuthenticator,
    pub(in crate::server) limits: Arc<EndpointLimiter>,
    pub(in crate::server) grants: GrantStore,
    pub(in crate::server) tokens: Tokens,
}

impl IntrospectionEndpoint {
    /// Authenticates the client and describes the token.
    async fn introspect(&self, headers: &HeaderMap, body: &[u8]) -> Result<Value, OAuthError> {
        let mut form = Form::read(headers, body)?;
        let client = self.clients.authenticate(headers, &mut form).await?;
        // Anybody can claim to be a public client.
        if client.is_public() {
            return Err(OAuthError::invalid_client(
                "client authentication required for introspection",
            ));
        }
        self.limits.check_client(&client.id)?;
        let token = form.get("token");
        let token = token.ok_or_else(|| OAuthError::invalid_request("missing parameter: token"))?;
        let found = match self.described_refresh_token(token, &client).await? {
            Some(described) => Some(described),
            None => self.described_access_token(token, &client).await?,
        };
        Ok(found.map_or_else(|| json!({ "active": false }), Value::Object))
    }

    /// Returns the claims of an active access token that the client may see.
    async fn described_access_token(
        &self,
        token: &str,
        client: &OAuthClient,
    ) -> Result<Option<Map<String, Value>>, AuthServerError> {
        let Some(claims) = self.tokens.verifier(None).active_claims(token).await? else {
            return Ok(None);
        };
        if claims.client_id.as_deref() != Some(&client.id) && !client.is_resource_server {
            return Ok(None);
        }
        let Ok(Value::Object(mut described)) = serde_json::to_value(&claims) else {
            return Ok(None);
        };
        described.remove(GRANT);
        if let Some(name) = described.remove("name") {
            described.insert("username".to_owned(), name);
        }
        described.insert("active".to_owned(), true.into());
        let kind = token_type(described.contains_key("cnf"));
        described.insert("token_type".to_owned(), kind.into());
        Ok(Some(described))
    }

    /// Returns the description of an active refresh token that the client may see.
    async fn described_refresh_token(
        &self,
        token: &str,
        client: &OAuthClient,
    ) -> Result<Option<Map<String, Value>>, AuthServerError> {
        let Some(handle) = self.grants.parse_refresh_token(token) else {
            return Ok(None);
        };
        let grant = self.grants.get(&handle.id).await?;
        let mut grant = grant.filter(|grant| {
            let may_see = grant.client == client.id || client.is_resource_server;
            may_see && self.grants.is_current(grant, handle.generation)
        });
        if let Some(found) = &grant
            && !self.clients.registry.exists(&found.client).await?
        {
            grant = None;
        }
        Ok(grant.and_then(|grant| {
            let described = json!({
                "active": true,
                "client_id": grant.client,
                "sub": grant.user,
                "scope": grant.scopes,
                "aud": grant.resources,
                "iss": self.tokens.issuer.as_str(),
                "iat": grant.created,
                "exp": self.grants.expires(&grant),
            });
            described.as_object().cloned()
        }))
    }

    /// Authenticates the client and revokes its token.
    async fn revoke(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), OAuthError> {
        let mut form = Form::read(headers, body)?;
        let client = self.clients.authenticate(headers, &mut form).await?;
        self.limits.check_client(&client.id)?;
        let token = form.get("token");
        let token = token.ok_or_else(|| OAuthError::invalid_request("missing parameter: token"))?;
        // The response does not reveal whether a token of another client exists.
        if let Some(handle) = self.grants.parse_refresh_token(token) {
            let grant = self.grants.get(&handle.id).await?;
            if grant.is_some_and(|grant| grant.client == client.id) {
                self.grants.revoke(&handle.id).await?;
            }
            return Ok(());
        }
        let claims = self.tokens.verifier(None).active_claims(token).await?;
        let claims = claims.filter(|claims| claims.client_id.as_deref() == Some(&client.id));
        match claims {
            Some(Claims { jti: Some(jti), .. }) => Ok(self
                .tokens
                .revocations
                .revoke(RevocationTarget::Token, &jti)
                .await?),
            _ => Ok(()),
        }
    }
}
