//! Servers of all kinds behind the program.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use mcp_gateway_tests::fixture::{Options, PATH, serve_http};
use mcp_gateway_tests::wire::modern_request;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::harness::{Folder, Gateway, PROGRAM, eventually, run};

#[tokio::test]
async fn a_remote_server_gets_its_own_credential_and_the_headers_of_the_list() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}{PATH}", listener.local_addr().unwrap());
    let mut options = Options::default();
    options.bearer = Some("credential-of-the-server".to_owned());
    let mut serving = JoinSet::new();
    serving.spawn(serve_http(listener, options));

    let folder = Folder::new();
    let bearer = folder.write("bearer", "credential-of-the-server\n");
    let config = json!({
        "servers": [{ "name": "far", "remote": { "url": url, "bearer": { "file": bearer } } }],
        "gateways": [{ "name": "one", "forwardHeaders": ["X-Request-Id"] }],
    });
    let config = folder.write("gateway.yaml", &config.to_string());
    let gateway = Gateway::serve(&config).await;
    let call = json!({ "name": "far__whoami", "arguments": {} });
    let headers = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "far__whoami"),
        ("x-request-id", "seven"),
        ("x-other", "dropped"),
        ("cookie", "a=dropped"),
    ];
    let request = modern_request("tools/call", call);
    let answer = gateway
        .wire()
        .post(request, &headers)
        .await
        .unwrap()
        .answer();
    let seen = answer["result"].to_string();
    assert!(
        seen.contains("seven") && seen.contains("credential-of-the-server"),
        "{answer}"
    );
    assert!(
        !seen.contains("dropped") && !seen.contains(&gateway.token),
        "{answer}"
    );
}

#[tokio::test]
async fn a_server_that_is_down_is_said_to_be() {
    let folder = Folder::new();
    let config = folder.write(
        "gateway.yaml",
        "servers:\n- { name: demo, builtin: demo }\n- { name: down, process: { command: no-such-program } }",
    );
    let gateway = Gateway::serve(&config).await;
    let listed = gateway
        .wire()
        .request("tools/list", json!({}))
        .await
        .unwrap();
    let tools = listed.answer()["result"]["tools"].as_array().unwrap().len();
    assert_eq!(tools, 5, "it costs its own tools, not the list");
    let answer = gateway.call("down__x", json!({})).await;
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("down"), "{message}");
    let (_, health) = gateway.get("/health/servers").await;
    let health: Value = serde_json::from_str(&health).unwrap();
    assert_eq!(health["servers"][1]["status"], "failing", "{health}");
    assert!(
        health["servers"][1]["error"]
            .as_str()
            .unwrap()
            .contains("no-such-program")
    );
}

#[tokio::test]
async fn only_administrators_see_why_a_server_is_down() {
    let folder = Folder::new();
    let config = folder.write(
        "gateway.yaml",
        "servers: [{ name: down, process: { command: no-such-program } }]\n\
         auth: { tokens: [{ name: olga, token: { env: MCP_GATEWAY_TOKEN }, admin: true }, \
         { name: bob, token: { env: BOB } }] }",
    );
    let (olga, bob) = ("the-token-of-olga-is-this", "the-token-of-bob-is-this");
    let gateway = Gateway::serve_with(&config, &[("MCP_GATEWAY_TOKEN", olga), ("BOB", bob)]).await;
    gateway.call("down__x", json!({})).await;
    for (token, has_details) in [(olga, true), (bob, false)] {
        let (_, health) = gateway.get_with("/health/servers", token).await;
        let answer: Value = serde_json::from_str(&health).unwrap();
        assert_eq!(answer["servers"][0]["status"], "failing", "{token}");
        assert_eq!(
            answer["servers"][0]["error"].is_string(),
            has_details,
            "{token}"
        );
        assert_eq!(health.contains("no-such-program"), has_details, "{token}");
    }
}

#[tokio::test]
async fn a_session_outlasts_the_failure_of_a_server() {
    let folder = Folder::new();
    let program = folder.write("program", "");
    let config = folder.write(
        "gateway.yaml",
        &format!("servers: [{{ name: late, process: {{ command: {program} }} }}]"),
    );
    let gateway = Gateway::serve(&config).await;
    let described = gateway.wire().request("server/discover", json!({})).await;
    let capabilities = described.unwrap().answer()["result"]["capabilities"].take();
    assert_eq!(capabilities, json!({ "tools": { "listChanged": true } }));
    let session = gateway.initialize().await;

    folder.write("program", &format!("#!/bin/sh\nexec '{PROGRAM}' demo\n"));
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let tools = gateway.tools_in(&session).await;
    assert!(tools.contains(&"late__echo".to_owned()), "{tools:?}");
}

