//! The program as operators run it.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails may panic"
)]

#[path = "cli/accounts.rs"]
mod accounts;
#[path = "cli/api.rs"]
mod api;
#[path = "cli/approvals.rs"]
mod approvals;
#[path = "cli/approve.rs"]
mod approve;
#[path = "cli/audit.rs"]
mod audit;
#[path = "../../../mcp-gateway-auth/tests/login/browser.rs"]
#[expect(dead_code, reason = "its other tests need more of it")]
mod browser;
#[cfg(feature = "code-mode")]
#[path = "cli/code.rs"]
mod code;
#[cfg(feature = "console")]
#[path = "cli/console.rs"]
mod console;
#[path = "cli/detected.rs"]
mod detected;
#[path = "cli/forward.rs"]
mod forward;
#[path = "cli/gateways.rs"]
mod gateways;
#[path = "cli/harness.rs"]
mod harness;
#[path = "cli/issuers.rs"]
mod issuers;
#[path = "cli/key.rs"]
mod key;
#[path = "cli/kube.rs"]
mod kube;
#[path = "cli/kube/egress.rs"]
mod kube_egress;
#[path = "cli/kube/faults.rs"]
mod kube_faults;
#[path = "cli/kube_objects.rs"]
mod kube_objects;
#[path = "cli/kube/refusals.rs"]
mod kube_refusals;
#[path = "cli/kube/replicas.rs"]
mod kube_replicas;
#[path = "cli/kubernetes.rs"]
mod kubernetes;
#[path = "cli/life.rs"]
mod life;
#[path = "cli/limits.rs"]
mod limits;
#[path = "cli/lint.rs"]
mod lint;
#[path = "cli/login.rs"]
mod login;
#[path = "cli/managers.rs"]
mod managers;
#[cfg(feature = "search-model")]
#[path = "cli/model.rs"]
mod model;
#[path = "cli/output.rs"]
mod output;
#[path = "cli/pins.rs"]
mod pins;
#[path = "cli/plain.rs"]
mod plain;
#[path = "cli/platform_tools.rs"]
mod platform_tools;
#[path = "cli/policy.rs"]
mod policy;
#[path = "cli/recorded.rs"]
mod recorded;
#[path = "cli/registry.rs"]
mod registry;
#[path = "cli/results.rs"]
mod results;
#[path = "cli/revoked.rs"]
mod revoked;
#[path = "cli/rules.rs"]
mod rules;
#[path = "cli/search.rs"]
mod search;
#[path = "cli/servers.rs"]
mod servers;
#[path = "cli/services.rs"]
mod services;
#[path = "cli/teams.rs"]
mod teams;
#[path = "cli/tenants.rs"]
mod tenants;
#[path = "cli/turns.rs"]
mod turns;
#[path = "cli/watched.rs"]
mod watched;

use http::StatusCode;
use mcp_gateway_tests::process::Process;
use serde_json::{Value, json};
use tokio::process::Command;

use self::harness::{Folder, Gateway, PROGRAM, SOON, run};

#[tokio::test]
async fn it_starts_without_any_file() {
    let gateway = Gateway::start(&["--listen", "127.0.0.1:0"]).await;
    let answer = gateway.call("demo__add", json!({ "a": 1, "b": 2 })).await;
    assert_eq!(answer["result"]["structuredContent"]["sum"], 3.0);

    for (token, expected) in [
        (None, 401),
        (Some("wrong"), 401),
        (Some(&*gateway.token), 200),
    ] {
        let reply = gateway
            .wire_with(token)
            .request("tools/list", json!({}))
            .await
            .unwrap();
        assert_eq!(reply.status.as_u16(), expected, "{token:?}");
        let challenged = reply.headers.contains_key("www-authenticate");
        assert_eq!(challenged, expected == 401);
    }
}

#[tokio::test]
async fn a_token_can_be_chosen() {
    let token = "a-token-of-my-own-choice";
    let gateway = Gateway::start_with(
        &["--listen", "127.0.0.1:0"],
        &[("MCP_GATEWAY_TOKEN", token)],
    )
    .await;
    assert!(!gateway.banner.contains(token), "{}", gateway.banner);
    let answer = gateway.call("demo__echo", json!({ "text": "hello" })).await;
    assert_eq!(answer["result"]["content"][0]["text"], "hello");
}

