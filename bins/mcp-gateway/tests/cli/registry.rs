//! Entries of the registry: imported, read, requested and installed.

use axum::extract::Query;
use axum::routing::get;
use axum::{Json, Router};
use http::header::{AUTHORIZATION, ETAG, IF_MATCH};
use mcp_gateway_tests::fixture::{Options, PATH, serve_http};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::api::{Answer, request};
use crate::harness::{Folder, Gateway, eventually, run, run_with_env, run_with_input};

const ROOT: &str = "the-token-of-root-is-this-one";
const BOB: &str = "the-token-of-bob-is-this";
const OLGA: &str = "the-token-of-olga-is-this";

const CONFIG: &str = "
servers: [{ name: demo, builtin: demo }]
auth:
  tokens:
    - { name: root, token: { env: MCP_GATEWAY_TOKEN }, admin: true }
    - { name: bob, token: { env: BOB } }
    - { name: olga, token: { env: OLGA }, teams: [ops] }
  allowedNetworks: [127.0.0.0/8]
audit: {}
";

async fn serve(folder: &Folder, more: &str) -> Gateway {
    let database = folder.path("gateway.db");
    let config = format!("store: {{ sqlite: {database} }}\n{CONFIG}\n{more}\n");
    let config = folder.write("gateway.yaml", &config);
    let env = [("MCP_GATEWAY_TOKEN", ROOT), ("BOB", BOB), ("OLGA", OLGA)];
    Gateway::serve_with(&config, &env).await
}

/// Returns the response to a request with `token`.
async fn as_user(gateway: &Gateway, token: &str, method: &str, path: &str, body: Value) -> Answer {
    let token = format!("Bearer {token}");
    request(gateway, (method, path), &[(AUTHORIZATION, &token)], body).await
}

async fn root(gateway: &Gateway, method: &str, path: &str, body: Value) -> Answer {
    as_user(gateway, ROOT, method, path, body).await
}

fn remote(name: &str, version: &str, url: &str) -> Value {
    json!({
        "name": name, "description": format!("The server {name}"), "version": version,
        "remotes": [{ "type": "streamable-http", "url": url, "headers": [
            { "name": "Authorization", "value": "Bearer {token}", "isRequired": true },
        ] }],
    })
}

