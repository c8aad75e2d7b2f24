//! Bodies that are no requests.

use mcp_gateway_tests::wire::modern_request;
use serde_json::{Value, json};

use super::harness::{Harness, assert_error, request};

const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;
const INVALID_PARAMS: i64 = -32602;

const ID: &str = r#""id":1"#;

/// A modern request in which `old` is replaced.
fn changed(old: &str, new: &str) -> String {
    let text = modern_request("tools/list", json!({}));
    assert!(text.contains(old), "{old} is not in {text}");
    text.replacen(old, new, 1)
}

/// Bodies that are no JSON.
const NO_JSON: [&str; 8] = [
    "",
    " \n\t",
    "{",
    "nonsense",
    "<html><body>hello</body></html>",
    "{\"jsonrpc\":\"2.0\",}",
    "{'jsonrpc':'2.0'}",
    "\0\0\0\0",
];

/// Bodies that are JSON and no message; agentgateway answers batches with plain text.
const NO_MESSAGE: [&str; 7] = ["\"text\"", "7", "null", "true", "{}", "[]", " [{}]"];

/// Replacements of the ID that are no IDs: agentgateway took some of them for notifications.
const NO_ID: [&str; 9] = [
    r#""id":1.5"#,
    r#""id":1,"id":1"#,
    r#""id":1,"id":2"#,
    "\"id\":1,\"\\u0069d\":2",
    r#""id":null"#,
    r#""id":true"#,
    r#""id":{}"#,
    r#""id":[1]"#,
    r#""id":1e400"#,
];

