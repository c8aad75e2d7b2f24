//! Several gateways behind one address.

#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use mcp_gateway_core::Replica;
use mcp_gateway_core::results::{Overflow, ResultBudget, ResultBudgets};
use mcp_gateway_tests::fixture::Era;
use mcp_gateway_tests::gateway::{TestGateway, replicas, replicas_with};
use mcp_gateway_tests::process::Process;
use mcp_gateway_tests::script::{self, Scripted};
use mcp_gateway_tests::wire::Wire;
use serde_json::{Value, json};
use tokio::process::Command;

async fn fixture(era: Era) -> (Process, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fixture-server"));
    command.args(["--http", "127.0.0.1:0", "--era", &era.to_string()]);
    let mut fixture = Process::start(command).unwrap();
    let url = fixture.url(Duration::from_secs(30)).await.unwrap();
    (fixture, url)
}

fn wire(gateway: &TestGateway) -> Wire {
    let alice = HeaderValue::from_static("Bearer alice");
    Wire::new(&gateway.url).with_header(header::AUTHORIZATION, alice)
}

fn modern_call(additions: &Value) -> Value {
    let mut params = json!({
        "name": "test_elicitation",
        "arguments": { "message": "Who are you?" },
        "_meta": {
            "io.modelcontextprotocol/clientCapabilities": { "elicitation": {} },
        },
    });
    for (key, value) in additions.as_object().unwrap() {
        params[key] = value.clone();
    }
    params
}

