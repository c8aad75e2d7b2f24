//! The MCP semantic conventions of OpenTelemetry: semantic-conventions-genai 0.1.0, `model/mcp`, as of
//! autumn 2026.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

use super::collector::ReceivedSpan;

/// Attributes of both kinds of spans.
const COMMON: [&str; 16] = [
    "error.type",
    "gen_ai.operation.name",
    "gen_ai.prompt.name",
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result",
    "gen_ai.tool.name",
    "jsonrpc.protocol.version",
    "jsonrpc.request.id",
    "mcp.method.name",
    "mcp.protocol.version",
    "mcp.resource.uri",
    "mcp.session.id",
    "network.protocol.name",
    "network.protocol.version",
    "network.transport",
    "rpc.response.status_code",
];

const SERVER: [&str; 2] = ["client.address", "client.port"];

const CLIENT: [&str; 2] = ["server.address", "server.port"];

/// Codes that are no errors of a server span.
const BY_SENDER: [&str; 5] = ["-32700", "-32600", "-32601", "-32602", "-32002"];

/// Asserts that a span has the name, the attributes and the status that the conventions demand.
#[track_caller]
pub(crate) fn check(span: &ReceivedSpan) {
    let attributes = &span.attributes;
    let get = |key: &str| attributes.get(key).map(String::as_str);
    let (own, others) = match span.kind {
        SpanKind::Server => (SERVER, CLIENT),
        SpanKind::Client => (CLIENT, SERVER),
        kind => panic!("{kind:?}"),
    };
    for key in attributes.keys().map(String::as_str) {
        let is_known = COMMON.contains(&key) || own.contains(&key);
        assert!(
            is_known || key.starts_with("mcp_gateway."),
            "{key}: {span:?}"
        );
        assert!(!others.contains(&key), "{key}: {span:?}");
    }
    let method = get("mcp.method.name").expect("it is required");
    let target = get("gen_ai.tool.name").or_else(|| get("gen_ai.prompt.name"));
    let name = target.map_or_else(|| method.to_owned(), |target| format!("{method} {target}"));
    assert_eq!(span.name, name);
    let is_request = !method.starts_with("notifications/");
    assert_eq!(get("jsonrpc.request.id").is_some(), is_request, "{span:?}");
    assert!(get("mcp.protocol.version").is_some(), "{span:?}");
    let operation = (method == "tools/call").then_some("execute_tool");
    assert_eq!(get("gen_ai.operation.name"), operation);
    let transport = get("network.transport").expect("it is recommended");
    assert!(["tcp", "pipe"].contains(&transport), "{transport}");
    let protocol = (transport == "tcp").then_some("http");
    assert_eq!(get("network.protocol.name"), protocol);
    if get("mcp.protocol.version") == Some("2026-07-28") {
        assert_eq!(get("mcp.session.id"), None, "there are no sessions");
    }
    let error = get("error.type");
    if let Some(code) = get("rpc.response.status_code") {
        let counts = span.kind == SpanKind::Client || !BY_SENDER.contains(&code);
        assert_eq!(error, counts.then_some(code), "{span:?}");
    }
    assert_eq!(span.is_error, error.is_some(), "{span:?}");
}
