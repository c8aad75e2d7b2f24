//! Headers that mirror arguments.

use http::HeaderValue;
use http::header::AUTHORIZATION;
use mcp_gateway_core::protocol::header;
use mcp_gateway_tests::gateway::Backends;
use mcp_gateway_tests::script::{Scripted, document, modern};
use mcp_gateway_tests::wire::Wire;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};

use super::harness::check;

fn tool() -> Value {
    let property = |kind: &str, name: &str| json!({ "type": kind, "x-mcp-header": name });
    let text = property("string", "Text");
    let inner = json!({ "type": "object", "properties": { "text": property("string", "Inner") } });
    json!({ "name": "t", "inputSchema": { "type": "object", "properties": {
        "text": text, "inner": inner,
        "count": property("integer", "Count"), "flag": property("boolean", "Flag"),
    } } })
}

/// A session of the legacy era.
async fn session(url: &str) -> (Wire, String) {
    let token = HeaderValue::from_static("Bearer alice");
    let wire = Wire::new(url).with_header(AUTHORIZATION, token);
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {} });
    let initialize = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
    let reply = wire.post(initialize.to_string(), &[]).await.unwrap();
    let session = reply.headers["mcp-session-id"].to_str().unwrap();
    (wire, session.to_owned())
}

/// A server of the modern era hears of arguments in headers, even from a client that knows of none.
#[test]
fn arguments_reach_a_server_in_headers_whatever_they_are() {
    let text = || {
        prop_oneof![
            "[a-z ]{0,8}",
            "\\PC{0,8}",
            ".{0,8}",
            "=\\?base64\\?[a-z]{0,4}\\?="
        ]
    };
    let strategy = (text(), text(), any::<i32>(), any::<bool>());
    check(
        64,
        &strategy,
        async |(text, inner, count, flag): (String, String, i32, bool)| {
            let server = Scripted::start(|asked| match asked.method() {
                "tools/list" => {
                    let tools = json!({ "resultType": "complete", "tools": [tool()] });
                    document(&asked.result(&tools))
                }
                "tools/call" => document(&asked.says("called")),
                _ => modern(asked).unwrap_or_default(),
            })
            .await
            .unwrap();
            let gateway = Backends::only(&server.url).start().await;
            let (wire, session) = session(&gateway.url).await;
            let arguments = json!({
                "text": text, "inner": { "text": inner }, "count": count, "flag": flag,
            });
            let params = json!({ "name": "t", "arguments": arguments });
            let call =
                json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params });
            let reply = wire
                .post(call.to_string(), &[("mcp-session-id", &*session)])
                .await
                .unwrap();
            prop_assert!(reply.answer()["result"].is_object(), "{}", reply.body);

            let asked = server.asked();
            let asked = asked
                .iter()
                .find(|asked| asked.method() == "tools/call")
                .unwrap();
            prop_assert_eq!(&asked.message["params"]["arguments"], &arguments);
            for (name, value) in [
                ("mcp-param-text", text),
                ("mcp-param-inner", inner),
                ("mcp-param-count", count.to_string()),
                ("mcp-param-flag", flag.to_string()),
            ] {
                let line = asked.head.lines().find_map(|line| {
                    let (key, sent) = line.split_once(':')?;
                    key.eq_ignore_ascii_case(name)
                        .then(|| sent.trim().to_owned())
                });
                let sent = HeaderValue::from_str(&line.unwrap_or_default()).unwrap();
                let decoded = header::decode(&sent);
                prop_assert_eq!(decoded.as_deref(), Some(&*value), "{}", name);
            }
            Ok::<_, TestCaseError>(())
        },
    );
}