/// Calls a tool that asks, and answers; returns the parameters of the retry.
async fn asked(gateway: &TestGateway) -> Value {
    let asked = wire(gateway)
        .request("tools/call", modern_call(&json!({})))
        .await
        .unwrap();
    let result = asked.answer()["result"].clone();
    assert_eq!(result["resultType"], "input_required", "{asked:?}");
    let requests = result["inputRequests"].as_object().unwrap();
    let key = requests.keys().next().unwrap();
    let answer = json!({ "action": "accept", "content": { "username": "u", "email": "e@x.y" } });
    modern_call(&json!({
        "inputResponses": { key: answer },
        "requestState": result["requestState"],
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_goes_on_wherever_its_client_comes_back() {
    let (_fixture, url) = fixture(Era::Legacy).await;
    let gateways = replicas(&url, 3).await;
    for back in &gateways {
        let retry = asked(&gateways[0]).await;
        let done = wire(back).request("tools/call", retry.clone()).await;
        let done = done.unwrap().answer();
        assert_eq!(done["result"]["resultType"], "complete", "{done}");
        assert!(done["result"].to_string().contains("accept"), "{done}");

        let again = wire(back).request("tools/call", retry).await.unwrap();
        let error = again.answer()["error"].clone();
        assert_eq!(error["code"], -32602, "{again:?}");
        assert_eq!(error["data"]["reason"], "request_state", "{again:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_a_replica_that_is_gone_can_be_made_again() {
    let (_fixture, url) = fixture(Era::Legacy).await;
    let mut gateways = replicas(&url, 2).await;
    let retry = asked(&gateways[0]).await;
    gateways.remove(0).stop().await;
    let done = wire(&gateways[0]).request("tools/call", retry).await;
    let error = done.unwrap().answer()["error"].clone();
    assert_eq!(error["data"]["reason"], "replica_gone", "{error}");
    let retry = asked(&gateways[0]).await;
    let done = wire(&gateways[0]).request("tools/call", retry).await;
    assert_eq!(done.unwrap().answer()["result"]["resultType"], "complete");
}

/// A client of the legacy era that reads an answer while it comes.
struct Legacy {
    client: Client<HttpConnector, Full<Bytes>>,
    session: String,
}

impl Legacy {
    async fn begin(gateway: &TestGateway) -> Self {
        let mut legacy = Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            session: String::new(),
        };
        let params = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": { "elicitation": {} },
            "clientInfo": { "name": "test", "version": "1" },
        });
        let initialize =
            json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
        let response = legacy.post(&gateway.url, &initialize).await;
        let session = response.headers()["mcp-session-id"].to_str().unwrap();
        legacy.session = session.to_owned();
        legacy
    }

    async fn post(&self, url: &str, message: &Value) -> http::Response<Incoming> {
        let mut request = Request::post(url)
            .header("authorization", "Bearer alice")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        if !self.session.is_empty() {
            request = request.header("mcp-session-id", &self.session);
        }
        let body = Full::from(message.to_string());
        self.client
            .request(request.body(body).unwrap())
            .await
            .unwrap()
    }
}

/// The next message of a stream that is not a notification.
async fn next(stream: &mut Incoming, seen: &mut String) -> Value {
    loop {
        while let Some(end) = seen.find("\n\n") {
            let event: String = seen.drain(..end + 2).collect();
            let data = event.lines().filter_map(|line| line.strip_prefix("data: "));
            let data: String = data.collect();
            let message: Value = serde_json::from_str(&data).unwrap_or_default();
            if message.get("id").is_some() {
                return message;
            }
        }
        let frame = stream.frame().await.unwrap().unwrap();
        seen.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
    }
}

async fn legacy_client_answers_elsewhere(server: Era) {
    let (_fixture, url) = fixture(server).await;
    let gateways = replicas(&url, 2).await;
    let client = Legacy::begin(&gateways[0]).await;
    for (here, there) in [(0, 1), (1, 0), (1, 1)] {
        let arguments = json!({ "message": "Who are you?" });
        let call = json!({
            "jsonrpc": "2.0", "id": 7, "method": "tools/call",
            "params": { "name": "test_elicitation", "arguments": arguments },
        });
        let mut stream = client.post(&gateways[here].url, &call).await.into_body();
        let mut seen = String::new();
        let question = next(&mut stream, &mut seen).await;
        assert_eq!(question["method"], "elicitation/create", "{question}");
        let answer =
            json!({ "action": "accept", "content": { "username": "u", "email": "e@x.y" } });
        let answer = json!({ "jsonrpc": "2.0", "id": question["id"], "result": answer });
        let taken = client.post(&gateways[there].url, &answer).await;
        assert_eq!(taken.status(), StatusCode::ACCEPTED);
        let done = next(&mut stream, &mut seen).await;
        assert_eq!(done["id"], 7, "{done}");
        assert!(done["result"].to_string().contains("accept"), "{done}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_a_legacy_server_finds_its_way() {
    legacy_client_answers_elsewhere(Era::Legacy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_a_modern_server_finds_its_way() {
    legacy_client_answers_elsewhere(Era::Modern).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_replicas_are_listened_to() {
    let (_fixture, url) = fixture(Era::Legacy).await;
    let gateways = replicas(&url, 1).await;
    let inside = gateways[0].url.replace("/mcp", Replica::PATH);
    let wire = Wire::new(&inside);
    for body in ["", "{}", "AAAA", "\u{fffd}"] {
        let refused = wire.post(body, &[]).await.unwrap();
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{body}");
    }
    // What a client carries is sealed for another purpose.
    let retry = asked(&gateways[0]).await;
    let state = retry["requestState"].as_str().unwrap();
    let refused = wire.post(state.to_owned(), &[]).await.unwrap();
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_kept_result_is_read_at_any_replica() {
    let text = "0123456789".repeat(1000);
    let said = text.clone();
    let server = Scripted::modern(move |asked| script::document(&asked.says(&said)));
    let server = server.await.unwrap();
    let budget = ResultBudget::new().with_max_bytes(4096);
    let budgets = ResultBudgets::new(budget.with_overflow(Overflow::Link));
    let mut gateways = replicas_with(&server.url, 2, &budgets).await;
    let answer = wire(&gateways[0])
        .call("lie", json!({}))
        .await
        .unwrap()
        .answer();
    let content = &answer["result"]["content"];
    assert!(answer["result"].to_string().len() <= 4096, "{answer}");
    for gateway in [&gateways[1], &gateways[0]] {
        let (mut read, mut next) = (String::new(), content[2]["uri"].as_str().map(str::to_owned));
        while let Some(uri) = next {
            let piece = wire(gateway)
                .request("resources/read", json!({ "uri": uri }))
                .await;
            let piece = piece.unwrap().answer()["result"].clone();
            read += piece["contents"][0]["text"].as_str().unwrap();
            next = piece["_meta"]["mcp-gateway/piece"]["next"]
                .as_str()
                .map(str::to_owned);
        }
        assert_eq!(read, text);
    }
    let uri = json!({ "uri": content[2]["uri"] });
    let bob = HeaderValue::from_static("Bearer bob");
    let bob = Wire::new(&gateways[1].url).with_header(header::AUTHORIZATION, bob);
    let answer = bob
        .request("resources/read", uri.clone())
        .await
        .unwrap()
        .answer();
    assert_eq!(answer["error"]["data"]["reason"], "unknown_resource");
    drop(gateways.remove(0));
    let answer = wire(&gateways[0])
        .request("resources/read", uri)
        .await
        .unwrap()
        .answer();
    assert_eq!(
        answer["error"]["data"]["reason"], "replica_gone",
        "{answer}"
    );
}
