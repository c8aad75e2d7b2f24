//! The token endpoint (RFC 6749, section 3.2).
//!
//! A request passes these checks in order:
//!
//! 1. The form is well-formed, and no parameter but `resource` is repeated.
//! 2. The grant type is supported.
//! 3. The client is authenticated, within its rate limit, and permitted to use the grant type. A
//!    workload needs no client.
//! 4. The proof of possession, if there is one, is valid. It is required of a client that has
//!    registered so, and for what is bound to a key (RFC 9449).
//! 5. The code, refresh token or assertion is valid and belongs to the client.
//! 6. The requested scopes and resources are within the granted ones (RFC 6749, section 6; RFC
//!    8707, section 2.2). For a refresh token, this comes before its rotation, so that an invalid
//!    request does not cost the client its token.
//! 7. The user still exists and still has access to the resources. This is evaluated for each
//!    refresh, so that disabling a user takes effect within the lifetime of an access token.
//!
//! Responses are never cached (`Cache-Control: no-store`).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, header};
use serde::Serialize;

use super::form::Form;
use super::payload::LimitedBody;
use crate::LoginProvider;
use crate::dpop::{DPOP_NONCE, DpopError, DpopTarget, DpopVerifier};
use crate::server::client::assertions::IdentityAssertions;
use crate::server::client::authentication::ClientAuthenticator;
use crate::server::client::{GrantType, OAuthClient};
use crate::server::error::OAuthError;
use crate::server::grant::grants::RedeemedGrant;
use crate::server::grant::{Grants, TokenRequest};
use crate::server::issuer::IssuerUrl;
use crate::server::limits::EndpointLimiter;
use crate::server::token::access_token::{AccessTokens, TokenSubject, token_type};
use crate::server::workload::WorkloadAssertions;
use crate::server::{ProtectedResources, Scopes};

/// A successful token response.
///
/// See [RFC 6749, section 5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1).
#[derive(Serialize)]
pub(in crate::server) struct TokenResponse {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    scope: String,
}

/// `POST /token`: the token endpoint.
pub(in crate::server) async fn token(
    State(endpoint): State<Arc<TokenEndpoint>>,
    headers: HeaderMap,
    LimitedBody(body): LimitedBody,
) -> Response {
    match endpoint.token(&headers, &body).await {
        Ok(answer) => {
            let no_store = [
                (header::CACHE_CONTROL, "no-store"),
                (header::PRAGMA, "no-cache"),
            ];
            // For the next proof.
            let nonce = endpoint.proofs.nonce().map(|nonce| [(DPOP_NONCE, nonce)]);
            (no_store, nonce, Json(answer)).into_response()
        }
        Err(error) => error.into_response(),
    }
}

/// Authenticated client of a token request.
#[derive(Clone, Copy, Debug)]
pub(in crate::server) struct TokenCaller<'a> {
    pub(in crate::server) client: &'a OAuthClient,
    /// Thumbprint of the key whose possession it has proved.
    pub(in crate::server) key: Option<&'a str>,
}

/// Token endpoint.
#[derive(Debug)]
pub(in crate::server) struct TokenEndpoint {
    pub(in crate::server) clients: ClientAuthenticator,
    pub(in crate::server) limits: Arc<EndpointLimiter>,
    pub(in crate::server) grants: Grants,
    pub(in crate::server) resources: ProtectedResources,
    pub(in crate::server) login_provider: Arc<dyn LoginProvider>,
    pub(in crate::server) access_tokens: AccessTokens,
    pub(in crate::server) identity_assertions: IdentityAssertions,
    pub(in crate::server) workloads: WorkloadAssertions,
    pub(in crate::server) proofs: DpopVerifier,
    pub(in crate::server) issuer: IssuerUrl,
}

impl TokenEndpoint {
    /// Authenticates the client and dispatches on the grant type.
    async fn token(&self, headers: &HeaderMap, body: &[u8]) -> Result<TokenResponse, OAuthError> {
        let mut form = Form::read(headers, body)?;
        let name = form.get("grant_type");
        let name =
            name.ok_or_else(|| OAuthError::invalid_request("missing parameter: grant_type"))?;
        let Some(grant_type) = GrantType::from_name(name) else {
            let message =
                "unsupported grant_type; see grant_types_supported in the server metadata";
            return Err(OAuthError::UnsupportedGrantType(message.into()));
        };
        if grant_type == GrantType::JwtBearer
            && let Some(issuer) = self.workload_issuer(&form)
        {
            return self.by_workload(issuer, headers, &mut form).await;
        }
        let client = self.clients.authenticate(headers, &mut form).await?;
        self.limits.check_client(&client.id)?;
        if !client.may_use(grant_type) {
            let message = "client not registered for this grant type";
            return Err(OAuthError::UnauthorizedClient(message.into()));
        }
        let key = self.proven_key(headers, &client)?;
        let caller = TokenCaller {
            client: &client,
            key: key.as_deref(),
        };
        match grant_type {
            GrantType::AuthorizationCode => self.by_code(caller, &form).await,
            GrantType::ClientCredentials => self.by_credentials(caller, &form).await,
            GrantType::JwtBearer => self.by_identity_assertion(caller, &form).await,
            GrantType::RefreshToken => self.by_refresh_token(caller, &form).await,
        }
    }

