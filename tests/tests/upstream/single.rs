//! Lists of the only server of a gateway: what its client sees is what the server sends.

use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use mcp_gateway_core::GatewayBuilder;
use mcp_gateway_core::policy::{Decision, Policy, PolicyRequest};
use mcp_gateway_core::route::PrefixRouter;
use mcp_gateway_tests::gateway::{Backends, TestGateway, remote};
use mcp_gateway_tests::script::{
    self, EVENTS, ReceivedRequest, Scripted, Step, Steps, document, response,
};
use mcp_gateway_tests::wire::{Reply, Wire};
use serde_json::{Value, json};

use super::harness::ERAS;
use super::listener::Listener;

/// Cursors of the pages after the first one; only their server can read them.
const CURSORS: [&str; 2] = ["YWxwaGE+YnJhdm8/Y2hhcmxpZQ==", "\"\\ zwölf\n"];

/// A gateway over one server.
#[derive(Debug)]
struct Single {
    server: Scripted,
    gateway: TestGateway,
}

impl Single {
    async fn new(
        modern: bool,
        script: impl Fn(&ReceivedRequest) -> Option<Steps> + Send + Sync + 'static,
    ) -> Self {
        Self::with(modern, |builder| builder, script).await
    }

    async fn with(
        modern: bool,
        settings: impl FnOnce(GatewayBuilder) -> GatewayBuilder,
        script: impl Fn(&ReceivedRequest) -> Option<Steps> + Send + Sync + 'static,
    ) -> Self {
        let rest = if modern {
            script::modern
        } else {
            script::legacy
        };
        let answer = move |asked: &ReceivedRequest| {
            let answer = script(asked).or_else(|| rest(asked));
            answer.unwrap_or_else(|| error(asked, -32601, "there is no such method"))
        };
        let server = Scripted::start(answer).await.unwrap();
        let gateway = Backends::only(&server.url).start_with(settings).await;
        Self { server, gateway }
    }

    /// A client of the gateway.
    async fn client(&self, modern: bool) -> Client {
        let token = HeaderValue::from_static("Bearer alice");
        let wire = Wire::new(&self.gateway.url).with_header(AUTHORIZATION, token);
        if modern {
            return Client { wire, modern };
        }
        let params = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": { "name": "single", "version": "1" },
        });
        let begun = wire.post(legacy_request("initialize", &params), &[]).await;
        let session = begun.unwrap().headers["mcp-session-id"].clone();
        let name = HeaderName::from_static("mcp-session-id");
        let wire = wire.with_header(name, session);
        Client { wire, modern }
    }

    /// The cursors of the list requests of the server.
    fn cursors(&self) -> Vec<Value> {
        let asked = self.server.asked();
        let lists = asked.iter().filter(|asked| asked.method() == "tools/list");
        lists
            .map(|asked| asked.message["params"]["cursor"].clone())
            .collect()
    }
}

/// A client of either era.
struct Client {
    wire: Wire,
    modern: bool,
}

impl Client {
    async fn ask(&self, method: &str, params: Value) -> Reply {
        match self.modern {
            true => self.wire.request(method, params).await.unwrap(),
            false => {
                let body = legacy_request(method, &params);
                self.wire.post(body, &[]).await.unwrap()
            }
        }
    }

    async fn result(&self, method: &str, params: Value) -> Value {
        let answer = self.ask(method, params).await.answer();
        assert!(answer["result"].is_object(), "{method}: {answer}");
        answer["result"].clone()
    }
}

fn legacy_request(method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string()
}

fn error(asked: &ReceivedRequest, code: i64, message: &str) -> Steps {
    let error = json!({ "code": code, "message": message, "data": { "by": "the server" } });
    let error = json!({ "jsonrpc": "2.0", "id": asked.message["id"], "error": error });
    let json = "Content-Type: application/json\r\n";
    response("200 OK", json, &error.to_string())
}

fn tool(name: &str) -> Value {
    let region = json!({ "type": "string", "x-mcp-header": "Region" });
    let schema = json!({ "type": "object", "properties": { "region": region } });
    json!({ "name": name, "inputSchema": schema })
}

/// Three pages of tools, and an error for all other cursors.
fn paging(asked: &ReceivedRequest) -> Option<Steps> {
    if asked.method() == "tools/call" {
        return Some(document(&asked.says("called")));
    }
    if asked.method() != "tools/list" {
        return None;
    }
    let page = match &asked.message["params"]["cursor"] {
        Value::Null => 0,
        cursor => match CURSORS.iter().position(|known| cursor == known) {
            Some(at) => at + 1,
            None => return Some(error(asked, -32602, &format!("no page at {cursor}"))),
        },
    };
    let mut result = json!({
        "resultType": "complete",
        "tools": [tool(&format!("a{page}")), tool(&format!("b{page}"))],
        "ttlMs": 60_000,
        "cacheScope": "public",
        "vendor": page,
    });
    if let Some(next) = CURSORS.get(page) {
        result["nextCursor"] = json!(next);
    }
    Some(document(&asked.result(&result)))
}

