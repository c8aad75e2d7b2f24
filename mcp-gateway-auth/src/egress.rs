//! Fetch documents from addresses that come from outside.
//!
//! Client metadata, key sets, discovery documents and introspection endpoints have addresses that
//! strangers choose, or that documents of strangers name. [`Egress`] is the one client for all of
//! them. What it does not do is the point of it:
//!
//! 1. It reaches hosts on the public internet alone, over `https` on port 443, unless the
//!    [`EgressPolicy`] says otherwise. Names are resolved once, all their addresses are looked at,
//!    and the connection goes to one of those.
//! 2. It follows no redirect, sends no cookie, and uses no proxy.
//! 3. It takes bodies up to a limit, which the caller sets, and not compressed.
//! 4. It gives up after ten seconds in all, and has a bounded number of requests under way.
//!
//! Whoever named an address learns nothing from the error about the network that the gateway is in:
//! an address that is refused, a name that does not exist and a host that does not answer are the
//! same [`EgressError::Unavailable`]. The log has the reason.
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
mod connector;
mod policy;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};

pub use self::address::special_use;
pub use self::client::{ClientAuth, Egress};
pub use self::policy::EgressPolicy;

/// A document from outside.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Fetched {
    /// The status of the response.
    pub status: StatusCode,
    /// The headers of the response.
    pub headers: HeaderMap,
    /// The document.
    pub body: Bytes,
}

impl Fetched {
    /// For how long the document may be kept: `max-age` of `Cache-Control`.
    ///
    /// Nothing where the response does not say; zero where it forbids it.
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

    /// Whether the response says that it is JSON.
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

/// Why a document could not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EgressError {
    /// The response is not JSON, or is compressed although nobody asked for it.
    #[error("the response is not JSON")]
    ContentType,
    /// The response has a status that is not expected; redirects are not followed.
    #[error("the response has status {0}")]
    Status(StatusCode),
    /// The response is larger than the limit.
    #[error("the response is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The address is not allowed, does not exist, does not answer, or not in time.
    #[error("the address cannot be reached")]
    Unavailable,
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn fetched(name: &header::HeaderName, values: &[&'static str]) -> Fetched {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_static(value));
        }
        Fetched {
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
}
