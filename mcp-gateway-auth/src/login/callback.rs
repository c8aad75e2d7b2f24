//! Redirects to an identity provider and back (RFC 6749, section 4.1; OpenID Connect Core, section
//! 3.1.2).
//!
//! The redirection endpoint validates, in this order: the rate limits, `state` as a handle of a
//! login transaction that this browser began with this provider, its single use, and `iss` (RFC
//! 9207). The code is sent to the provider only afterwards. The external identity is then matched
//! with the allow-list and linked to its user.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use http::header::SET_COOKIE;
use http::request::Parts;
use serde::Deserialize;

use super::LoginPages;
use super::browser::BrowserId;
use super::error::LoginError;
use super::provider::{AuthorizationResponse, IdentityProvider};
use super::return_to::{ReturnQuery, see_other};
use super::throttle::ThrottleKey;
use crate::AuthServerError;
use crate::users::{ExternalIdentity, LoginOutcome, User};

/// The parameters of an authorization response (RFC 6749, section 4.1.2; RFC 9207).
#[derive(Deserialize)]
pub(super) struct CallbackQuery {
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
    state: Option<String>,
}

/// `GET /api/auth/login/{provider}`: redirects the browser to a provider.
pub(super) async fn start(
    State(pages): State<Arc<LoginPages>>,
    Path(provider): Path<String>,
    query: Result<Query<ReturnQuery>, QueryRejection>,
    parts: Parts,
) -> Result<Response, LoginError> {
    let Query(ReturnQuery { return_to }) = query?;
    let provider = pages.provider(&provider)?;
    pages.record_attempt(&parts)?;
    pages.throttle.record_attempt(ThrottleKey::Providers)?;
    let cookies = pages.sessions.cookies();
    let known = cookies.browser(&parts.headers);
    let is_new = known.is_none();
    let browser = known.map_or_else(BrowserId::new, Ok)?;
    let transactions = &pages.transactions;
    let transaction = transactions.start(provider.id(), &browser, return_to);
    let url = provider.authorization_url(&transaction.await?).await?;
    let mut response = see_other(&url);
    if is_new {
        let cookie = cookies.browser_cookie(&browser);
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// `GET /api/auth/callback/{provider}`: completes a login.
pub(super) async fn finish(
    State(pages): State<Arc<LoginPages>>,
    Path(provider): Path<String>,
    query: Result<Query<CallbackQuery>, QueryRejection>,
    parts: Parts,
) -> Result<Response, LoginError> {
    let Query(query) = query?;
    let provider = pages.provider(&provider)?;
    pages.record_attempt(&parts)?;
    let state = query.state.ok_or(LoginError::BadRequest)?;
    // A login that another browser began, sent here by a link, would log the user in as the
    // attacker.
    let cookies = pages.sessions.cookies();
    let browser = cookies.browser(&parts.headers);
    let browser = browser.ok_or(LoginError::Forged)?;
    let transactions = &pages.transactions;
    let redeemed = transactions.redeem(provider.id(), &state, &browser).await;
    let (transaction, return_to) = redeemed?;
    if let Some(error) = query.error {
        tracing::info!(
            provider = provider.id(),
            ?error,
            "login denied by identity provider"
        );
        return Err(LoginError::Declined(provider.label().to_owned()));
    }
    let response = AuthorizationResponse {
        code: query.code.ok_or(LoginError::BadRequest)?,
        iss: query.iss,
    };
    let identity = provider.identify(&transaction, &response).await?;
    let users = pages.sessions.users();
    match users.link_identity(&identity).await? {
        LoginOutcome::Accepted(user) => {
            pages.keep_id_token(&user, &identity).await?;
            Ok(pages
                .start_session(&parts.headers, &user, &return_to)
                .await?)
        }
        LoginOutcome::Disabled | LoginOutcome::NameReused => {
            tracing::info!(
                provider = provider.id(),
                "login denied: account disabled or login name reassigned"
            );
            Err(LoginError::NotAllowed(identity.name))
        }
    }
}

impl LoginPages {
    /// Keeps the ID token of `identity`, with which `user` has logged in, if the provider keeps them.
    async fn keep_id_token(
        &self,
        user: &User,
        identity: &ExternalIdentity,
    ) -> Result<(), AuthServerError> {
        let (Some(tokens), Some(token)) = (&self.id_tokens, &identity.id_token) else {
            return Ok(());
        };
        tokens.keep((&user.id, &identity.issuer), token).await
    }

    /// Returns the provider with the identifier `id`.
    fn provider(&self, id: &str) -> Result<Arc<dyn IdentityProvider>, LoginError> {
        let mut providers = self.sessions.providers().iter();
        let found = providers.find(|provider| provider.id() == id);
        found.cloned().ok_or(LoginError::NotFound)
    }
}
