//! The built-in tools that administer the gateway, called by clients.

use std::time::Duration;

use http::header::AUTHORIZATION;
use mcp_gateway_tests::environment::Environment;
use mcp_gateway_tests::process::Process;
use serde_json::{Value, json};

use crate::accounts::Company;
use crate::api::{api, request};
use crate::harness::{Folder, Gateway, eventually};

const TOKEN: &str = "the-token-of-the-owner-is-this";

/// Servers with the tools, which the gateway `admin` has and the others do not.
const TOOLS: &str = "
audit: {}
servers: [{ name: demo, builtin: demo }, { name: platform, builtin: platform }]
gateways: [{ name: all }, { name: admin, servers: [platform] }]
";

async fn start(folder: &Folder) -> Gateway {
    let database = folder.path("gateway.db");
    let config = format!("store: {{ sqlite: {database} }}\n{TOOLS}");
    let config = folder.write("gateway.yaml", &config);
    Gateway::serve_with(&config, &[("MCP_GATEWAY_TOKEN", TOKEN)]).await
}

/// Calls a tool as a client that cannot ask its user; returns the result.
async fn call(gateway: &Gateway, tool: &str, arguments: Value) -> Value {
    let wire = gateway.wire_at("/v1/mcp/admin");
    let reply = wire.call(&format!("platform__{tool}"), arguments).await;
    reply.unwrap().answer()["result"].take()
}

/// Calls a tool as a client that can ask its user, with `more` parameters.
async fn ask(gateway: &Gateway, tool: &str, (arguments, more): (&Value, Value)) -> Value {
    let mut params = json!({ "name": format!("platform__{tool}"), "arguments": arguments });
    for (key, value) in more.as_object().unwrap() {
        params[key] = value.clone();
    }
    let capabilities = json!({ "elicitation": { "form": {} } });
    params["_meta"] = json!({ "io.modelcontextprotocol/clientCapabilities": capabilities });
    let wire = gateway.wire_at("/v1/mcp/admin");
    let reply = wire.request("tools/call", params).await;
    reply.unwrap().answer()["result"].take()
}

/// Returns the parameters of a retry in which the user has answered by `action`.
fn answered(asked: &Value, action: &str) -> Value {
    let answer = json!({ "action": action, "content": { "confirm": true } });
    json!({ "requestState": asked["requestState"], "inputResponses": { "confirm": answer } })
}

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap_or_default()
}

/// Repeats a call with the code of its first answer.
async fn confirmed(gateway: &Gateway, tool: &str, mut arguments: Value) -> Value {
    let first = call(gateway, tool, arguments.clone()).await;
    assert_eq!(first["isError"], true, "{first}");
    let code = text(&first).rsplit('"').nth(1).unwrap();
    arguments["confirm"] = code.into();
    call(gateway, tool, arguments).await
}

#[tokio::test]
async fn a_server_that_a_tool_has_created_is_called() {
    let folder = Folder::new();
    let gateway = start(&folder).await;
    let me = call(&gateway, "whoami", json!({})).await;
    assert_eq!(me["structuredContent"]["object"]["role"], "admin", "{me}");

    let entry = json!({ "name": "extra", "builtin": "demo" });
    let made = confirmed(&gateway, "create_server", entry).await;
    assert_eq!(
        made["structuredContent"]["object"]["name"], "extra",
        "{made}"
    );
    let echoed = gateway.wire_at("/v1/mcp/all");
    let echoed = echoed.call("extra__echo", json!({ "text": "hello" })).await;
    assert!(echoed.unwrap().body.contains("hello"));

    let gateway_entry = json!({ "name": "team", "servers": ["demo"] });
    let made = confirmed(&gateway, "create_gateway", gateway_entry).await;
    assert!(made["structuredContent"]["version"].is_string(), "{made}");
    let assigned = json!({ "gateway": "team", "server": "extra", "tools": ["add"] });
    let assigned = confirmed(&gateway, "assign_server", assigned).await;
    let servers = &assigned["structuredContent"]["object"]["servers"];
    assert_eq!(servers, &json!(["demo", "extra"]), "{assigned}");
    let changed = json!({ "kind": "gateway", "id": "team", "changes": { "title": "Team" } });
    let changed = confirmed(&gateway, "update_object", changed).await;
    let object = &changed["structuredContent"]["object"];
    assert_eq!(object["title"], "Team", "{changed}");
    assert_eq!(
        object["assignments"][0]["tools"],
        json!(["add"]),
        "{changed}"
    );

    let found = call(&gateway, "search_objects", json!({ "query": "EXTRA" })).await;
    let items = &found["structuredContent"]["items"];
    assert_eq!(items[0]["kind"], "server", "{found}");
    let listed = call(
        &gateway,
        "list_objects",
        json!({ "kind": "server", "limit": 1 }),
    )
    .await;
    assert_eq!(listed["structuredContent"]["next"], "demo", "{listed}");
    let stale = json!({ "kind": "server", "id": "extra", "version": "1" });
    let stale = confirmed(&gateway, "delete_object", stale).await;
    assert!(text(&stale).contains("status 412"), "{stale}");
    let deleted = json!({ "kind": "server", "id": "extra" });
    let deleted = confirmed(&gateway, "delete_object", deleted).await;
    assert_eq!(deleted["structuredContent"]["done"], true, "{deleted}");
}

