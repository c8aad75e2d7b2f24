//! Interpretation of request headers.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::protocol::header::{
    LAST_EVENT_ID, MCP_METHOD, MCP_NAME, MCP_PARAM_PREFIX, MCP_PROTOCOL_VERSION, MCP_SESSION_ID,
    without_parameters,
};

/// Returns `true` if the client accepts `media_type`. A client without an `Accept` header accepts
/// any.
pub(super) fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    let mut values = headers.get_all(header::ACCEPT).iter().peekable();
    if values.peek().is_none() {
        return true;
    }
    let (kind, _) = media_type.split_once('/').unwrap_or((media_type, ""));
    let takes = |range: &[u8]| {
        let all_of = range.strip_suffix(b"/*");
        range.eq_ignore_ascii_case(media_type.as_bytes())
            || all_of.is_some_and(|all| all == b"*" || all.eq_ignore_ascii_case(kind.as_bytes()))
    };
    media_ranges(values).any(takes)
}

/// Returns `true` if the client names `text/event-stream`; a range such as `*/*` does not suffice.
///
/// A browser, a monitor or a probe of a client accepts anything, and does not expect a response
/// that never ends.
pub(super) fn names_events(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT).iter();
    media_ranges(values).any(|range| range.eq_ignore_ascii_case(b"text/event-stream"))
}

/// Returns the media ranges in the values of `Accept`, without their parameters.
fn media_ranges<'a>(
    values: impl Iterator<Item = &'a HeaderValue>,
) -> impl Iterator<Item = &'a [u8]> {
    values
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(without_parameters)
}

/// Returns `true` if the client accepts event streams.
pub(super) fn takes_events(headers: &HeaderMap) -> bool {
    accepts(headers, "text/event-stream")
}

/// Returns `true` if the header `name` may be put on the allowlist of forwarded headers.
///
/// Headers of the connection, of the protocol and of the caller's authentication to the gateway
/// must not be forwarded.
///
/// # Example
///
/// ```
/// use http::HeaderName;
/// use http::header::AUTHORIZATION;
/// use mcp_gateway_core::endpoint::is_forwardable;
///
/// assert!(is_forwardable(&HeaderName::from_static("x-request-id")));
/// assert!(!is_forwardable(&AUTHORIZATION));
/// ```
#[must_use]
pub fn is_forwardable(name: &HeaderName) -> bool {
    !NEVER_FORWARDED.contains(name)
}

/// Returns the headers of a request that are forwarded: those of the allowlist, and those that
/// mirror arguments.
pub(super) fn forwarded(headers: &HeaderMap, allowed: &[HeaderName]) -> HeaderMap {
    let mut forwarded = HeaderMap::new();
    for (name, value) in headers {
        if name.as_str().starts_with(MCP_PARAM_PREFIX) || allowed.contains(name) {
            forwarded.append(name, value.clone());
        }
    }
    forwarded
}

/// Headers of the connection, of the protocol, or of the caller's authentication to the gateway.
const NEVER_FORWARDED: [HeaderName; 24] = [
    MCP_NAME,
    HeaderName::from_static("dpop"),
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::AUTHORIZATION,
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::COOKIE,
    header::EXPECT,
    header::HOST,
    header::ORIGIN,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    LAST_EVENT_ID,
    MCP_METHOD,
    MCP_PROTOCOL_VERSION,
    MCP_SESSION_ID,
];
