//! Metrics, the dashboard and the alert rules over them, and the trace in log lines.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

#[path = "cli/harness.rs"]
#[expect(dead_code, reason = "the other tests of the program need more of it")]
mod harness;

use std::collections::BTreeSet;
use std::fs;

use mcp_gateway_tests::raw::{Raw, RawReply};
use mcp_gateway_tests::wire::modern_request;
use serde_json::{Value, json};

use self::harness::{Folder, Gateway, eventually};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Metrics that have no series without a cluster, a failing program, an approval or a server with
/// sessions.
const RARE: [&str; 4] = [
    "mcp_approval_events_total",
    "mcp_call_retries_total",
    "mcp_client_session_duration_seconds_bucket",
    "mcp_server_deployment_status",
];

/// A gateway that denies `add`, permits one `current_time` an hour, and traces calls.
async fn gateway(folder: &Folder, format: &str) -> Gateway {
    let config = json!({
        "servers": [{ "name": "demo", "builtin": "demo" }],
        "policy": { "rules": [{ "name": "no", "effect": "deny", "tools": ["add"] }] },
        "limits": { "calls": [{ "name": "hourly", "rate": "1 per hour", "tools": ["current_time"] }] },
        "log": { "format": format },
        "traces": { "endpoint": "http://127.0.0.1:1" },
    });
    let file = folder.write("gateway.yaml", &config.to_string());
    Gateway::serve(&file).await
}

/// Calls a tool within the trace.
async fn call(gateway: &Gateway, tool: &str) -> Value {
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let params =
        json!({ "name": tool, "arguments": { "text": "hi" }, "_meta": { "traceparent": parent } });
    let headers = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", tool),
    ];
    let body = modern_request("tools/call", params);
    gateway.wire().post(body, &headers).await.unwrap().answer()
}

/// Sends a request without a body.
async fn send(gateway: &Gateway, head: &str, header: &str) -> RawReply {
    let mut raw = Raw::connect(&gateway.url).await.unwrap();
    let (host, token) = (raw.host().to_owned(), &gateway.token);
    let lines = format!("Host: {host}\r\nAuthorization: Bearer {token}\r\n{header}\r\n\r\n");
    raw.write(format!("{head} HTTP/1.1\r\n{lines}"))
        .await
        .unwrap();
    raw.reply().await.unwrap()
}

/// Returns the metrics, and their media type.
async fn metrics(gateway: &Gateway, accept: &str) -> (String, String) {
    let response = send(gateway, "GET /metrics", &format!("Accept: {accept}")).await;
    let kind = response.headers["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    (response.body, kind)
}

/// Returns the names of the metrics in a text.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|it: char| !it.is_ascii_alphanumeric() && it != '_');
    // Labels begin alike.
    let labels = ["mcp_server_name", "mcp_method_name", "mcp_protocol_version"];
    let names = words.filter(|word| word.starts_with("mcp_") && !labels.contains(word));
    names.map(str::to_owned).collect()
}

fn read(path: &str) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    fs::read_to_string(format!("{root}/{path}")).unwrap()
}

/// Returns the values of all members `expr`.
fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(text) if key == "expr" => found.push(text.clone()),
                    value => expressions(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_metric_of_a_panel_exists_in_both_formats() {
    let folder = Folder::new();
    let gateway = gateway(&folder, "text").await;
    call(&gateway, "demo__echo").await;
    call(&gateway, "demo__add").await;
    for _ in 0..2 {
        call(&gateway, "demo__current_time").await;
    }
    let session = gateway.initialize().await;
    let header = format!("Mcp-Session-Id: {session}");
    assert_eq!(send(&gateway, "DELETE /mcp", &header).await.status, 204);
    // Sessions are counted when they have ended.
    eventually(async || {
        let (text, _) = metrics(&gateway, "*/*").await;
        text.contains("mcp_server_session_duration_seconds_bucket")
    })
    .await;
    let dashboard = read("deploy/grafana/mcp-gateway.json");
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let mut panels = Vec::new();
    expressions(&dashboard, &mut panels);
    assert!(panels.len() > 20);
    let mut wanted = named(&panels.join("\n"));
    wanted.extend(named(&read("deploy/prometheus/alerts.yaml")));
    for accept in ["application/openmetrics-text;version=1.0.0", "*/*"] {
        let (text, kind) = metrics(&gateway, accept).await;
        let is_open = kind.starts_with("application/openmetrics-text; version=1.0.0");
        assert_eq!(is_open, accept.starts_with("application"), "{kind}");
        assert_eq!(text.trim_end().ends_with("# EOF"), is_open);
        let present = named(&text);
        for name in &wanted {
            let is_there = present.contains(name) || RARE.contains(&&**name);
            assert!(is_there, "{name}\n{text}");
        }
        // Only OpenMetrics has exemplars.
        assert_eq!(
            text.contains(&format!("trace_id=\"{TRACE}\"")),
            is_open,
            "{text}"
        );
    }
    let (text, _) = metrics(&gateway, "*/*").await;
    for label in [
        "mcp_method_name=\"initialize\"",
        "gen_ai_tool_name=\"demo__echo\"",
        "gen_ai_operation_name=\"execute_tool\"",
    ] {
        assert!(text.contains(label), "{label}\n{text}");
    }
}

#[tokio::test]
async fn what_a_client_invents_is_no_label() {
    let folder = Folder::new();
    let gateway = gateway(&folder, "text").await;
    call(&gateway, "invented_tool").await;
    gateway
        .wire()
        .request("invented/method", json!({}))
        .await
        .unwrap();
    let (text, _) = metrics(&gateway, "*/*").await;
    assert!(!text.contains("invented"), "{text}");
    assert!(text.contains("mcp_method_name=\"_OTHER\""), "{text}");
}

#[tokio::test]
async fn log_lines_of_a_call_have_its_trace() {
    let folder = Folder::new();
    for (format, expected) in [
        ("json", format!("{{\"trace_id\":\"{TRACE}\",\"span_id\":\"")),
        ("text", format!(" trace_id={TRACE}")),
    ] {
        let gateway = gateway(&folder, format).await;
        call(&gateway, "demo__add").await;
        let is_denial = |line: &&str| line.contains("call denied");
        eventually(async || gateway.stderr().lines().any(|line| is_denial(&line))).await;
        let log = gateway.stderr();
        let line = log.lines().find(is_denial).unwrap();
        assert!(line.contains(&expected), "{line}");
        if format == "json" {
            let line: Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["trace_id"], TRACE);
            assert_eq!(line["level"], "INFO");
        }
        // The collector does not exist, which is logged once and costs nothing.
        eventually(async || gateway.stderr().contains("cannot send spans")).await;
        assert_eq!(gateway.stderr().matches("cannot send spans").count(), 1);
    }
}
