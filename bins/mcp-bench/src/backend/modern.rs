//! Responses of the modern era.

use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::message::Message;
use super::reply::Reply;
use super::{Backend, VERSION_HEADER};
use crate::wire::modern::{DISCOVER, VERSION};

/// End of a result.
const COMPLETE: &str = r#","resultType":"complete"}"#;

/// End of a cacheable result.
const CACHEABLE: &str = r#","ttlMs":60000,"cacheScope":"public","resultType":"complete"}"#;

/// Returns the response to a message.
pub(super) fn reply<'a>(
    backend: &'a Backend,
    headers: &HeaderMap,
    message: &Message<'_>,
) -> Reply<'a> {
    let Some((method, id)) = message.request() else {
        return Reply::Accepted;
    };
    if let Err(refusal) = check(headers, message, method) {
        return refusal;
    }
    match method {
        DISCOVER => Reply::result(discovery()),
        "tools/list" => Reply::Result(
            r#"{"tools":"#,
            Cow::Borrowed(backend.tools.list()),
            CACHEABLE,
        ),
        "tools/call" => {
            let params = message.params();
            if params.name().is_some_and(|name| backend.tools.has(name)) {
                Reply::Result("{", backend.tools.call(params.arguments), COMPLETE)
            } else {
                Reply::error(StatusCode::OK, -32602, "Unknown tool")
            }
        }
        "subscriptions/listen" => Reply::Stream(acknowledgment(message, id)),
        _ => Reply::error(StatusCode::NOT_FOUND, -32601, "Method not found"),
    }
}

/// Validates the headers and the `_meta` fields of a request.
fn check(headers: &HeaderMap, message: &Message<'_>, method: &str) -> Result<(), Reply<'static>> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let version = header(VERSION_HEADER).ok_or_else(|| mismatch("MCP-Protocol-Version"))?;
    let meta = message.version().filter(|_| message.has_capabilities());
    let Some(named) = meta else {
        let text = "Invalid params: required _meta fields are missing";
        return Err(Reply::error(StatusCode::BAD_REQUEST, -32602, text));
    };
    if version != named {
        return Err(mismatch("MCP-Protocol-Version"));
    }
    if version != VERSION {
        return Err(unsupported(version));
    }
    if header("mcp-method") != Some(method) {
        return Err(mismatch("Mcp-Method"));
    }
    if method == "tools/call" {
        let name = header("mcp-name").and_then(decoded);
        if name.is_none() || name.as_deref() != message.params().name() {
            return Err(mismatch("Mcp-Name"));
        }
    }
    Ok(())
}

/// Decodes a header value.
fn decoded(value: &str) -> Option<Cow<'_, str>> {
    let encoded = value
        .strip_prefix("=?base64?")
        .and_then(|rest| rest.strip_suffix("?="));
    match encoded {
        Some(encoded) => {
            let bytes = BASE64_STANDARD.decode(encoded).ok()?;
            String::from_utf8(bytes).ok().map(Cow::Owned)
        }
        None => Some(Cow::Borrowed(value)),
    }
}

fn mismatch(header: &str) -> Reply<'static> {
    // Legacy clients get here too: the supported versions tell their users what is wrong.
    let error = json!({
        "code": -32020,
        "message": format!("Header mismatch: {header} is missing or does not match the body"),
        "data": { "supported": [VERSION] },
    });
    Reply::Error(StatusCode::BAD_REQUEST, error)
}

fn unsupported(version: &str) -> Reply<'static> {
    let error = json!({
        "code": -32022,
        "message": "Unsupported protocol version",
        "data": { "supported": [VERSION], "requested": version },
    });
    Reply::Error(StatusCode::BAD_REQUEST, error)
}

/// Builds the result of `server/discover`.
fn discovery() -> String {
    let server = json!({ "name": "mcp-bench", "version": env!("CARGO_PKG_VERSION") });
    let result = json!({
        "resultType": "complete",
        "supportedVersions": [VERSION],
        "capabilities": { "tools": { "listChanged": true } },
        "ttlMs": 60_000,
        "cacheScope": "public",
        "_meta": { "io.modelcontextprotocol/serverInfo": server },
    });
    result.to_string()
}

/// Builds the first message of the stream that responds to the request `id`.
fn acknowledgment(message: &Message<'_>, id: &str) -> String {
    let filter = message.params().notifications.as_ref();
    let honored = match filter.is_some_and(|filter| filter.tools_list_changed) {
        true => r#"{"toolsListChanged":true}"#,
        false => "{}",
    };
    let parts = [
        r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"#,
        r#""_meta":{"io.modelcontextprotocol/subscriptionId":"#,
        id,
        r#"},"notifications":"#,
        honored,
        "}}",
    ];
    parts.concat()
}
