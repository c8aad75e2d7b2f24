//! Comparison of what is listed, what can be called and what was granted: for random users, teams,
//! gateways, assignments and connections, in all ways to call.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails may panic"
)]

#[path = "grants/client.rs"]
mod client;
#[path = "grants/fake.rs"]
mod fake;
#[path = "grants/governed.rs"]
mod governed;
#[path = "../../../mcp-gateway-auth/tests/accounts/provider.rs"]
#[expect(dead_code, reason = "its other tests need more of it")]
mod provider;
#[path = "grants/stage.rs"]
mod stage;
#[path = "grants/values.rs"]
mod values;
#[path = "grants/variables.rs"]
mod variables;
#[path = "grants/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use mcp_gateway_tests::postgres::Postgres;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::client::Client;
use crate::fake::PROMPT;
use crate::stage::{Replica, Stage};
use crate::values::Values;
use crate::world::{CONNECTED, Connections, ENTERPRISE, Granted, PLAIN, TEAMS, USERS, World};
use crate::world::{tool_names, uris, world};

/// Callers of gateways whose grants are compared. The comparison under rules has four times as many.
const CASES: usize = 2_500;

/// As many of them at two replicas on PostgreSQL, of which one has written the gateways.
const REPLICATED: usize = 1_000;

/// Sets of connections, each with platforms of its own.
const STAGES: u8 = 5;

/// Reasons for which a server is not called: of a missing account, and of a missing identity.
const MISSING: [&str; 2] = ["not_connected", "identity_required"];

/// Returns random connections.
fn connections(values: &mut Values) -> Connections {
    let users = USERS.iter().map(|user| format!("user/{user}"));
    let teams = TEAMS.iter().map(|team| format!("team/{team}"));
    let owners: Vec<_> = users
        .chain(teams)
        .chain(["organization".to_owned()])
        .collect();
    let all = CONNECTED
        .iter()
        .flat_map(|server| owners.iter().map(|owner| (*server, owner.clone())));
    let all: Vec<_> = all.collect();
    let some = proptest::sample::subsequence(all.clone(), 0..=all.len() / 2);
    values.next(some).into_iter().collect()
}

/// Returns the text in the answer to a call of a tool.
fn text(answer: &Value) -> Option<&str> {
    let result = &answer["result"];
    let text = result["content"][0]["text"].as_str();
    text.filter(|_| result["isError"] != true)
}

/// Returns `true` if a tool is unknown.
fn is_unknown(answer: &Value) -> bool {
    answer["error"]["data"]["reason"] == "unknown_tool"
}

/// Returns the text at `path` in the result of a plain server.
fn plain<'a>(answer: &'a Value, path: &str) -> Option<&'a str> {
    answer["result"].pointer(path)?.as_str()
}

/// Compares a gateway as `client` sees it with `expected`.
async fn compare(client: &Client<'_>, expected: Option<&Granted>, place: &str) {
    let Some(listed) = client.list("tools", "name").await else {
        assert!(expected.is_none(), "{place}: the gateway is missing");
        return;
    };
    let expected = expected.unwrap_or_else(|| panic!("{place}: the gateway exists"));
    compare_tools(client, &listed, expected, place).await;

    let prompts = client.list("prompts", "name").await.unwrap();
    let names = PLAIN.map(|server| format!("{server}__{PROMPT}"));
    let mut used = BTreeSet::new();
    for name in &names {
        let get = client
            .ask("prompts/get", json!({ "name": name }))
            .await
            .unwrap();
        let reference = json!({ "type": "ref/prompt", "name": name });
        let complete = json!({ "ref": reference, "argument": { "name": "x", "value": "" } });
        let complete = client.ask("completion/complete", complete).await.unwrap();
        let completed = plain(&complete, "/completion/values/0");
        let get = plain(&get, "/description");
        assert_eq!(get, completed, "{place}: {name} {complete}");
        assert_eq!(get.is_some(), prompts.contains(name), "{place}: {name}");
        used.extend(get.map(str::to_owned));
    }
    assert_eq!(used, expected.prompts, "{place}: {prompts:?}");

    let resources = client.list("resources", "uri").await.unwrap();
    let mut used = BTreeSet::new();
    let tried: BTreeSet<_> = resources.iter().cloned().chain(uris()).collect();
    for uri in tried {
        let read = client
            .ask("resources/read", json!({ "uri": uri }))
            .await
            .unwrap();
        let found = plain(&read, "/contents/0/text");
        let is_listed = resources.contains(&uri);
        assert!(found.is_some() || !is_listed, "{place}: {uri} {read}");
        used.extend(found.map(str::to_owned));
    }
    assert_eq!(used, expected.resources, "{place}: {resources:?}");
    assert_eq!(resources.len(), used.len(), "{place}: {resources:?}");
}

