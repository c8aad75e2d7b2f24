//! Pages of lists.

use std::collections::BTreeSet;
use std::sync::Arc;

use mcp_gateway_core::policy::{Decision, Policy, PolicyRequest};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::json;

use super::harness::{Fake, Harness, Has, check};

fn tools(names: impl IntoIterator<Item = String>) -> Has {
    Has {
        tools: names.into_iter().collect(),
        ..Has::default()
    }
}

/// Change between two pages: the server and the feature.
type Change = (bool, bool, String);

#[test]
fn what_stays_is_listed_once_while_other_things_come_and_go() {
    let stays = prop::collection::btree_set("[a-z]{1,3}", 1..20);
    let change = (any::<bool>(), any::<bool>(), "[A-Z]{1,2}");
    let changes = prop::collection::vec(change, 0..20);
    let strategy = (stays, changes, 1..6_usize);
    check(
        96,
        &strategy,
        async |(stays, changes, page): (BTreeSet<String>, Vec<Change>, usize)| {
            let halves = stays.iter().cloned().enumerate();
            let (one, two): (Vec<_>, Vec<_>) = halves.partition(|(at, _)| at % 2 == 0);
            let name = |(_, name)| name;
            let servers = [
                Fake::new("one", "one", tools(one.into_iter().map(name))),
                Fake::new("two", "two", tools(two.into_iter().map(name))),
            ];
            let harness = Harness::new(&servers, |builder| builder.with_page_size(page)).await;
            let mut left = changes.into_iter();
            let listed = harness
                .list("tools/list", "tools", |_| {
                    let Some((first, add, name)) = left.next() else {
                        return;
                    };
                    let server = &servers[usize::from(!first)];
                    let mut has = server.has.lock().unwrap();
                    match add {
                        true => has.tools.insert(name),
                        false => has.tools.remove(&name),
                    };
                })
                .await;
            let listed = match listed {
                Ok(listed) => listed,
                // The entry at which the last page ended is gone, and the client is told to begin again.
                Err(answer) => {
                    prop_assert_eq!(&answer["error"]["code"], -32602, "{}", answer);
                    return Ok(());
                }
            };
            let names: Vec<_> = listed
                .iter()
                .map(|tool| tool["name"].as_str().unwrap())
                .collect();
            let distinct: BTreeSet<_> = names.iter().collect();
            prop_assert_eq!(distinct.len(), names.len(), "listed twice: {:?}", names);
            for stayed in stays {
                let found = names
                    .iter()
                    .filter(|name| name.ends_with(&format!("__{stayed}")))
                    .count();
                prop_assert_eq!(found, 1, "{} in {:?}", stayed, names);
            }
            harness.end().await;
            Ok(())
        },
    );
}

#[test]
fn pages_have_the_size_that_they_are_to_have() {
    check(48, &(0..40_usize, 1..12_usize), async |(count, page)| {
        let names = (0..count).map(|at| format!("t{at:03}"));
        let server = Fake::new("one", "", tools(names.clone()));
        let harness = Harness::new(&[server], |builder| builder.with_page_size(page)).await;
        let mut params = json!({});
        let mut all = Vec::new();
        loop {
            let answer = harness.ask("tools/list", params).await;
            let list = answer["result"]["tools"].as_array().unwrap();
            let next = answer["result"]["nextCursor"].as_str();
            prop_assert!(list.len() == page || (next.is_none() && list.len() < page));
            all.extend(
                list.iter()
                    .map(|tool| tool["name"].as_str().unwrap().to_owned()),
            );
            match next {
                Some(next) => params = json!({ "cursor": next }),
                None => break,
            }
        }
        prop_assert_eq!(all, names.collect::<Vec<_>>());
        harness.end().await;
        Ok(())
    });
}

/// Hides what begins with `h`.
#[derive(Debug)]
struct Hiding;

impl Policy for Hiding {
    fn decide(&self, request: &PolicyRequest<'_>) -> Decision {
        match request
            .target()
            .feature
            .name()
            .is_some_and(|name| name.starts_with('h'))
        {
            true => Decision::deny("hidden"),
            false => Decision::Allow,
        }
    }
}

/// A cursor is no way to find out what there is.
#[test]
fn a_cursor_that_was_made_up_tells_nothing() {
    let cursor = prop_oneof![
        Just("one\nhidden".to_owned()),
        Just("one\nnothing".to_owned()),
        Just("nobody\nshown".to_owned()),
        "\\PC{0,20}",
    ];
    check(
        96,
        &(cursor, any::<bool>()),
        async |(cursor, encoded): (String, bool)| {
            use base64::Engine;
            use base64::engine::general_purpose::URL_SAFE_NO_PAD;
            let server = Fake::new("one", "", tools(["hidden".to_owned(), "shown".to_owned()]));
            let harness =
                Harness::new(&[server], |builder| builder.with_policy(Arc::new(Hiding))).await;
            let cursor = match encoded {
                true => URL_SAFE_NO_PAD.encode(&cursor),
                false => cursor,
            };
            let answer = harness.ask("tools/list", json!({ "cursor": cursor })).await;
            let text = answer.to_string();
            prop_assert_eq!(&answer["error"]["code"], -32602, "{}", text);
            prop_assert!(
                !text.contains("hidden") && !text.contains("shown"),
                "{}",
                text
            );
            let absent = URL_SAFE_NO_PAD.encode("one\nnothing");
            let hidden = URL_SAFE_NO_PAD.encode("one\nhidden");
            let absent = harness.ask("tools/list", json!({ "cursor": absent })).await;
            let hidden = harness.ask("tools/list", json!({ "cursor": hidden })).await;
            prop_assert_eq!(absent, hidden);
            let call = harness.ask("tools/call", json!({ "name": "hidden" })).await;
            prop_assert_eq!(&call["error"]["message"], "Unknown tool: hidden");
            harness.end().await;
            Ok::<_, TestCaseError>(())
        },
    );
}