#[tokio::test]
async fn the_file_of_a_client_is_taken_as_it_is() {
    let folder = Folder::new();
    let servers = json!({ "mcpServers": {
        "My Tools": { "command": PROGRAM, "args": ["demo"], "env": { "A": "${HOME}" } },
        "off": { "command": "no-such-program", "disabled": true },
    }});
    let file = folder.write("mcp.json", &servers.to_string());
    let gateway =
        Gateway::start(&["serve", "--listen", "127.0.0.1:0", "--mcp-config", &file]).await;
    let answer = gateway
        .call("My-Tools__add", json!({ "a": 1, "b": 2 }))
        .await;
    assert_eq!(
        answer["result"]["structuredContent"]["sum"], 3.0,
        "{answer}"
    );

    let done = run(&["tools", "--mcp-config", &file]).await;
    assert!(done.stdout.contains("My-Tools__add(a, b)"), "{done:?}");
    assert!(done.stderr.contains("warning: "), "{done:?}");
}

#[tokio::test]
async fn programs_do_not_get_to_know_what_is_not_for_them() {
    let folder = Folder::new();
    let script =
        format!("echo token=$MCP_GATEWAY_TOKEN key=$KEY mine=$MINE >&2; exec {PROGRAM} demo");
    let config = json!({
        "sessionKey": { "env": "KEY" },
        "auth": { "tokens": [{ "name": "a", "token": { "env": "MCP_GATEWAY_TOKEN" } }] },
        "servers": [{
            "name": "a",
            "process": { "command": "sh", "args": ["-c", script], "env": { "MINE": { "env": "KEY" } } },
        }],
    });
    let config = folder.write("gateway.yaml", &config.to_string());
    let key = "0123456789abcdef".repeat(4);
    let env = [
        ("MCP_GATEWAY_TOKEN", "token-of-somebody-1234"),
        ("KEY", &*key),
    ];
    let gateway = Gateway::serve_with(&config, &env).await;
    gateway.call("a__echo", json!({ "text": "x" })).await;
    let expected = format!("token= key= mine={key}");
    eventually(async || gateway.stderr().contains(&expected)).await;
}

#[tokio::test]
async fn tools_that_the_configuration_hides_do_not_exist() {
    let folder = Folder::new();
    let config = |tools: Value| {
        let server = json!({ "name": "demo", "builtin": "demo", "tools": tools });
        json!({ "servers": [server], "gateways": [{ "name": "one" }] }).to_string()
    };
    let path = folder.write("gateway.yaml", &config(json!({ "deny": ["ec*"] })));
    let gateway = Gateway::serve(&path).await;
    let tools = gateway.tools().await;
    assert!(!tools.iter().any(|tool| tool == "demo__echo"), "{tools:?}");
    assert!(tools.len() > 1, "{tools:?}");
    let answer = gateway.call("demo__echo", json!({ "text": "a" })).await;
    assert_eq!(
        answer["error"]["data"]["reason"], "unknown_tool",
        "{answer}"
    );
    assert_eq!(answer["error"]["message"], "Unknown tool: demo__echo");
    // Without a restart.
    folder.write("gateway.yaml", &config(json!({ "allow": ["echo"] })));
    eventually(async || gateway.tools().await == ["demo__echo"]).await;
    let answer = gateway.call("demo__echo", json!({ "text": "a" })).await;
    assert!(answer["result"].is_object(), "{answer}");
}

#[tokio::test]
async fn commands_see_the_tools_that_clients_see() {
    let folder = Folder::new();
    let tools =
        json!({ "allow": ["add", "wait", "echo"], "deny": ["echo"], "rename": { "add": "sum" } });
    let config = json!({ "servers": [{ "name": "demo", "builtin": "demo", "tools": tools }] });
    let path = folder.write("gateway.yaml", &config.to_string());
    let listed = run(&["tools", "--config", &path]).await;
    let names = listed
        .stdout
        .lines()
        .filter_map(|line| line.split('(').next());
    assert_eq!(names.collect::<Vec<_>>(), ["demo__sum", "demo__wait"]);
    let called = run(&["call", "demo__echo", "{}", "--config", &path]).await;
    let expected = "mcp-gateway: unknown tool \"demo__echo\"; available: demo__sum, demo__wait\n";
    assert_eq!(called.stderr, expected);
}

#[tokio::test]
async fn commands_quote_a_program_that_fails() {
    let folder = Folder::new();
    let args = json!(["-c", "echo the key is missing >&2; exit 3"]);
    let servers = json!({ "mcpServers": { "a": { "command": "sh", "args": args } } });
    let path = folder.write("mcp.json", &servers.to_string());
    for command in [&["tools"][..], &["call", "a__x"], &["call", "x"]] {
        let done = run(&[command, &["--mcp-config", &path]].concat()).await;
        let quoted = "exit status: 3; stderr: \"the key is missing\"";
        assert_eq!(done.stderr.matches(quoted).count(), 1, "{done:?}");
        assert_eq!(done.code, Some(1), "{done:?}");
    }
}