/// Replacements of other members, with a valid ID.
const NO_REQUEST: [(&str, &str, i64); 7] = [
    (r#""2.0""#, "2.0", INVALID_REQUEST),
    (r#""2.0""#, r#""1.0""#, INVALID_REQUEST),
    (r#""jsonrpc":"2.0","#, "", INVALID_REQUEST),
    (r#""tools/list""#, "7", INVALID_REQUEST),
    (r#""tools/list""#, "null", INVALID_REQUEST),
    (r#""method":"tools/list","#, "", INVALID_REQUEST),
    (r#""params":{"#, r#""params":{"_meta":{},"#, INVALID_PARAMS),
];

/// Parameters that are none.
const NO_PARAMS: [&str; 5] = ["[1]", "\"x\"", "7", "{\"_meta\":7}", "{\"a\":1,\"a\":2}"];

/// Bodies, the code of the error, and the id that it is to have.
fn table() -> Vec<(Vec<u8>, i64, Value)> {
    let mut table = Vec::new();
    let mut add = |body: &[u8], code, id: Value| table.push((body.to_vec(), code, id));
    for text in NO_JSON {
        add(text.as_bytes(), PARSE_ERROR, Value::Null);
    }
    for text in NO_MESSAGE {
        add(text.as_bytes(), INVALID_REQUEST, Value::Null);
    }
    for id in NO_ID {
        add(changed(ID, id).as_bytes(), INVALID_REQUEST, Value::Null);
    }
    for (old, new, code) in NO_REQUEST {
        add(changed(old, new).as_bytes(), code, json!(1));
    }
    for params in NO_PARAMS {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{params}}}"#);
        add(text.as_bytes(), INVALID_PARAMS, json!(1));
    }
    let twice = changed(r#""params":"#, r#""params":{},"params":"#);
    add(twice.as_bytes(), INVALID_REQUEST, Value::Null);
    let batch = format!("[{}]", changed(ID, ID));
    add(batch.as_bytes(), INVALID_REQUEST, Value::Null);
    for deep in [
        changed(
            ID,
            &format!("{ID},\"a\":{}{}", "[".repeat(200), "]".repeat(200)),
        ),
        "[".repeat(1_000_000),
        "{\"a\":".repeat(300_000),
    ] {
        add(deep.as_bytes(), INVALID_REQUEST, Value::Null);
    }
    let mut no_text = changed("wire", "\u{1}").into_bytes();
    add(&no_text, PARSE_ERROR, Value::Null);
    let at = no_text.iter().position(|byte| *byte == 1).unwrap();
    no_text[at] = 0xff;
    add(&no_text, PARSE_ERROR, Value::Null);
    for more in ["x", "{}", ","] {
        let text = changed(ID, ID) + more;
        add(text.as_bytes(), PARSE_ERROR, Value::Null);
    }
    table
}

#[tokio::test]
async fn bodies_that_are_no_requests_are_told_so_in_both_eras() {
    let harness = Harness::new().await;
    let session = harness.initialize("alice").await;
    for (body, code, id) in table() {
        let what = String::from_utf8_lossy(&body[..body.len().min(120)]).into_owned();
        let reply = harness.modern(body.clone()).await;
        assert_error(&reply, 400, code, &id, &format!("modern: {what}"));
        let reply = harness.legacy(&session, body).await;
        assert_error(&reply, 400, code, &id, &format!("legacy: {what}"));
    }
    harness.is_well().await;
}

#[tokio::test]
async fn arguments_of_the_wrong_type_are_invalid_params() {
    let harness = Harness::new().await;
    let session = harness.initialize("alice").await;
    let table = [
        ("tools/call", json!({})),
        ("tools/call", json!({ "name": 7 })),
        ("tools/call", json!({ "name": null })),
        ("tools/call", json!({ "name": "" })),
        ("tools/call", json!({ "name": "there is no such tool" })),
        ("prompts/get", json!({})),
        ("prompts/get", json!({ "name": ["a"] })),
        ("resources/read", json!({})),
        ("resources/read", json!({ "uri": 7 })),
        ("tools/list", json!({ "cursor": 7 })),
        ("tools/list", json!({ "cursor": "forged" })),
        ("tools/list", json!({ "cursor": "" })),
        ("resources/list", json!({ "cursor": "Zm9yZ2VkCmN1cnNvcg" })),
    ];
    for (method, params) in table {
        let what = format!("{method} {params}");
        let reply = harness
            .wire()
            .request(method, params.clone())
            .await
            .unwrap();
        assert_eq!(
            reply.answer()["error"]["code"],
            INVALID_PARAMS,
            "{what}: {}",
            reply.body
        );
        assert_eq!(reply.answer()["id"], 1, "{what}: {}", reply.body);
        let reply = harness.legacy(&session, request(method, &params)).await;
        assert_eq!(
            reply.answer()["error"]["code"],
            INVALID_PARAMS,
            "{what}: {}",
            reply.body
        );
        assert_eq!(reply.answer()["id"], 7, "{what}: {}", reply.body);
    }
    harness.is_well().await;
}

#[tokio::test]
async fn ids_of_every_kind_come_back_as_they_were() {
    let harness = Harness::new().await;
    let session = harness.initialize("alice").await;
    let long = format!("\"{}\"", "i".repeat(10_000));
    let ids = [
        "0",
        "-1",
        "9007199254740993",
        "123456789012345678901234567890",
        "\"\"",
        "\"1\"",
        "\"\\u00e9\\ud83d\\ude00\\n\"",
        "\"a\\/b\"",
        &long,
    ];
    for id in ids {
        let body = changed(r#""id":1"#, &format!("\"id\":{id}"));
        let reply = harness.modern(body).await;
        let has_id = |body: &str| {
            let sent: Value = serde_json::from_str(id).unwrap();
            let answer: Value = serde_json::from_str(body).unwrap();
            answer["id"] == sent && answer["result"].is_object()
        };
        assert!(
            has_id(reply.messages().pop().unwrap()),
            "{id}: {}",
            reply.body
        );
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list"}}"#);
        let reply = harness.legacy(&session, body).await;
        assert!(
            has_id(reply.messages().pop().unwrap()),
            "{id}: {}",
            reply.body
        );
    }
}

#[tokio::test]
async fn a_request_is_never_taken_for_a_notification() {
    // agentgateway took requests with such ids for notifications and sent them to all servers.
    let harness = Harness::new().await;
    let session = harness.initialize("alice").await;
    for id in ["1.5", "null", "[]", "{}", "false", "1e3", "-0.0", "1.0"] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"notifications/cancelled"}}"#);
        for reply in [
            harness.modern(body.clone()).await,
            harness.legacy(&session, body).await,
        ] {
            assert_error(&reply, 400, INVALID_REQUEST, &Value::Null, id);
        }
    }
}

#[tokio::test]
async fn notifications_and_responses_do_not_belong_into_the_modern_era() {
    let harness = Harness::new().await;
    let headers = [("mcp-protocol-version", "2026-07-28")];
    for body in [
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}"#,
        r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"echo"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}"#,
    ] {
        let reply = harness.wire().post(body, &headers).await.unwrap();
        assert_error(&reply, 400, INVALID_REQUEST, &Value::Null, body);
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_it_is_read() {
    let harness = Harness::with(|builder| builder.with_max_body(100_000)).await;
    let body = |bytes: usize| modern_request("tools/list", json!({ "vendor": "x".repeat(bytes) }));
    let fits = harness.modern(body(99_000)).await;
    assert!(fits.answer()["result"].is_object(), "{}", fits.body);
    let reply = harness.modern(body(100_000)).await;
    assert_error(&reply, 413, INVALID_REQUEST, &Value::Null, "too large");
    harness.is_well().await;
}

#[tokio::test]
async fn a_thousand_members_are_no_way_to_make_it_slow() {
    let harness = Harness::new().await;
    let members = |count: usize| {
        let members: Vec<_> = (0..count).map(|at| format!("\"k{at}\":0")).collect();
        members.join(",")
    };
    let start = std::time::Instant::now();
    for place in [
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list",{}}}"#,
            members(200_000)
        ),
        changed(
            r#""params":{"#,
            &format!("\"params\":{{{},", members(200_000)),
        ),
    ] {
        let reply = harness.modern(place).await;
        assert_eq!(reply.status.as_u16(), 400, "{}", reply.body);
    }
    assert!(start.elapsed().as_secs() < 10, "took {:?}", start.elapsed());
}

/// A name that the gateway cannot read must not reach a server that may read it otherwise.
#[tokio::test]
async fn a_name_that_is_none_reaches_no_server() {
    let harness = Harness::new().await;
    let session = harness.initialize("alice").await;
    for name in [r#""\ud800""#, r#"["echo"]"#, r#"{"echo":1}"#, "7", "null"] {
        for method in ["tools/call", "prompts/get"] {
            let body = format!(
                r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{{"name":{name}}}}}"#
            );
            let reply = harness.legacy(&session, body).await;
            assert_error(&reply, 200, INVALID_PARAMS, &json!(7), name);
            let reason = &reply.answer()["error"]["data"]["reason"];
            assert_eq!(
                reason, "invalid_params",
                "{name}: not refused by the gateway"
            );
        }
    }
}
