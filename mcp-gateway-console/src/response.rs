//! Responses with pages, and redirects.

use askama::Template as _;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, LOCATION, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderName, StatusCode};

use crate::view::{Document, Page, Shell};

/// Renders `page` as a response that forbids framing, caching and content of others.
pub(crate) fn render(status: StatusCode, shell: &Shell, page: &Page) -> Response {
    let Ok(html) = (Document { shell, page }).render() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    (status, headers("text/html; charset=utf-8"), html).into_response()
}

/// Returns the headers of a response with content of the gateway.
pub(crate) fn headers(media_type: &'static str) -> HeaderMap {
    let headers: [(HeaderName, &'static str); 6] = [
        (CONTENT_TYPE, media_type),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
        // Browsers name the origin of forms for it, and tell other sites nothing.
        (REFERRER_POLICY, "same-origin"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
    ];
    let headers = headers.into_iter();
    headers
        .map(|(name, value)| (name, HeaderValue::from_static(value)))
        .collect()
}

/// Redirects with 303, after which the browser does not repeat the form.
pub(crate) fn see_other(to: &str) -> Response {
    let Ok(location) = HeaderValue::try_from(to) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let no_store = HeaderValue::from_static("no-store");
    let headers = [(LOCATION, location), (CACHE_CONTROL, no_store)];
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// Content security policy: nothing inline, nothing of others.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