#[tokio::test]
async fn mistakes_in_arguments_are_results_that_name_them() {
    let folder = Folder::new();
    let gateway = start(&folder).await;
    for (tool, arguments, expected) in [
        (
            "get_object",
            json!({ "kind": "server" }),
            "- id: this argument is required",
        ),
        (
            "get_object",
            json!({ "kind": "pin", "id": "x" }),
            "kind: \"pin\"",
        ),
        (
            "list_objects",
            json!({ "kind": "server", "size": 3 }),
            "- size: there is no such",
        ),
        (
            "list_objects",
            json!({ "kind": "server", "limit": 0 }),
            "status 400",
        ),
        (
            "get_object",
            json!({ "kind": "server", "id": "a/../b" }),
            "status 404",
        ),
        (
            "get_object",
            json!({ "kind": "server", "id": "none" }),
            "list_objects",
        ),
    ] {
        let result = call(&gateway, tool, arguments).await;
        assert_eq!(result["isError"], true, "{result}");
        assert!(text(&result).contains(expected), "{result}");
    }
    let wrong = json!({ "name": "notes", "remote": { "url": "notes.example.com" } });
    let wrong = confirmed(&gateway, "create_server", wrong).await;
    assert!(text(&wrong).contains("- remote.url: "), "{wrong}");
    let wrong = json!({ "kind": "server", "id": "demo", "changes": { "prefix": "x" } });
    let wrong = confirmed(&gateway, "update_object", wrong).await;
    assert!(text(&wrong).contains("configuration file"), "{wrong}");
}

#[tokio::test]
async fn r19_changes_need_the_consent_of_the_user() {
    let folder = Folder::new();
    let gateway = start(&folder).await;
    let entry = json!({ "name": "extra", "builtin": "demo" });
    let asked = ask(&gateway, "create_server", (&entry, json!({}))).await;
    let message = &asked["inputRequests"]["confirm"]["params"]["message"];
    assert!(message.as_str().unwrap().contains("extra"), "{asked}");
    let declined = answered(&asked, "decline");
    let declined = ask(&gateway, "create_server", (&entry, declined)).await;
    assert!(text(&declined).contains("declined"), "{declined}");
    // The answer was about other arguments.
    let other = json!({ "name": "other", "builtin": "demo" });
    let again = ask(
        &gateway,
        "create_server",
        (&other, answered(&asked, "accept")),
    )
    .await;
    assert!(again["inputRequests"].is_object(), "{again}");
    let servers = api(&gateway, "GET", "/servers", Value::Null).await;
    assert_eq!(servers.body["items"].as_array().unwrap().len(), 2);

    let made = ask(
        &gateway,
        "create_server",
        (&entry, answered(&asked, "accept")),
    )
    .await;
    assert_eq!(
        made["structuredContent"]["object"]["name"], "extra",
        "{made}"
    );
    // A client that can ask its user is not satisfied by a code of the model.
    let coded = json!({ "kind": "server", "id": "extra" });
    let refused = call(&gateway, "delete_object", coded.clone()).await;
    let mut coded = coded;
    coded["confirm"] = text(&refused).rsplit('"').nth(1).unwrap().into();
    let asked = ask(&gateway, "delete_object", (&coded, json!({}))).await;
    assert!(asked["inputRequests"].is_object(), "{asked}");
}

#[tokio::test]
async fn users_of_the_python_sdk_confirm_changes_in_both_eras() {
    let folder = Folder::new();
    let gateway = start(&folder).await;
    let environment = Environment::installed().await.unwrap();
    for (name, python, era) in [
        ("one", &environment.py1, "legacy"),
        ("two", &environment.py2, "legacy"),
        ("three", &environment.py2, "modern"),
    ] {
        for action in ["decline", "accept"] {
            let entry = json!({ "name": name, "builtin": "demo" });
            let step = json!({
                "do": "call", "name": "platform__create_server",
                "arguments": entry, "action": action,
            });
            let steps = json!({ "s": { "declares": ["elicitation"], "steps": [step] } });
            let mut command = environment.python(python, "python");
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/clients/client.py");
            let url = format!("{}/v1/mcp/admin", gateway.url);
            command.args(["-W", "ignore", script, &url, TOKEN, era]);
            command.arg(steps.to_string());
            let mut process = Process::start(command).unwrap();
            let seen = process.line(Duration::from_secs(60)).await.unwrap();
            let declined = seen.contains("the user has declined");
            assert_eq!(declined, action == "decline", "{name}, {action}: {seen}");
            let path = format!("/servers/{name}");
            let server = api(&gateway, "GET", &path, Value::Null).await;
            let expected = if declined { 404 } else { 200 };
            assert_eq!(server.status, expected, "{name}, {action}: {seen}");
        }
    }
}

