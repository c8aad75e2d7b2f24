use std::fmt;

use async_trait::async_trait;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::response::Response;
use http::header::SET_COOKIE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::Login;
use super::browser::Browser;
use super::cookie::Cookie;
use super::refusal::Refusal;
use super::return_to::see_other;
use crate::pages::{ACCOUNT, AccountPage, LOGIN, MessagePage, RelyingClient, page};
use crate::server::{AuthorizationServer, RedirectUri};
use crate::{Authenticator, AuthorityError};

/// Knows which clients people have allowed to act for them.
#[async_trait]
pub trait AllowedClients: fmt::Debug + Send + Sync + 'static {
    /// Those that the person `id` has allowed.
    ///
    /// # Errors
    ///
    /// When it cannot be found out.
    async fn list(&self, id: &str) -> Result<Vec<AllowedClient>, AuthorityError>;

    /// Takes back that `client` may act for the person `id`; what it was given is worthless then.
    ///
    /// # Errors
    ///
    /// When it cannot be done.
    async fn revoke(&self, id: &str, client: &str) -> Result<(), AuthorityError>;
}

#[async_trait]
impl AllowedClients for AuthorizationServer {
    async fn list(&self, id: &str) -> Result<Vec<AllowedClient>, AuthorityError> {
        let consents = self.consents_of(id).await?.into_iter();
        let clients = consents.map(|consent| {
            let place = consent.redirect_uri.parse::<RedirectUri>();
            let place = place.map_or(consent.redirect_uri, |uri| uri.host());
            let detail = format!("at {place}, may use {}", consent.scopes);
            AllowedClient::new(consent.client, consent.name, detail)
        });
        Ok(clients.collect())
    }

    async fn revoke(&self, id: &str, client: &str) -> Result<(), AuthorityError> {
        self.revoke_consent(id, client).await
    }
}

/// A client that somebody has allowed to act for them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AllowedClient {
    /// The identifier of the client.
    pub id: String,
    /// The name that it has given itself.
    pub name: String,
    /// What it may do, in plain words.
    pub detail: String,
}

impl AllowedClient {
    /// The client `id`, which calls itself `name`, and may do what `detail` says.
    #[must_use]
    pub fn new(id: impl Into<String>, name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            detail: detail.into(),
        }
    }
}

/// A form without anything but its token.
#[derive(Debug, Deserialize)]
pub(super) struct Plain {
    csrf: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Revoke {
    csrf: String,
    client: String,
}

/// Shows who has logged in, and what they have allowed.
pub(super) async fn show(State(login): State<Login>, parts: Parts) -> Result<Response, Refusal> {
    let Some(session) = login.session(&parts).await? else {
        return Ok(see_other(&login.login_url(ACCOUNT)));
    };
    let clients = match &login.0.clients {
        Some(clients) => clients.list(&session.person.id).await?,
        None => Vec::new(),
    };
    let clients: Vec<_> = clients.into_iter().map(shown).collect();
    let known = login.browser(&parts.headers);
    let is_new = known.is_none();
    let browser = known.map_or_else(Browser::new, Ok)?;
    let person = session.person;
    let account = AccountPage {
        gateway: &login.0.name,
        name: &person.name,
        email: person.email.as_deref(),
        roles: &person.roles.join(", "),
        teams: &person.teams.join(", "),
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

/// Ends the session.
pub(super) async fn log_out(
    State(login): State<Login>,
    headers: HeaderMap,
    form: Result<Form<Plain>, FormRejection>,
) -> Result<Response, Refusal> {
    let Form(Plain { csrf }) = form?;
    login.check_form(&headers, &csrf)?;
    if let Some(handle) = login.session_handle(&headers) {
        login.0.sessions.end_of(&handle).await?;
    }
    let message = MessagePage {
        title: "You are logged out",
        message: "Applications that you have allowed keep their access.",
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

/// Takes back what a client was allowed.
pub(super) async fn revoke(
    State(login): State<Login>,
    parts: Parts,
    form: Result<Form<Revoke>, FormRejection>,
) -> Result<Response, Refusal> {
    let Form(Revoke { csrf, client }) = form?;
    login.check_form(&parts.headers, &csrf)?;
    let clients = login.0.clients.as_ref().ok_or(Refusal::NotFound)?;
    let session = login.session(&parts).await?.ok_or(Refusal::Forged)?;
    clients.revoke(&session.person.id, &client).await?;
    Ok(see_other(ACCOUNT))
}

fn shown(client: AllowedClient) -> RelyingClient {
    let AllowedClient { id, name, detail } = client;
    RelyingClient { id, name, detail }
}
