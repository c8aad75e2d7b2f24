//! Names and URIs.

use std::collections::BTreeSet;

use mcp_gateway_core::policy::{Decision, Policy, PolicyRequest};
use mcp_gateway_core::protocol::ListKind;
use mcp_gateway_core::route::{PrefixMode, PrefixRouter};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};

use super::harness::{Fake, Harness, Has, check};

/// Names that servers may give: mostly sane ones, and everything that is confusing.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z][a-z0-9_]{0,8}",
        2 => "[ab](__|_|[.]|-|/| )[ab]((__)[ab])?",
        1 => "__[ab]?|[ab]__|_",
        1 => "[A-Za-z0-9 _./:+@#?&=%\"'\\\\<>{}-]{1,12}",
        1 => "\\PC{1,8}",
        1 => "=\\?base64\\?[a-z]{0,4}\\?=",
    ]
}

fn uri() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "(file|test|https|ui)://[ab]/[a-c]{0,3}",
        1 => "[ab](\\+|:|__)?(file|test)://[ab]/[a-c ]{0,2}",
        1 => "(a|b)/(file|test):[ab]",
        1 => "\\PC{1,10}",
    ]
}

fn has() -> impl Strategy<Value = Has> {
    let set = || prop::collection::btree_set(name(), 0..6);
    (set(), set(), prop::collection::btree_set(uri(), 0..5)).prop_map(
        |(tools, prompts, resources)| Has {
            tools,
            prompts,
            resources,
        },
    )
}

/// Servers with prefixes, of which one may be empty.
fn servers() -> impl Strategy<Value = Vec<Fake>> {
    let prefixes = prop::collection::btree_set("[ab]([_.-]?[ab]){0,2}|", 1..4);
    prefixes.prop_flat_map(|prefixes| {
        let servers: Vec<_> = prefixes
            .into_iter()
            .enumerate()
            .map(|(at, prefix)| {
                has().prop_map(move |has| Fake::new(&format!("s{at}"), &prefix, has))
            })
            .collect();
        servers
    })
}

/// Called server and tool, as reported by the server.
fn called(text: &Value) -> Option<(String, String)> {
    serde_json::from_str(text.as_str()?).ok()
}

type Kind = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

/// The list, its member, the key of its entries, what uses an entry, and where that says who it is.
const KINDS: [Kind; 3] = [
    (
        "tools/list",
        "tools",
        "name",
        "tools/call",
        "/result/content/0/text",
    ),
    (
        "prompts/list",
        "prompts",
        "name",
        "prompts/get",
        "/result/description",
    ),
    (
        "resources/list",
        "resources",
        "uri",
        "resources/read",
        "/result/contents/0/text",
    ),
];

#[test]
fn what_is_listed_can_be_used_and_is_what_it_says() {
    check(96, &(servers(), 1..8_usize), async |(servers, page)| {
        let harness = Harness::new(&servers, |builder| builder.with_page_size(page)).await;
        for (list, member, key, method, place) in KINDS {
            let entries = harness.list(list, member, |_| {}).await;
            let entries = entries.map_err(|answer| TestCaseError::fail(answer.to_string()))?;
            let mut names = BTreeSet::new();
            let mut reached = BTreeSet::new();
            for entry in entries {
                let name = entry[key].as_str().unwrap();
                prop_assert!(names.insert(name.to_owned()), "{name:?} is listed twice");
                let answer = harness.ask(method, json!({ key: name })).await;
                let text = answer.pointer(place).unwrap_or(&Value::Null);
                let Some(target) = called(text) else {
                    return Err(TestCaseError::fail(format!("{name:?} is listed: {answer}")));
                };
                prop_assert!(reached.insert(target.clone()), "{target:?} has two names");
            }
            let missing = missing(&servers, member, &reached);
            prop_assert!(missing.is_empty(), "not listed: {missing:?}");
        }
        harness.end().await;
        Ok(())
    });
}

/// Returns the features of the servers that should have been reached, and were not.
fn missing(
    servers: &[Fake],
    member: &str,
    reached: &BTreeSet<(String, String)>,
) -> Vec<(String, String)> {
    let mut missing = Vec::new();
    for server in servers {
        let has = server.has.lock().unwrap().clone();
        let names = match member {
            "tools" => has.tools,
            "prompts" => has.prompts,
            _ => has.resources,
        };
        for name in names {
            let target = (server.name.clone(), name.clone());
            // A name without a prefix that begins like that of another server would call that one.
            let other = |other: &&Fake| {
                !other.prefix.is_empty() && name.starts_with(&format!("{}__", other.prefix))
            };
            let hidden = member != "resources"
                && server.prefix.is_empty()
                && servers.iter().any(|fake| other(&fake));
            let unprintable = name.is_empty() || name.contains(char::is_control);
            if !reached.contains(&target) && !hidden && !unprintable {
                missing.push(target);
            }
        }
    }
    missing
}

