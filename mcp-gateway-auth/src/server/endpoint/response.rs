//! Responses to browsers.

use axum::response::{IntoResponse, Redirect, Response};
use http::{StatusCode, header};

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
    let (title, message) = match error {
        OAuthError::DocumentUnavailable => (DOCUMENT_TITLE, DOCUMENT_MESSAGE),
        _ => (TITLE, MESSAGE),
    };
    let shown = ErrorPage {
        title,
        message,
        detail: Some(&detail),
        links: &[],
    };
    let mut response = page(status, &shown, None);
    if let Some(after) = error.retry_after() {
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, after.as_secs().max(1).into());
    }
    response
}

/// Title of the error page.
const TITLE: &str = "This client cannot be connected";

/// Message of the error page, before the reason.
const MESSAGE: &str = "It has no access to anything. Go back to it and try again. If that does not \
                       help, report this reason to the developers of the client:";

/// Title of the page for a client whose metadata document is unavailable.
const DOCUMENT_TITLE: &str = "This client cannot be verified at the moment";

/// Message of the page for a client whose metadata document is unavailable.
const DOCUMENT_MESSAGE: &str = "The gateway cannot fetch the document on the internet that describes it. Go back to the \
     client and connect it again: it may register instead. The log of the gateway contains the \
     cause (auth.oauth.clientMetadataDocuments).";

/// Redirects with 303, so that the browser does not repeat a form that may contain a password. See
/// RFC 9700, section 4.12.
pub(in crate::server) fn see_other(url: &str) -> Response {
    let mut response = Redirect::to(url).into_response();
    let headers = response.headers_mut();
    let no_store = http::HeaderValue::from_static("no-store");
    headers.insert(header::CACHE_CONTROL, no_store);
    let no_referrer = http::HeaderValue::from_static("no-referrer");
    headers.insert(header::REFERRER_POLICY, no_referrer);
    response
}