    /// Returns the thumbprint of the key whose possession the request proves, if it has a proof.
    pub(in crate::server) fn proven_key(
        &self,
        headers: &HeaderMap,
        client: &OAuthClient,
    ) -> Result<Option<String>, OAuthError> {
        let origins = [self.issuer.as_str().to_owned()];
        let target = DpopTarget::new(&Method::POST, &origins, TOKEN_PATH);
        match self.proofs.verify(headers, &target) {
            Ok(key) => Ok(Some(key)),
            Err(DpopError::Missing) if !client.requires_bound_tokens() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Redeems an authorization code (RFC 6749, section 4.1.3).
    async fn by_code(
        &self,
        caller: TokenCaller<'_>,
        form: &Form,
    ) -> Result<TokenResponse, OAuthError> {
        let client = caller.client;
        let code = form.get("code");
        let code = code.ok_or_else(|| OAuthError::invalid_request("missing parameter: code"))?;
        let verifier = form.get("code_verifier");
        let redemption = TokenRequest {
            client: &client.id,
            redirect_uri: form.get("redirect_uri"),
            // An empty verifier matches no challenge.
            verifier: verifier.unwrap_or_default(),
            key: caller.key,
            // Those of others are bound to their authentication.
            binds_refresh_tokens: client.is_public(),
        };
        let redeemed = self.grants.store.exchange_code(code, &redemption).await?;
        self.clients.registry.touch(client).await?;
        let scopes = redeemed.grant.scopes.clone();
        self.grant_response(caller, redeemed, scopes, form).await
    }

    /// Refreshes tokens (RFC 6749, section 6).
    async fn by_refresh_token(
        &self,
        caller: TokenCaller<'_>,
        form: &Form,
    ) -> Result<TokenResponse, OAuthError> {
        let client = caller.client;
        let token = form.get("refresh_token");
        let token =
            token.ok_or_else(|| OAuthError::invalid_request("missing parameter: refresh_token"))?;
        let wanted = form.scopes()?;
        // Before the rotation: an invalid request must not cost the client its refresh token.
        if let Some(handle) = self.grants.store.parse_refresh_token(token)
            && let Some(grant) = self.grants.store.get(&handle.id).await?
            && grant.client == client.id
        {
            if wanted
                .as_ref()
                .is_some_and(|wanted| !grant.scopes.contains_all(wanted))
            {
                return Err(OAuthError::InvalidScope(
                    "requested scope exceeds the granted scope".into(),
                ));
            }
            self.resources
                .snapshot()
                .audiences(&grant.resources, form)?;
            let consent = self.grants.consents.find(&grant.user, &client.id).await?;
            if consent.is_none() {
                return Err(OAuthError::invalid_grant("consent revoked by the user"));
            }
        }
        let presented = (&*client.id, caller.key);
        let redeemed = self.grants.store.refresh(token, presented).await?;
        self.clients.registry.touch(client).await?;
        let scopes = wanted.unwrap_or_else(|| redeemed.grant.scopes.clone());
        self.grant_response(caller, redeemed, scopes, form).await
    }

    /// Issues tokens for a redeemed grant.
    async fn grant_response(
        &self,
        TokenCaller { client, key }: TokenCaller<'_>,
        redeemed: RedeemedGrant,
        scopes: Scopes,
        form: &Form,
    ) -> Result<TokenResponse, OAuthError> {
        let RedeemedGrant {
            id,
            grant,
            refresh_token,
        } = redeemed;
        let audiences = self
            .resources
            .snapshot()
            .audiences(&grant.resources, form)?;
        let Some(user) = self.login_provider.user(&grant.user).await? else {
            self.grants.store.revoke(&id).await?;
            return Err(OAuthError::invalid_grant(
                "user account disabled or removed",
            ));
        };
        // Resources that the user must not access any more are omitted.
        let audiences = audiences.into_iter();
        let audiences: Vec<_> = audiences
            .filter(|audience| {
                self.resources
                    .snapshot()
                    .admits(std::slice::from_ref(audience), &user)
            })
            .collect();
        if audiences.is_empty() {
            let message = "unknown resource";
            return Err(OAuthError::InvalidTarget(message.into()));
        }
        let may_refresh = client.may_use(GrantType::RefreshToken);
        let subject = TokenSubject {
            client,
            key,
            user: Some(&user),
            scopes: &scopes,
            audiences,
            grant: Some((&id, grant.authenticated_at)),
            max_lifetime: None,
        };
        self.answer(subject, may_refresh.then_some(refresh_token))
            .await
    }

    /// Issues a token to the client itself (RFC 6749, section 4.4).
    async fn by_credentials(
        &self,
        TokenCaller { client, key }: TokenCaller<'_>,
        form: &Form,
    ) -> Result<TokenResponse, OAuthError> {
        if client.is_public() {
            let message = "client_credentials requires a confidential client";
            return Err(OAuthError::UnauthorizedClient(message.into()));
        }
        let (resources, scopes) = self.resources.snapshot().requested_targets(client, form)?;
        let subject = TokenSubject {
            client,
            key,
            user: None,
            scopes: &scopes,
            audiences: resources,
            grant: None,
            max_lifetime: None,
        };
        self.answer(subject, None).await
    }

    /// Issues an access token for `subject` and returns the response.
    pub(in crate::server) async fn answer(
        &self,
        subject: TokenSubject<'_>,
        refresh_token: Option<String>,
    ) -> Result<TokenResponse, OAuthError> {
        let expires_in = self.access_tokens.lifetime_of(&subject);
        Ok(TokenResponse {
            scope: subject.scopes.to_string(),
            token_type: token_type(subject.key.is_some()),
            access_token: self.access_tokens.issue(subject).await?,
            expires_in,
            refresh_token,
        })
    }
}

/// Path of the endpoint, which proofs name.
const TOKEN_PATH: &str = "/api/auth/oauth2/token";
