//! Extensions that the gateway does not know, and tasks, of one server and of several.

use mcp_gateway_tests::gateway::{Backends, TestGateway, remote};
use mcp_gateway_tests::script::{self, ReceivedRequest, Scripted};
use serde_json::{Value, json};

use super::apps::Client;
use super::harness::ERAS;
use super::listener::initialize;

/// A server `name` with `capabilities`, whose extensions answer with what they received.
async fn server(name: &'static str, modern: bool, capabilities: Value) -> Scripted {
    let script = move |asked: &ReceivedRequest| {
        let known = ["server/discover", "initialize", "notifications/initialized"];
        if known.contains(&asked.method()) {
            return script::declaring(asked, modern, &capabilities);
        }
        if asked.method().starts_with("resources") || asked.method().starts_with("tools") {
            let lists = json!({ "tools": [], "resources": [], "resourceTemplates": [] });
            return script::document(&asked.result(&lists));
        }
        let result = json!({
            "resultType": "complete",
            "by": name,
            "method": asked.method(),
            "payload": asked.message["params"]["payload"],
        });
        script::document(&asked.result(&result))
    };
    Scripted::start(script).await.unwrap()
}

/// Runs `test` with clients of both eras behind gateways over servers of all eras, the first with
/// the capabilities `one`, the second with those of `two`.
async fn in_all_cells(one: Value, two: Value, test: impl AsyncFn(Client<'_>)) {
    for (first, second) in [(true, true), (true, false), (false, true), (false, false)] {
        let servers = [
            server("one", first, one.clone()).await,
            server("two", second, two.clone()).await,
        ];
        let gateway = Backends::new()
            .with("one", "one", remote("one", &servers[0].url).build())
            .with("two", "two", remote("two", &servers[1].url).build())
            .start()
            .await;
        with_clients(&gateway, &test).await;
    }
}

async fn with_clients(gateway: &TestGateway, test: &impl AsyncFn(Client<'_>)) {
    for modern in ERAS {
        let session = match modern {
            true => None,
            false => Some(initialize(gateway).await),
        };
        test(Client { gateway, session }).await;
    }
}

/// Returns what the gateway declares to a client.
async fn declared(client: &Client<'_>) -> Value {
    if client.session.is_none() {
        let answer = client.ask("server/discover", json!({})).await;
        return answer["result"]["capabilities"].clone();
    }
    let params = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": "other", "version": "1" },
    });
    let answer = client.ask("initialize", params).await;
    answer["result"]["capabilities"].clone()
}

#[tokio::test]
async fn an_extension_of_one_of_several_servers_is_served_by_it() {
    let one = json!({ "extensions": { "com.example/reports": { "v": 1 } }, "tools": {} });
    let two = json!({ "experimental": { "charts": {} }, "tools": {} });
    in_all_cells(one, two, async |client| {
        let declared = declared(&client).await;
        assert_eq!(
            declared["extensions"]["com.example/reports"],
            json!({ "v": 1 }),
            "{declared}"
        );
        assert_eq!(declared["experimental"]["charts"], json!({}), "{declared}");
        for (method, owner) in [("reports/list", "one"), ("charts/draw", "two")] {
            let answer = client
                .ask(method, json!({ "payload": [1.5, "ui://a/b"] }))
                .await;
            let result = &answer["result"];
            assert_eq!(result["by"], owner, "{answer}");
            assert_eq!(
                result["payload"],
                json!([1.5, "ui://a/b"]),
                "it is not changed"
            );
        }
        let answer = client.ask("anything/else", json!({})).await;
        assert_eq!(
            answer["error"]["code"], -32601,
            "either could define it: {answer}"
        );
    })
    .await;
}

#[tokio::test]
async fn an_extension_of_several_servers_is_not_declared() {
    let both = json!({
        "extensions": { "com.example/reports": {}, "io.modelcontextprotocol/ui": {} },
        "experimental": { "charts": {} },
        "tools": {},
    });
    in_all_cells(both.clone(), both, async |client| {
        let declared = declared(&client).await;
        assert_eq!(
            declared["extensions"],
            json!({ "io.modelcontextprotocol/ui": {} })
        );
        assert_eq!(declared["experimental"], Value::Null);
        for method in ["reports/list", "charts/draw", "anything/else"] {
            let answer = client.ask(method, json!({})).await;
            assert_eq!(answer["error"]["code"], -32601, "{answer}");
        }
    })
    .await;
}

#[tokio::test]
async fn extensions_of_the_only_server_pass_as_they_are() {
    let capabilities = json!({
        "extensions": { "com.example/reports": {}, "io.modelcontextprotocol/skills": {} },
        "experimental": { "charts": {} },
        "tools": {},
    });
    for modern in ERAS {
        let server = server("only", modern, capabilities.clone()).await;
        let gateway = Backends::only(&server.url).start().await;
        with_clients(&gateway, &async |client: Client<'_>| {
            let declared = declared(&client).await;
            for part in ["extensions", "experimental"] {
                assert_eq!(declared[part], capabilities[part], "{declared}");
            }
            for method in ["reports/list", "skills/list", "skills/get", "anything/else"] {
                let params = json!({ "uri": "skill://a/SKILL.md", "payload": "skill://a" });
                let answer = client.ask(method, params).await;
                let result = &answer["result"];
                assert_eq!(result["method"], method, "{answer}");
                assert_eq!(result["payload"], "skill://a", "{answer}");
            }
        })
        .await;
    }
}