#[tokio::test]
async fn it_says_who_may_call() {
    let folder = Folder::new();
    let open = folder.write("gateway.yaml", "auth: { anonymous: true }");
    let mut command = Command::new(PROGRAM);
    command.args(["serve", "--listen", "127.0.0.1:0", "--config", &open]);
    let mut process = Process::start(command).unwrap();
    while !process
        .line(SOON)
        .await
        .unwrap()
        .contains("callers   everyone on this machine")
    {}
}

#[tokio::test]
async fn every_path_has_its_place() {
    let folder = Folder::new();
    let config = folder.write(
        "gateway.yaml",
        "servers: [{ name: demo, builtin: demo }]\n\
         gateways: [{ name: one }, { name: two, servers: [demo] }]",
    );
    let gateway = Gateway::serve(&config).await;
    for (path, expected) in [
        ("/livez", 200),
        ("/readyz", 200),
        ("/healthz", 200),
        ("/health/servers", 200),
        ("/metrics", 200),
        ("/nowhere", 404),
        ("/v1/mcp/three", 404),
    ] {
        assert_eq!(gateway.get(path).await.0, expected, "{path}");
    }
    let listed = |path: &'static str| {
        let wire = gateway.wire_at(path);
        async move {
            let reply = wire.request("tools/list", json!({})).await.unwrap();
            assert_eq!(reply.status, StatusCode::OK, "{path}");
            reply.answer()["result"]["tools"].as_array().unwrap().len()
        }
    };
    for path in ["/mcp", "/v1/mcp", "/v1/mcp/one", "/v1/mcp/two", "/mcp/"] {
        assert_eq!(listed(path).await, 5, "{path}");
    }
    for path in ["/mcp", "/mcp/sse", "/v1/mcp/one/sse"] {
        let base = path.trim_end_matches("/sse");
        let first = gateway.first_event(path).await;
        let expected = format!("event: endpoint\ndata: {base}/messages?sessionId=");
        assert!(first.starts_with(&expected), "{path}: {first}");
    }
}

#[tokio::test]
async fn calls_are_counted_by_names_that_are_known() {
    let gateway = Gateway::start(&["--listen", "127.0.0.1:0"]).await;
    gateway.call("demo__echo", json!({ "text": "x" })).await;
    gateway.call("demo__invented", json!({})).await;
    let (_, metrics) = gateway.get("/metrics").await;
    let labels = "gateway=\"default\",mcp_server_name=\"demo\"";
    for line in [
        format!("mcp_tool_calls_total{{{labels},tool_name=\"echo\",status=\"success\"}} 1"),
        format!("mcp_tool_calls_total{{{labels},tool_name=\"_unlisted\",status=\"error\"}} 1"),
        format!("mcp_tool_call_duration_seconds_count{{{labels},tool_name=\"echo\"}} 1"),
        "mcp_server_up{mcp_server_name=\"demo\"} 1".to_owned(),
    ] {
        assert!(
            metrics.lines().any(|other| other == line),
            "{line}\n{metrics}"
        );
    }
    assert!(!metrics.contains("invented"));
    let (_, health) = gateway.get("/health/servers").await;
    let health: Value = serde_json::from_str(&health).unwrap();
    assert_eq!(health["servers"][0]["status"], "up");
}

#[tokio::test]
async fn an_address_that_is_in_use_is_an_error_that_says_what_to_do() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let done = run(&["--listen", &address]).await;
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.contains("--listen"), "{}", done.stderr);
}

