//! Gateways in the store.

use mcp_gateway_tests::wire::Wire;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::api::{api, change};
use crate::harness::{Folder, Gateway, eventually, run_with_env};

const SERVERS: &str = "servers: [{ name: demo, builtin: demo }, { name: other, builtin: demo }]";

const ADMIN: &str = "the-token-of-the-admin-is-this";
const OLGA: &str = "the-token-of-olga-is-this";
const BOB: &str = "the-token-of-bob-is-this";

const TOKENS: [(&str, &str); 3] = [("MCP_GATEWAY_TOKEN", ADMIN), ("OLGA", OLGA), ("BOB", BOB)];

/// Starts a gateway with a store in `folder`, an administrator, and members of teams.
async fn serve(folder: &Folder) -> Gateway {
    serve_with(folder, "").await
}

/// Starts a gateway with more keys in its configuration.
async fn serve_with(folder: &Folder, more: &str) -> Gateway {
    let database = folder.path("gateway.db");
    let config = format!(
        "store: {{ sqlite: {database} }}\n{SERVERS}\n\
         auth:\n  tokens:\n\
         \x20   - {{ name: root, token: {{ env: MCP_GATEWAY_TOKEN }}, admin: true }}\n\
         \x20   - {{ name: olga, token: {{ env: OLGA }}, teams: [ops] }}\n\
         \x20   - {{ name: bob, token: {{ env: BOB }} }}\n{more}\n"
    );
    let config = folder.write("gateway.yaml", &config);
    Gateway::serve_with(&config, &TOKENS).await
}

/// Creates a gateway of `entry`; returns its document.
async fn create(gateway: &Gateway, entry: Value) -> Value {
    let added = api(gateway, "POST", "/gateways", entry).await;
    assert_eq!(added.status, 201, "{}", added.body);
    added.body
}

/// Names of the entries of the list `kind` at `path`; `None` if the gateway does not exist.
async fn listed(wire: &Wire, kind: &str) -> Option<Vec<String>> {
    let list = format!("{kind}/list");
    let mut reply = wire.request(&list, json!({})).await.unwrap();
    // A request in whose middle the gateway is changed or deleted is to be sent again.
    if reply.body.contains("server_replaced") {
        reply = wire.request(&list, json!({})).await.unwrap();
    }
    if reply.status != 200 {
        return None;
    }
    let answer = reply.answer();
    let entries = answer["result"][kind].as_array();
    let entries = entries.unwrap_or_else(|| panic!("{answer}")).iter();
    let name = |entry: &Value| entry["name"].as_str().unwrap().to_owned();
    Some(entries.map(name).collect())
}

async fn tools(gateway: &Gateway, path: &str, token: &str) -> Option<Vec<String>> {
    listed(&gateway.wire_of(path, Some(token)), "tools").await
}

#[tokio::test]
async fn a_gateway_of_the_store_is_served_at_its_name_and_its_identifier() {
    let folder = Folder::new();
    let gateway = serve(&folder).await;
    let entry = json!({ "name": "team", "title": "Team", "servers": ["demo"] });
    let created = create(&gateway, entry.clone()).await;
    assert_eq!(
        (&created["source"], &created["entry"]),
        (&json!("store"), &entry)
    );
    let id = created["id"].as_str().unwrap().to_owned();
    let (by_name, by_id) = ("/v1/mcp/team".to_owned(), format!("/v1/mcp/{id}"));
    for path in [&by_name, &by_id] {
        let names = tools(&gateway, path, BOB).await.unwrap();
        assert!(
            names.contains(&"demo__echo".to_owned()),
            "{path}: {names:?}"
        );
        assert!(
            !names.iter().any(|name| name.starts_with("other")),
            "{path}"
        );
    }

    // A session outlives the change of the name, at the address with the identifier.
    let session = gateway.initialize_at(&by_id).await;
    let shown = api(&gateway, "GET", "/gateways/team", Value::Null).await;
    let renamed = json!({ "name": "crew", "servers": ["demo", "other"] });
    let path = format!("/gateways/{id}");
    let stale = change(&gateway, "PUT", &path, "\"0\"", renamed.clone()).await;
    assert_eq!(stale.status, 412);
    let replaced = change(&gateway, "PUT", &path, shown.tag(), renamed).await;
    assert_eq!(replaced.status, 200, "{}", replaced.body);
    assert_eq!(replaced.body["id"], *id);
    let names = legacy(&gateway, &by_id, &session, "tools/list", json!({})).await;
    assert!(names.to_string().contains("other__echo"), "{names}");
    assert_eq!(tools(&gateway, &by_name, ADMIN).await, None);
    assert!(tools(&gateway, "/v1/mcp/crew", BOB).await.is_some());

    let deleted = api(&gateway, "DELETE", "/gateways/crew", Value::Null).await;
    assert_eq!(deleted.status, 204);
    for path in ["/v1/mcp/crew", &by_id] {
        assert_eq!(tools(&gateway, path, ADMIN).await, None, "{path}");
    }
    assert_eq!(
        api(&gateway, "DELETE", "/gateways/crew", Value::Null)
            .await
            .status,
        404
    );
}

