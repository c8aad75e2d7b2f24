use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue, LOCATION};
use serde::{Deserialize, Serialize};
use url::form_urlencoded::byte_serialize;

use super::CONTINUE;
use super::refusal::Refusal;
use crate::pages::{ACCOUNT, MessagePage, page};

/// Where a browser goes on after somebody has logged in: a path on this host.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct ReturnTo(String);

impl ReturnTo {
    /// `text`, if it cannot lead anywhere else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_path = text.starts_with('/') && !text.starts_with("//");
        let is_plain = |c: char| c.is_ascii_graphic() && c != '\\';
        let is_usable = is_path && text.len() <= MAX_RETURN_TO && text.chars().all(is_plain);
        is_usable.then(|| Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Sends the browser there, by way of a page of ours.
    ///
    /// Browsers apply the policy of a page to all redirects that follow one of its forms, and the
    /// way may go on to a client elsewhere at once. What a page begins by itself is free of that.
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
        Self::parse(&text).ok_or("not a path on this host")
    }
}

impl From<ReturnTo> for String {
    fn from(ReturnTo(path): ReturnTo) -> Self {
        path
    }
}

/// The query of the pages that know where to go on.
#[derive(Debug, Deserialize)]
pub(super) struct ReturnQuery {
    #[serde(default)]
    pub(super) return_to: ReturnTo,
}

/// Goes on by itself.
pub(super) async fn go_on(
    query: Result<Query<ReturnQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(ReturnQuery { return_to }) = query?;
    let message = MessagePage {
        title: "You are logged in",
        message: "You go on where you came from.",
        refresh: Some(return_to.as_str()),
        href: return_to.as_str(),
        label: "Continue",
    };
    Ok(page(StatusCode::OK, &message, None))
}

/// A redirect after which the browser repeats nothing that it has sent.
pub(super) fn see_other(to: &str) -> Response {
    let Ok(location) = HeaderValue::try_from(to) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let no_store = HeaderValue::from_static("no-store");
    let headers = [(LOCATION, location), (CACHE_CONTROL, no_store)];
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// Authorization requests are in it, whose state may be long.
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
