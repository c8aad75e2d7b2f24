//! HTTP headers that mirror parts of a request, and their encoding.
//!
//! The modern era repeats the method, the target and some arguments of a request in headers, so
//! that proxies can route without parsing the body. Values that are not plain visible ASCII are
//! Base64-encoded. See [MCP 2026-07-28, request metadata][spec].
//!
//! # Example
//!
//! ```
//! use mcp_gateway_core::protocol::header;
//!
//! assert_eq!(header::encode("us-west1"), "us-west1");
//! assert_eq!(header::encode("Hello, 世界"), "=?base64?SGVsbG8sIOS4lueVjA==?=");
//! let value = header::encode(" padded ");
//! assert_eq!(header::decode(&value).as_deref(), Some(" padded "));
//! ```
//!
//! [spec]: https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http#request-metadata

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue};

/// Headers that mirror the arguments of a tool call, with their values.
pub(crate) type ParamHeaders = Vec<(HeaderName, HeaderValue)>;

/// Event ID from which a broken stream is to be resumed; legacy era.
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Method of the request.
pub const MCP_METHOD: HeaderName = HeaderName::from_static("mcp-method");

/// Tool, prompt, resource or task that the request names.
pub const MCP_NAME: HeaderName = HeaderName::from_static("mcp-name");

/// Prefix of the names of headers that mirror arguments of a tool.
pub const MCP_PARAM_PREFIX: &str = "mcp-param-";

/// Protocol version of the request.
pub const MCP_PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// Session ID of the request; legacy era.
pub const MCP_SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");

/// Returns the header value that mirrors `text`.
///
/// The value is `text` itself if it consists of visible ASCII and inner spaces, otherwise its
/// Base64 form, `=?base64?…?=`.
#[must_use]
pub fn encode(text: &str) -> HeaderValue {
    if is_plain(text)
        && let Ok(value) = HeaderValue::from_str(text)
    {
        return value;
    }
    let encoded = format!("{PREFIX}{}{SUFFIX}", STANDARD.encode(text));
    // Base64 and the markers around it are visible ASCII.
    HeaderValue::try_from(encoded).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Returns the text that a header value mirrors.
///
/// Returns `None` if the value is not visible ASCII, or its Base64 form does not decode to UTF-8.
#[must_use]
pub fn decode(value: &HeaderValue) -> Option<Cow<'_, str>> {
    let text = value.to_str().ok()?.trim_matches([' ', '\t']);
    let encoded = text
        .strip_prefix(PREFIX)
        .and_then(|text| text.strip_suffix(SUFFIX));
    match encoded {
        Some(encoded) => {
            let bytes = STANDARD.decode(encoded).ok()?;
            String::from_utf8(bytes).ok().map(Cow::Owned)
        }
        None => Some(Cow::Borrowed(text)),
    }
}

/// Returns the type of `media_type`, the text before its parameters.
pub(crate) fn without_parameters(media_type: &[u8]) -> &[u8] {
    let end = media_type.iter().position(|byte| *byte == b';');
    media_type[..end.unwrap_or(media_type.len())].trim_ascii()
}

/// Returns `true` if `text` can be a header value without being encoded.
fn is_plain(text: &str) -> bool {
    let visible = |byte: u8| matches!(byte, b' '..=b'~');
    let marked = text.starts_with(PREFIX) && text.ends_with(SUFFIX);
    !text.is_empty() && text.bytes().all(visible) && text.trim_matches(' ') == text && !marked
}

/// Markers around a Base64-encoded value.
const PREFIX: &str = "=?base64?";
const SUFFIX: &str = "?=";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn examples_of_the_specification() {
        let table = [
            ("us-west1", "us-west1"),
            ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
            (" padded ", "=?base64?IHBhZGRlZCA=?="),
            ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
            ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
        ];
        for (text, value) in table {
            assert_eq!(encode(text), value);
            assert_eq!(
                decode(&HeaderValue::from_static(value)).as_deref(),
                Some(text)
            );
        }
    }

    #[test]
    fn values_that_mirror_nothing_are_refused() {
        for value in [
            &b"\xff"[..],
            b"=?base64?%?=",
            b"=?base64?/w==?=",
            b"caf\xe9",
        ] {
            assert_eq!(decode(&HeaderValue::from_bytes(value).unwrap()), None);
        }
        // The markers are case-sensitive.
        let upper = HeaderValue::from_static("=?BASE64?YQ==?=");
        assert_eq!(decode(&upper).as_deref(), Some("=?BASE64?YQ==?="));
    }

    proptest! {
        #[test]
        fn any_text_survives(text in ".*|=\\?base64\\?.*\\?=|[ \t]?.*[ \t]?") {
            let value = encode(&text);
            let decoded = decode(&value);
            prop_assert_eq!(decoded.as_deref(), Some(&*text));
        }

        #[test]
        fn any_value_is_answered(value: Vec<u8>) {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                let _ = decode(&value);
            }
        }
    }
}
