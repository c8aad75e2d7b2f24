//! The tools and the API decide alike about roles.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use mcp_gateway_auth::{AdministeredTeams, StaticTokens};
use mcp_gateway_core::jsonrpc::{Id, Request as Message};
use mcp_gateway_core::protocol::{Capabilities, ProtocolVersion};
use mcp_gateway_core::route::{Feature, Target};
use mcp_gateway_core::{Caller, ClientInfo, Credential};
use tower::ServiceExt as _;

use super::kind::{Change, KINDS, Kind};
use super::table::{Action, TOOLS};
use super::*;
use crate::AdminApi;
use crate::api::operation::{Operation, operation};

/// Principals with a token for each.
fn principals() -> [(&'static str, Principal); 3] {
    let teams = AdministeredTeams::new(["ops".into()]);
    [
        ("token-of-alice", Principal::new("alice").with_role("admin")),
        (
            "token-of-fay",
            Principal::new("fay").with_team("ops").with_extension(teams),
        ),
        ("token-of-mia", Principal::new("mia").with_team("ops")),
    ]
}

fn api() -> AdminApi {
    let tokens = principals()
        .into_iter()
        .fold(StaticTokens::new(), |all, (token, principal)| {
            all.with_token(token, principal)
        });
    AdminApi::new(Arc::new(tokens))
}

/// Returns the result of a call by `principal` with `capabilities`.
async fn call(principal: Principal, capabilities: &str, params: &Value) -> Value {
    let tools = PlatformTools::new().unwrap();
    // As a replica that has not described the change.
    tools.set_key(&[7; 32]);
    tools.set_api(api().local());
    let capabilities = Capabilities::parse(capabilities).unwrap();
    let client = ClientInfo::new(ProtocolVersion::LATEST, capabilities);
    let caller = Arc::new(Caller::new(principal, "main", client));
    let request = Message::new(&Id::from(1), &Method::ToolsCall, &params.to_string());
    let name = params["name"].as_str().unwrap();
    let target = Target::new("platform", Feature::Tool(name.into()));
    let prepared = Prepared::trusted(target, Credential::none());
    let call = Call::trusted(request, caller).prepared(prepared);
    serde_json::from_str(&EmbeddedServer::call(&tools, &call).await.unwrap()).unwrap()
}

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap_or_default()
}

/// Calls a tool, and again with the code of the first answer.
async fn call_twice(principal: &Principal, name: &str, mut arguments: Value) -> Value {
    let params = |arguments: &Value| json!({ "name": name, "arguments": arguments });
    let first = call(principal.clone(), "{}", &params(&arguments)).await;
    let Some(code) = text(&first).split("confirm: \"").nth(1) else {
        return first;
    };
    arguments["confirm"] = code.split('"').next().unwrap().into();
    call(principal.clone(), "{}", &params(&arguments)).await
}

/// Returns `true` if the API forbids the operation to the holder of `token`.
async fn is_forbidden(token: &str, operation: &Operation) -> bool {
    let request = Request::builder()
        .method(operation.method.clone())
        .uri(operation.path(|_| "x".to_owned()))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .header("if-match", "*")
        .body(Body::from("{}"))
        .unwrap();
    let response = api().router().oneshot(request).await.unwrap();
    response.status() == 403
}

/// Returns required arguments of a tool: texts, and the first of several choices.
fn sample(tool: &Tool) -> Value {
    let schema = definition::input_of(tool);
    let required = schema["required"].as_array().unwrap().iter();
    let required = required.map(|name| {
        let property = &schema["properties"][name.as_str().unwrap()];
        let value = match property["type"].as_str() {
            _ if property["enum"].is_array() => property["enum"][0].clone(),
            Some("object") => json!({}),
            Some("array") => json!([]),
            Some("integer") => json!(1),
            _ => json!("x"),
        };
        (name.as_str().unwrap().to_owned(), value)
    });
    Value::Object(required.collect())
}

