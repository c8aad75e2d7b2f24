//! The path to which a browser returns after the login.
//!
//! Only paths on this host are accepted: an open redirect would lend the gateway's name to
//! phishing.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue, LOCATION};
use serde::{Deserialize, Serialize};
use url::form_urlencoded::byte_serialize;

use super::error::LoginError;
use crate::pages::{ACCOUNT, MessagePage, page};

/// A path on this host, with an optional query.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct ReturnTo(String);

impl ReturnTo {
    /// Returns `text` as a path, or `None` if it could lead to another host.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_path = text.starts_with('/') && !text.starts_with("//");
        let is_plain = |c: char| c.is_ascii_graphic() && c != '\\';
        let is_usable = is_path && text.len() <= MAX_RETURN_TO && text.chars().all(is_plain);
        is_usable.then(|| Self(text.to_owned()))
    }

    /// Returns the path.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Redirects the browser to the path by way of an intermediate page.
    ///
    /// Browsers apply the `form-action` of a page to all redirects after its form, and the path may
    /// redirect to a client on another origin. The intermediate page starts a new navigation, to
    /// which that policy does not apply.
    pub(super) fn redirect(&self) -> Response {
        let path: String = byte_serialize(self.0.as_bytes()).collect();
        see_other(&format!("{CONTINUE}?return_to={path}"))
    }
}

impl Default for ReturnTo {
    fn default() -> Self {
        Self(ACCOUNT.to_owned())
    }
}

impl TryFrom<String> for ReturnTo {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("return_to is not a path on this host")
    }
}

impl From<ReturnTo> for String {
    fn from(ReturnTo(path): ReturnTo) -> Self {
        path
    }
}

/// The query of pages with a return path.
#[derive(Debug, Deserialize)]
pub(super) struct ReturnQuery {
    #[serde(default)]
    pub(super) return_to: ReturnTo,
}

/// `GET /api/auth/continue`: continues to the return path automatically.
pub(super) async fn go_on(
    query: Result<Query<ReturnQuery>, QueryRejection>,
) -> Result<Response, LoginError> {
    let Query(ReturnQuery { return_to }) = query?;
    let message = MessagePage {
        title: "You are logged in",
        message: "You are returned to where you came from.",
        refresh: Some(return_to.as_str()),
        href: return_to.as_str(),
        label: "Continue",
    };
    Ok(page(StatusCode::OK, &message, None))
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

/// Page that continues to the return path.
pub(super) const CONTINUE: &str = "/api/auth/continue";

/// Maximum length of a path. It may contain an authorization request with a long `state`.
const MAX_RETURN_TO: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::*;

    #[test]
    fn only_paths_on_this_host_are_gone_to() {
        for path in [
            "/",
            "/a",
            "/api/auth/oauth2/authorize?x=https%3A%2F%2Fevil",
            "/a//b",
            "/@b",
        ] {
            assert_eq!(ReturnTo::parse(path).unwrap().as_str(), path);
        }
        let long = format!("/{}", "a".repeat(MAX_RETURN_TO));
        let wrong = [
            "",
            "a",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\/evil",
            "/a\\b",
            "https://evil.example",
            "javascript:alert(1)",
            "/\t/evil.example",
            "/a\r\nX: y",
            "/a b",
            " /a",
            "/ä",
            "/\u{0}",
            &long,
        ];
        for text in wrong {
            assert_eq!(ReturnTo::parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_stays_on_the_host(text in "[/\\\\@:.?#%\ta-z]{0,12}") {
            let base = Url::parse("https://gw.example/api/auth/login").unwrap();
            if let Some(path) = ReturnTo::parse(&text) {
                let url = base.join(path.as_str()).unwrap();
                prop_assert_eq!(url.origin(), base.origin());
            }
        }
    }
}
