//! Changes and their audit records after the process was killed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::harness::{Endpoint, Harness, Kind, Replica, SOON};

const ROUNDS: u32 = 6;

const WORKERS: usize = 4;

/// Action and object.
type Change = (String, String);

/// Acknowledged changes.
pub(crate) type Acknowledged = Arc<Mutex<BTreeSet<Change>>>;

/// Client of the admin API.
#[derive(Clone)]
pub(crate) struct Administrator {
    pub(crate) endpoint: Endpoint,
    pub(crate) token: String,
    pub(crate) acknowledged: Acknowledged,
}

impl Administrator {
    /// Sends a request; `None` if there is no response, or the store is unavailable.
    async fn send(&self, method: Method, path: &str, body: Value) -> Option<(StatusCode, Value)> {
        let bearer = format!("Bearer {}", self.token);
        let headers = [
            ("authorization", &*bearer),
            ("content-type", "application/json"),
        ];
        let path = format!("/api/v1{path}");
        let reply = self
            .endpoint
            .send(method, &path, &headers, body.to_string());
        let reply = reply.await?;
        let is_done = reply.status != StatusCode::SERVICE_UNAVAILABLE;
        is_done.then_some((reply.status, reply.value))
    }

    fn acknowledge(&self, action: &str, id: &str) {
        let change = (action.to_owned(), format!("token/{id}"));
        self.acknowledged.lock().unwrap().insert(change);
    }

    /// Issues, rotates and revokes tokens until `ends` is set.
    pub(crate) async fn work(self, ends: Arc<AtomicBool>) {
        while !ends.load(Ordering::Relaxed) {
            if self.change().await.is_none() {
                sleep(Duration::from_millis(10)).await;
            }
        }
    }

    async fn change(&self) -> Option<()> {
        let (status, issued) = self
            .send(Method::POST, "/tokens", json!({ "name": "a" }))
            .await?;
        assert_eq!(status, StatusCode::CREATED, "{issued}");
        let first = issued["token"]["id"].as_str().unwrap();
        self.acknowledge("token.create", first);
        let path = format!("/tokens/{first}/rotate");
        let (status, rotated) = self.send(Method::POST, &path, json!({})).await?;
        assert_eq!(status, StatusCode::CREATED, "{rotated}");
        let second = rotated["token"]["id"].as_str().unwrap();
        self.acknowledge("token.revoke", first);
        self.acknowledge("token.create", second);
        if second.as_bytes()[0] % 2 == 0 {
            let path = format!("/tokens/{second}");
            let (status, _) = self.send(Method::DELETE, &path, json!({})).await?;
            assert_eq!(status, StatusCode::NO_CONTENT);
            self.acknowledge("token.revoke", second);
        }
        Some(())
    }

    /// Returns the items on all pages of a list.
    pub(crate) async fn all(&self, path: &str) -> Vec<Value> {
        let (mut items, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!("{path}limit=500{after}");
            let (status, page) = self.send(Method::GET, &path, json!({})).await.unwrap();
            assert_eq!(status, StatusCode::OK, "{page}");
            items.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return items,
            }
        }
    }

    /// Returns the number of records of each change of a token.
    async fn records(&self) -> BTreeMap<Change, usize> {
        let mut counts = BTreeMap::new();
        for action in ["token.create", "token.revoke"] {
            for record in self.all(&format!("/audit?action={action}&")).await {
                let object = record["object"].as_str().unwrap().to_owned();
                *counts.entry((action.to_owned(), object)).or_default() += 1;
            }
        }
        counts
    }

    /// Waits until acknowledged changes have records and the tokens that exist are those of the records,
    /// and checks that no change has two.
    pub(crate) async fn check(&self) {
        let deadline = Instant::now() + SOON;
        loop {
            let records = self.records().await;
            let repeated = records.iter().find(|(_, count)| **count != 1);
            assert_eq!(repeated, None, "recorded once");
            let differing = self.differing(&records).await;
            if differing.is_empty() {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "without a record or a token: {differing:?}"
            );
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Returns the tokens whose acknowledged changes or whose existence `records` do not tell.
    async fn differing(&self, records: &BTreeMap<Change, usize>) -> Vec<String> {
        let acknowledged = self.acknowledged.lock().unwrap().clone();
        let missing = acknowledged
            .into_iter()
            .filter(|it| !records.contains_key(it));
        let mut differing: Vec<_> = missing.map(|(_, object)| object).collect();
        let of = |wanted: &str| {
            let records = records.keys();
            let found = records.filter(|(action, _)| action == wanted);
            found
                .map(|(_, object)| object.clone())
                .collect::<BTreeSet<_>>()
        };
        let recorded: BTreeSet<_> = &of("token.create") - &of("token.revoke");
        let tokens = self.all("/tokens?").await;
        let tokens = tokens.iter().map(|token| token["id"].as_str().unwrap());
        let tokens: BTreeSet<_> = tokens.map(|id| format!("token/{id}")).collect();
        differing.extend(recorded.symmetric_difference(&tokens).cloned());
        differing
    }
}

/// Lets workers change tokens and kills the process.
async fn killed(replica: Replica, administrator: &Administrator, round: u32) {
    let before = administrator.acknowledged.lock().unwrap().len();
    let ends = Arc::new(AtomicBool::new(false));
    let mut working = JoinSet::new();
    for _ in 0..WORKERS {
        working.spawn(administrator.clone().work(Arc::clone(&ends)));
    }
    while administrator.acknowledged.lock().unwrap().len() < before + 10 {
        sleep(Duration::from_millis(1)).await;
    }
    // Not waited for: any moment is as good as another.
    let pause = u64::from(round * round) * 7_919 % 90_000;
    sleep(Duration::from_micros(pause)).await;
    replica.kill().await;
    ends.store(true, Ordering::Relaxed);
    working.join_all().await;
}

async fn each_change_has_a_record(kind: Kind) {
    let harness = Harness::new(kind).await.with_audit();
    let mut replica = harness.start().await;
    let token = harness
        .operate(&["token", "create", "ci", "--user", "admin"])
        .await;
    let mut administrator = Administrator {
        endpoint: replica.endpoint(),
        token,
        acknowledged: Acknowledged::default(),
    };
    for round in 1..=ROUNDS {
        killed(replica, &administrator, round).await;
        replica = harness.start().await;
        administrator.endpoint = replica.endpoint();
        administrator.check().await;
    }
    let verified = harness.operate(&["audit", "verify"]).await;
    assert!(verified.starts_with("intact; records: "), "{verified}");
    let count = administrator.acknowledged.lock().unwrap().len();
    println!(
        "{kind:?}: killed {ROUNDS} times; {count} changes were acknowledged, each with a record"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn category_unrecorded_change_in_a_file_does_not_exist() {
    each_change_has_a_record(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn category_unrecorded_change_in_postgresql_does_not_exist() {
    each_change_has_a_record(Kind::Postgres).await;
}
