//! Apps and skills of two servers that use the same addresses.

use mcp_gateway_tests::gateway::{Backends, TestGateway, remote};
use mcp_gateway_tests::script::{self, ReceivedRequest, Scripted, Steps};
use serde_json::{Value, json};

use super::harness::ERAS;
use super::listener::{initialize, wire};

/// The address of the user interface of both servers, which neither lists.
pub(super) const APP: &str = "ui://app/main";

/// The address of a skill of both servers.
pub(super) const SKILL: &str = "skill://refunds/SKILL.md";

/// A server with an app and skills: `name` is in all of its contents.
pub(super) async fn server(name: &'static str, modern: bool) -> Scripted {
    let script = move |asked: &ReceivedRequest| {
        let uri = asked.message["params"]["uri"].as_str().unwrap_or_default();
        let result = match (asked.method(), asked.tool()) {
            ("tools/list", _) => tools(name),
            ("tools/call", "show") => json!({
                "content": [
                    { "type": "resource_link", "uri": APP, "name": "app" },
                    { "type": "text", "text": format!("{name} shows {APP}") },
                ],
                "_meta": { "ui": { "resourceUri": APP } },
            }),
            ("tools/call", tool) => {
                json!({ "content": [{ "type": "text", "text": format!("{name} {tool}") }] })
            }
            ("resources/list", _) => json!({ "resources": [] }),
            ("resources/templates/list", _) => json!({ "resourceTemplates": [] }),
            ("resources/read", _) if [APP, SKILL].contains(&uri) => json!({ "contents": [
                { "uri": uri, "mimeType": "text/html;profile=mcp-app", "text": content(name, uri) },
            ] }),
            ("skills/list", _) => match asked.message["params"]["cursor"].as_str() {
                None => json!({ "skills": [skill(name, SKILL)], "nextCursor": "2" }),
                Some(_) => json!({ "skills": [skill(name, &format!("skill://{name}s/SKILL.md"))] }),
            },
            ("skills/get", _) if [SKILL, "skill://unlisted/SKILL.md"].contains(&uri) => {
                json!({ "skill": skill(name, uri) })
            }
            ("resources/directory/read", _) if uri == "skill://refunds" => {
                json!({ "resources": [{ "uri": SKILL, "name": "SKILL.md" }] })
            }
            ("skills/get" | "resources/read" | "resources/directory/read", _) => {
                let error = json!({ "code": -32602, "message": "unknown" });
                let error = json!({ "jsonrpc": "2.0", "id": asked.message["id"], "error": error });
                return script::document(&error);
            }
            _ => return handshake(asked, modern),
        };
        let mut result = result;
        result["resultType"] = "complete".into();
        result["ttlMs"] = 60_000.into();
        result["cacheScope"] = "public".into();
        script::document(&asked.result(&result))
    };
    Scripted::start(script).await.unwrap()
}

pub(super) fn handshake(asked: &ReceivedRequest, modern: bool) -> Steps {
    let capabilities = json!({ "tools": {}, "resources": {}, "extensions": {
        "io.modelcontextprotocol/ui": {},
        "io.modelcontextprotocol/skills": { "directoryRead": true },
    } });
    script::declaring(asked, modern, &capabilities)
}

fn tools(name: &str) -> Value {
    let schema = json!({ "type": "object" });
    let hidden = json!({ "ui": { "visibility": ["app"] } });
    json!({ "tools": [
        {
            "name": "show",
            "inputSchema": schema,
            "_meta": {
                "ui": { "resourceUri": APP },
                "ui/resourceUri": APP,
                "openai/outputTemplate": APP,
            },
        },
        { "name": "refresh", "inputSchema": schema, "_meta": hidden },
        { "name": format!("only_{name}"), "inputSchema": schema, "_meta": hidden },
    ] })
}

/// Content whose digest covers text that names addresses.
pub(super) fn content(name: &str, uri: &str) -> String {
    format!("<p title=\"{uri}\">{name}</p>")
}

fn skill(name: &str, uri: &str) -> Value {
    json!({
        "uri": uri,
        "frontmatter": { "name": "refunds", "description": name, "uri": SKILL },
        "resources": [{ "uri": uri, "digest": format!("sha256:{name}"), "size": 7 }],
    })
}

/// A client of one era.
pub(super) struct Client<'a> {
    pub(super) gateway: &'a TestGateway,
    pub(super) session: Option<String>,
}