/// Returns the answer to a request in a session of the legacy era.
async fn legacy(
    gateway: &Gateway,
    path: &str,
    session: &str,
    method: &str,
    params: Value,
) -> Value {
    let request = json!({ "jsonrpc": "2.0", "id": 2, "method": method, "params": params });
    let headers = [
        ("mcp-session-id", session),
        ("mcp-protocol-version", "2025-11-25"),
    ];
    let reply = gateway
        .wire_at(path)
        .post(request.to_string(), &headers)
        .await;
    reply.unwrap().answer()
}

/// Requests that concern other features of `demo` than its tools.
fn requests_beside_tools() -> [(&'static str, Value); 4] {
    let explain = json!({ "name": "demo__explain", "arguments": { "topic": "x" } });
    let completion = json!({
        "ref": { "type": "ref/prompt", "name": "demo__explain" },
        "argument": { "name": "topic", "value": "x" },
    });
    [
        ("prompts/get", explain),
        ("completion/complete", completion),
        ("resources/read", json!({ "uri": "demo://about" })),
        ("vendor/read", json!({})),
    ]
}

#[tokio::test]
async fn r9_assigned_tools_are_all_that_can_be_listed_and_called() {
    let folder = Folder::new();
    let gateway = serve(&folder).await;
    create(
        &gateway,
        json!({
            "name": "few",
            "assignments": [{ "server": "demo", "tools": ["echo", "missing"] }],
        }),
    )
    .await;
    create(
        &gateway,
        json!({
            "name": "both",
            "servers": ["other"],
            "assignments": [{ "server": "demo", "tools": ["echo"] }],
        }),
    )
    .await;
    let wire = gateway.wire_at("/v1/mcp/few");
    assert_eq!(listed(&wire, "tools").await.unwrap(), ["demo__echo"]);
    for kind in ["prompts", "resources"] {
        assert_eq!(listed(&wire, kind).await.unwrap(), [""; 0], "{kind}");
    }
    let session = gateway.initialize_at("/v1/mcp/few").await;
    let both = async |method: &str, params: Value| {
        let modern = wire.request(method, params.clone()).await.unwrap().answer();
        [
            modern,
            legacy(&gateway, "/v1/mcp/few", &session, method, params).await,
        ]
    };
    let call = |name: &str| json!({ "name": name, "arguments": { "text": "x" } });
    for answer in both("tools/call", call("demo__echo")).await {
        assert_eq!(answer["result"]["content"][0]["text"], "x", "{answer}");
    }
    for name in [
        "demo__add",
        "demo__Echo",
        "echo",
        "demo__missing",
        "other__echo",
    ] {
        for answer in both("tools/call", call(name)).await {
            assert_eq!(
                answer["error"]["data"]["reason"], "unknown_tool",
                "{name}: {answer}"
            );
        }
    }
    for (method, params) in requests_beside_tools() {
        for answer in both(method, params.clone()).await {
            assert!(answer["error"].is_object(), "{method}: {answer}");
        }
    }
    // What another server has is not restricted.
    let wire = gateway.wire_at("/v1/mcp/both");
    let names = listed(&wire, "tools").await.unwrap();
    assert!(names.contains(&"other__add".to_owned()) && !names.contains(&"demo__add".to_owned()));
    assert_eq!(listed(&wire, "prompts").await.unwrap(), ["other__explain"]);
}

#[tokio::test]
async fn r11_a_gateway_is_for_those_whom_it_names() {
    let folder = Folder::new();
    let gateway = serve(&folder).await;
    create(
        &gateway,
        json!({ "name": "ops", "visibility": { "teams": ["ops"] } }),
    )
    .await;
    create(
        &gateway,
        json!({ "name": "own", "visibility": { "user": "olga" } }),
    )
    .await;
    create(&gateway, json!({ "name": "all" })).await;
    for (token, expected) in [
        (OLGA, [true, true, true]),
        (BOB, [false, false, true]),
        // Administrators list a personal gateway, but cannot use it.
        (ADMIN, [true, false, true]),
    ] {
        let mut seen = Vec::new();
        for name in ["ops", "own", "all"] {
            seen.push(
                tools(&gateway, &format!("/v1/mcp/{name}"), token)
                    .await
                    .is_some(),
            );
        }
        assert_eq!(seen, expected, "{token}");
    }
    let all = api(&gateway, "GET", "/gateways", Value::Null).await.body;
    assert!(all.to_string().contains("\"user\":\"olga\""), "{all}");
    let (status, _) = gateway.get_with("/metrics", ADMIN).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn an_assignment_outlives_its_server() {
    let folder = Folder::new();
    let gateway = serve(&folder).await;
    let server = json!({ "name": "extra", "builtin": "demo" });
    let team = json!({
        "name": "team",
        "servers": ["demo"],
        "assignments": [{ "server": "extra", "tools": ["echo"] }],
    });
    let created = create(&gateway, team).await;
    assert_eq!(created["dangling"][0]["server"], "extra", "{created}");
    let has_extra = async || {
        let names = tools(&gateway, "/v1/mcp/team", BOB).await.unwrap();
        let extra = names.into_iter().filter(|name| name.starts_with("extra"));
        extra.collect::<Vec<_>>()
    };
    for _ in 0..2 {
        assert!(has_extra().await.is_empty());
        let added = api(&gateway, "POST", "/servers", server.clone()).await;
        assert_eq!(added.status, 201, "{}", added.body);
        assert_eq!(has_extra().await, ["extra__echo"]);
        let deleted = api(&gateway, "DELETE", "/servers/extra", Value::Null).await;
        assert_eq!(deleted.status, 204);
        let shown = api(&gateway, "GET", "/gateways/team", Value::Null)
            .await
            .body;
        assert_eq!(shown["dangling"][0]["server"], "extra", "{shown}");
        assert_eq!(shown["assignments"][0]["tools"], json!(["echo"]));
    }
}

#[tokio::test]
async fn changes_of_assignments_are_heard() {
    let folder = Folder::new();
    let gateway = serve(&folder).await;
    let entry = |tools: Value| json!({ "name": "team", "assignments": [{ "server": "demo", "tools": tools }] });
    create(&gateway, entry(json!(["echo"]))).await;
    let session = gateway.initialize_at("/v1/mcp/team").await;
    let replacing = async {
        let replaced = change(
            &gateway,
            "PUT",
            "/gateways/team",
            "*",
            entry(json!(["add"])),
        )
        .await;
        assert_eq!(replaced.status, 200, "{}", replaced.body);
    };
    gateway
        .hears_at(
            "/v1/mcp/team",
            &session,
            "notifications/tools/list_changed",
            replacing,
        )
        .await;
    assert_eq!(
        tools(&gateway, "/v1/mcp/team", BOB).await.unwrap(),
        ["demo__add"]
    );
}

#[tokio::test]
async fn replicas_share_gateways_which_outlive_the_process() {
    let folder = Folder::new();
    let mut first = serve(&folder).await;
    let second = serve(&folder).await;
    let path = "/v1/mcp/team";
    create(&first, json!({ "name": "team", "servers": ["demo"] })).await;
    eventually(async || tools(&second, path, BOB).await.is_some()).await;
    let taken = api(&second, "POST", "/gateways", json!({ "name": "team" })).await;
    assert_eq!(taken.status, 409, "{}", taken.body);
    first.signal(Signal::KILL);
    first.finish().await;
    let first = serve(&folder).await;
    assert!(tools(&first, path, BOB).await.is_some());
    let deleted = api(&first, "DELETE", "/gateways/team", Value::Null).await;
    assert_eq!(deleted.status, 204);
    eventually(async || tools(&second, path, BOB).await.is_none()).await;
}

/// Gateways that exist for nobody, each with the path of its violation.
fn gateways_for_nobody() -> Vec<(Value, &'static str)> {
    vec![
        (
            json!({ "name": "a", "visibility": { "teams": [] } }),
            "visibility.teams",
        ),
        (json!({ "name": "a", "teams": [] }), "teams"),
        (
            json!({ "name": "a", "visibility": { "teams": ["ops", ""] } }),
            "visibility.teams[1]",
        ),
        (
            json!({ "name": "a", "visibility": { "user": "" } }),
            "visibility.user",
        ),
        (
            json!({ "name": "a", "visibility": { "user": "olga\r\n" } }),
            "visibility.user",
        ),
    ]
}

/// Invalid gateways, each with the path of its violation.
fn invalid_gateways() -> Vec<(Value, &'static str)> {
    vec![
        (json!({}), ""),
        (json!({ "name": "A b" }), "name"),
        (json!({ "name": "../users" }), "name"),
        (json!({ "name": "sse" }), "name"),
        (
            json!({ "name": "0190f5fe-7c00-7a00-8000-0242ac120002" }),
            "name",
        ),
        (json!({ "name": "a", "unknown": 1 }), ""),
        (
            json!({ "name": "a", "visibility": { "user": "a", "teams": [] } }),
            "visibility",
        ),
        (
            json!({ "name": "a", "teams": [], "visibility": "organization" }),
            "visibility",
        ),
        (
            json!({ "name": "a", "servers": ["demo", "demo"] }),
            "servers[1]",
        ),
        (
            json!({ "name": "a", "servers": ["demo"], "assignments": [{ "server": "demo" }] }),
            "assignments[0]",
        ),
        (
            json!({ "name": "a", "assignments": [{ "server": "demo", "tools": ["*"] }] }),
            "assignments[0].tools[0]",
        ),
        (
            json!({ "name": "a", "assignments": [{ "server": "demo", "connection": "enterprises" }] }),
            "assignments[0].connection",
        ),
        (
            json!({ "name": "a", "assignments": [
                { "server": "demo", "connection": { "user": "olga" } },
            ] }),
            "assignments[0].connection",
        ),
        // To pin a connection is to grant it: to whom must be said.
        (
            json!({ "name": "a", "assignments": [{ "server": "demo", "connection": "organization" }] }),
            "",
        ),
    ]
}

#[tokio::test]
async fn invalid_gateways_are_rejected_and_those_of_the_file_are_read_only() {
    let folder = Folder::new();
    let gateway = serve_with(&folder, "gateways: [{ name: main }]").await;
    for (entry, path) in invalid_gateways().into_iter().chain(gateways_for_nobody()) {
        let refused = api(&gateway, "POST", "/gateways", entry.clone()).await;
        assert_eq!(refused.status, 422, "{entry}: {}", refused.body);
        assert_eq!(
            refused.body["errors"][0]["path"], path,
            "{entry}: {}",
            refused.body
        );
    }
    let main = json!({ "name": "main" });
    for (method, path) in [
        ("POST", "/gateways"),
        ("PUT", "/gateways/main"),
        ("DELETE", "/gateways/main"),
    ] {
        let refused = change(&gateway, method, path, "*", main.clone()).await;
        assert_eq!(refused.status, 409, "{method}: {}", refused.body);
    }
    for (name, connection, shown) in [
        ("a", json!({ "team": "ops" }), "team/ops"),
        ("b", json!("enterprise"), "enterprise"),
    ] {
        let chosen = json!({
            "name": name,
            "visibility": "organization",
            "assignments": [{ "server": "demo", "connection": connection }],
        });
        let created = create(&gateway, chosen).await;
        assert_eq!(created["dangling"][0]["server"], "demo", "{created}");
        assert_eq!(created["assignments"][0]["connection"], shown);
        let path = format!("/v1/mcp/{name}");
        assert_eq!(tools(&gateway, &path, BOB).await.unwrap(), [""; 0]);
    }
}

#[tokio::test]
async fn gateways_are_administered_on_the_command_line() {
    let folder = Folder::new();
    let gateway = serve(&folder).await;
    let command = async |line: &str| {
        let args: Vec<_> = line.split(' ').chain(["--url", &gateway.url]).collect();
        run_with_env(&args, &[("MCP_GATEWAY_TOKEN", ADMIN)]).await
    };
    let added = command("gateway add team --title Team").await;
    assert_eq!(added.code, Some(0), "{added:?}");
    let id = added.stdout.trim().to_owned();
    assert_eq!(tools(&gateway, "/v1/mcp/team", BOB).await.unwrap(), [""; 0]);
    for line in [
        "gateway assign team demo echo add",
        "gateway assign team other",
        "gateway assign team demo echo",
        "gateway rename team crew",
        "gateway share crew --team ops",
    ] {
        let done = command(line).await;
        assert_eq!(
            (done.code, &*done.stderr),
            (Some(0), ""),
            "{line}: {done:?}"
        );
    }
    let names = tools(&gateway, &format!("/v1/mcp/{id}"), OLGA)
        .await
        .unwrap();
    assert!(names.contains(&"other__add".to_owned()) && names.contains(&"demo__echo".to_owned()));
    assert!(!names.contains(&"demo__add".to_owned()), "{names:?}");
    assert_eq!(tools(&gateway, "/v1/mcp/crew", BOB).await, None);
    let done = command("gateway assign crew gone x").await;
    assert!(
        done.stderr.contains("gone: no server has this name"),
        "{done:?}"
    );
    let shown = command("gateway list").await.stdout;
    assert!(
        shown.contains(&id) && shown.contains("cannot call gone"),
        "{shown}"
    );
    assert_eq!(command("gateway unassign crew gone").await.code, Some(0));
    assert_eq!(command("gateway remove crew").await.code, Some(0));
    assert_eq!(tools(&gateway, &format!("/v1/mcp/{id}"), OLGA).await, None);
}

#[tokio::test]
async fn mistakes_on_the_command_line_are_named() {
    let folder = Folder::new();
    let gateway = serve(&folder).await;
    let command = async |line: &str| {
        let args: Vec<_> = line.split(' ').chain(["--url", &gateway.url]).collect();
        run_with_env(&args, &[("MCP_GATEWAY_TOKEN", ADMIN)]).await
    };
    assert_eq!(command("gateway add bare").await.code, Some(0));
    for (line, advice) in [
        ("gateway unassign bare gone", "has no server"),
        (
            "gateway assign bare demo --connection organization",
            "granted",
        ),
        ("gateway share bare", "--team"),
        (
            "gateway assign missing demo",
            "cannot change gateway \"missing\"",
        ),
        (
            "gateway remove missing",
            "cannot remove gateway \"missing\"",
        ),
        // An empty argument, as of an unset variable of a shell.
        ("gateway share bare --team ", "visibility.teams[0]"),
        ("gateway share bare --user ", "visibility.user"),
        ("gateway rename default other", "configuration file"),
    ] {
        let done = command(line).await;
        assert_eq!(done.code, Some(1), "{line}: {done:?}");
        assert!(done.stderr.contains(advice), "{line}: {done:?}");
    }
}

#[tokio::test]
async fn the_exposure_of_a_gateway_follows_the_store() {
    let folder = Folder::new();
    let gateway = serve(&folder).await;
    let created = create(&gateway, json!({ "name": "team", "servers": ["demo"] })).await;
    assert_eq!(created["exposure"], "list");
    let (path, session) = ("/v1/mcp/team", gateway.initialize_at("/v1/mcp/team").await);
    let expose = async |args: &[&str]| {
        let args = [
            &["gateway", "expose", "team"][..],
            args,
            &["--url", &*gateway.url],
        ]
        .concat();
        let done = run_with_env(&args, &[("MCP_GATEWAY_TOKEN", ADMIN)]).await;
        assert_eq!(done.code, Some(0), "{done:?}");
    };
    let changed = "notifications/tools/list_changed";
    let exposing = expose(&["search", "--visible", "demo__e*", "--visible", "demo__add"]);
    gateway.hears_at(path, &session, changed, exposing).await;
    let mut names = tools(&gateway, path, BOB).await.unwrap();
    names.sort_unstable();
    assert_eq!(
        names,
        ["demo__add", "demo__echo", "run_tool", "search_tools"]
    );
    let shown = api(&gateway, "GET", "/gateways/team", Value::Null)
        .await
        .body;
    assert_eq!(shown["exposure"], "search");
    assert_eq!(shown["visibleTools"], json!(["demo__add", "demo__e*"]));
    gateway
        .hears_at(path, &session, changed, expose(&["list"]))
        .await;
    let names = tools(&gateway, path, BOB).await.unwrap();
    assert!(names.contains(&"demo__greet".to_owned()), "{names:?}");
    let entry = json!({ "name": "team", "visibleTools": ["a"] });
    let rejected = change(&gateway, "PUT", "/gateways/team", "*", entry).await;
    assert_eq!(
        (rejected.status, &rejected.body["errors"][0]["path"]),
        (422, &json!("visibleTools"))
    );
}
