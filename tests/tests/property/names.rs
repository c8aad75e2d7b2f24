//! Names and URIs.

use std::collections::BTreeSet;

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
