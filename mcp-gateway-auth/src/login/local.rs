//! The login page, and login with a name and a password.
//!
//! Attempts are limited per account name and per client address before the password is verified:
//! verification is deliberately expensive. The response does not reveal whether the account exists,
//! whether it is disabled, or whether only the password is wrong.

use std::fmt;
use std::sync::Arc;

use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Form, Query, State};
use axum::response::{IntoResponse, Response};
use http::header::SET_COOKIE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use url::form_urlencoded::byte_serialize;

use super::LoginPages;
use super::browser::BrowserId;
use super::cookie::Cookie;
use super::error::LoginError;
use super::provider::IdentityProvider;
use super::return_to::{ReturnQuery, ReturnTo};
use super::throttle::ThrottleKey;
use crate::AuthServerError;
use crate::pages::{LOGIN, LoginPage, ProviderLink, page};
use crate::users::User;

/// The form with a name and a password. `Debug` does not show it.
#[derive(Deserialize)]
pub(super) struct LoginForm {
    csrf: String,
    name: String,
    password: String,
    #[serde(default)]
    return_to: ReturnTo,
}

impl fmt::Debug for LoginForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginForm").finish_non_exhaustive()
    }
}

/// A failed attempt, shown on the page.
struct FormError<'a> {
    name: &'a str,
    problem: &'a str,
    status: StatusCode,
}

/// `GET /api/auth/login`: shows the login methods.
pub(super) async fn show(
    State(pages): State<Arc<LoginPages>>,
    headers: HeaderMap,
    query: Result<Query<ReturnQuery>, QueryRejection>,
) -> Result<Response, LoginError> {
    let Query(ReturnQuery { return_to }) = query?;
    pages.login_page(&headers, &return_to, None)
}

/// `POST /api/auth/login`: verifies a name and a password.
pub(super) async fn submit(
    State(pages): State<Arc<LoginPages>>,
    parts: Parts,
    form: Result<Form<LoginForm>, FormRejection>,
) -> Result<Response, LoginError> {
    if !pages.sessions.has_local_accounts() {
        return Err(LoginError::NotFound);
    }
    let Form(form) = form?;
    let headers = &parts.headers;
    pages.sessions.cookies().check_form(headers, &form.csrf)?;
    let key = ThrottleKey::name(&form.name);
    pages.record_attempt(&parts)?;
    pages.throttle.record_attempt(key.clone())?;
    let users = pages.sessions.users();
    let user = users.authenticate(&form.name, form.password).await?;
    let Some(user) = user else {
        let failed = FormError {
            name: &form.name,
            problem: "The name or the password is wrong.",
            status: StatusCode::UNAUTHORIZED,
        };
        return pages.login_page(headers, &form.return_to, Some(&failed));
    };
    pages.throttle.reset(&key);
    Ok(pages.start_session(headers, &user, &form.return_to).await?)
}

impl LoginPages {
    /// Renders the login page, and identifies a new browser by a cookie.
    fn login_page(
        &self,
        headers: &HeaderMap,
        return_to: &ReturnTo,
        failed: Option<&FormError<'_>>,
    ) -> Result<Response, LoginError> {
        let cookies = self.sessions.cookies();
        let known = cookies.browser(headers);
        let is_new = known.is_none();
        let browser = known.map_or_else(BrowserId::new, Ok)?;
        let shown = LoginPage {
            gateway: &self.name,
            providers: &self.links(return_to),
            local: self.sessions.has_local_accounts(),
            problem: failed.map(|failed| failed.problem),
            name: failed.map_or("", |failed| failed.name),
            return_to: return_to.as_str(),
            csrf: &cookies.csrf(&browser),
        };
        let status = failed.map_or(StatusCode::OK, |failed| failed.status);
        let mut response = page(status, &shown, None);
        if is_new {
            let cookie = cookies.browser_cookie(&browser);
            response.headers_mut().append(SET_COOKIE, cookie);
        }
        Ok(response)
    }

    /// Returns the links to the identity providers.
    fn links(&self, return_to: &ReturnTo) -> Vec<ProviderLink> {
        let encode = |text: &str| -> String { byte_serialize(text.as_bytes()).collect() };
        let return_to = encode(return_to.as_str());
        let link = |provider: &Arc<dyn IdentityProvider>| ProviderLink {
            name: provider.label().to_owned(),
            href: format!("{LOGIN}/{}?return_to={return_to}", encode(provider.id())),
            github: provider.id() == "github",
        };
        self.sessions.providers().iter().map(link).collect()
    }

    /// Counts an attempt from the client address of `request`.
    ///
    /// # Errors
    ///
    /// [`LoginError::TooMany`] if the limit of the address is exceeded.
    pub(super) fn record_attempt(&self, request: &Parts) -> Result<(), LoginError> {
        match self.proxies.client_address(request) {
            Some(address) => self.throttle.record_attempt(ThrottleKey::peer(address)),
            None => Ok(()),
        }
    }

    /// Starts a session of `user` and redirects the browser.
    ///
    /// The previous cookies of the browser become invalid: an attacker may have planted them
    /// (session fixation).
    pub(super) async fn start_session(
        &self,
        headers: &HeaderMap,
        user: &User,
        return_to: &ReturnTo,
    ) -> Result<Response, AuthServerError> {
        let (cookies, store) = (self.sessions.cookies(), self.sessions.store());
        if let Some(before) = cookies.session(headers) {
            store.end(&before).await?;
        }
        let handle = store.start(user).await?;
        tracing::info!(user = user.id, "user logged in");
        let value = cookies.keyring().issue(Cookie::Session.purpose(), handle);
        let age = Some(store.max_age());
        let mut response = return_to.redirect().into_response();
        let headers = response.headers_mut();
        let session = Cookie::Session.set(&value, age, cookies.origin());
        headers.append(SET_COOKIE, session);
        headers.append(SET_COOKIE, cookies.browser_cookie(&BrowserId::new()?));
        Ok(response)
    }
}