#[tokio::test]
async fn r19_only_gateways_that_name_the_tools_have_them() {
    let folder = Folder::new();
    let gateway = start(&folder).await;
    for (path, expected) in [
        ("/mcp", false),
        ("/v1/mcp/all", false),
        ("/v1/mcp/admin", true),
    ] {
        let wire = gateway.wire_at(path);
        let listed = wire.request("tools/list", json!({})).await.unwrap();
        assert_eq!(listed.body.contains("platform__whoami"), expected, "{path}");
        let called = wire.call("platform__whoami", json!({})).await.unwrap();
        assert_eq!(
            called.body.contains("abilities"),
            expected,
            "{path}: {}",
            called.body
        );
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a story of three roles")]
async fn r1_roles_permit_by_tool_what_they_permit_by_api() {
    let more = "audit: {}\nauth: { oauth: { clientMetadataDocuments: always } }\n";
    let company = Company::with(more).await;
    let admin = company.get("token create admin --user admin").await;
    company
        .get("user create fay --team ops --team-admin ops")
        .await;
    let manager = company.get("token create manager --user fay").await;
    company.get("user create mia --team ops").await;
    let member = company.get("token create member --user mia").await;
    let gateway = &company.gateway;
    let bearer = format!("Bearer {admin}");
    let headers = [(AUTHORIZATION, &*bearer)];
    for (path, entry) in [
        ("/servers", json!({ "name": "own", "builtin": "platform" })),
        ("/gateways", json!({ "name": "tools", "servers": ["own"] })),
    ] {
        let added = request(gateway, ("POST", path), &headers, entry).await;
        assert_eq!(added.status, 201, "{}", added.body);
    }
    for (token, role) in [
        (&admin, "admin"),
        (&manager, "teamAdmin"),
        (&member, "member"),
    ] {
        let wire = gateway.wire_of("/v1/mcp/tools", Some(token));
        let called = async |tool: &str, arguments: Value| {
            let reply = wire.call(&format!("own__{tool}"), arguments).await;
            reply.unwrap().answer()["result"].take()
        };
        let me = called("whoami", json!({})).await;
        let me = &me["structuredContent"]["object"];
        assert_eq!(me["role"], role, "{me}");
        let abilities = me["abilities"].to_string();
        for (kind, path, id) in [
            ("user", "/users", "listUsers"),
            ("token", "/tokens", "listTokens"),
            ("server", "/servers", "listServers"),
            ("gateway", "/gateways", "listGateways"),
            ("connection", "/connections", "listConnections"),
            ("entry", "/entries", "listEntries"),
            ("request", "/requests", "listRequests"),
            ("rule", "/policy/rules", "listRules"),
            ("approval", "/approvals", "listApprovals"),
            ("usage", "/usage", "listUsage"),
            ("pin", "/pins", "listPins"),
        ] {
            let bearer = format!("Bearer {token}");
            let headers = [(AUTHORIZATION, &*bearer)];
            let by_api = request(gateway, ("GET", path), &headers, Value::Null).await;
            let by_tool = called("list_objects", json!({ "kind": kind })).await;
            match by_api.status {
                200 => assert_eq!(by_tool["structuredContent"], by_api.body, "{role}: {kind}"),
                status => {
                    let expected = format!("status {status}");
                    assert!(
                        text(&by_tool).contains(&expected),
                        "{role}: {kind}: {by_tool}"
                    );
                }
            }
            let is_able = abilities.contains(&format!("\"{id}\""));
            assert_eq!(is_able, by_api.status != 403, "{role}: {kind}");
        }
    }
}

#[tokio::test]
async fn secrets_that_tools_create_are_in_the_result_alone() {
    let folder = Folder::new();
    let gateway = start(&folder).await;
    let made = json!({ "name": "ci", "expiresIn": 3600 });
    let made = confirmed(&gateway, "create_token", made).await;
    let Some(secret) = made["structuredContent"]["object"]["secret"].as_str() else {
        // Without users there are no API tokens, and the tool says so.
        assert!(text(&made).contains("status 404"), "{made}");
        return;
    };
    eventually(async || {
        let records = call(&gateway, "query_audit", json!({ "action": "token.create" })).await;
        let items = records["structuredContent"]["items"]
            .as_array()
            .unwrap()
            .len();
        items > 0
    })
    .await;
    let records = call(&gateway, "query_audit", json!({})).await.to_string();
    assert!(!records.contains(secret), "{records}");
    assert!(!gateway.stderr().contains(secret));
}
