//! Responses of the backend, without a network.

use http::HeaderValue;
use serde_json::{Value, json};

use super::*;
use crate::cli::serve::{AnswerArguments, ServerArguments};
use crate::wire::modern::VERSION;

fn backend(eras: Eras, form: Form) -> Backend {
    let answer = AnswerArguments {
        answer: form,
        result_bytes: None,
        tools: 2,
        delay: Duration::ZERO,
    };
    let listen = ([127, 0, 0, 1], 0).into();
    let server = ServerArguments {
        listen,
        threads: None,
        until_input_ends: false,
    };
    Backend::new(&BackendArguments {
        era: eras,
        answer,
        server,
    })
}

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.insert(*name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

/// The status, the answer, and the session of a message.
async fn post(
    backend: &Backend,
    fields: &[(&'static str, &str)],
    body: &Value,
) -> (u16, Value, Option<String>) {
    let body = Bytes::from(body.to_string());
    let response = backend.post(&headers(fields), &body).await;
    let session = response.headers().get("mcp-session-id");
    let session = session.map(|id| id.to_str().unwrap().to_owned());
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    let text = text.strip_prefix("event: message\ndata: ").unwrap_or(&text);
    (
        status,
        serde_json::from_str(text).unwrap_or_default(),
        session,
    )
}

fn request(method: &str, params: Value) -> Value {
    let mut request = json!({ "jsonrpc": "2.0", "id": 1, "method": method });
    request["params"] = params;
    request
}

fn modern(method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    request(method, params)
}

#[tokio::test]
async fn a_legacy_session_lasts_from_initialize_to_delete() {
    let backend = backend(Eras::Dual, Form::Sse);
    let list = request("tools/list", json!({}));
    assert_eq!(post(&backend, &[], &list).await.0, 400);
    let initialize = request("initialize", json!({ "protocolVersion": "2025-06-18" }));
    let (status, answer, session) = post(&backend, &[], &initialize).await;
    assert_eq!(
        (status, &answer["result"]["protocolVersion"]),
        (200, &json!("2025-06-18"))
    );
    let session = session.unwrap();
    let fields = [("mcp-session-id", session.as_str())];
    assert_eq!(
        post(&backend, &fields, &list).await.1["result"]["tools"][1]["name"],
        "tool_1"
    );
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(post(&backend, &fields, &initialized).await.0, 202);
    assert_eq!(legacy::end(&backend, &headers(&fields)).status(), 204);
    assert_eq!(post(&backend, &fields, &list).await.0, 404);
    assert_eq!(legacy::listen(&backend, &headers(&fields)).status(), 404);
}

#[tokio::test]
async fn legacy_mistakes_are_errors_of_the_message() {
    let backend = backend(Eras::Legacy, Form::Json);
    let (_, _, session) = post(&backend, &[], &request("initialize", json!({}))).await;
    let fields = [("mcp-session-id", session.as_deref().unwrap())];
    let (status, answer, _) = post(&backend, &fields, &request("x", json!({}))).await;
    assert_eq!((status, &answer["error"]["code"]), (200, &json!(-32601)));
    let (status, answer, _) = post(
        &backend,
        &fields,
        &request("tools/call", json!({ "name": "x" })),
    )
    .await;
    assert_eq!((status, &answer["error"]["code"]), (200, &json!(-32602)));
    let fields = [("mcp-protocol-version", VERSION)];
    assert_eq!(
        post(&backend, &fields, &modern("server/discover", json!({})))
            .await
            .0,
        400
    );
}

#[tokio::test]
async fn a_modern_request_must_agree_with_its_header() {
    let backend = backend(Eras::Dual, Form::Json);
    let call = modern(
        "tools/call",
        json!({ "name": "tool_1", "arguments": { "message": "x" } }),
    );
    let good = [
        ("mcp-protocol-version", VERSION),
        ("mcp-method", "tools/call"),
        ("mcp-name", "=?base64?dG9vbF8x?="),
    ];
    let (status, answer, session) = post(&backend, &good, &call).await;
    assert_eq!((status, session), (200, None));
    assert_eq!(answer["result"]["content"][0]["text"], "x");
    assert_eq!(answer["result"]["resultType"], "complete");
    for index in 0..good.len() {
        let mut fields = good.to_vec();
        fields[index].1 = "other";
        let (status, answer, _) = post(&backend, &fields, &call).await;
        assert_eq!(
            (status, &answer["error"]["code"]),
            (400, &json!(-32020)),
            "{fields:?}"
        );
        fields.remove(index);
        let (status, answer, _) = post(&backend, &fields, &call).await;
        assert_eq!(
            (status, &answer["error"]["code"]),
            (400, &json!(-32020)),
            "{fields:?}"
        );
    }
    let bare = request("tools/call", json!({ "name": "tool_1" }));
    assert_eq!(
        post(&backend, &good, &bare).await.1["error"]["code"],
        -32602
    );
}

#[tokio::test]
async fn modern_lists_can_be_cached_and_unknown_methods_are_not_found() {
    let backend = backend(Eras::Modern, Form::Sse);
    let fields = |method| [("mcp-protocol-version", VERSION), ("mcp-method", method)];
    for method in ["tools/list", "server/discover"] {
        let (_, answer, _) = post(&backend, &fields(method), &modern(method, json!({}))).await;
        assert_eq!(answer["result"]["cacheScope"], "public", "{answer}");
        assert!(answer["result"]["ttlMs"].is_u64());
    }
    let (status, answer, _) = post(&backend, &fields("ping"), &modern("ping", json!({}))).await;
    assert_eq!((status, &answer["error"]["code"]), (404, &json!(-32601)));
    let (status, answer, _) = post(&backend, &[], &request("initialize", json!({}))).await;
    assert_eq!(
        (status, &answer["error"]["data"]["supported"][0]),
        (400, &json!(VERSION))
    );
}

#[test]
fn pages_of_other_sites_are_refused() {
    assert!(is_local(&headers(&[])));
    assert!(is_local(&headers(&[("origin", "http://localhost:3000")])));
    assert!(!is_local(&headers(&[("origin", "https://evil.example")])));
    assert!(!is_local(&headers(&[("origin", "null")])));
}
