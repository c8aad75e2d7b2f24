//! Protection against requests from foreign web pages and against DNS rebinding.
//!
//! A page on any site can make a browser send requests to addresses that only the browser can
//! reach, and by [DNS rebinding][attack] even read the responses. A request must therefore name a
//! host of this gateway, and must not come from a page of another origin. Rejected requests receive
//! `403 Forbidden`.
//!
//! By default the hosts are `localhost` and any IP address: a page cannot have the origin of an
//! address from which it was not loaded, and an IP address cannot be rebound. Pages of this machine
//! may call a gateway on this machine.
//!
//! # Deployment
//!
//! A reverse proxy must forward the original `Host` header, and its public name must be
//! [added](HostPolicy::with_host).
//!
//! # Example
//!
//! ```
//! use http::Request;
//! use mcp_gateway_core::host_policy::HostPolicy;
//!
//! let policy = HostPolicy::new().with_host("mcp.example.com").with_origin("https://app.example.com");
//! let check = |host: &str, origin: Option<&str>| {
//!     let mut request = Request::builder().header("host", host);
//!     if let Some(origin) = origin {
//!         request = request.header("origin", origin);
//!     }
//!     let (parts, ()) = request.body(()).unwrap().into_parts();
//!     policy.check(&parts).is_ok()
//! };
//! assert!(check("mcp.example.com", None));
//! assert!(check("mcp.example.com", Some("https://app.example.com")));
//! assert!(check("127.0.0.1:8080", Some("http://localhost:6274")));
//! assert!(!check("rebound.example.net", None));
//! assert!(!check("mcp.example.com", Some("https://elsewhere.example")));
//! ```
//!
//! [attack]: https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http#security--endpoint

use std::borrow::Cow;
use std::collections::HashSet;
use std::net::IpAddr;

use http::header;
use http::request::Parts;

use crate::error::RequestError;

/// Allowlist of hosts of the gateway and of origins whose pages may call it.
///
/// See the [module documentation](self) for an example.
#[derive(Clone, Debug, Default)]
#[doc(alias("Origin", "DNS rebinding"))]
pub struct HostPolicy {
    /// Additional host names in lower case.
    hosts: HashSet<String>,
    /// Additional origins in lower case.
    origins: HashSet<String>,
}

impl HostPolicy {
    /// Creates an allowlist with `localhost` and any IP address.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a host name, without a port. Case is ignored.
    #[must_use]
    pub fn with_host(mut self, host: &str) -> Self {
        self.hosts.insert(host.to_ascii_lowercase());
        self
    }

    /// Adds an origin, such as `https://app.example.com`, whose pages may call the gateway.
    #[must_use]
    pub fn with_origin(mut self, origin: &str) -> Self {
        self.origins
            .insert(origin.trim_end_matches('/').to_ascii_lowercase());
        self
    }

    /// Validates the host and the origin of a request.
    ///
    /// A request without an `Origin` header does not come from a web page and is accepted.
    ///
    /// # Errors
    ///
    /// [`RequestError::Host`] or [`RequestError::Origin`].
    pub fn check(&self, parts: &Parts) -> Result<(), RequestError> {
        let authority = authority(parts);
        if let Some(host) = &authority
            && !self.allows_host(host)
        {
            let host = host.clone().into_owned();
            return Err(RequestError::Host { host });
        }
        let mut origins = parts.headers.get_all(header::ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => Ok(()),
            (Some(origin), None) if self.allows_origin(origin.as_bytes(), authority.as_deref()) => {
                Ok(())
            }
            (Some(origin), _) => Err(RequestError::Origin {
                origin: String::from_utf8_lossy(origin.as_bytes()).into_owned(),
            }),
        }
    }

    /// Returns `true` if `authority` is a host of the gateway.
    fn allows_host(&self, authority: &str) -> bool {
        let host = host(authority);
        is_local(host)
            || host.parse::<IpAddr>().is_ok()
            || self.hosts.contains(&host.to_ascii_lowercase())
    }

    /// Returns `true` if pages of `origin` may call the gateway at `authority`.
    pub(crate) fn allows_origin(&self, origin: &[u8], authority: Option<&str>) -> bool {
        let Ok(origin) = std::str::from_utf8(origin) else {
            return false;
        };
        let origin = origin.to_ascii_lowercase();
        if self.origins.contains(&origin) {
            return true;
        }
        let page = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        let (Some(page), Some(authority)) = (page, authority) else {
            return false;
        };
        let both_local = is_loopback(host(page)) && is_loopback(host(authority));
        page == authority.to_ascii_lowercase() || both_local
    }
}

