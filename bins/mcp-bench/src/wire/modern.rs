//! Requests of the modern era, self-contained in body and headers.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::{Call, Prepared, client_info, message};
use crate::endpoint::Endpoint;

/// Protocol version of the modern era.
pub(crate) const VERSION: &str = "2026-07-28";

/// `_meta` field with the protocol version.
const VERSION_FIELD: &str = "io.modelcontextprotocol/protocolVersion";

/// Method for the capabilities of a server.
pub(crate) const DISCOVER: &str = "server/discover";

/// Prepares `call`.
pub(crate) fn call(endpoint: &Endpoint, call: &Call) -> Prepared {
    let mut fields = format!(
        "MCP-Protocol-Version: {VERSION}\r\nMcp-Method: {}\r\n",
        call.method
    );
    if let Some(name) = name(call) {
        fields.push_str(&format!("Mcp-Name: {}\r\n", header_value(name)));
    }
    let mut params = call.params.clone();
    let meta = params.entry("_meta").or_insert_with(|| json!({}));
    if let Value::Object(meta) = meta {
        meta.insert(VERSION_FIELD.to_owned(), Value::from(VERSION));
        meta.insert(
            "io.modelcontextprotocol/clientInfo".to_owned(),
            client_info(),
        );
        meta.insert(
            "io.modelcontextprotocol/clientCapabilities".to_owned(),
            endpoint.capabilities(),
        );
    }
    Prepared::request(endpoint, &fields, message(&call.method, params))
}

/// Builds a request for unsolicited notifications.
pub(crate) fn listen(endpoint: &Endpoint) -> Prepared {
    let mut listen = Call::bare("subscriptions/listen");
    listen.params.insert(
        "notifications".to_owned(),
        json!({ "toolsListChanged": true }),
    );
    call(endpoint, &listen)
}

/// Returns the value of the `Mcp-Name` header of `call`.
fn name(call: &Call) -> Option<&str> {
    let field = match call.method.as_str() {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        _ => return None,
    };
    call.params.get(field).and_then(Value::as_str)
}

/// Encodes `value` as a header value, if it could be misread.
fn header_value(value: &str) -> String {
    let plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && value.trim() == value
        && !(value.starts_with("=?base64?") && value.ends_with("?="));
    if plain {
        value.to_owned()
    } else {
        format!("=?base64?{}?=", BASE64_STANDARD.encode(value))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::split;
    use super::*;

    #[test]
    fn a_call_describes_itself_twice() {
        let endpoint = Endpoint::new("http://localhost/mcp", &[]).unwrap();
        let endpoint = endpoint.declaring(&["elicitation".to_owned()]);
        let mut prepared = call(&endpoint, &Call::tool("echo", json!({ "message": "x" })));
        let (head, body) = split(prepared.with_id(super::super::first_id(0)));
        for field in [
            "MCP-Protocol-Version: 2026-07-28",
            "Mcp-Method: tools/call",
            "Mcp-Name: echo",
        ] {
            assert!(head.contains(field), "{head}");
        }
        assert_eq!(body["params"]["name"], "echo");
        assert_eq!(body["params"]["_meta"][VERSION_FIELD], VERSION);
        assert_eq!(
            body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"],
            json!({ "elicitation": {} })
        );
    }

    #[test]
    fn names_that_could_be_misread_are_encoded() {
        let cases = [
            ("us-west1", "us-west1"),
            ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
            (" padded ", "=?base64?IHBhZGRlZCA=?="),
            ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
            ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
        ];
        for (value, expected) in cases {
            assert_eq!(header_value(value), expected);
        }
    }
}
