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

use super::Login;
use super::browser::BrowserId;
use super::error::LoginError;
use super::provider::{AuthorizationResponse, IdentityProvider};
use super::return_to::{ReturnQuery, see_other};
use super::throttle::ThrottleKey;
use crate::users::LoginOutcome;

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
    State(login): State<Login>,
    Path(provider): Path<String>,
    query: Result<Query<ReturnQuery>, QueryRejection>,
    parts: Parts,
) -> Result<Response, LoginError> {
    let Query(ReturnQuery { return_to }) = query?;
    let provider = login.provider(&provider)?;
    login.count(&parts)?;
    login.0.attempts.record_attempt(ThrottleKey::Providers)?;
    let known = login.browser(&parts.headers);
    let is_new = known.is_none();
    let browser = known.map_or_else(BrowserId::new, Ok)?;
    let trips = &login.0.trips;
    let trip = trips.start(provider.id(), &browser, return_to).await?;
    let mut response = see_other(&provider.authorization_url(&trip).await?);
    if is_new {
        let cookie = login.browser_cookie(&browser);
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// `GET /api/auth/callback/{provider}`: completes a login.
pub(super) async fn finish(
    State(login): State<Login>,
    Path(provider): Path<String>,
    query: Result<Query<CallbackQuery>, QueryRejection>,
    parts: Parts,
) -> Result<Response, LoginError> {
    let Query(query) = query?;
    let provider = login.provider(&provider)?;
    login.count(&parts)?;
    let state = query.state.ok_or(LoginError::BadRequest)?;
    // A login that another browser began, sent here by a link, would log the user in as the
    // attacker.
    let browser = login.browser(&parts.headers).ok_or(LoginError::Forged)?;
    let ended = login.0.trips.finish(provider.id(), &state, &browser).await;
    let (trip, return_to) = ended?;
    if let Some(error) = query.error {
        tracing::info!(
            provider = provider.id(),
            ?error,
            "login denied by identity provider"
        );
        return Err(LoginError::Declined(provider.label().to_owned()));
    }
    let answer = AuthorizationResponse {
        code: query.code.ok_or(LoginError::BadRequest)?,
        iss: query.iss,
    };
    let claimant = provider.identify(&trip, &answer).await?;
    match login.0.users.link_identity(&claimant).await? {
        LoginOutcome::Accepted(user) => Ok(login
            .start_session(&parts.headers, &user, &return_to)
            .await?),
        LoginOutcome::Disabled | LoginOutcome::NameReused => {
            tracing::info!(
                provider = provider.id(),
                "login denied: account disabled or login name reassigned"
            );
            Err(LoginError::NotAllowed(claimant.name))
        }
    }
}

impl Login {
    /// Returns the provider with the identifier `id`.
    fn provider(&self, id: &str) -> Result<Arc<dyn IdentityProvider>, LoginError> {
        let mut providers = self.0.providers.iter();
        let found = providers.find(|provider| provider.id() == id);
        found.cloned().ok_or(LoginError::NotFound)
    }
}
