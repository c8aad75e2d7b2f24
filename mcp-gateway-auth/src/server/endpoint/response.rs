//! Responses to browsers.

use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;

use crate::pages::{ErrorPage, page};
use crate::server::error::OAuthError;

/// Returns the page for errors that cannot be returned to the client.
pub(in crate::server) fn error_page(error: &OAuthError) -> Response {
    error.log();
    let status = match error {
        OAuthError::InvalidClient { .. } => StatusCode::BAD_REQUEST,
        other => other.status(),
    };
    let detail = format!("{}: {error}", error.code());
    let shown = ErrorPage {
        title: "This client cannot be connected",
        message: "It has no access to anything. Go back to it and try again. If that does not \
                  help, report this reason to the developers of the client:",
        detail: Some(&detail),
    };
    page(status, &shown, None)
}

/// Redirects with 303, so that the browser does not repeat a form that may contain a password. See
/// RFC 9700, section 4.12.
pub(in crate::server) fn see_other(url: &str) -> Response {
    let mut response = Redirect::to(url).into_response();
    let headers = response.headers_mut();
    let no_store = http::HeaderValue::from_static("no-store");
    headers.insert(http::header::CACHE_CONTROL, no_store);
    let no_referrer = http::HeaderValue::from_static("no-referrer");
    headers.insert(http::header::REFERRER_POLICY, no_referrer);
    response
}
