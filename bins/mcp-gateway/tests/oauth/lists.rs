//! Lists of clients that fill by themselves once somebody has connected.

use std::pin::Pin;

use crate::accounts::{self, connect};
use crate::github::{Era, GitHub};
use crate::harness::{Endpoint, Kind};
use crate::inputs::{self, connection, submit};
use crate::person::{Person, people};
use crate::provider::Provider;

/// Notifications of one connection.
type Changes = Vec<Pin<Box<dyn Future<Output = ()>>>>;

/// Subscribes to changed lists in both eras at each of `endpoints`.
async fn subscribe(person: &Person, endpoints: &[&Endpoint]) -> Changes {
    let mut changes: Changes = Vec::new();
    for endpoint in endpoints {
        changes.push(Box::pin(person.subscribe(endpoint).await));
        changes.push(Box::pin(person.subscribe_in_session(endpoint).await));
    }
    changes
}

/// Waits until all `changes` have arrived; the lists of `person` then have `tool`.
async fn assert_filled(changes: Changes, person: &Person, endpoints: &[&Endpoint], tool: &str) {
    for change in changes {
        change.await;
    }
    for endpoint in endpoints {
        let tools = person.tools(endpoint).await;
        assert!(tools.contains(&tool.to_owned()), "{tools:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_fill_at_all_replicas_once_an_account_is_connected() {
    let provider = Provider::start().await;
    let harness = accounts::harness(Kind::Postgres, provider.url().as_str()).await;
    let first = harness.start().await;
    let second = harness.start().await;
    let [_, mut zoe] = people(&harness, &first).await;
    let (first, second) = (first.endpoint(), second.endpoint());
    let endpoints = [&first, &second];
    let changes = subscribe(&zoe, &endpoints).await;
    connect(&mut zoe, &first).await;
    assert_filled(changes, &zoe, &endpoints, accounts::TOOL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_fill_at_all_replicas_once_values_are_supplied() {
    let github = GitHub::start(Era::Modern).await;
    let harness = inputs::harness(Kind::Postgres, &github).await;
    let first = harness.start().await;
    let second = harness.start().await;
    let [admin, mut zoe] = people(&harness, &first).await;
    let (first, second) = (first.endpoint(), second.endpoint());
    let endpoints = [&first, &second];
    let created = ["user", "create", "mia", "--team", "platform"];
    let created = harness.operate(&created).await;
    let mia = Person::new(&first, "mia", created.rsplit(' ').next().unwrap()).await;
    let token = ["token", "create", "ci", "--user", "admin"];
    let token = harness.operate(&token).await;

    let changes = subscribe(&zoe, &endpoints).await;
    let page = zoe.follow_link(&first, inputs::TOOL).await;
    let own = github.issue("zoe");
    submit(&mut zoe, &first, &page, ("github", "token", &own)).await;
    assert_filled(changes, &zoe, &endpoints, inputs::TOOL).await;

    // Those of members fill once the team is connected, those of all with the organization.
    for (owner, person) in [("team/platform", &mia), ("organization", &admin)] {
        let changes = subscribe(person, &endpoints).await;
        let set = ["set", owner, "github", "--input", "token"];
        let shared = format!("{}\n", github.issue(owner));
        connection(&first, &token, &set, &shared).await;
        assert_filled(changes, person, &endpoints, inputs::TOOL).await;
    }
}
