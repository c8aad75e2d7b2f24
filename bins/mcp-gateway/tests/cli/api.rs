//! The admin API of the program, and servers in the store.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, HOST, IF_MATCH};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use mcp_gateway_tests::fixture::{Options, PATH, serve_http};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::accounts::Company;
use crate::browser::Browser;
use crate::harness::{Folder, Gateway, SOON, eventually, run, run_with_input};

const OWNER: &str = "the-token-of-the-owner-is-this";

/// Response of the API.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// Body; null if it is empty, or a stream of events.
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn tag(&self) -> &str {
        self.headers[ETAG].to_str().unwrap()
    }
}

/// Returns the response to a request. A stream of events, which does not end by itself, is closed
/// unread.
pub(crate) async fn request(
    gateway: &Gateway,
    (method, path): (&str, &str),
    headers: &[(http::HeaderName, &str)],
    body: Value,
) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{}{}{path}", gateway.url, base(path)))
        .header(CONTENT_TYPE, "application/json");
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    let body = Full::new(Bytes::from(body.to_string()));
    let client = Client::builder(TokioExecutor::new()).build_http();
    let sent = timeout(SOON, client.request(request.body(body).unwrap())).await;
    let (parts, body) = sent.unwrap().unwrap().into_parts();
    let kind = parts.headers.get(CONTENT_TYPE);
    let is_stream = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    let body = match is_stream {
        true => Bytes::new(),
        false => body.collect().await.unwrap().to_bytes(),
    };
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    }
}

/// Returns the path of the API that has `path`.
fn base(path: &str) -> &'static str {
    match path.starts_with("/v0") {
        true => "",
        false => "/api/v1",
    }
}

/// Returns the response to a request with the token of `gateway`.
pub(crate) async fn api(gateway: &Gateway, method: &str, path: &str, body: Value) -> Answer {
    let token = format!("Bearer {}", gateway.token);
    request(gateway, (method, path), &[(AUTHORIZATION, &token)], body).await
}

/// Returns the response to a change of the version `tag`.
pub(crate) async fn change(
    gateway: &Gateway,
    method: &str,
    path: &str,
    tag: &str,
    body: Value,
) -> Answer {
    let token = format!("Bearer {}", gateway.token);
    let headers = [(AUTHORIZATION, &*token), (IF_MATCH, tag)];
    request(gateway, (method, path), &headers, body).await
}

/// Starts a gateway with a store in `folder`.
pub(crate) async fn serve(folder: &Folder, more: &str) -> Gateway {
    let database = folder.path("gateway.db");
    let config = format!("store: {{ sqlite: {database} }}\n{more}\n");
    let config = folder.write("gateway.yaml", &config);
    Gateway::serve_with(&config, &[("MCP_GATEWAY_TOKEN", OWNER)]).await
}

/// Serves the fixture to whoever has its credential; returns its URL.
async fn protected_server() -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}{PATH}", listener.local_addr().unwrap());
    let mut options = Options::default();
    options.bearer = Some("credential-of-the-server".to_owned());
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let _ = serve_http(listener, options).await;
    });
    (url, serving)
}

async fn has_tool(gateway: &Gateway, tool: &str) -> bool {
    gateway.tools().await.iter().any(|name| name == tool)
}

