//! The account page: profile, authorized clients, and logout.

use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::response::Response;
use http::header::SET_COOKIE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::LoginPages;
use super::browser::BrowserId;
use super::cookie::Cookie;
use super::error::LoginError;
use super::return_to::see_other;
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
    State(pages): State<Arc<LoginPages>>,
    parts: Parts,
) -> Result<Response, LoginError> {
    let LoginPages { sessions, .. } = &*pages;
    let Some(session) = sessions.session(&parts).await? else {
        return Ok(see_other(&sessions.login_url(ACCOUNT)));
    };
    let clients = match &pages.clients {
        Some(clients) => clients.list(&session.user.id).await?,
        None => Vec::new(),
    };
    let clients: Vec<_> = clients.into_iter().map(shown).collect();
    let cookies = sessions.cookies();
    let known = cookies.browser(&parts.headers);
    let is_new = known.is_none();
    let browser = known.map_or_else(BrowserId::new, Ok)?;
    let user = session.user;
    let account = AccountPage {
        gateway: &pages.name,
        name: &user.name,
        email: user.email.as_deref(),
        roles: &user.roles.join(", "),
        teams: &user.teams.join(", "),
        clients: &clients,
        has_connections: pages.has_connections,
        csrf: &cookies.csrf(&browser),
    };
    let mut response = page(StatusCode::OK, &account, None);
    if is_new {
        let cookie = cookies.browser_cookie(&browser);
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// `POST /api/auth/logout`: ends the session.
pub(super) async fn log_out(
    State(pages): State<Arc<LoginPages>>,
    headers: HeaderMap,
    form: Result<Form<CsrfForm>, FormRejection>,
) -> Result<Response, LoginError> {
    let Form(CsrfForm { csrf }) = form?;
    let cookies = pages.sessions.cookies();
    cookies.check_form(&headers, &csrf)?;
    if let Some(handle) = cookies.session(&headers) {
        pages.sessions.store().end(&handle).await?;
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
    headers.append(SET_COOKIE, Cookie::Session.clear(cookies.origin()));
    headers.append(SET_COOKIE, Cookie::Browser.clear(cookies.origin()));
    Ok(response)
}

/// `POST /api/auth/account/revoke`: revokes the authorization of a client.
pub(super) async fn revoke(
    State(pages): State<Arc<LoginPages>>,
    parts: Parts,
    form: Result<Form<RevokeForm>, FormRejection>,
) -> Result<Response, LoginError> {
    let Form(RevokeForm { csrf, client }) = form?;
    let LoginPages {
        sessions, clients, ..
    } = &*pages;
    sessions.cookies().check_form(&parts.headers, &csrf)?;
    let clients = clients.as_ref().ok_or(LoginError::NotFound)?;
    let session = sessions.session(&parts).await?;
    let session = session.ok_or(LoginError::Forged)?;
    clients.revoke(&session.user.id, &client).await?;
    Ok(see_other(ACCOUNT))
}

/// Converts a client for the template.
fn shown(client: AuthorizedClient) -> AuthorizedClientItem {
    let AuthorizedClient { id, name, detail } = client;
    AuthorizedClientItem { id, name, detail }
}