fn names(answer: &Answer) -> Vec<&str> {
    let items = answer.body["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["name"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn r15_entries_of_a_team_do_not_exist_for_others() {
    let folder = Folder::new();
    let gateway = serve(&folder, "").await;
    for (name, teams) in [
        ("com.example/open", Value::Null),
        ("com.example/ops", json!(["ops"])),
    ] {
        let documents = [remote(name, "1.0.0", "https://a.example.com/mcp")];
        let import = json!({ "documents": documents, "teams": teams });
        let imported = root(&gateway, "POST", "/imports", import).await;
        assert_eq!(imported.status, 200, "{}", imported.body);
        assert_eq!(
            imported.body["report"]["created"],
            json!([format!("{name}@1.0.0")])
        );
    }
    let list = "/entries?search=com.example";
    let path = "/entries/com.example%2Fops";
    let (hidden, absent) = (
        "/v0.1/servers/com.example%2Fops/versions/latest",
        "/v0.1/servers/com.example%2Fx/versions/latest",
    );
    for (token, expected, status) in [
        (ROOT, vec!["com.example/open", "com.example/ops"], 200),
        (OLGA, vec!["com.example/open", "com.example/ops"], 200),
        (BOB, vec!["com.example/open"], 404),
    ] {
        let listed = as_user(&gateway, token, "GET", list, Value::Null).await;
        assert_eq!(names(&listed), expected);
        let all = "/v0.1/servers?search=com.example";
        let published = as_user(&gateway, token, "GET", all, Value::Null).await;
        let count = &published.body["metadata"]["count"];
        assert_eq!(count, expected.len(), "{}", published.body);
        for path in [path, "/entries/com.example%2Fops/server.json", hidden] {
            let shown = as_user(&gateway, token, "GET", path, Value::Null).await;
            assert_eq!(shown.status, status, "{path} {}", shown.body);
        }
    }
    let (hidden, absent) = (
        as_user(&gateway, BOB, "GET", hidden, Value::Null).await,
        as_user(&gateway, BOB, "GET", absent, Value::Null).await,
    );
    assert_eq!((hidden.status, hidden.body), (absent.status, absent.body));
    let ready = as_user(&gateway, BOB, "GET", "/entries/memory", Value::Null).await;
    assert_eq!(ready.body["entry"]["server"]["process"]["command"], "npx");
    for (method, path) in [("POST", "/entries"), ("POST", "/imports"), ("DELETE", path)] {
        let refused = as_user(&gateway, BOB, method, path, json!({})).await;
        assert_eq!(refused.status, 403, "{method} {path}");
    }
    let anonymous = request(&gateway, ("GET", "/v0.1/servers"), &[], Value::Null).await;
    assert_eq!(anonymous.status, 401);
}

/// Returns the names that `gateway` publishes to everybody, of all pages.
async fn published(gateway: &Gateway, base: &str) -> Vec<String> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("{base}/servers?version=latest&limit=4{cursor}");
        let page = request(gateway, ("GET", &path), &[], Value::Null).await;
        assert_eq!(page.status, 200, "{}", page.body);
        assert_eq!(page.headers["access-control-allow-origin"], "*");
        for item in page.body["servers"].as_array().unwrap() {
            found.push(item["server"]["name"].as_str().unwrap().to_owned());
            let official = &item["_meta"]["io.modelcontextprotocol.registry/official"];
            assert_eq!(
                (&official["status"], &official["isLatest"]),
                (&json!("active"), &json!(true))
            );
        }
        match page.body["metadata"]["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

#[tokio::test]
async fn clients_of_the_official_registry_read_a_public_one() {
    let folder = Folder::new();
    let gateway = serve(&folder, "registry: { public: true }").await;
    let url = "https://a.example.com/mcp";
    let names = (0..5).map(|number| format!("com.example/a{number}"));
    let documents: Vec<_> = names.map(|name| remote(&name, "1.0.0", url)).collect();
    let documents = json!({ "documents": documents });
    root(&gateway, "POST", "/imports", documents).await;
    let ops = [remote("com.example/ops", "1.0.0", url)];
    let ops = json!({ "documents": ops, "teams": ["ops"] });
    root(&gateway, "POST", "/imports", ops).await;
    let anonymous = async |path: &str| request(&gateway, ("GET", path), &[], Value::Null).await;

    for base in ["/v0.1", "/v0"] {
        let found = published(&gateway, base).await;
        // Eight of them are ready entries.
        assert_eq!(found.len(), 13, "{found:?}");
        assert!(found.contains(&"local/memory".to_owned()), "{found:?}");
        assert!(!found.contains(&"com.example/ops".to_owned()), "{found:?}");
    }
    let one = anonymous("/v0.1/servers/com.example%2Fa1/versions/1.0.0").await;
    assert_eq!(
        one.body["server"]["remotes"][0]["url"],
        "https://a.example.com/mcp"
    );
    let memory = anonymous("/v0.1/servers/local%2Fmemory/versions/latest").await;
    assert_eq!(
        memory.body["server"]["packages"][0]["registryType"], "npm",
        "{}",
        memory.body
    );
    let all = anonymous("/v0.1/servers/com.example%2Fa1/versions").await;
    assert_eq!(all.body["metadata"]["count"], 1);
    for path in [
        "/v0.1/servers/com.example%2Fops/versions/latest",
        "/v0.1/servers/x",
        "/v0.1/x",
    ] {
        assert_eq!(anonymous(path).await.status, 404, "{path}");
    }
    assert_eq!(anonymous("/v0.1/servers?updated_since=x").await.status, 400);
    let wrong = as_user(&gateway, "wrong", "GET", "/v0.1/servers", Value::Null).await;
    assert_eq!(wrong.status, 401, "an invalid token is not anonymous");
    let preflight = request(&gateway, ("OPTIONS", "/v0.1/servers"), &[], Value::Null).await;
    assert_eq!(preflight.status, 204);
    assert_eq!(
        preflight.headers["access-control-allow-methods"],
        "GET, OPTIONS"
    );
}

/// Serves a registry with two pages, whose entries have the returned status.
async fn registry(url: String) -> (String, Arc<Mutex<&'static str>>, JoinSet<()>) {
    let status = Arc::new(Mutex::new("active"));
    let current = Arc::clone(&status);
    let servers = async move |Query(query): Query<HashMap<String, String>>| {
        let status = *current.lock().unwrap();
        let entry = |server: Value| {
            json!({ "server": server, "_meta": {
            "io.modelcontextprotocol.registry/official": { "status": status, "statusMessage": "use another" },
        } })
        };
        Json(match query.get("cursor").map(|cursor| &**cursor) {
            None => json!({
                "servers": [entry(remote("com.example/first", "1.0.0", &url)), { "server": { "name": "?" } }],
                "metadata": { "nextCursor": "second page" },
            }),
            Some(_) => json!({
                "servers": [entry(json!({
                    "name": "com.example/second", "version": "2.0.0", "description": "x".repeat(200), "repository": {},
                    "packages": [{ "registryType": "mcpb", "identifier": "https://a.example.com/a.mcpb", "transport": { "type": "stdio" } }],
                }))],
                "metadata": { "nextCursor": "" },
            }),
        })
    };
    let router = Router::new().route("/v0.1/servers", get(servers));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let _ = axum::serve(listener, router).await;
    });
    (address, status, serving)
}