/// Returns the authority of a request: its `Host` header, or that of its URI.
pub(crate) fn authority(parts: &Parts) -> Option<Cow<'_, str>> {
    match parts.headers.get(header::HOST) {
        Some(host) => Some(String::from_utf8_lossy(host.as_bytes())),
        None => parts.uri.authority().map(|uri| uri.as_str().into()),
    }
}

/// Returns the host of an authority, without brackets and port.
///
/// A text that is not a host with an optional port is returned unchanged, and matches no host.
fn host(authority: &str) -> &str {
    let (host, port) = match authority.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']').unwrap_or((authority, "")),
        None => match authority.find(':') {
            Some(colon) => authority.split_at(colon),
            None => (authority, ""),
        },
    };
    let digits = port.strip_prefix(':').unwrap_or(port);
    match digits.bytes().all(|byte| byte.is_ascii_digit()) {
        true => host,
        false => authority,
    }
}

/// Returns `true` if `host` is `localhost` or below it.
fn is_local(host: &str) -> bool {
    const SUFFIX: &str = ".localhost";
    let parent = host.len().checked_sub(SUFFIX.len());
    host.eq_ignore_ascii_case("localhost")
        || parent
            .and_then(|at| host.get(at..))
            .is_some_and(|suffix| suffix.eq_ignore_ascii_case(SUFFIX))
}

/// Returns `true` if `host` is a name or address of the local machine.
fn is_loopback(host: &str) -> bool {
    is_local(host) || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn check(policy: &HostPolicy, host: &str, origin: Option<&str>) -> bool {
        let mut request = Request::builder().header("host", host);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        policy
            .check(&request.body(()).unwrap().into_parts().0)
            .is_ok()
    }

    #[test]
    fn a_page_can_neither_rebind_nor_call_from_elsewhere() {
        let policy = HostPolicy::new();
        let table = [
            ("localhost:8080", None, true),
            ("[::1]:8080", Some("http://localhost:6274"), true),
            ("127.0.0.1", Some("http://127.0.0.1"), true),
            ("a.localhost", None, true),
            ("192.168.1.5:8080", None, true),
            ("192.168.1.5:8080", Some("http://192.168.1.5:8080"), true),
            ("192.168.1.5:8080", Some("http://192.168.1.6:8080"), false),
            ("192.168.1.5:8080", Some("http://localhost"), false),
            ("evil.example", None, false),
            ("evil.example", Some("http://evil.example"), false),
            ("localhost.evil.example", None, false),
            ("localhost@evil.example", None, false),
            ("localhost:x@evil.example", None, false),
            ("[::1]evil.example", None, false),
            ("LOCALHOST:8080", None, true),
            ("é.example", None, false),
            ("localhost:8080", Some("http://evil.example"), false),
            ("localhost:8080", Some("null"), false),
            (
                "localhost:8080",
                Some("http://localhost.evil.example"),
                false,
            ),
            (
                "localhost:8080",
                Some("http://localhost@evil.example"),
                false,
            ),
        ];
        for (host, origin, expected) in table {
            assert_eq!(check(&policy, host, origin), expected, "{host} {origin:?}");
        }
    }

    #[test]
    fn configured_hosts_and_origins_are_accepted() {
        let policy = HostPolicy::new()
            .with_host("MCP.example.com")
            .with_host("mcp.example.org")
            .with_origin("https://App.example.com/")
            .with_origin("https://app.example.org");
        let table = [
            ("mcp.example.com", None, true),
            ("mcp.example.org:8443", None, true),
            ("localhost", None, true),
            ("app.example.com", None, false),
            ("mcp.example.com", Some("https://app.example.com"), true),
            ("mcp.example.com", Some("https://APP.example.org"), true),
            ("mcp.example.com", Some("https://mcp.example.com"), true),
            ("mcp.example.com", Some("https://mcp.example.org"), false),
            ("mcp.example.com", Some("http://app.example.com"), false),
            ("mcp.example.com", Some("http://localhost"), false),
        ];
        for (host, origin, expected) in table {
            assert_eq!(check(&policy, host, origin), expected, "{host} {origin:?}");
        }
    }

    #[test]
    fn two_origins_are_none() {
        let request = Request::builder()
            .header("host", "localhost")
            .header("origin", "http://localhost")
            .header("origin", "http://evil.example");
        assert!(
            HostPolicy::new()
                .check(&request.body(()).unwrap().into_parts().0)
                .is_err()
        );
    }
}
