//! Features of the fixture beyond the conformance suite, which tests of the gateway need.

#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

use std::time::{Duration, Instant};

use http::{HeaderValue, StatusCode, header};
use mcp_gateway_tests::{
    fixture::Fragment,
    process::Process,
    wire::{Reply, Wire, modern_request},
};
use serde_json::{Value, json};
use tokio::process::Command;

const DEADLINE: Duration = Duration::from_secs(30);

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"wire","version":"1"}}}"#;

fn fixture(arguments: &[&str]) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fixture-server"));
    command.args(arguments);
    Process::start(command).unwrap()
}

async fn over_http(options: &[&str]) -> (Process, Wire) {
    let mut process = fixture(&[&["--http", "127.0.0.1:0"], options].concat());
    let url = process.url(DEADLINE).await.unwrap();
    (process, Wire::new(url))
}

async fn call(wire: &Wire, tool: &str, arguments: Value) -> Reply {
    wire.call(tool, arguments).await.unwrap()
}

/// The structured content of what `tool` answers.
async fn structured(wire: &Wire, tool: &str, arguments: Value) -> Value {
    call(wire, tool, arguments).await.answer()["result"]["structuredContent"].take()
}

async fn list(wire: &Wire, method: &str, cursor: Option<&Value>) -> Value {
    let params = match cursor {
        Some(cursor) => json!({ "cursor": cursor }),
        None => json!({}),
    };
    wire.request(method, params).await.unwrap().answer()["result"].take()
}

fn names(list: &Value) -> Vec<&str> {
    let tools = list["tools"].as_array().unwrap();
    tools
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect()
}

fn assert_in_definition(message: &str, extreme: bool) {
    use Fragment::{Annotations, DefinitionMeta, Description, Property};
    for fragment in [Annotations, DefinitionMeta, Description, Property] {
        assert!(message.contains(fragment.json(extreme)), "{fragment:?}");
    }
}

fn assert_in_result(message: &str) {
    for fragment in [Fragment::BlockMeta, Fragment::Result, Fragment::ResultMeta] {
        assert!(message.contains(fragment.json(false)), "{fragment:?}");
    }
}

#[tokio::test]
async fn vendor_json_is_on_the_wire_of_http() {
    for options in [&[] as &[&str], &["--extreme"], &["--json", "--extreme"]] {
        let (_process, wire) = over_http(options).await;
        let tools = wire.request("tools/list", json!({})).await.unwrap();
        assert_in_definition(&tools.body, options.contains(&"--extreme"));
        assert_in_result(&call(&wire, "vendor", json!({})).await.body);
    }
}

#[tokio::test]
async fn vendor_json_is_on_the_wire_of_standard_output() {
    let mut process = fixture(&["--stdio"]);
    let list = modern_request("tools/list", json!({}));
    process.say(&list).await.unwrap();
    assert_in_definition(&process.line(DEADLINE).await.unwrap(), false);
    let call = modern_request("tools/call", json!({ "name": "vendor", "arguments": {} }));
    process.say(&call).await.unwrap();
    assert_in_result(&process.line(DEADLINE).await.unwrap());
    process.hang_up();
    assert!(process.finish(DEADLINE).await.unwrap().success());
}

#[tokio::test]
async fn pages_have_the_wanted_size_and_cover_the_list() {
    let (_process, wire) = over_http(&["--page-size", "7"]).await;
    let (_other, unpaged) = over_http(&[]).await;
    let all = list(&unpaged, "tools/list", None).await;
    let mut page = list(&wire, "tools/list", None).await;
    let mut seen: Vec<String> = Vec::new();
    loop {
        assert!(names(&page).len() <= 7);
        seen.extend(names(&page).into_iter().map(str::to_owned));
        if page["nextCursor"].is_null() {
            break;
        }
        page = list(&wire, "tools/list", Some(&page["nextCursor"])).await;
    }
    assert_eq!(seen, names(&all));
}

#[tokio::test]
async fn whoami_repeats_the_headers() {
    let (_process, wire) = over_http(&["--name", "upstream"]).await;
    let wire = wire.with_header(
        header::AUTHORIZATION,
        HeaderValue::from_static("Bearer of news"),
    );
    let answer = structured(&wire, "whoami", json!({})).await;
    assert_eq!(answer["server"], "upstream");
    assert_eq!(
        answer["headers"]["authorization"],
        json!(["Bearer of news"])
    );
    assert_eq!(answer["headers"]["mcp-name"], json!(["whoami"]));
}

