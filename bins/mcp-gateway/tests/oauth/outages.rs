//! Processes of the gateway and of PostgreSQL that are killed under load.

use std::time::Duration;

use mcp_gateway_tests::postgres::Postgres;
use serde_json::json;
use tokio::task::{JoinSet, block_in_place};
use tokio::time::sleep;

use crate::harness::{Kind, Replica};
use crate::load::Site;
use crate::person::Person;

const ROUNDS: u32 = 6;

/// Calls between two deaths.
const CALLS: usize = 100;

/// Number of concurrent calls whose token has expired.
const MANY: usize = 1000;

/// Two replicas stay, and refresh tokens that are valid once.
#[tokio::test(flavor = "multi_thread")]
async fn o54_nothing_acknowledged_is_lost_with_a_killed_postgresql() {
    let mut server = Postgres::start().await.unwrap();
    let database = server.database().await.unwrap();
    let (site, first) = Site::start(Kind::Postgres, Some(database)).await;
    let replicas = [first, site.harness.start().await];
    let loads: Vec<_> = replicas.iter().map(|replica| site.load(replica)).collect();
    let delay = Duration::from_millis(100);
    site.provider.habits(|habits| habits.delay = delay);
    for round in 0..ROUNDS {
        site.advance(CALLS).await;
        // Refreshes are in flight.
        site.provider.expire();
        sleep(Duration::from_millis(u64::from(round) * 37)).await;
        block_in_place(|| server.kill()).unwrap();
        sleep(Duration::from_millis(u64::from(round) * 400)).await;
        block_in_place(|| server.restart()).unwrap();
    }
    site.advance(CALLS).await;
    for load in loads {
        load.end().await;
    }
    for replica in &replicas {
        site.check(replica).await;
    }
    println!("PostgreSQL, killed {ROUNDS} times: {}", site.figures());
}

/// Refresh tokens are valid again: one that was used by a killed process would be lost otherwise.
async fn killed_replicas(kind: Kind) {
    let (site, first) = Site::start(kind, None).await;
    site.provider.habits(|habits| habits.rotates = false);
    let second = site.harness.start().await;
    let loads = [site.load(&first), site.load(&second)];
    let mut running = Vec::from_iter([first, second].into_iter().zip(loads));
    for round in 0..ROUNDS {
        site.advance(CALLS).await;
        site.provider.expire();
        // Not waited for: any moment is as good as another.
        let pause = u64::from(round * round) * 7_919 % 90_000;
        sleep(Duration::from_micros(pause)).await;
        let (replica, load) = running.remove(0);
        replica.kill().await;
        load.end().await;
        let replica = site.harness.start().await;
        let load = site.load(&replica);
        running.push((replica, load));
    }
    site.advance(CALLS).await;
    let (running, loads): (Vec<_>, Vec<_>) = running.into_iter().unzip();
    for load in loads {
        load.end().await;
    }
    for replica in &running {
        site.check(replica).await;
    }
    let figures = site.figures();
    println!("{kind:?}, replicas killed {ROUNDS} times: {figures}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_in_a_file_is_lost_with_killed_replicas() {
    killed_replicas(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_in_postgresql_is_lost_with_killed_replicas() {
    killed_replicas(Kind::Postgres).await;
}

/// The authorization server ends the whole grant when a refresh token is used twice.
#[tokio::test(flavor = "multi_thread")]
async fn o54_a_thousand_calls_at_two_processes_cause_one_refresh() {
    let (site, first) = Site::start(Kind::Postgres, None).await;
    let replicas = [first, site.harness.start().await];
    let [expired, rejected] = &site.people;
    // The next refreshed token expires soon.
    site.provider.habits(|habits| habits.lifetime = 1);
    site.provider.expire();
    let endpoint = replicas[0].endpoint();
    expired.call(&endpoint, "notes__whoami").await;
    site.provider.habits(|habits| {
        habits.lifetime = 3600;
        habits.delay = Duration::from_millis(100);
    });
    sleep(Duration::from_secs(2)).await;
    for person in [expired, rejected] {
        let before = site.provider.refreshes().len();
        call_at_once(&replicas, person).await;
        let refreshes = site.provider.refreshes().len() - before;
        assert_eq!(refreshes, 1, "{}", person.name);
    }
    assert_eq!(site.provider.killed(), 0);
}

/// Makes many calls of `person` at all replicas, which have results.
async fn call_at_once(replicas: &[Replica], person: &Person) {
    let replicas = replicas.iter();
    let wires: Vec<_> = replicas
        .map(|replica| replica.endpoint().wire(&person.token))
        .collect();
    let mut calls = JoinSet::new();
    for wire in wires.iter().cycle().take(MANY) {
        let wire = wire.clone();
        calls.spawn(async move { wire.call("notes__whoami", json!({})).await.unwrap() });
    }
    for reply in calls.join_all().await {
        let answer = reply.answer();
        let text = &answer["result"]["content"][0]["text"];
        assert_eq!(text, person.name, "{answer}");
    }
}
