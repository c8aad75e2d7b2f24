//! Attributes of spans.

use mcp_gateway_core::protocol::Method;
use mcp_gateway_core::trace::{Span, SpanKind, SpanTransport};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};

/// Returns the attributes of `span`.
pub(super) fn attributes(span: &Span) -> Vec<KeyValue> {
    let mut attributes = Vec::with_capacity(16);
    let mut add = |key: &str, value: String| attributes.push(text(key, value));
    add("mcp.method.name", span.method.as_str().to_owned());
    add("mcp.protocol.version", span.version.as_str().to_owned());
    add("network.transport", span.transport.as_str().to_owned());
    if span.transport == SpanTransport::Tcp {
        add("network.protocol.name", "http".to_owned());
    }
    if let Some(id) = &span.request_id {
        let text = id.as_str().map(ToOwned::to_owned);
        add("jsonrpc.request.id", text.unwrap_or_else(|| id.to_string()));
    }
    if span.method == Method::ToolsCall {
        add("gen_ai.operation.name", "execute_tool".to_owned());
    }
    if let Some(name) = &span.name {
        let key = match span.method {
            Method::PromptsGet => "gen_ai.prompt.name",
            _ => "gen_ai.tool.name",
        };
        add(key, String::from(&**name));
    }
    if let Some(uri) = &span.uri {
        add("mcp.resource.uri", without_query(uri).to_owned());
    }
    if let Some(session) = &span.session {
        add("mcp.session.id", String::from(&**session));
    }
    if let Some(code) = span.status_code() {
        add("rpc.response.status_code", code.to_string());
    }
    if let Some(error) = span.error_type() {
        add("error.type", error.into_owned());
    }
    add("mcp_gateway.name", String::from(&*span.gateway));
    if let Some(server) = &span.server {
        add("mcp_gateway.server", String::from(&**server));
    }
    if let Some(failure) = span.failure {
        add("mcp_gateway.reason", failure.reason.to_owned());
    }
    add_peer(span, &mut attributes);
    add_content(span, &mut attributes);
    attributes
}

/// Adds the address of the other side.
fn add_peer(span: &Span, attributes: &mut Vec<KeyValue>) {
    let Some(peer) = &span.peer else {
        return;
    };
    let (address, port) = match span.kind {
        SpanKind::Client => ("server.address", "server.port"),
        _ => ("client.address", "client.port"),
    };
    attributes.push(text(address, peer.address().into_owned()));
    attributes.push(attribute(port, Value::IntValue(peer.port().into())));
}

/// Adds arguments and result, if the span contains them.
fn add_content(span: &Span, attributes: &mut Vec<KeyValue>) {
    let Some(content) = &span.content else {
        return;
    };
    match (&span.method, &content.arguments) {
        (Method::ToolsCall, Some(arguments)) => {
            attributes.push(text("gen_ai.tool.call.arguments", arguments.clone()));
        }
        (Method::PromptsGet, Some(arguments)) => {
            let variables =
                serde_json::from_str::<serde_json::Map<_, serde_json::Value>>(arguments);
            for (name, value) in variables.unwrap_or_default() {
                let value = value
                    .as_str()
                    .map_or_else(|| value.to_string(), ToOwned::to_owned);
                attributes.push(text(format!("gen_ai.prompt.variable.{name}"), value));
            }
        }
        _ => {}
    }
    if let (Method::ToolsCall, Some(result)) = (&span.method, &content.result) {
        attributes.push(text("gen_ai.tool.call.result", result.clone()));
    }
}

/// Returns a URI without its query and its fragment, where secrets are.
fn without_query(uri: &str) -> &str {
    uri.split(['?', '#']).next().unwrap_or_default()
}

/// Returns an attribute whose value is a text.
pub(super) fn text(key: impl Into<String>, value: String) -> KeyValue {
    attribute(key, Value::StringValue(value))
}

fn attribute(key: impl Into<String>, value: Value) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}