/// Serves the fixture to whoever has its credential; returns its URL.
async fn protected_server() -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}{PATH}", listener.local_addr().unwrap());
    let mut options = Options::default();
    options.bearer = Some("hunter2-of-the-server".to_owned());
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let _ = serve_http(listener, options).await;
    });
    (url, serving)
}

#[tokio::test]
async fn an_entry_of_another_registry_is_installed_and_deprecated() {
    let (url, _server) = protected_server().await;
    let (registry, status, _serving) = registry(url).await;
    let folder = Folder::new();
    let gateway = serve(&folder, "").await;
    let cli = ["--url", &gateway.url, "--token", ROOT];
    let import = [&["entry", "import", &*registry], &cli[..]].concat();
    let imported = run(&import).await;
    assert_eq!(
        imported.stdout, "2 created, 0 updated, 0 unchanged, 1 rejected; 1 not installable\n",
        "{imported:?}"
    );
    assert!(imported.stderr.contains("MCPB archive"), "{imported:?}");
    let list = [&["entry", "list", "--search", "com.example"], &cli[..]].concat();
    let listed = run(&list).await.stdout;
    let second = "com.example/second  2.0.0    not installable";
    assert!(listed.contains(second), "{listed}");

    let add = "server add mine --entry com.example/first --secret token";
    let add: Vec<_> = add.split(' ').chain(cli).collect();
    let added = run_with_input(&add, "hunter2-of-the-server\n").await;
    assert!(added.code == Some(0), "{added:?}");
    let answer = gateway.call("mine__echo", json!({ "text": "x" })).await;
    assert_eq!(
        answer["result"]["structuredContent"]["text"], "x",
        "{answer}"
    );
    let shown = root(&gateway, "GET", "/servers/mine", Value::Null).await;
    assert_eq!(
        shown.body["entry"]["remote"]["headers"]["Authorization"],
        json!({ "secret": true })
    );
    assert_eq!(
        shown.body["installed"],
        json!({ "entry": "com.example/first@1.0.0", "status": "active", "statusMessage": "use another" })
    );

    *status.lock().unwrap() = "deleted";
    let again = run(&import).await;
    assert!(
        again.stdout.starts_with("0 created, 2 updated"),
        "{again:?}"
    );
    let shown = root(&gateway, "GET", "/servers/mine", Value::Null).await;
    let expected = json!({ "entry": "com.example/first@1.0.0", "status": "deleted", "statusMessage": "use another" });
    assert_eq!(shown.body["installed"], expected);
    let servers = run(&[&["server", "list"], &cli[..]].concat()).await.stdout;
    let deleted = "com.example/first@1.0.0 (deleted: use another)";
    assert!(servers.contains(deleted), "{servers}");
    let answer = gateway.call("mine__echo", json!({ "text": "y" })).await;
    assert_eq!(
        answer["result"]["structuredContent"]["text"], "y",
        "it keeps running"
    );
    let refused =
        json!({ "name": "new", "entry": "com.example/first@1.0.0", "values": { "token": "x" } });
    let refused = root(&gateway, "POST", "/servers", refused).await;
    assert_eq!(
        (refused.status, &refused.body["errors"][0]["path"]),
        (422, &json!("entry"))
    );
}