/// Compares the tools that `client` lists and can call with those that are `expected`.
async fn compare_tools(client: &Client<'_>, listed: &[String], expected: &Granted, place: &str) {
    let call = async |name: &str| {
        let params = json!({ "name": name, "arguments": {} });
        client.ask("tools/call", params).await.unwrap()
    };
    let is_placeholder = |name: &&String| name.ends_with("__connect");
    let (placeholders, listed): (Vec<_>, Vec<_>) = listed.iter().partition(is_placeholder);
    for name in placeholders {
        let problem = call(name).await["result"]["_meta"]["mcp-gateway/problem"].take();
        let reason = problem["reason"].as_str().unwrap();
        assert!(MISSING.contains(&reason), "{place}: {name} {problem}");
    }
    let mut called = BTreeSet::new();
    for name in &listed {
        let answer = call(name).await;
        let text = text(&answer).unwrap_or_else(|| panic!("{place}: {name} {answer}"));
        called.insert(text.to_owned());
    }
    assert_eq!(called, expected.tools, "{place}: {listed:?}");
    assert_eq!(listed.len(), called.len(), "{place}: {listed:?}");
    let is_other = |name: &String| !listed.contains(&name);
    for name in tool_names().into_iter().filter(is_other) {
        let answer = call(&name).await;
        let missing = expected.missing.iter();
        let mut missing = missing.filter(|(server, _)| name == format!("{server}__whoami"));
        match (text(&answer), missing.next()) {
            (Some(text), None) => {
                assert!(expected.tools.contains(text), "{place}: {name} {answer}");
            }
            (Some(_), Some(_)) => panic!("{place}: {name} {answer}"),
            // Nothing tells whose tool it is, if its name has no prefix elsewhere.
            (None, Some(_)) if is_unknown(&answer) && !expected.has_fixed_names => {}
            (None, Some((server, pinned))) => {
                let problem = &answer["result"]["_meta"]["mcp-gateway/problem"];
                let reason = problem["reason"].as_str().unwrap();
                assert!(MISSING.contains(&reason), "{place}: {name} {answer}");
                // Otherwise it may be the tool of another server whose connection is missing.
                if expected.has_fixed_names || problem["server"] == *server {
                    let is_enterprise = pinned.as_deref() == Some(ENTERPRISE);
                    assert_eq!(reason == MISSING[1], is_enterprise, "{place}: {answer}");
                    let is_pinned = problem["owner"].is_string();
                    let has_owner = pinned.is_some() && !is_enterprise;
                    assert_eq!(is_pinned, has_owner, "{place}: {answer}");
                    assert_eq!(problem["server"], *server, "{place}: {answer}");
                }
            }
            (None, None) => {}
        }
    }
}

/// Compares all gateways of `world` as each user sees them at `replica`. Returns the number of cases.
async fn compare_all(
    replica: &Replica,
    world: &World,
    connections: &Connections,
    ids: &std::collections::BTreeMap<String, String>,
) -> usize {
    let mut cases = 0;
    for gateway in &world.gateways {
        for user in &world.users {
            let key = match ids.get(&gateway.name) {
                Some(id) if cases % 2 == 0 => id,
                _ => &gateway.name,
            };
            let mut client = Client::new(&replica.platform, key, user.name);
            if cases % 3 == 0 {
                client.begin_session().await;
            }
            let granted = world.granted(user, gateway, connections);
            let place = format!("{user:?} at {gateway:?} with {connections:?}, {world:?}");
            compare(&client, granted.as_ref(), &place).await;
            cases += 1;
        }
    }
    cases
}

/// Compares cases with the connections of `seed`.
async fn compare_stage(seed: u8) {
    let mut values = Values::new(seed);
    let connections = connections(&mut values);
    let stage = Stage::new(&connections, None).await;
    let replica = stage.start(&values.next(world())).await;
    let mut cases = 0;
    while cases < CASES / usize::from(STAGES) {
        let world = values.next(world());
        replica.clear().await;
        stage.apply(&replica, &world);
        let ids = replica.store(&world).await;
        cases += compare_all(&replica, &world, &connections, &ids).await;
    }
    replica.platform.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_listed_can_be_called_and_was_granted() {
    let stages: JoinSet<()> = (0..STAGES).map(compare_stage).collect();
    stages.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_replica_grants_the_other_grants_too() {
    let mut values = Values::new(100);
    let connections = connections(&mut values);
    let database = Postgres::shared().await.unwrap().database().await.unwrap();
    let stage = Stage::new(&connections, Some(database)).await;
    let first = values.next(world());
    let (first, second) = (stage.start(&first).await, stage.start(&first).await);
    let mut cases = 0;
    while cases < REPLICATED {
        let world = values.next(world());
        first.clear().await;
        stage.apply(&first, &world);
        stage.apply(&second, &world);
        let ids = first.store(&world).await;
        let following = async {
            while second.stored().await != ids {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(60), following).await.unwrap();
        for replica in [&first, &second] {
            cases += compare_all(replica, &world, &connections, &ids).await;
        }
    }
    first.platform.close().await;
    second.platform.close().await;
}
