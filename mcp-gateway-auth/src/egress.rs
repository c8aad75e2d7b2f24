//! Outbound HTTP requests to addresses that strangers choose.
//!
//! Client metadata documents, JWK sets, discovery documents and introspection endpoints have
//! addresses that strangers name, directly or in a document. Without restrictions, a stranger could
//! make the gateway send requests into its own network (server-side request forgery, SSRF).
//! [`Egress`] is the only client for such requests:
//!
//! 1. It connects only to hosts on the public internet, with `https` on port 443, unless the
//!    [`EgressPolicy`] permits more. A name is resolved once, all its addresses are validated, and
//!    the connection uses one of these addresses. DNS rebinding has no second lookup to exploit.
//! 2. It follows no redirects, sends no cookies, and uses no proxy.
//! 3. It reads bodies up to a limit that the caller sets, and rejects compressed ones.
//! 4. It gives up after ten seconds in total, and bounds the number of concurrent requests.
//! 5. It sends nothing to an endpoint that has asked for a pause with `Retry-After`, for up to five
//!    minutes.
//!
//! Errors reveal nothing about the gateway's network: a forbidden address, an unknown name and a
//! host that accepts no connection are all [`EgressError::Unavailable`]. The cause is in the log.
//!
//! # Example
//!
//! ```
//! use mcp_gateway_auth::egress::{Egress, EgressError, EgressPolicy};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let egress = Egress::new(EgressPolicy::new())?;
//! let error = egress.get_json("https://169.254.169.254/latest", 5120).await.unwrap_err();
//! assert!(matches!(error, EgressError::Unavailable));
//! # Ok(())
//! # }
//! ```

mod address;
mod client;
mod client_auth;
mod connector;
mod http_client;
#[cfg(feature = "client")]
mod mask;
mod pauses;
mod policy;
mod url_template;

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};

pub use self::address::special_use;
pub use self::client::Egress;
pub use self::client_auth::ClientAuth;
#[cfg(feature = "client")]
pub(crate) use self::mask::mask_of;
pub use self::policy::EgressPolicy;
pub use self::url_template::{UrlPart, UrlPiece, UrlTemplate, UrlTemplateError, UrlValueError};

/// A fetched document.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FetchedDocument {
    /// HTTP status of the response.
    pub status: StatusCode,
    /// Headers of the response.
    pub headers: HeaderMap,
    /// Content of the response, within the limit of the caller.
    pub body: Bytes,
}

impl FetchedDocument {
    /// Returns the `max-age` of `Cache-Control` (RFC 9111, section 5.2.2).
    ///
    /// `None` if the response has none, and zero if it has `no-store` or `no-cache`.
    #[must_use]
    pub fn max_age(&self) -> Option<Duration> {
        let mut age = None;
        for value in self.headers.get_all(header::CACHE_CONTROL) {
            for directive in value.to_str().unwrap_or_default().split(',') {
                let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
                let name = name.trim().to_ascii_lowercase();
                match name.as_str() {
                    "no-store" | "no-cache" => return Some(Duration::ZERO),
                    "max-age" => age = value.trim().trim_matches('"').parse().ok().or(age),
                    _ => {}
                }
            }
        }
        age.map(Duration::from_secs)
    }

    /// Returns the delay of `Retry-After` at `now` (RFC 9110, section 10.2.3), which is a number of
    /// seconds or a date.
    ///
    /// `None` if the response has none, or an invalid one, and zero for a date in the past.
    #[must_use]
    pub fn retry_after(&self, now: SystemTime) -> Option<Duration> {
        let value = self.headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
        if let Ok(seconds) = value.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let date = httpdate::parse_http_date(value).ok()?;
        Some(date.duration_since(now).unwrap_or_default())
    }

    /// Returns `true` if the `Content-Type` is `application/json` or `application/*+json`.
    #[must_use]
    pub fn is_json(&self) -> bool {
        let value = self.headers.get(header::CONTENT_TYPE);
        let value = value.and_then(|value| value.to_str().ok());
        let essence = value.and_then(|value| value.split(';').next());
        let essence = essence.unwrap_or_default().trim().to_ascii_lowercase();
        let kind = essence.strip_prefix("application/");
        kind.is_some_and(|kind| kind == "json" || kind.ends_with("+json"))
    }
}

/// The reason for which a document could not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EgressError {
    /// The response is not JSON, or is compressed although no compression was accepted.
    #[error("response is not JSON")]
    ContentType,
    /// The endpoint has asked for a pause, which has not ended; no request was sent.
    #[error("too many requests; try again in {} s", .remaining.as_secs().max(1))]
    Paused {
        /// Rest of the pause.
        remaining: Duration,
    },
    /// The response has an unexpected status. Redirects are not followed.
    #[error("unexpected response status {0}")]
    Status(StatusCode),
    /// The response was not complete in time.
    #[error("no complete response within ten seconds")]
    Timeout,
    /// The response exceeds the limit.
    #[error("response larger than {limit} bytes")]
    TooLarge {
        /// Limit, in bytes.
        limit: usize,
    },
    /// The address is forbidden, does not exist, or accepts no connection.
    #[error("address unreachable")]
    Unavailable,
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn fetched(name: &header::HeaderName, values: &[&'static str]) -> FetchedDocument {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_static(value));
        }
        FetchedDocument {
            status: StatusCode::OK,
            headers,
            body: Bytes::new(),
        }
    }

    #[test]
    fn how_long_a_document_is_kept_is_read_from_cache_control() {
        let table: [(&[&'static str], Option<u64>); 9] = [
            (&[], None),
            (&["public"], None),
            (&["max-age=60"], Some(60)),
            (&["public, Max-Age=\"60\", must-revalidate"], Some(60)),
            (&["max-age=60, no-store"], Some(0)),
            (&["no-cache"], Some(0)),
            (&["max-age=60", "no-cache"], Some(0)),
            (&["max-age=-1"], None),
            (&["max-age=99999999999999999999999"], None),
        ];
        for (values, seconds) in table {
            let age = fetched(&header::CACHE_CONTROL, values).max_age();
            assert_eq!(age, seconds.map(Duration::from_secs), "{values:?}");
        }
    }

    #[test]
    fn json_is_told_by_its_type() {
        let table = [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/jwk-set+json", true),
            ("text/html", false),
            ("text/plain", false),
            ("application/jsonp", false),
            ("text/json", false),
        ];
        for (value, expected) in table {
            let fetched = fetched(&header::CONTENT_TYPE, &[value]);
            assert_eq!(fetched.is_json(), expected, "{value}");
        }
        assert!(!fetched(&header::CONTENT_TYPE, &[]).is_json());
    }

    #[test]
    fn a_retry_is_delayed_by_seconds_or_until_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_717);
        let table = [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
        ];
        for (value, expected) in table {
            let found = fetched(&header::RETRY_AFTER, &[value]).retry_after(now);
            assert_eq!(found, expected.map(Duration::from_secs), "{value}");
        }
    }
}