#[tokio::test]
async fn an_entry_is_written_replaced_exported_and_deleted() {
    let folder = Folder::new();
    let gateway = serve(&folder, "").await;
    let entry = json!({
        "name": "notes", "version": "1.0.0", "description": "Notes",
        "server": { "remote": { "url": "https://{region}.example.com/mcp", "bearer": "{key}" } },
        "inputs": [{ "name": "region", "default": "eu", "choices": ["eu", "us"] }, { "name": "key", "secret": true, "required": true }],
    });
    let created = root(&gateway, "POST", "/entries", entry.clone()).await;
    assert_eq!(created.status, 201, "{}", created.body);
    assert_eq!(
        root(&gateway, "POST", "/entries", entry.clone())
            .await
            .status,
        409
    );
    let memory = json!({ "name": "memory", "version": "9", "description": "x", "server": { "builtin": "demo" } });
    assert_eq!(
        root(&gateway, "POST", "/entries", memory).await.status,
        409,
        "it is a ready entry"
    );
    assert_violations_are_found(&gateway, &entry).await;
    let mut next = entry.clone();
    next["status"] = "deprecated".into();
    let put = async |headers: &[(http::HeaderName, &str)]| {
        let token = format!("Bearer {ROOT}");
        let headers = [&[(AUTHORIZATION, &*token)], headers].concat();
        request(&gateway, ("PUT", "/entries/notes"), &headers, next.clone()).await
    };
    assert_eq!(put(&[]).await.status, 428);
    assert_eq!(put(&[(IF_MATCH, "\"7777\"")]).await.status, 412);
    let replaced = put(&[(IF_MATCH, created.tag())]).await;
    assert_eq!(replaced.status, 200, "{}", replaced.body);
    assert_ne!(replaced.headers[ETAG], created.headers[ETAG]);

    assert_is_exported(&gateway).await;
    let remove = ["entry", "remove", "notes@1.0.0", "--url", &gateway.url];
    let removed = run(&[&remove[..], &["--token", ROOT]].concat()).await;
    assert!(removed.code == Some(0), "{removed:?}");
    assert_eq!(
        root(&gateway, "GET", "/entries/notes", Value::Null)
            .await
            .status,
        404
    );
    let is_recorded = async || {
        let records = root(&gateway, "GET", "/audit?action=entry.delete", Value::Null).await;
        records.body["items"].to_string().contains("root")
    };
    eventually(is_recorded).await;
}

/// Asserts that invalid variants of `entry` are rejected.
async fn assert_violations_are_found(gateway: &Gateway, entry: &Value) {
    for (path, value) in [
        ("/name", json!("a b")),
        ("/version", json!("latest")),
        ("/server/remote/url", json!("ftp://a")),
        ("/server/remote/url", json!("https://a/{key}")),
        (
            "/server",
            json!({ "remote": { "url": "https://a" }, "unknown": 1 }),
        ),
        ("/inputs/0/default", json!("asia")),
    ] {
        let mut invalid = entry.clone();
        *invalid.pointer_mut(path).unwrap() = value;
        let refused = root(gateway, "POST", "/entries", invalid).await;
        assert_eq!(refused.status, 422, "{path} {}", refused.body);
    }
}

/// Asserts that the entry `notes` can be read by other registries.
async fn assert_is_exported(gateway: &Gateway) {
    let exported = run(&[
        "entry",
        "export",
        "notes",
        "--url",
        &gateway.url,
        "--token",
        ROOT,
    ])
    .await;
    let file: Value = serde_json::from_str(&exported.stdout).unwrap();
    assert_eq!(
        file["remotes"][0]["variables"]["region"]["default"], "eu",
        "{file}"
    );
    assert_eq!(
        file["remotes"][0]["headers"][0]["variables"]["key"]["isSecret"], true,
        "{file}"
    );
}

#[tokio::test]
async fn r16_a_request_is_decided_once() {
    let folder = Folder::new();
    let gateway = serve(&folder, "").await;
    for (name, teams) in [("a", Value::Null), ("b", json!(["ops"]))] {
        let entry = json!({ "name": name, "version": "1.0.0", "description": "x", "server": { "builtin": "demo" }, "teams": teams });
        assert_eq!(root(&gateway, "POST", "/entries", entry).await.status, 201);
    }
    let ask = async |token: &str, entry: &str| {
        let body = json!({ "entry": entry, "reason": "for my notes" });
        as_user(&gateway, token, "POST", "/requests", body).await
    };
    assert_eq!(ask(BOB, "b").await.status, 422, "bob does not see it");
    assert_eq!(ask(BOB, "c").await.status, 422);
    let (bob, olga) = (ask(BOB, "a").await, ask(OLGA, "b@1.0.0").await);
    assert_eq!((bob.status, olga.status), (201, 201));
    let (bob, olga) = (
        bob.body["id"].as_str().unwrap(),
        olga.body["id"].as_str().unwrap(),
    );

    let own = as_user(&gateway, BOB, "GET", "/requests", Value::Null).await;
    assert_eq!(own.body["items"].as_array().unwrap().len(), 1);
    let path = format!("/requests/{olga}");
    assert_eq!(
        as_user(&gateway, BOB, "GET", &path, Value::Null)
            .await
            .status,
        404
    );
    let approve = format!("/requests/{bob}/approve");
    assert_eq!(
        as_user(&gateway, BOB, "POST", &approve, json!({ "server": "x" }))
            .await
            .status,
        403
    );

    let taken = root(&gateway, "POST", &approve, json!({ "server": "demo" })).await;
    assert_eq!(taken.status, 409, "the name is taken: {}", taken.body);
    let decide =
        async |server: &str| root(&gateway, "POST", &approve, json!({ "server": server })).await;
    let (first, second) = tokio::join!(decide("one"), decide("two"));
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "{} {}", first.body, second.body);
    let servers = root(&gateway, "GET", "/servers", Value::Null).await;
    assert_eq!(
        names(&servers).len(),
        2,
        "one has been installed: {}",
        servers.body
    );
    let decided = format!("/requests/{bob}");
    let shown = as_user(&gateway, BOB, "GET", &decided, Value::Null).await;
    assert_eq!(shown.body["decision"]["by"], "root", "{}", shown.body);

    deny(&gateway, olga).await;
    let shown = as_user(&gateway, OLGA, "GET", &path, Value::Null).await;
    assert_eq!(shown.body["decision"]["message"], "not yet");
}