#[tokio::test]
async fn names_that_no_tool_has_are_reported() {
    let folder = Folder::new();
    let tools = json!({ "deny": ["delete_all"], "rename": { "add": "echo", "plus": "sum" } });
    let config = json!({ "servers": [{ "name": "demo", "builtin": "demo", "tools": tools }] });
    let path = folder.write("gateway.yaml", &config.to_string());
    let unknown = ["delete_all", "plus"];
    let unknown =
        unknown.map(|name| format!("no tool of \"demo\" has the configured name {name:?}"));
    let hidden = r#"tool "echo" of "demo" is not offered: "echo" is the name of "add" of "demo""#;
    let done = run(&["tools", "--config", &path]).await;
    let checked = run(&["check", "--connect", &path]).await;
    for line in unknown.iter().map(String::as_str).chain([hidden]) {
        assert!(
            done.stderr.contains(&format!("warning: {line}\n")),
            "{done:?}"
        );
        assert!(
            checked.stdout.contains(&format!("default: {line}\n")),
            "{checked:?}"
        );
    }
    assert_eq!((done.code, checked.code), (Some(0), Some(1)));
    let names = done
        .stdout
        .lines()
        .filter_map(|line| line.split('(').next());
    assert_eq!(names.filter(|name| *name == "demo__echo").count(), 1);

    let gateway = Gateway::serve(&path).await;
    for _ in 0..2 {
        gateway.tools().await;
    }
    let log = gateway.stderr();
    assert_eq!(log.matches("configured tool not found").count(), 2, "{log}");
    assert_eq!(
        log.matches("tool hidden by name collision").count(),
        1,
        "{log}"
    );
    let answer = gateway.call("demo__echo", json!({ "a": 1, "b": 2 })).await;
    assert_eq!(
        answer["result"]["structuredContent"]["sum"], 3.0,
        "{answer}"
    );
    let answer = gateway.call("demo__add", json!({ "a": 1, "b": 2 })).await;
    assert_eq!(
        answer["error"]["data"]["reason"], "unknown_tool",
        "{answer}"
    );
}

#[tokio::test]
async fn prefixes_are_used_where_names_collide() {
    let folder = Folder::new();
    let config = |mode: &str| {
        let server =
            |name: &str, tools: Value| json!({ "name": name, "builtin": "demo", "tools": tools });
        let servers = [
            server("one", json!({ "allow": ["add", "echo"] })),
            server("two", json!({ "allow": ["add", "wait"] })),
        ];
        json!({ "servers": servers, "gateways": [{ "name": "both", "toolPrefix": mode }] })
            .to_string()
    };
    let path = folder.write("gateway.yaml", &config("onCollision"));
    let gateway = Gateway::serve(&path).await;
    // No list has been requested yet.
    let answer = gateway.call("echo", json!({ "text": "a" })).await;
    assert!(answer["result"].is_object(), "{answer}");
    let expected = ["one__add", "echo", "two__add", "wait"];
    let mut listed = gateway.tools().await;
    let mut sorted = expected.to_vec();
    listed.sort_unstable();
    sorted.sort_unstable();
    assert_eq!(listed, sorted);
    let answer = gateway.call("add", json!({ "a": 1, "b": 2 })).await;
    assert_eq!(
        answer["error"]["data"]["reason"], "unknown_tool",
        "{answer}"
    );
    let done = run(&[
        "call", "two__add", "--arg", "a=1", "--arg", "b=2", "--config", &path,
    ])
    .await;
    assert_eq!(done.code, Some(0), "{done:?}");

    folder.write("gateway.yaml", &config("never"));
    eventually(async || {
        let mut listed = gateway.tools().await;
        listed.sort_unstable();
        listed == ["add", "echo", "wait"]
    })
    .await;
    let done = run(&["check", "--connect", &path]).await;
    assert!(
        done.stdout
            .contains("\"add\" is the name of \"add\" of \"one\""),
        "{done:?}"
    );
}

#[tokio::test]
async fn tools_have_aliases_and_short_names_that_survive_a_restart() {
    let folder = Folder::new();
    let prefix = "a".repeat(32);
    let config = json!({
        "servers": [{
            "name": "demo",
            "builtin": "demo",
            "prefix": prefix,
            "tools": { "rename": { "add": "a-name-that-is-longer-than-its-gateway-permits", "wait": "sleep" } },
        }],
        "gateways": [{ "name": "one", "maxToolName": 64 }],
    });
    let path = folder.write("gateway.yaml", &config.to_string());
    let gateway = Gateway::serve(&path).await;
    let tools = gateway.tools().await;
    assert!(tools.contains(&format!("{prefix}__sleep")), "{tools:?}");
    let short = tools.iter().find(|tool| tool.len() == 64).unwrap();
    let answer = gateway.call(short, json!({ "a": 1, "b": 2 })).await;
    assert_eq!(
        answer["result"]["structuredContent"]["sum"], 3.0,
        "{answer}"
    );
    drop(gateway);

    // No list has been requested yet.
    let gateway = Gateway::serve(&path).await;
    let answer = gateway.call(short, json!({ "a": 1, "b": 2 })).await;
    assert_eq!(
        answer["result"]["structuredContent"]["sum"], 3.0,
        "{answer}"
    );
    let unknown = format!("{}0", &short[..63]);
    let unknown = match unknown == *short {
        true => format!("{}1", &short[..63]),
        false => unknown,
    };
    let answer = gateway.call(&unknown, json!({ "a": 1, "b": 2 })).await;
    assert_eq!(
        answer["error"]["data"]["reason"], "unknown_tool",
        "{answer}"
    );
    assert_eq!(gateway.tools().await, tools);
}
