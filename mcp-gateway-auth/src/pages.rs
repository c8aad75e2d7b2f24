//! The HTML pages of login and consent: server-rendered, without scripts.
//!
//! Templates escape by default. Responses must not be framed, cached or sent as a referrer, so that
//! a page cannot be used for clickjacking and its URL does not leak.

mod clean;
#[cfg(feature = "accounts")]
mod connections;
#[cfg(feature = "server")]
mod consent;
#[cfg(any(feature = "login", feature = "server"))]
mod error;
#[cfg(feature = "accounts")]
mod inputs;
#[cfg(feature = "login")]
mod landing;
#[cfg(feature = "login")]
mod login;
#[cfg(feature = "loopback")]
mod notice;

use askama::Template;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, StatusCode};
use std::sync::LazyLock;

pub(crate) use self::clean::clean;
#[cfg(feature = "accounts")]
pub(crate) use self::connections::{ConnectionItem, ConnectionsPage, OwnerLink};
#[cfg(feature = "server")]
pub(crate) use self::consent::ConsentPage;
#[cfg(any(feature = "login", feature = "server"))]
pub(crate) use self::error::ErrorPage;
#[cfg(any(feature = "accounts", feature = "server"))]
pub(crate) use self::error::PageLink;
#[cfg(feature = "accounts")]
pub(crate) use self::inputs::{InputField, InputsPage};
#[cfg(feature = "login")]
pub(crate) use self::landing::LandingPage;
#[cfg(feature = "login")]
pub(crate) use self::login::{
    AccountPage, AuthorizedClientItem, LoginPage, MessagePage, ProviderLink,
};
#[cfg(feature = "loopback")]
pub(crate) use self::notice::NoticePage;

/// Renders `template` as a response that forbids framing, caching and referrers.
///
/// Forms are submitted to this host. If the response to a form may redirect the browser to another
/// origin, that origin is `form_action`: some browsers apply `form-action` to redirects as well.
pub(crate) fn page(
    status: StatusCode,
    template: &impl Template,
    form_action: Option<&str>,
) -> Response {
    let Ok(html) = template.render() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut headers = HeaderMap::with_capacity(6);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(HTML));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, policy(form_action));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    (status, headers, html).into_response()
}

/// Returns the content security policy of a page.
fn policy(form_action: Option<&str>) -> HeaderValue {
    static STYLE_HASH: LazyLock<String> = LazyLock::new(|| {
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, STYLE.as_bytes());
        STANDARD.encode(hash)
    });
    let form_action = form_action.and_then(source).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; img-src 'self'; form-action 'self'{form_action}; \
         frame-ancestors 'none'; base-uri 'none'",
        *STYLE_HASH
    );
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// Returns the source expression for `origin`, or `None` if it could inject other directives.
fn source(origin: &str) -> Option<String> {
    let (scheme, rest) = origin.split_once(':')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "+-.:/".contains(c);
    // Source expressions do not support IPv6 addresses.
    if rest.starts_with("//[") && scheme.chars().all(plain) {
        return Some(format!(" {scheme}:"));
    }
    let named = !scheme.is_empty() && origin.chars().all(plain);
    named.then(|| format!(" {origin}"))
}

/// Serves the icon of the pages, for browsers that show one in the tab.
#[cfg(feature = "login")]
pub(crate) async fn icon() -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, "image/svg+xml"),
        (CACHE_CONTROL, "public, max-age=86400"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, include_str!("../templates/icon.svg"))
}

const HTML: &str = "text/html; charset=utf-8";

/// Style sheet, inlined in every page: a page does not depend on the path at which it is mounted.
pub(crate) const STYLE: &str = include_str!("../templates/style.css");

/// Paths of the icon and of the targets of forms and links.
pub(crate) const ICON: &str = "/api/auth/icon.svg";
#[cfg(feature = "login")]
pub(crate) const LOGIN: &str = "/api/auth/login";
#[cfg(feature = "login")]
pub(crate) const LOGOUT: &str = "/api/auth/logout";
#[cfg(any(feature = "login", feature = "server"))]
pub(crate) const ACCOUNT: &str = "/api/auth/account";
#[cfg(feature = "login")]
pub(crate) const REVOKE: &str = "/api/auth/account/revoke";
#[cfg(feature = "login")]
pub(crate) const CONNECT: &str = "/connect";
#[cfg(feature = "server")]
pub(crate) const CONSENT: &str = "/api/auth/oauth2/consent";

#[cfg(all(test, feature = "login", feature = "server"))]
mod tests;