#[tokio::test]
async fn headers_of_arguments_must_agree_with_the_arguments() {
    let (_process, wire) = over_http(&[]).await;
    let arguments = json!({ "count": 7, "place": { "region": "north" } });
    let params = json!({ "name": "header_types", "arguments": arguments });
    let message = modern_request("tools/call", params);
    let headers = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "header_types"),
        ("mcp-param-count", "7"),
        ("mcp-param-region", "north"),
    ];
    let reply = wire.post(message.clone(), &headers).await.unwrap();
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
    let without_region = wire.post(message, &headers[..4]).await.unwrap();
    assert_eq!(without_region.status, StatusCode::BAD_REQUEST);
    assert_eq!(without_region.answer()["error"]["code"], -32020);
}

#[tokio::test]
async fn each_era_refuses_the_other() {
    let (_modern, modern) = over_http(&["--era", "modern"]).await;
    let refused = modern.post(INITIALIZE, &[]).await.unwrap();
    assert_eq!(
        refused.answer()["error"]["code"],
        -32022,
        "{}",
        refused.body
    );

    let (_legacy, legacy) = over_http(&["--era", "legacy"]).await;
    let refused = legacy.request("tools/list", json!({})).await.unwrap();
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        refused.answer()["error"]["code"],
        -32022,
        "{}",
        refused.body
    );

    let (_dual, dual) = over_http(&[]).await;
    for wire in [legacy, dual] {
        let accepted = wire.post(INITIALIZE, &[]).await.unwrap();
        assert!(accepted.headers.contains_key("mcp-session-id"));
        assert_eq!(accepted.answer()["result"]["protocolVersion"], "2025-11-25");
    }
}

#[tokio::test]
async fn big_answers_have_the_wanted_size() {
    let (_process, wire) = over_http(&[]).await;
    let reply = call(&wire, "big", json!({ "bytes": 3_000_000 })).await;
    let answer = reply.answer();
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert_eq!(text.len(), 3_000_000);
}

#[tokio::test]
async fn slow_calls_are_cancelled_when_their_client_goes_away() {
    let (_process, wire) = over_http(&[]).await;
    call(&wire, "slow", json!({ "seconds": 0.01, "steps": 3 })).await;
    let abandoned = call(&wire, "slow", json!({ "seconds": 600, "steps": 1 }));
    let wait = Duration::from_millis(500);
    tokio::time::timeout(wait, abandoned).await.unwrap_err();
    let cancelled = json!({ "started": 2, "finished": 1, "cancelled": 1 });
    let start = Instant::now();
    while structured(&wire, "slow_counts", json!({})).await != cancelled {
        assert!(start.elapsed() < DEADLINE, "the call was not cancelled");
    }
}

#[tokio::test]
async fn slow_calls_tell_their_progress() {
    let (_process, wire) = over_http(&[]).await;
    let params = json!({
        "name": "slow",
        "arguments": { "seconds": 0.1, "steps": 4 },
        "_meta": { "progressToken": "token" },
    });
    let reply = wire.request("tools/call", params).await.unwrap();
    assert_eq!(reply.messages().len(), 5, "{}", reply.body);
    assert!(reply.messages()[3].contains(r#""progress":4"#));
}

#[tokio::test]
async fn toggling_changes_a_list() {
    let (_process, wire) = over_http(&[]).await;
    for added in [true, false] {
        let answer = structured(&wire, "toggle", json!({ "list": "tools" })).await;
        assert_eq!(answer["added"], added);
        let tools = list(&wire, "tools/list", None).await;
        assert_eq!(names(&tools).contains(&"added_tool"), added);
    }
}

#[tokio::test]
async fn a_bearer_token_can_be_required() {
    let (_process, wire) = over_http(&["--bearer", "secret"]).await;
    let refused = call(&wire, "whoami", json!({})).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert!(refused.headers.contains_key(header::WWW_AUTHENTICATE));
    let token = HeaderValue::from_static("Bearer secret");
    let wire = wire.with_header(header::AUTHORIZATION, token);
    assert_eq!(
        call(&wire, "whoami", json!({})).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn crash_ends_the_process() {
    let (mut process, wire) = over_http(&[]).await;
    wire.call("crash", json!({})).await.unwrap_err();
    assert!(!process.finish(DEADLINE).await.unwrap().success());
}