#[tokio::test]
async fn a_server_of_the_store_is_served_without_a_restart() {
    let folder = Folder::new();
    let gateway = serve(&folder, "servers: [{ name: demo, builtin: demo }]").await;
    let session = gateway.initialize().await;
    let entry = json!({ "name": "extra", "builtin": "demo" });
    let adding = async {
        let added = api(&gateway, "POST", "/servers", entry.clone()).await;
        assert_eq!(added.status, 201, "{}", added.body);
        assert_eq!(added.body["source"], "store");
    };
    gateway
        .hears(&session, "notifications/tools/list_changed", adding)
        .await;
    let answer = gateway.call("extra__echo", json!({ "text": "x" })).await;
    assert_eq!(answer["result"]["content"][0]["text"], "x");
    assert_eq!(
        api(&gateway, "POST", "/servers", entry.clone())
            .await
            .status,
        409
    );

    let shown = api(&gateway, "GET", "/servers/extra", Value::Null).await;
    assert_eq!(
        (&shown.body["state"], &shown.body["entry"]),
        (&json!("up"), &entry)
    );
    let next = json!({ "builtin": "demo", "prefix": "x" });
    let put = |body: Value| api(&gateway, "PUT", "/servers/extra", body);
    assert_eq!(put(next.clone()).await.status, 428);
    let tag = shown.tag();
    for stale in ["\"0\"", "seven"] {
        let refused = change(&gateway, "PUT", "/servers/extra", stale, next.clone()).await;
        assert_eq!(refused.status, 412, "{stale}");
    }
    let replaced = change(&gateway, "PUT", "/servers/extra", tag, next.clone()).await;
    assert_eq!(replaced.status, 200, "{}", replaced.body);
    assert_ne!(replaced.tag(), tag);
    assert!(has_tool(&gateway, "x__echo").await && !has_tool(&gateway, "extra__echo").await);

    let stale = change(&gateway, "DELETE", "/servers/extra", tag, Value::Null).await;
    assert_eq!(stale.status, 412);
    let deleted = api(&gateway, "DELETE", "/servers/extra", Value::Null).await;
    assert_eq!(deleted.status, 204);
    assert!(!has_tool(&gateway, "x__echo").await);
    assert_eq!(
        api(&gateway, "DELETE", "/servers/extra", Value::Null)
            .await
            .status,
        404
    );
    assert_eq!(
        change(&gateway, "PUT", "/servers/extra", "*", next)
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn replicas_share_the_servers_of_the_store() {
    let folder = Folder::new();
    let servers = "servers: [{ name: demo, builtin: demo }]";
    let first = serve(&folder, servers).await;
    let second = serve(&folder, servers).await;
    let entry = json!({ "name": "extra", "builtin": "demo" });
    let added = api(&first, "POST", "/servers", entry).await;
    assert_eq!(added.status, 201, "{}", added.body);
    eventually(async || has_tool(&second, "extra__echo").await).await;
    let answer = second.call("extra__echo", json!({ "text": "x" })).await;
    assert_eq!(answer["result"]["content"][0]["text"], "x");

    let deleted = change(
        &second,
        "DELETE",
        "/servers/extra",
        added.tag(),
        Value::Null,
    )
    .await;
    assert_eq!(deleted.status, 204);
    eventually(async || !has_tool(&first, "extra__echo").await).await;
}

#[tokio::test]
async fn an_acknowledged_server_outlives_the_process() {
    let folder = Folder::new();
    let mut gateway = serve(&folder, "").await;
    let entry = json!({ "name": "extra", "builtin": "demo" });
    assert_eq!(api(&gateway, "POST", "/servers", entry).await.status, 201);
    gateway.signal(Signal::KILL);
    gateway.finish().await;
    let gateway = serve(&folder, "").await;
    assert!(has_tool(&gateway, "extra__echo").await);
}

#[tokio::test]
async fn r5_secrets_of_servers_are_sealed_and_never_shown() {
    let (url, _serving) = protected_server().await;

    let folder = Folder::new();
    let gateway = serve(&folder, "audit: {}").await;
    let bearer = json!({ "secret": "credential-of-the-server" });
    let entry = json!({ "name": "far", "remote": { "url": url, "bearer": bearer } });
    let added = api(&gateway, "POST", "/servers", entry.clone()).await;
    assert_eq!(added.status, 201, "{}", added.body);
    let answer = gateway.call("far__whoami", json!({})).await;
    assert!(
        answer["result"]
            .to_string()
            .contains("credential-of-the-server"),
        "{answer}"
    );

    let mut kept = added.body["entry"].clone();
    assert_eq!(kept["remote"]["bearer"], json!({ "secret": true }));
    kept["sessions"] = "principal".into();
    let replaced = change(&gateway, "PUT", "/servers/far", added.tag(), kept).await;
    assert_eq!(replaced.status, 200, "{}", replaced.body);
    let answer = gateway.call("far__whoami", json!({})).await;
    assert!(
        answer["result"]
            .to_string()
            .contains("credential-of-the-server"),
        "{answer}"
    );
    for path in ["/servers", "/servers/far", "/audit"] {
        let shown = api(&gateway, "GET", path, Value::Null).await;
        assert_eq!(shown.status, 200, "{path}");
        assert!(
            !shown.body.to_string().contains("credential-of-the-server"),
            "{path}"
        );
    }
    assert_secret_is_recorded(&gateway).await;
    for entry in std::fs::read_dir(folder.path("")).unwrap().flatten() {
        let bytes = std::fs::read(entry.path()).unwrap_or_default();
        let mut windows = bytes.windows("credential-of-the-server".len());
        assert!(
            !windows.any(|part| part == b"credential-of-the-server"),
            "{entry:?}"
        );
    }
}

/// Asserts that the changes and the use of the secret of `far` are in the audit log.
async fn assert_secret_is_recorded(gateway: &Gateway) {
    let audited = async || {
        api(gateway, "GET", "/audit?subject=owner", Value::Null)
            .await
            .body
    };
    eventually(async || audited().await.to_string().contains("server.replace")).await;
    let audited = audited().await;
    let fields = |action: &str| {
        let mut items = audited["items"].as_array().unwrap().iter();
        let found = items.find(|record| record["action"] == action);
        found.map(|record| record["fields"].clone())
    };
    let created = json!(["remote.bearer: secret created"]);
    assert_eq!(fields("server.create"), Some(created));
    assert_eq!(fields("server.replace"), Some(Value::Null), "it is kept");
    let path = "/audit?action=secret.use&target=server/far";
    eventually(async || {
        let used = api(gateway, "GET", path, Value::Null).await.body;
        used["items"][0]["fields"] == json!(["header authorization"])
    })
    .await;
}

#[tokio::test]
async fn r4_entries_reach_neither_the_environment_nor_files_nor_programs() {
    let folder = Folder::new();
    let gateway = serve(&folder, "servers: [{ name: demo, builtin: demo }]").await;
    let secret = folder.write("secret", "a secret of the machine");
    for (transport, path) in [
        (
            json!({ "remote": { "url": "http://127.0.0.1:1/", "bearer": { "env": "HOME" } } }),
            "remote.bearer",
        ),
        (
            json!({ "remote": { "url": "http://127.0.0.1:1/", "bearer": { "file": secret } } }),
            "remote.bearer",
        ),
        (json!({ "process": { "command": "sh" } }), "process"),
        (json!({ "builtin": "demo", "prefix": "demo" }), "prefix"),
        (json!({ "builtin": "demo", "unknown": 1 }), ""),
        (json!({}), ""),
    ] {
        let mut entry = transport.clone();
        entry["name"] = "extra".into();
        let refused = api(&gateway, "POST", "/servers", entry).await;
        assert_eq!(refused.status, 422, "{transport}: {}", refused.body);
        assert_eq!(refused.body["errors"][0]["path"], path, "{}", refused.body);
    }
    for name in ["../users", "a/b", "", "'; DROP TABLE documents; --"] {
        let entry = json!({ "name": name, "builtin": "demo" });
        let refused = api(&gateway, "POST", "/servers", entry).await;
        assert_eq!(
            refused.body["errors"][0]["path"], "name",
            "{name}: {}",
            refused.body
        );
    }
    for (method, body) in [
        ("POST", json!({ "name": "demo", "builtin": "demo" })),
        ("PUT", json!({ "name": "demo", "builtin": "demo" })),
        ("DELETE", Value::Null),
    ] {
        let path = if method == "POST" {
            "/servers"
        } else {
            "/servers/demo"
        };
        let refused = change(&gateway, method, path, "*", body).await;
        assert_eq!(refused.status, 409, "{method}");
        assert!(
            refused.body["detail"]
                .as_str()
                .unwrap()
                .contains("configuration file")
        );
    }
}

#[tokio::test]
async fn the_file_decides_about_programs_and_names() {
    let folder = Folder::new();
    let gateway = serve(&folder, "registry: { processes: true }").await;
    let program = json!({ "name": "program", "process": { "command": "no-such-program" } });
    assert_eq!(api(&gateway, "POST", "/servers", program).await.status, 201);
    let extra = json!({ "name": "extra", "builtin": "demo" });
    assert_eq!(api(&gateway, "POST", "/servers", extra).await.status, 201);

    let database = folder.path("gateway.db");
    let text = format!(
        "store: {{ sqlite: {database} }}\n\
         servers: [{{ name: extra, builtin: demo, prefix: mine }}]\n"
    );
    folder.write("gateway.yaml", &text);
    eventually(async || has_tool(&gateway, "mine__echo").await).await;
    assert!(!has_tool(&gateway, "extra__echo").await);
    let servers = api(&gateway, "GET", "/servers", Value::Null).await.body;
    let [extra, program] = servers["items"].as_array().unwrap().as_slice() else {
        unreachable!("{servers}");
    };
    assert_eq!(
        (&extra["source"], &extra["shadows"]),
        (&json!("file"), &json!(true))
    );
    assert_eq!(
        (&program["state"], &program["source"]),
        (&json!("unused"), &json!("store"))
    );
    assert_eq!(program["violations"][0]["path"], "process");
    let gateways = api(&gateway, "GET", "/gateways/default", Value::Null)
        .await
        .body;
    assert_eq!(gateways["servers"], json!(["extra"]));
}

#[tokio::test]
async fn r1_only_administrators_administer() {
    let company = Company::start().await;
    company.get("user create ada").await;
    company.get("user role ada admin").await;
    company.get("user create bob").await;
    let admin = company.get("token create a --user ada").await;
    let member = company.get("token create b --user bob").await;
    let machine = company.get("token create c").await;
    let team = company.get("token create d --team admin").await;
    let status = async |token: &str| company.gateway.get_with("/api/v1/users", token).await.0;
    for (token, expected) in [
        (&*admin, 200),
        (&member, 403),
        (&machine, 403),
        (&team, 403),
        ("guessed", 401),
    ] {
        assert_eq!(status(token).await, expected);
    }
    assert_eq!(company.status(&admin).await, 200);
    company.get("user role ada member").await;
    assert_eq!(
        status(&admin).await,
        403,
        "a change of role takes effect at once"
    );
    company.get("user role ada admin").await;
    company.get("user disable ada").await;
    assert_eq!(status(&admin).await, 401);
}

#[tokio::test]
async fn r2_static_tokens_and_hosts_are_administrators_only_if_the_file_says_so() {
    let folder = Folder::new();
    let tokens = "auth:\n  tokens:\n  - { name: olga, token: { env: MCP_GATEWAY_TOKEN }, admin: true }\n  \
                  - { name: bob, token: { env: BOB } }\n  anonymous: true\n";
    let config = folder.write("gateway.yaml", tokens);
    let (olga, bob) = ("the-token-of-olga-is-this", "the-token-of-bob-is-this");
    let gateway = Gateway::serve_with(&config, &[("MCP_GATEWAY_TOKEN", olga), ("BOB", bob)]).await;
    assert_eq!(gateway.get_with("/api/v1/servers", olga).await.0, 200);
    assert_eq!(gateway.get_with("/api/v1/servers", bob).await.0, 403);
    let anonymous = request(&gateway, ("GET", "/servers"), &[], Value::Null).await;
    assert_eq!(anonymous.status, 401);
    let token = format!("Bearer {olga}");
    let headers = [(AUTHORIZATION, &*token), (HOST, "evil.example")];
    let rebound = request(&gateway, ("GET", "/servers"), &headers, Value::Null).await;
    assert_eq!(rebound.status, 403);
    let entry = json!({ "name": "extra", "builtin": "demo" });
    let refused = api(&gateway, "POST", "/servers", entry).await;
    assert_eq!(refused.status, 409, "{}", refused.body);
    assert!(
        refused.body["detail"]
            .as_str()
            .unwrap()
            .contains("no store")
    );
}

#[tokio::test]
async fn r3_tokens_of_oauth_clients_do_not_administer() {
    let company = Company::start().await;
    let made = company.json("client create ci --secret --json").await;
    let endpoint = format!("{}/api/auth/oauth2/token", company.gateway.url);
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "ci"),
        ("client_secret", made["client_secret"].as_str().unwrap()),
    ];
    let granted = Browser::new().post(&endpoint, &form).await;
    let granted: Value = serde_json::from_str(&granted.body).unwrap();
    let token = granted["access_token"].as_str().unwrap();
    assert_eq!(company.status(token).await, 200);
    assert_eq!(
        company.gateway.get_with("/api/v1/users", token).await.0,
        401
    );
}

