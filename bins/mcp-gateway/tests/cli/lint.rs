//! Definitions that clients reject, at the program.

use mcp_gateway_tests::script::{self, ReceivedRequest, Scripted, document};
use serde_json::{Value, json};

use crate::harness::{Folder, Gateway, run};

/// A server with one valid tool, and some that clients or models reject.
async fn server() -> Scripted {
    let script = |asked: &ReceivedRequest| match asked.method() {
        "tools/list" => document(&asked.result(&json!({ "resultType": "complete", "tools": [
            { "name": "valid", "inputSchema": { "type": "object" } },
            { "name": "null", "inputSchema": { "type": "object" }, "description": null },
            { "name": "alternatives", "inputSchema": {
                "type": "object", "anyOf": [{ "required": ["a"] }, true] } },
            { "name": "typed", "inputSchema": {
                "type": "object", "properties": { "a": { "type": "int" } } } },
        ] }))),
        _ => script::modern(asked).unwrap_or_default(),
    };
    Scripted::start(script).await.unwrap()
}

fn config(server: &Scripted, lint: &str) -> String {
    let servers = json!([{ "name": "s", "remote": { "url": server.url }, "lint": lint }]);
    json!({ "servers": servers }).to_string()
}

#[tokio::test]
async fn tools_are_checked_for_a_client() {
    let server = server().await;
    let folder = Folder::new();
    let file = folder.write("gateway.yaml", &config(&server, "report"));
    let done = run(&["check", "--client", "claude-code", &file]).await;
    assert_eq!(
        (done.code, &*done.stdout),
        (
            Some(1),
            "ok: 1 server, 1 gateway\n\
             default: s__alternatives: inputSchema has anyOf at the top level; model interfaces \
             reject it\n\
             default: s__typed: inputSchema.properties.a has the unknown type \"int\"; model \
             interfaces reject it\n\
             default: s__null: description is null; adapted\n\
             2 findings\n"
        )
    );
    let done = run(&["check", "--client", "inspector", &file]).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stdout.ends_with("adapted\n0 findings\n"), "{done:?}");
}

#[tokio::test]
async fn the_configuration_decides_what_is_listed() {
    let server = server().await;
    let folder = Folder::new();
    for (lint, expected, counts) in [
        (
            "report",
            ["valid", "null", "alternatives", "typed"].as_slice(),
            json!({ "adapted": 1, "reported": 2, "heldBack": 0 }),
        ),
        (
            "hold-back",
            &["valid", "null", "typed"],
            json!({ "adapted": 2, "reported": 0, "heldBack": 1 }),
        ),
    ] {
        let file = folder.write(&format!("{lint}.yaml"), &config(&server, lint));
        let gateway = Gateway::serve(&file).await;
        let expected: Vec<_> = expected.iter().map(|name| format!("s__{name}")).collect();
        assert_eq!(gateway.tools().await, expected);
        let (_, health) = gateway.get("/health/servers").await;
        let health: Value = serde_json::from_str(&health).unwrap();
        assert_eq!(health["servers"][0]["defectiveTools"], counts);
    }
}
