//! Durability of acknowledged writes after the process was killed.
//!
//! The test binary runs itself: [`writer`] is the process that is killed.

use std::{
    collections::BTreeSet,
    env,
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use mcp_gateway_store::{Batch, CommitOutcome, Store};
use mcp_gateway_store::{PostgresOptions, PostgresStore, SqliteStore};
use mcp_gateway_tests::{postgres::Postgres, process::Process};
use tokio::{process::Command, task::JoinSet, time::sleep};

const DEADLINE: Duration = Duration::from_secs(30);

/// Store of the writer.
const PLACE: &str = "MCP_GATEWAY_TEST_STORE";

/// The number that the writer begins with.
const FIRST: &str = "MCP_GATEWAY_TEST_FIRST";

const ROUNDS: u32 = 8;

const COMMITTERS: u32 = 8;

async fn open(place: &str) -> Arc<dyn Store> {
    if place.starts_with("postgres://") {
        let store = PostgresStore::connect(place, PostgresOptions::new());
        return Arc::new(store.await.unwrap());
    }
    Arc::new(SqliteStore::open(place).await.unwrap())
}

/// Commits documents until it is killed, and writes the number of each that was acknowledged.
///
/// Not a test, and ignored by those who run all of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the tests of this module"]
async fn writer() {
    let place = env::var(PLACE).unwrap();
    let first = env::var(FIRST).unwrap().parse().unwrap();
    let numbers = Arc::new(AtomicU32::new(first));
    let store = open(&place).await;
    let mut committers = JoinSet::new();
    for _ in 0..COMMITTERS {
        let (store, numbers) = (Arc::clone(&store), Arc::clone(&numbers));
        committers.spawn(async move {
            loop {
                let number = numbers.fetch_add(1, Ordering::Relaxed);
                let value = number.to_string();
                let batch = Batch::new()
                    .if_absent(format!("a/{number:08}"))
                    .put(format!("a/{number:08}"), value.clone())
                    .put(format!("b/{number:08}"), value)
                    .delete(format!("b/{:08}", number.wrapping_sub(1_000_000)));
                assert_eq!(store.commit(batch).await.unwrap(), CommitOutcome::Committed);
                // In one piece, and past the test harness, which keeps what is printed.
                io::stdout()
                    .lock()
                    .write_all(format!("acknowledged {number}\n").as_bytes())
                    .unwrap();
            }
        });
    }
    committers.join_all().await;
}

/// Lets a process write, kills it, and says what it has acknowledged.
async fn killed_writer(place: &str, round: u32) -> BTreeSet<u32> {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--ignored", "--exact", "killed::writer", "--nocapture"])
        .env(PLACE, place)
        .env(FIRST, (round * 100_000).to_string());
    let mut process = Process::start(command).unwrap();
    let mut acknowledged = BTreeSet::new();
    let number = |line: &str| line.split_once("acknowledged ")?.1.parse::<u32>().ok();
    while acknowledged.is_empty() {
        acknowledged.extend(number(&process.line(DEADLINE).await.unwrap()));
    }
    // Not waited for: any moment is as good as another.
    sleep(Duration::from_micros(
        u64::from(round * round) * 7_919 % 90_000,
    ))
    .await;
    process.kill();
    process.finish(DEADLINE).await.unwrap();
    acknowledged.extend(process.rest().iter().filter_map(|line| number(line)));
    acknowledged
}

/// Returns the numbers of the documents below `a/` and below `b/`, of one listing.
///
/// A batch of a killed process may be committed while a server of PostgreSQL is read.
async fn found(store: &dyn Store) -> [BTreeSet<u32>; 2] {
    let mut found = [BTreeSet::new(), BTreeSet::new()];
    for entry in store.list("", None, usize::MAX).await.unwrap() {
        let (prefix, number) = entry.key.split_once('/').unwrap();
        assert_eq!(entry.document.value, number.trim_start_matches('0'));
        let at = usize::from(prefix == "b");
        found[at].insert(number.parse().unwrap());
    }
    found
}

async fn survives(place: &str) {
    let mut acknowledged = BTreeSet::new();
    for round in 1..=ROUNDS {
        acknowledged.append(&mut killed_writer(place, round).await);
        let [a, b] = found(&*open(place).await).await;
        assert_eq!(a, b, "a batch was written in parts");
        let lost: Vec<_> = acknowledged.difference(&a).collect();
        assert!(
            lost.is_empty(),
            "{lost:?} of {} are lost",
            acknowledged.len()
        );
    }
    let least = usize::try_from(ROUNDS).unwrap();
    assert!(
        acknowledged.len() >= least,
        "{} were written",
        acknowledged.len()
    );
}

#[tokio::test]
async fn sqlite_keeps_what_it_has_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    survives(folder.path().join("store.db").to_str().unwrap()).await;
}

#[tokio::test]
async fn postgres_keeps_what_it_has_acknowledged() {
    survives(&Postgres::shared().await.unwrap().database().await.unwrap()).await;
}