#[tokio::test]
async fn a_client_walks_the_pages_of_the_server() {
    for (server, client) in [(true, true), (true, false), (false, true), (false, false)] {
        let single = Single::new(server, paging).await;
        let client = single.client(client).await;
        // Twice: a page is not served from memory, because its cursors may expire.
        for _ in 0..2 {
            let mut params = json!({});
            for page in 0..=CURSORS.len() {
                let result = client.result("tools/list", params).await;
                let tools = json!([tool(&format!("a{page}")), tool(&format!("b{page}"))]);
                assert_eq!(result["tools"], tools);
                assert_eq!(result["vendor"], page);
                assert_eq!(result["nextCursor"].as_str(), CURSORS.get(page).copied());
                if client.modern && server {
                    let left = result["ttlMs"].as_u64().unwrap();
                    assert!((30_000..=60_000).contains(&left), "{left}");
                    assert_eq!(result["cacheScope"], "public");
                }
                params = json!({ "cursor": result["nextCursor"] });
            }
        }
        let walk = [Value::Null, CURSORS[0].into(), CURSORS[1].into()];
        assert_eq!(single.cursors(), [walk.clone(), walk].concat());
    }
}

#[tokio::test]
async fn a_cursor_is_the_business_of_the_server() {
    for (server, client) in [(true, true), (true, false), (false, true), (false, false)] {
        let single = Single::new(server, paging).await;
        let client = single.client(client).await;
        for cursor in [json!("never issued"), json!("")] {
            let reply = client.ask("tools/list", json!({ "cursor": cursor })).await;
            let answer = reply.answer();
            assert_eq!(answer["id"], 1, "{answer}");
            assert_eq!(answer["error"]["code"], -32602, "{answer}");
            let message = format!("no page at {cursor}");
            assert_eq!(answer["error"]["message"], message);
            assert_eq!(answer["error"]["data"]["by"], "the server");
        }
    }
}

#[tokio::test]
async fn a_list_of_one_page_is_served_from_memory_while_it_is_fresh() {
    let one_page = |asked: &ReceivedRequest| {
        let result = json!({
            "resultType": "complete", "tools": [tool("a")], "ttlMs": 60_000, "vendor": 1,
        });
        (asked.method() == "tools/list").then(|| document(&asked.result(&result)))
    };
    let single = Single::new(true, one_page).await;
    let client = single.client(true).await;
    for _ in 0..3 {
        let result = client.result("tools/list", json!({})).await;
        assert_eq!(result["tools"], json!([tool("a")]));
        assert_eq!(result["vendor"], 1);
        assert!(result.get("nextCursor").is_none(), "{result}");
    }
    assert_eq!(single.cursors(), [Value::Null]);
}

/// Hides a tool.
#[derive(Debug)]
struct Hiding;

impl Policy for Hiding {
    fn decide(&self, request: &PolicyRequest<'_>) -> Decision {
        match request.target().feature.name() {
            Some("b1") => Decision::deny("hidden"),
            _ => Decision::Allow,
        }
    }
}

/// A cursor of the server may name what the policy hides, and a page size is the operator's wish.
#[tokio::test]
async fn the_gateway_pages_where_it_hides_entries_or_has_a_page_size() {
    for sized in [true, false] {
        let settings = |builder: GatewayBuilder| match sized {
            true => builder.with_page_size(4),
            false => builder.with_policy(Arc::new(Hiding)),
        };
        let single = Single::with(true, settings, paging).await;
        let client = single.client(true).await;
        let result = client.result("tools/list", json!({})).await;
        let tools = result["tools"].as_array().unwrap().iter();
        let names: Vec<_> = tools.map(|tool| tool["name"].as_str().unwrap()).collect();
        match sized {
            true => {
                assert_eq!(names, ["a0", "b0", "a1", "b1"]);
                let next = json!({ "cursor": result["nextCursor"] });
                let rest = client.result("tools/list", next).await;
                assert_eq!(rest["tools"], json!([tool("a2"), tool("b2")]));
            }
            false => {
                assert_eq!(names, ["a0", "b0", "a1", "a2", "b2"]);
                assert!(result.get("nextCursor").is_none(), "{result}");
            }
        }
        assert_eq!(single.cursors().len(), 3, "all pages are read once");
    }
}

