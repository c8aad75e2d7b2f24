//! The account page: profile, authorized clients, and logout.

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::response::Response;
use http::header::SET_COOKIE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::browser::BrowserId;
use super::cookie::Cookie;
use super::error::LoginError;
use super::return_to::see_other;
use super::{Login, LoginPages};
use crate::LoginProvider;
use crate::authorized_client::AuthorizedClient;
use crate::pages::{ACCOUNT, AccountPage, AuthorizedClientItem, LOGIN, MessagePage, page};

/// A form with nothing but its CSRF token.
#[derive(Debug, Deserialize)]
pub(super) struct CsrfForm {
    csrf: String,
}

/// The form that revokes a client.
#[derive(Debug, Deserialize)]
pub(super) struct RevokeForm {
    csrf: String,
    client: String,
}

/// `GET /api/auth/account`: shows the profile and the authorized clients.
pub(super) async fn show(
    State(LoginPages { login, clients }): State<LoginPages>,
    parts: Parts,
) -> Result<Response, LoginError> {
    let Some(session) = login.session(&parts).await? else {
        return Ok(see_other(&login.login_url(ACCOUNT)));
    };
    let clients = match clients {
        Some(clients) => clients.list(&session.user.id).await?,
        None => Vec::new(),
    };
    let clients: Vec<_> = clients.into_iter().map(shown).collect();
    let known = login.browser(&parts.headers);
    let is_new = known.is_none();
    let browser = known.map_or_else(BrowserId::new, Ok)?;
    let user = session.user;
    let account = AccountPage {
        gateway: &login.0.name,
        name: &user.name,
        email: user.email.as_deref(),
        roles: &user.roles.join(", "),
        teams: &user.teams.join(", "),
        clients: &clients,
        csrf: &login.csrf(&browser),
    };
    let mut response = page(StatusCode::OK, &account, None);
    if is_new {
        let cookie = login.browser_cookie(&browser);
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// `POST /api/auth/logout`: ends the session.
pub(super) async fn log_out(
    State(login): State<Login>,
    headers: HeaderMap,
    form: Result<Form<CsrfForm>, FormRejection>,
) -> Result<Response, LoginError> {
    let Form(CsrfForm { csrf }) = form?;
    login.check_form(&headers, &csrf)?;
    if let Some(handle) = login.session_handle(&headers) {
        login.0.sessions.end_of(&handle).await?;
    }
    let message = MessagePage {
        title: "You are logged out",
        message: "Applications that you have authorized keep their access.",
        refresh: None,
        href: LOGIN,
        label: "Log in again",
    };
    let mut response = page(StatusCode::OK, &message, None);
    let headers = response.headers_mut();
    headers.append(SET_COOKIE, Cookie::Session.clear(&login.0.origin));
    headers.append(SET_COOKIE, Cookie::Browser.clear(&login.0.origin));
    Ok(response)
}

/// `POST /api/auth/account/revoke`: revokes the authorization of a client.
pub(super) async fn revoke(
    State(LoginPages { login, clients }): State<LoginPages>,
    parts: Parts,
    form: Result<Form<RevokeForm>, FormRejection>,
) -> Result<Response, LoginError> {
    let Form(RevokeForm { csrf, client }) = form?;
    login.check_form(&parts.headers, &csrf)?;
    let clients = clients.ok_or(LoginError::NotFound)?;
    let session = login.session(&parts).await?.ok_or(LoginError::Forged)?;
    clients.revoke(&session.user.id, &client).await?;
    Ok(see_other(ACCOUNT))
}

/// Converts a client for the template.
fn shown(client: AuthorizedClient) -> AuthorizedClientItem {
    let AuthorizedClient { id, name, detail } = client;
    AuthorizedClientItem { id, name, detail }
}