impl Client<'_> {
    pub(super) async fn ask(&self, method: &str, params: Value) -> Value {
        let wire = wire(self.gateway);
        let reply = match &self.session {
            None => wire.request(method, params).await,
            Some(session) => {
                let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
                wire.post(body.to_string(), &[("mcp-session-id", session)])
                    .await
            }
        };
        reply.unwrap().answer()
    }

    pub(super) async fn call(&self, tool: &str) -> Value {
        self.ask("tools/call", json!({ "name": tool, "arguments": {} }))
            .await
    }

    pub(super) async fn says(&self, tool: &str) -> String {
        let answer = self.call(tool).await;
        let text = answer["result"]["content"][0]["text"].as_str();
        assert!(text.is_some(), "{tool}: {answer}");
        text.unwrap_or_default().to_owned()
    }

    /// Fails unless a call of `tool` is rejected, because it could be any of `candidates`.
    pub(super) async fn is_ambiguous(&self, tool: &str, candidates: &[&str]) {
        let answer = self.call(tool).await;
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
        assert_eq!(
            answer["error"]["data"]["reason"], "ambiguous_tool",
            "{answer}"
        );
        assert_eq!(answer["error"]["data"]["candidates"], json!(candidates));
    }

    pub(super) async fn read(&self, uri: &str) -> Value {
        let answer = self.ask("resources/read", json!({ "uri": uri })).await;
        answer["result"]["contents"][0].clone()
    }
}