#[tokio::test]
async fn servers_are_added_listed_and_removed_from_the_command_line() {
    let (url, _serving) = protected_server().await;
    let folder = Folder::new();
    let gateway = serve(&folder, "servers: [{ name: demo, builtin: demo }]").await;
    let target = ["--url", &gateway.url, "--token", &gateway.token];

    let add = [&["server", "add", "far", &url, "--bearer"][..], &target].concat();
    let done = run_with_input(&add, "credential-of-the-server\n").await;
    assert_eq!(done.code, Some(0), "{done:?}");
    let answer = gateway.call("far__whoami", json!({})).await;
    assert!(
        answer["result"]
            .to_string()
            .contains("credential-of-the-server"),
        "{answer}"
    );
    let listed = run(&[&["server", "list"][..], &target].concat())
        .await
        .stdout;
    let lines: Vec<_> = listed.lines().map(str::trim_end).collect();
    assert_eq!(
        lines,
        [
            "NAME  SOURCE  STATE  ENTRY  ERROR",
            "demo  file    idle   -",
            "far   store   up     -"
        ]
    );
    let done = run(&[&["server", "remove", "far"][..], &target].concat()).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    let documents = run(&[&["server", "list", "--json"][..], &target].concat())
        .await
        .stdout;
    let documents: Value = serde_json::from_str(&documents).unwrap();
    assert_eq!(documents.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_the_command_line_cannot_do_has_a_reason() {
    let folder = Folder::new();
    let gateway = serve(&folder, "servers: [{ name: demo, builtin: demo }]").await;
    let target = ["--url", &gateway.url, "--token", &gateway.token];
    let program = [
        &["server", "add", "sh"][..],
        &target,
        &["--", "sh", "-c", "x"],
    ]
    .concat();
    for (args, expected) in [
        (program, "process: programs are not allowed"),
        (
            [&["server", "remove", "far"][..], &target].concat(),
            "no such resource",
        ),
        (
            [&["server", "remove", "demo"][..], &target].concat(),
            "configuration file",
        ),
        (
            [&["server", "restart", "demo"][..], &target].concat(),
            "the gateway runs no servers on a cluster",
        ),
        (
            [&["server", "logs", "demo"][..], &target].concat(),
            "the gateway runs no servers on a cluster",
        ),
        (
            vec!["server", "list", "--url", &gateway.url, "--token", "x"],
            "valid token",
        ),
        (
            vec!["server", "list", "--url", "far"],
            "not the URL of a gateway",
        ),
    ] {
        let done = run(&args).await;
        assert_eq!(done.code, Some(1), "{args:?}");
        assert!(done.stderr.contains(expected), "{args:?}: {done:?}");
    }
}