/// An alias may be the name of a tool on another page.
#[tokio::test]
async fn the_gateway_pages_where_tools_have_aliases() {
    let router = PrefixRouter::new([("only", "")]).unwrap();
    let router = router.with_tool_alias("only", "b2", "a0");
    let single = Single::with(true, |builder| builder.with_router(router), paging).await;
    let client = single.client(true).await;
    let result = client.result("tools/list", json!({})).await;
    let tools = result["tools"].as_array().unwrap().iter();
    let names: Vec<_> = tools.map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["b0", "a1", "b1", "a2", "a0"]);
}

/// Headers that mirror arguments come from the definition of the tool.
#[tokio::test]
async fn a_tool_of_a_later_page_is_called_with_its_headers() {
    let single = Single::new(true, paging).await;
    let client = single.client(false).await;
    let call = |name: &str| json!({ "name": name, "arguments": { "region": "eu" } });
    client.result("tools/list", json!({})).await;
    client
        .result("tools/list", json!({ "cursor": CURSORS[0] }))
        .await;
    client.result("tools/call", call("b1")).await;
    assert_eq!(single.cursors().len(), 2, "the definition has been listed");
    // Nobody has listed this one: the gateway looks it up, once.
    client.result("tools/call", call("a2")).await;
    client.result("tools/call", call("b2")).await;
    assert_eq!(single.cursors().len(), 5);
    let asked = single.server.asked();
    let calls = asked.iter().filter(|asked| asked.method() == "tools/call");
    for call in calls {
        let head = call.head.to_ascii_lowercase();
        assert!(head.contains("mcp-param-region: eu"), "{head}");
    }
}

/// A server without capabilities that has tools, and answers nothing else.
fn undeclared(asked: &ReceivedRequest) -> Option<Steps> {
    let described = json!({
        "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {},
        "protocolVersion": "2025-11-25", "serverInfo": { "name": "bare", "version": "1" },
    });
    let modern = asked.head.to_ascii_lowercase().contains("mcp-method");
    match asked.method() {
        "server/discover" if modern => Some(document(&asked.result(&described))),
        "initialize" => Some(document(&asked.result(&described))),
        "resources/list" => {
            let result = json!({ "resultType": "complete", "resources": [] });
            Some(document(&asked.result(&result)))
        }
        _ => None,
    }
}

#[tokio::test]
async fn a_list_that_is_not_declared_is_what_the_server_answers() {
    for era in ERAS {
        let single = Single::new(era, undeclared).await;
        let client = single.client(era).await;
        let result = client.result("tools/list", json!({})).await;
        assert_eq!(result["tools"][0]["name"], "truth", "{result}");
        let result = client.result("resources/list", json!({})).await;
        assert_eq!(result["resources"], json!([]));
        for method in ["prompts/list", "resources/templates/list"] {
            let answer = client.ask(method, json!({})).await.answer();
            assert_eq!(answer["error"]["code"], -32601, "{answer}");
            assert_eq!(answer["error"]["message"], "there is no such method");
        }
    }
}

/// Each server is asked once, and costs itself alone.
#[tokio::test]
async fn undeclared_lists_of_several_servers_are_merged() {
    for era in ERAS {
        let single = Single::new(era, undeclared).await;
        let other = Scripted::modern(|_| Vec::new()).await.unwrap();
        let gateway = Backends::new()
            .with("bare", "bare", remote("bare", &single.server.url).build())
            .with("other", "other", remote("other", &other.url).build())
            .start()
            .await;
        let several = Single {
            server: single.server,
            gateway,
        };
        let client = several.client(true).await;
        for _ in 0..2 {
            let result = client.result("tools/list", json!({})).await;
            let tools = result["tools"].as_array().unwrap().iter();
            let names: Vec<_> = tools.map(|tool| tool["name"].as_str().unwrap()).collect();
            let expected = ["bare__truth", "bare__lie", "other__truth", "other__lie"];
            assert_eq!(names, expected);
            let answer = client.ask("prompts/list", json!({})).await.answer();
            assert_eq!(answer["error"]["code"], -32601, "{answer}");
        }
        assert_eq!(several.server.count("prompts/list"), 1);
        assert!(other.count("prompts/list") <= 1);
    }
}

/// A legacy server sends notifications of lists whether it declares them or not.
#[tokio::test]
async fn an_undeclared_change_of_a_list_reaches_a_legacy_client() {
    let script = |asked: &ReceivedRequest| {
        let changed = json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" });
        (asked.verb == "GET").then(|| {
            vec![
                Step::Send(EVENTS.into()),
                Step::Pause(Duration::from_millis(500)),
                Step::Send(format!("data: {changed}\n\n").into()),
                Step::Hang,
            ]
        })
    };
    let single = Single::new(false, script).await;
    let mut listener = Listener::new(&single.gateway, false).await;
    listener.listen(Duration::from_secs(3)).await;
    assert_eq!(listener.told.len(), 1);
}