/// Denies the request `id` on the command line.
async fn deny(gateway: &Gateway, id: &str) {
    let cli = ["--url", &gateway.url, "--token", ROOT];
    let denied = run(&[&["request", "deny", id, "--message", "not yet"], &cli[..]].concat()).await;
    assert!(denied.code == Some(0), "{denied:?}");
    let listed = run(&[&["request", "list"], &cli[..]].concat()).await;
    assert!(
        listed.stdout.contains("approved") && listed.stdout.contains("denied"),
        "{listed:?}"
    );
}

#[tokio::test]
async fn parallel_requests_are_counted() {
    let folder = Folder::new();
    let gateway = serve(&folder, "").await;
    let new = || json!({ "entry": "memory", "reason": "to remember" });
    let answers = (0..40).map(|_| as_user(&gateway, BOB, "POST", "/requests", new()));
    let answers = futures_util::future::join_all(answers).await;
    let accepted = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(accepted, 20);
    let refused = answers.iter().find(|answer| answer.status == 409).unwrap();
    assert!(
        refused.body.to_string().contains("20 requests are open"),
        "{}",
        refused.body
    );
    // A decision makes room for another one.
    let open = answers.iter().find(|answer| answer.status == 201).unwrap();
    let deny = format!("/requests/{}/deny", open.body["id"].as_str().unwrap());
    assert_eq!(root(&gateway, "POST", &deny, json!({})).await.status, 200);
    for status in [201, 409] {
        let answer = as_user(&gateway, BOB, "POST", "/requests", new()).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
}

#[tokio::test]
async fn the_check_names_servers_of_deleted_entries() {
    let folder = Folder::new();
    let gateway = serve(&folder, "").await;
    let entry = |status: &str| {
        json!({
            "name": "notes", "version": "1.0.0", "description": "Notes", "status": status,
            "statusMessage": "use another",
            "server": { "remote": { "url": "https://notes.example.com/mcp" } },
        })
    };
    let created = root(&gateway, "POST", "/entries", entry("active")).await;
    assert_eq!(created.status, 201, "{}", created.body);
    let server = json!({ "name": "mine", "entry": "notes@1.0.0" });
    let created = root(&gateway, "POST", "/servers", server).await;
    assert_eq!(created.status, 201, "{}", created.body);
    let config = folder.path("gateway.yaml");
    let check = async || {
        let env = [("MCP_GATEWAY_TOKEN", ROOT), ("BOB", BOB), ("OLGA", OLGA)];
        let done = run_with_env(&["check", "--connect", &config], &env).await;
        assert_eq!(done.code, Some(0), "{done:?}");
        done.stdout
    };
    assert!(!check().await.contains("notes"));
    let path = "/entries/notes?version=1.0.0";
    let shown = root(&gateway, "GET", path, Value::Null).await;
    let token = format!("Bearer {ROOT}");
    let headers = [(AUTHORIZATION, &*token), (IF_MATCH, shown.tag())];
    let replaced = request(&gateway, ("PUT", path), &headers, entry("deleted")).await;
    assert_eq!(replaced.status, 200, "{}", replaced.body);
    let expected = "mine: installed from notes@1.0.0, which is deleted: use another";
    let checked = check().await;
    assert!(checked.contains(expected), "{checked}");
}
