//! What the headers of a request say.

use http::{HeaderMap, HeaderName, header};

use crate::protocol::header::{
    LAST_EVENT_ID, MCP_METHOD, MCP_NAME, MCP_PARAM_PREFIX, MCP_PROTOCOL_VERSION, MCP_SESSION_ID,
};

/// Whether a client takes `media_type`; one that does not say takes anything.
pub(super) fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    let mut values = headers.get_all(header::ACCEPT).iter().peekable();
    if values.peek().is_none() {
        return true;
    }
    let (kind, _) = media_type.split_once('/').unwrap_or((media_type, ""));
    let takes = |range: &str| {
        let essence = range.split(';').next().unwrap_or_default().trim();
        let all_of = essence.strip_suffix("/*");
        essence.eq_ignore_ascii_case(media_type)
            || all_of.is_some_and(|all| all == "*" || all.eq_ignore_ascii_case(kind))
    };
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(takes)
}

pub(super) fn takes_events(headers: &HeaderMap) -> bool {
    accepts(headers, "text/event-stream")
}

/// Whether a header of the name can be passed on to servers, where a gateway is told to.
///
/// Those cannot that belong to a connection, to the protocol, or to who the caller is here.
#[must_use]
pub fn is_forwardable(name: &HeaderName) -> bool {
    !NEVER_FORWARDED.contains(name)
}

/// The headers of a request that may be passed on.
pub(super) fn forwarded(headers: &HeaderMap, allowed: &[HeaderName]) -> HeaderMap {
    let mut forwarded = HeaderMap::new();
    for (name, value) in headers {
        if name.as_str().starts_with(MCP_PARAM_PREFIX) || allowed.contains(name) {
            forwarded.append(name, value.clone());
        }
    }
    forwarded
}

/// Headers that belong to a connection, to the protocol, or to who the caller is here.
const NEVER_FORWARDED: [HeaderName; 23] = [
    MCP_NAME,
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