/// Returns the calls of `tool` with the first operation of each.
fn cases(tool: &Tool) -> Vec<(Value, &'static str)> {
    let of_kinds = |select: fn(&Kind) -> Option<&'static str>| {
        let cases = KINDS.iter().filter_map(|kind| {
            let mut arguments = sample(tool);
            arguments["kind"] = kind.name.into();
            Some((arguments, select(kind)?))
        });
        cases.collect()
    };
    match tool.action {
        Action::Assign | Action::Unassign => vec![(sample(tool), "getGateway")],
        Action::DecideRequest => vec![(sample(tool), "approveRequest")],
        Action::Delete => of_kinds(|kind| kind.delete),
        Action::Direct(id) => vec![(sample(tool), id)],
        Action::Get => of_kinds(|kind| kind.get),
        Action::List => of_kinds(|kind| Some(kind.list)),
        Action::Log => vec![(sample(tool), "getServerLog")],
        Action::Search => {
            let cases = KINDS.iter().map(|kind| {
                let arguments = json!({ "query": "x", "kinds": [kind.name] });
                (arguments, kind.list)
            });
            cases.collect()
        }
        Action::Update => of_kinds(|kind| match kind.change? {
            Change::Patch(id) => Some(id),
            Change::Replace(_) => kind.get,
        }),
    }
}

#[tokio::test]
async fn r1_every_tool_permits_what_the_api_permits() {
    let mut forbidden = 0;
    for tool in TOOLS {
        for (arguments, id) in cases(tool) {
            let operation = operation(id).unwrap();
            for (token, principal) in principals() {
                let by_api = is_forbidden(token, operation).await;
                let result = call_twice(&principal, tool.name, arguments.clone()).await;
                let by_tool = text(&result).contains("(status 403)");
                // A search leaves out what does not exist, which is everything here.
                let by_tool = by_tool && (tool.name != "search_objects" || by_api);
                assert_eq!(
                    by_tool, by_api,
                    "{} {arguments} by {token}: {result}",
                    tool.name
                );
                forbidden += usize::from(by_api);
            }
        }
    }
    assert!(forbidden > 60, "{forbidden}");
}

#[tokio::test]
async fn r19_changes_by_clients_that_cannot_ask_are_rejected() {
    let oauth = Principal::new("alice")
        .with_role("admin")
        .with_client("https://client.example.com");
    for tool in TOOLS {
        let params = json!({ "name": tool.name, "arguments": sample(tool) });
        let result = call(oauth.clone(), "{}", &params).await;
        let refused = text(&result).contains("cannot ask its user");
        let expected = !matches!(tool.effect, table::Effect::Read | table::Effect::Request);
        assert_eq!(refused, expected, "{}: {result}", tool.name);
        let asked = call(oauth.clone(), r#"{"elicitation":{"form":{}}}"#, &params).await;
        let asks = asked["resultType"] == "input_required";
        assert_eq!(asks, tool.effect != table::Effect::Read, "{}", tool.name);
    }
}

#[test]
fn the_version_of_an_entry_is_part_of_it() {
    let arguments = json!({ "name": "com.example/a", "version": "1.2.3" });
    let Value::Object(members) = arguments else {
        panic!("an object");
    };
    let of = |id| request::ApiRequest::of(operation(id).unwrap(), Arguments(members.clone()));
    let entry = format!("{:?}", of("createEntry"));
    assert!(entry.contains("\"version\": String(\"1.2.3\")"), "{entry}");
    let server = format!("{:?}", of("createServer"));
    assert!(server.contains("version: Some(\"1.2.3\")"), "{server}");
}

#[tokio::test]
async fn an_unknown_tool_is_an_error_of_the_protocol_and_no_other_mistake_is() {
    let alice = principals()[0].1.clone();
    for (arguments, expected) in [
        (json!([]), "must be an object"),
        (json!({}), "- kind: this argument is required"),
        (json!({ "kind": 7 }), "kind: \"\" is not possible"),
        (
            json!({ "kind": "server", "extra": 1 }),
            "- extra: there is no such",
        ),
        (
            json!({ "kind": "server", "filter": { "a&b": "c" } }),
            "there is no such filter",
        ),
    ] {
        let params = json!({ "name": "list_objects", "arguments": arguments });
        let result = call(alice.clone(), "{}", &params).await;
        assert_eq!(result["isError"], true, "{result}");
        assert!(text(&result).contains(expected), "{result}");
    }
}
