//! Output, lookups and records of commands.

use mcp_gateway_tests::script::{self, ReceivedRequest, Scripted, document};
use serde_json::{Value, json};

use crate::accounts::Company;
use crate::harness::{Done, Folder, Gateway, eventually, run, run_with_env};

/// A server whose names and texts would clear a terminal.
async fn hostile() -> Scripted {
    let script = |asked: &ReceivedRequest| match asked.method() {
        "tools/list" => document(&asked.result(&json!({ "resultType": "complete", "tools": [{
            "name": "clear\u{1b}[2J",
            "inputSchema": { "type": "object" },
        }, {
            "name": "text",
            "description": "reverses \u{202e} and \u{9b}31m\u{1b}[2J",
            "inputSchema": { "type": "object", "properties": { "\u{1b}]0;t\u{7}": {} } },
        }] }))),
        "tools/call" => document(&asked.result(&json!({
            "resultType": "complete",
            "content": [{ "type": "text", "text": "a\u{1b}[2J\u{9b}31m" }],
        }))),
        _ => script::modern(asked).unwrap_or_default(),
    };
    Scripted::start(script).await.unwrap()
}

fn config(servers: &Value) -> String {
    json!({ "servers": servers }).to_string()
}

#[tokio::test]
async fn category_terminal_names_of_servers_do_not_control_it() {
    let server = hostile().await;
    let folder = Folder::new();
    let file = folder.write(
        "gateway.yaml",
        &config(&json!([{ "name": "s", "remote": { "url": server.url } }])),
    );
    let is_control = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
    let mut printed = String::new();
    for command in [
        "tools",
        "tools --json",
        "check --connect",
        "check --client cursor",
        "call s__text --json",
        "call s__none",
    ] {
        let args: Vec<_> = command.split(' ').chain(["--config", &file]).collect();
        let Done { stdout, stderr, .. } = run(&args).await;
        assert!(!stdout.contains(is_control), "{command}: {stdout:?}");
        assert!(!stderr.contains(is_control), "{command}: {stderr:?}");
        printed += &stdout;
    }
    for expected in [
        "default: s__clear\u{fffd}[2J: ",
        "s__text([\u{fffd}]0;t\u{fffd}])  reverses \u{fffd} and \u{fffd}31m\u{fffd}[2J",
        r#""description": "reverses \u202e and \u009b31m\u001b[2J""#,
        r"a\u001b[2J\u009b31m",
    ] {
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
    // Data for another program stays as it is.
    let done = run(&["call", "s__text", "--config", &file]).await;
    assert_eq!(done.stdout, "a\u{1b}[2J\u{9b}31m\n");
}

#[tokio::test]
async fn a_tool_that_a_gateway_lists_later_is_called() {
    let script = |asked: &ReceivedRequest| {
        match (asked.method(), asked.tool()) {
        ("tools/list", _) => document(&asked.result(&json!({
            "resultType": "complete", "tools": [{ "name": "now", "inputSchema": { "type": "object" } }],
        }))),
        ("tools/call", "later") => document(&asked.result(&json!({
            "resultType": "complete", "content": [{ "type": "text", "text": "here" }],
        }))),
        ("tools/call", _) => document(&json!({
            "jsonrpc": "2.0", "id": 1, "error": { "code": -32602, "message": "Unknown tool" },
        })),
        _ => script::modern(asked).unwrap_or_default(),
    }
    };
    let server = Scripted::start(script).await.unwrap();
    let done = run(&["call", "later", "--arg", "a=1", "--url", &server.url]).await;
    assert_eq!((done.code, &*done.stdout), (Some(0), "here\n"), "{done:?}");
    let done = run(&["call", "nowx", "--url", &server.url]).await;
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.contains("did you mean \"now\"?"), "{done:?}");
}

#[tokio::test]
async fn a_generated_secret_is_all_that_is_printed() {
    let company = Company::start().await;
    for command in ["user create ada", "user password ada", "token create ci"] {
        let done = company.run(command).await;
        assert_eq!((done.code, &*done.stderr), (Some(0), ""), "{command}");
        let secret = done.stdout.strip_suffix('\n').unwrap();
        assert!(secret.len() > 20 && !secret.contains(char::is_whitespace));
    }
}

#[tokio::test]
async fn commands_resolve_only_what_they_use() {
    let folder = Folder::new();
    let config = json!({
        "store": { "sqlite": folder.path("gateway.db") },
        "servers": [
            { "name": "demo", "builtin": "demo" },
            { "name": "far", "remote": {
                "url": "http://127.0.0.1:1", "bearer": { "file": folder.path("missing") } } },
        ],
        "auth": {
            "tokens": [{ "name": "ada", "token": { "env": "MISSING_TOKEN" } }],
            "oauth": { "clients": [{ "id": "robot", "secret": { "env": "MISSING_SECRET" } }] },
        },
        "audit": {},
    });
    let file = folder.write("gateway.yaml", &config.to_string());
    for command in [
        "user create ada",
        "user list",
        "token create ci",
        "client list",
        "audit list",
        "audit verify",
    ] {
        let args: Vec<_> = command.split(' ').chain(["--config", &file]).collect();
        let done = run(&args).await;
        assert_eq!(done.code, Some(0), "{command}: {done:?}");
    }
    let done = run(&["tools", &file]).await;
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stderr.contains("servers[1].remote.bearer"), "{done:?}");
    assert!(!done.stderr.contains("MISSING"), "{done:?}");
    std::fs::write(folder.path("missing"), "s3cr3t").unwrap();
    let done = run(&["tools", &file]).await;
    assert!(done.stdout.contains("demo__echo"), "{done:?}");
    let done = run(&["check", "--config", &file]).await;
    assert!(
        done.stdout.contains("MISSING_SECRET is not set"),
        "{done:?}"
    );
    assert!(done.stdout.contains("MISSING_TOKEN is not set"), "{done:?}");
}

#[tokio::test]
async fn calls_have_the_budgets_of_their_tools() {
    let folder = Folder::new();
    let results = json!({ "maxBytes": "1KiB", "tools": { "ech": { "over": "error" } } });
    let servers = json!([{ "name": "demo", "builtin": "demo", "results": results }]);
    let file = folder.write("gateway.yaml", &config(&servers));
    let text = format!("text={}", "a".repeat(4000));
    let done = run(&["call", "demo__echo", "--arg", &text, "--config", &file]).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stdout.len() < 1500, "{}", done.stdout);
    let done = run(&["check", "--connect", &file]).await;
    assert_eq!(done.code, Some(1));
    let unknown = "default: no tool of \"demo\" has the configured name \"ech\"";
    assert!(done.stdout.contains(unknown), "{done:?}");
}

#[tokio::test]
async fn commands_without_a_configuration_are_audited_too() {
    let folder = Folder::new();
    let config = json!({ "listen": "127.0.0.1:0", "audit": {}, "servers": [] });
    let file = folder.write("gateway.yaml", &config.to_string());
    let data = folder.path("data");
    let env = [("MCP_GATEWAY_DATA", &*data)];
    let records = async |command: &str| {
        let args: Vec<_> = command.split(' ').collect();
        let done = run_with_env(&args, &env).await;
        assert_eq!(done.code, Some(0), "{command}: {done:?}");
        run_with_env(&["audit", "list", "--json"], &env)
            .await
            .stdout
    };
    let before = records("user create ada").await;
    assert_eq!(before, "", "this store has no audit log yet");
    let _gateway = Gateway::serve_with(&file, &env).await;
    eventually(async || records("user list").await.contains("platform.start")).await;
    let after = records("user create bob").await;
    assert!(after.contains("user.create"), "{after}");
}