/// Runs `test` with clients of both eras, and servers of both eras in all combinations.
pub(super) async fn in_all_eras(test: impl AsyncFn(Client<'_>)) {
    for (one, two) in [(true, true), (true, false), (false, true), (false, false)] {
        let servers = [server("one", one).await, server("two", two).await];
        for modern in ERAS {
            let backends = Backends::new()
                .with("one", "one", remote("one", &servers[0].url).build())
                .with("two", "two", remote("two", &servers[1].url).build());
            let gateway = backends.start().await;
            let session = match modern {
                true => None,
                false => Some(initialize(&gateway).await),
            };
            let gateway = &gateway;
            test(Client { gateway, session }).await;
        }
    }
}

#[tokio::test]
async fn each_tool_has_its_own_html_although_the_addresses_are_the_same() {
    in_all_eras(async |client| {
        let list = client.ask("tools/list", json!({})).await;
        for tool in list["result"]["tools"].as_array().unwrap() {
            let name = tool["name"].as_str().unwrap();
            let Some(server) = name.strip_suffix("__show") else {
                continue;
            };
            let meta = &tool["_meta"];
            let uri = meta["ui"]["resourceUri"].as_str().unwrap();
            assert!(uri.starts_with("ui://"), "hosts render nothing else: {uri}");
            assert_eq!(meta["ui/resourceUri"], uri);
            assert_eq!(meta["openai/outputTemplate"], uri);
            let read = client.read(uri).await;
            assert_eq!(read["uri"], uri);
            assert_eq!(read["text"], content(server, APP), "it is not changed");
            let called = &client.call(name).await["result"];
            assert_eq!(called["_meta"]["ui"]["resourceUri"], uri);
            assert_eq!(called["content"][0]["uri"], uri);
            assert_eq!(
                called["content"][1]["text"],
                format!("{server} shows {APP}")
            );
        }
    })
    .await;
}

#[tokio::test]
async fn an_app_calls_the_tools_of_its_own_server() {
    in_all_eras(async |client| {
        // A name that only one server has, also before any list was requested.
        for server in ["one", "two"] {
            let tool = format!("only_{server}");
            assert_eq!(client.says(&tool).await, format!("{server} {tool}"));
        }
        // A name that both have, after the client has read one of the apps.
        client.read("ui://two/app/main").await;
        assert_eq!(client.says("refresh").await, "two refresh");
        // Hosts read user interfaces ahead of their use: a call tells which of them is open.
        client.read("ui://one/app/main").await;
        client
            .is_ambiguous("refresh", &["one__refresh", "two__refresh"])
            .await;
        client.call("one__show").await;
        assert_eq!(client.says("refresh").await, "one refresh");
        client.read("ui://two/app/main").await;
        assert_eq!(client.says("refresh").await, "one refresh");
        // Nothing tells which of two open apps has made a call.
        client.call("two__show").await;
        client
            .is_ambiguous("refresh", &["one__refresh", "two__refresh"])
            .await;
        assert_eq!(client.says("two__refresh").await, "two refresh");
        let unknown = client.call("nothing").await;
        assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
    })
    .await;
}

#[tokio::test]
async fn nobody_else_calls_tools_without_their_server() {
    let servers = [
        Scripted::modern(|_| Vec::new()).await.unwrap(),
        Scripted::modern(|_| Vec::new()).await.unwrap(),
    ];
    let gateway = Backends::new()
        .with("one", "one", remote("one", &servers[0].url).build())
        .with("two", "two", remote("two", &servers[1].url).build())
        .start()
        .await;
    let client = Client {
        gateway: &gateway,
        session: None,
    };
    for _ in 0..2 {
        let answer = client.call("truth").await;
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
    }
}

#[tokio::test]
async fn a3_an_app_that_two_servers_could_own_belongs_to_nobody_by_guess() {
    in_all_eras(async |client| {
        client
            .is_ambiguous("refresh", &["one__refresh", "two__refresh"])
            .await;
    })
    .await;
}

#[tokio::test]
async fn skills_of_two_servers_are_listed_and_their_digests_hold() {
    in_all_eras(async |client| {
        let list = client.ask("skills/list", json!({})).await;
        let result = &list["result"];
        assert_eq!(
            (&result["ttlMs"], &result["cacheScope"]),
            (&json!(60_000), &json!("public"))
        );
        let skills = result["skills"].as_array().unwrap();
        assert_eq!(skills.len(), 4, "all pages of both: {list}");
        for (entry, server) in skills.iter().zip(["one", "one", "two", "two"]) {
            let uri = entry["uri"].as_str().unwrap();
            assert!(uri.starts_with(&format!("skill://{server}/")), "{uri}");
            assert_eq!(entry["frontmatter"]["uri"], SKILL, "it is verbatim");
            assert_eq!(entry["resources"][0]["uri"], uri);
            assert_eq!(entry["resources"][0]["digest"], format!("sha256:{server}"));
        }
        for server in ["one", "two"] {
            let uri = format!("skill://{server}/refunds/SKILL.md");
            let read = client.read(&uri).await;
            assert_eq!(read["uri"], *uri);
            assert_eq!(read["text"], content(server, SKILL), "the digest covers it");
            for uri in [uri, format!("skill://{server}/unlisted/SKILL.md")] {
                let got = client.ask("skills/get", json!({ "uri": uri })).await;
                assert_eq!(got["result"]["skill"]["uri"], *uri, "{got}");
                let digest = &got["result"]["skill"]["resources"][0]["digest"];
                assert_eq!(*digest, format!("sha256:{server}"));
            }
            let directory = json!({ "uri": format!("skill://{server}/refunds") });
            let directory = client.ask("resources/directory/read", directory).await;
            let child = &directory["result"]["resources"][0]["uri"];
            assert_eq!(*child, format!("skill://{server}/refunds/SKILL.md"));
        }
        let unknown = json!({ "uri": "skill://one/none/SKILL.md" });
        let unknown = client.ask("skills/get", unknown).await;
        assert!(unknown["error"]["code"].is_i64(), "{unknown}");
    })
    .await;
}

#[tokio::test]
async fn skills_are_paginated() {
    let servers = [server("one", true).await, server("two", false).await];
    let gateway = Backends::new()
        .with("one", "one", remote("one", &servers[0].url).build())
        .with("two", "two", remote("two", &servers[1].url).build())
        .start_with(|builder| builder.with_page_size(3))
        .await;
    let client = Client {
        gateway: &gateway,
        session: None,
    };
    let first = client.ask("skills/list", json!({})).await;
    let next = &first["result"]["nextCursor"];
    let second = client.ask("skills/list", json!({ "cursor": next })).await;
    let uris = |page: &Value| {
        let skills = page["result"]["skills"].as_array().unwrap().clone();
        skills
            .iter()
            .map(|skill| skill["uri"].to_string())
            .collect::<Vec<_>>()
    };
    let (first, last) = (uris(&first), uris(&second));
    assert_eq!((first.len(), last.len()), (3, 1));
    assert!(!first.contains(&last[0]));
    assert_eq!(second["result"]["nextCursor"], Value::Null);
}

#[tokio::test]
async fn cursors_of_skills_in_a_circle_come_to_an_end() {
    let script = |asked: &ReceivedRequest| match asked.method() {
        "skills/list" => {
            let cursor = asked.message["params"]["cursor"].as_str();
            let next = if cursor == Some("a") { "b" } else { "a" };
            script::document(&asked.result(&json!({
                "resultType": "complete",
                "skills": [skill("one", SKILL)],
                "nextCursor": next,
            })))
        }
        _ => handshake(asked, true),
    };
    let circling = Scripted::start(script).await.unwrap();
    let other = server("two", true).await;
    let gateway = Backends::new()
        .with("one", "one", remote("one", &circling.url).build())
        .with("two", "two", remote("two", &other.url).build())
        .start()
        .await;
    let client = Client {
        gateway: &gateway,
        session: None,
    };
    let list = client.ask("skills/list", json!({})).await;
    assert_eq!(list["result"]["skills"].as_array().unwrap().len(), 5);
    assert_eq!(circling.count("skills/list"), 3, "no cursor is used twice");
}