#[tokio::test]
async fn tools_are_listed_and_called() {
    let gateway = Gateway::start(&["--listen", "127.0.0.1:0"]).await;
    let url = ["--url", &gateway.url, "--token", &gateway.token];
    let command = |args: &[&str]| {
        let args: Vec<String> = args
            .iter()
            .chain(&url)
            .map(|arg| (*arg).to_owned())
            .collect();
        async move { run(&args).await }
    };
    let done = command(&["tools"]).await;
    assert!(
        done.stdout
            .contains("demo__add(a, b)               Adds two numbers\n"),
        "{done:?}"
    );
    let done = command(&["tools", "--json"]).await;
    let tools: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(tools[0]["name"], "demo__add");

    let done = command(&["call", "demo__echo", "--arg", "text=12"]).await;
    assert_eq!((done.code, &*done.stdout), (Some(0), "12\n"));
    let done = command(&["call", "demo__wait", r#"{"seconds":0.1}"#]).await;
    assert!(done.stderr.contains("10 of 10"), "{done:?}");
    let done = command(&["call", "demo__add", "--json", "--arg", "a=1"]).await;
    let result: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((done.code, &result["isError"]), (Some(1), &json!(true)));
    let done = command(&["call", "demo__ech"]).await;
    assert_eq!(done.code, Some(1));
    assert!(
        done.stderr.contains("did you mean \"demo__echo\"?"),
        "{done:?}"
    );
    let done = run(&["tools", "--url", "http://127.0.0.1:1"]).await;
    assert_eq!(done.code, Some(1));
    assert!(
        done.stderr
            .contains("127.0.0.1:1: failed to connect to the server"),
        "{done:?}"
    );
}

#[tokio::test]
async fn whoever_cannot_get_in_is_told_what_to_do() {
    let gateway = Gateway::start(&["--listen", "127.0.0.1:0"]).await;
    let closed = "http://127.0.0.1:1";
    for (args, expected) in [
        (&["--url", &gateway.url][..], "Set MCP_GATEWAY_TOKEN"),
        (
            &["--url", &gateway.url, "--token", "wrong"],
            "The token of --token",
        ),
        (&["--url", closed], "Is the gateway running?"),
    ] {
        for command in [&["tools"][..], &["call", "demo__echo"]] {
            let done = run(&[command, args].concat()).await;
            assert_eq!(done.code, Some(1));
            assert!(done.stderr.contains(expected), "{done:?}");
        }
    }
}

#[tokio::test]
async fn files_are_checked() {
    let folder = Folder::new();
    let good = folder.write("good.yaml", "servers: [{ name: demo, builtin: demo }]");
    let done = run(&["check", &good]).await;
    assert_eq!(
        (done.code, &*done.stdout),
        (Some(0), "ok: 1 server, 1 gateway\n")
    );

    let bad = folder.write(
        "bad.yaml",
        "listen: 8080\nservers:\n- { name: a, remote: { url: ftp://a }, idel: 1m }\nsessionKey: { env: NO_SUCH_VARIABLE }\n",
    );
    let done = run(&["check", &bad]).await;
    assert_eq!(done.code, Some(1));
    let lines: Vec<_> = done.stdout.lines().collect();
    assert_eq!(lines.len(), 5, "{done:?}");
    assert!(lines[0].starts_with(&format!("{bad}:1:9: listen: ")));
    assert!(lines[1].starts_with(&format!("{bad}:3:29: servers[0].remote.url: ")));
    assert!(lines[2].contains("did you mean \"idle\"?"));
    assert!(lines[3].contains("NO_SUCH_VARIABLE"));
    assert_eq!(lines[4], "4 problems");
    let done = run(&["check", "--without-secrets", &bad]).await;
    assert!(done.stdout.ends_with("3 problems\n"), "{done:?}");

    let done = run(&["serve", "--config", &bad]).await;
    assert_eq!(
        (done.code, done.stderr.lines().count()),
        (Some(1), 4),
        "{done:?}"
    );
    assert_eq!(run(&["check"]).await.code, Some(2));
}

#[tokio::test]
async fn instructions_and_completions_are_written() {
    let done = run(&["connect"]).await;
    assert!(done.stdout.contains("claude-code"), "{done:?}");
    let done = run(&[
        "connect",
        "cursor",
        "--url",
        "https://a.example.com",
        "--gateway",
        "dev",
    ])
    .await;
    assert!(
        done.stdout.contains("https://a.example.com/v1/mcp/dev"),
        "{done:?}"
    );
    let done = run(&["completions", "bash"]).await;
    assert!(done.stdout.contains("mcp-gateway"), "{done:?}");
}