/// Unlisted names do not exist, in any spelling.
#[test]
fn what_is_not_listed_cannot_be_used() {
    check(64, &(servers(), name()), async |(servers, name)| {
        let harness = Harness::new(&servers, |builder| builder).await;
        let entries = harness.list("tools/list", "tools", |_| {}).await;
        let entries = entries.map_err(|answer| TestCaseError::fail(answer.to_string()))?;
        if entries.iter().all(|entry| entry["name"] != name) {
            let answer = harness.ask("tools/call", json!({ "name": name })).await;
            prop_assert_eq!(&answer["error"]["code"], -32602, "{}", answer);
        }
        harness.end().await;
        Ok(())
    });
}

/// Routers of `servers` that give tools other names than prefix and name.
fn router(servers: &[Fake], mode: PrefixMode, max: Option<usize>) -> PrefixRouter {
    let pairs = servers
        .iter()
        .map(|fake| (fake.name.as_str(), fake.prefix.as_str()));
    let mut router = PrefixRouter::new(pairs).unwrap().with_tool_prefix(mode);
    for fake in servers {
        let has = fake.has.lock().unwrap();
        let mut tools = has.tools.iter();
        // The alias may be the name of another tool.
        if let (Some(first), Some(last)) = (tools.next(), tools.next_back()) {
            router = router.with_tool_alias(&fake.name, first.as_str(), last.as_str());
        }
    }
    match max {
        Some(max) => router.with_max_tool_name(max),
        None => router,
    }
}

#[test]
fn tools_with_other_names_can_be_used() {
    let mode = prop::sample::select(vec![
        PrefixMode::Always,
        PrefixMode::Never,
        PrefixMode::OnCollision,
    ]);
    let long = prop::collection::btree_set("[a-b]{44,60}|[ab]{36,41}-[0-9a-f]{8}", 0..4);
    let strategy = (servers(), long, mode, prop::option::of(48..60_usize));
    check(64, &strategy, async |(servers, long, mode, max)| {
        for fake in &servers {
            fake.has.lock().unwrap().tools.extend(long.iter().cloned());
        }
        let warm = router(&servers, mode, max);
        let warm = Harness::new(&servers, |builder| builder.with_router(warm)).await;
        let cold = router(&servers, mode, max);
        let cold = Harness::new(&servers, |builder| builder.with_router(cold)).await;
        let entries = warm.list("tools/list", "tools", |_| {}).await;
        let entries = entries.map_err(|answer| TestCaseError::fail(answer.to_string()))?;
        let mut names = BTreeSet::new();
        let mut reached = BTreeSet::new();
        for entry in &entries {
            let name = entry["name"].as_str().unwrap();
            prop_assert!(names.insert(name), "{name:?} is listed twice");
            prop_assert!(max.is_none_or(|max| name.len() <= max), "{name:?}");
            let mut targets = Vec::new();
            for harness in [&warm, &cold] {
                let answer = harness.ask("tools/call", json!({ "name": name })).await;
                let text = &answer["result"]["content"][0]["text"];
                let Some(target) = called(text) else {
                    return Err(TestCaseError::fail(format!("{name:?} is listed: {answer}")));
                };
                targets.push(target);
            }
            prop_assert_eq!(&targets[0], &targets[1]);
            prop_assert!(
                reached.insert(targets.swap_remove(0)),
                "two names: {name:?}"
            );
        }
        warm.end().await;
        cold.end().await;
        Ok(())
    });
}

/// Denies the tool `secret`.
#[derive(Debug)]
struct WithoutSecret;

impl Policy for WithoutSecret {
    fn decide(&self, request: &PolicyRequest<'_>) -> Decision {
        match request.target().feature.name() {
            Some("secret") => Decision::deny("secret"),
            _ => Decision::Allow,
        }
    }

    fn permits_all(&self, _: &str, kind: ListKind) -> bool {
        kind != ListKind::Tools
    }
}

/// A server that ignores the case of names, or white space around them, is not reached by another
/// spelling of a denied tool.
#[tokio::test]
async fn category_tool_spelling_of_a_denied_tool() {
    let has = Has {
        tools: ["add", "secret"].map(str::to_owned).into(),
        ..Has::default()
    };
    let server = Fake {
        is_lenient: true,
        ..Fake::new("a", "a", has)
    };
    let spellings = [
        "a__secret",
        "a__SECRET",
        "a__secret ",
        "a__ secret",
        "a__\u{a0}Secret",
    ];
    for is_listed_only in [false, true] {
        let router = PrefixRouter::by_name(["a"]).unwrap();
        let router = match is_listed_only {
            true => router.with_listed_tools_only("a"),
            false => router,
        };
        let harness = Harness::new(std::slice::from_ref(&server), |builder| {
            builder.with_router(router).with_policy(WithoutSecret)
        });
        let harness = harness.await;
        let mut reached = 0;
        for name in spellings {
            let answer = harness.ask("tools/call", json!({ "name": name })).await;
            match answer["error"]["message"].as_str() {
                Some(message) => assert_eq!(message, format!("Unknown tool: {name}")),
                None => reached += 1,
            }
        }
        assert_eq!(reached > 0, !is_listed_only);
        let answer = harness.ask("tools/call", json!({ "name": "a__add" })).await;
        assert!(answer["result"].is_object(), "{answer}");
        harness.end().await;
    }
}
