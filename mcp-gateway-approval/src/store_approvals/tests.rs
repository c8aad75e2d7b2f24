use std::collections::BTreeMap;
use std::sync::Mutex;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use mcp_gateway_audit::{AuditEvent, AuditKey, AuditQuery};
use mcp_gateway_core::approval::{
    ApprovalError, ApprovalRequest, ApprovalState, ApprovalSubject, ApprovalTerms, Approvals,
    Approvers,
};
use mcp_gateway_store::{MemoryStore, SqliteStore};
use mcp_gateway_testkit::approvals::contract;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::*;
use crate::lifecycle::Status;

/// Two replicas with one store, and their background work.
struct Replicas {
    all: [StoreApprovals; 2],
    #[expect(dead_code, reason = "its tasks end with the replicas")]
    background: JoinSet<()>,
}

impl Replicas {
    fn with(store: &Arc<dyn Store>, clock: &Clock, audit: Option<&AuditLog>) -> Self {
        let keyring = Keyring::new(&[7; 32]).unwrap();
        let replica = || {
            let replica = StoreApprovals::new(Arc::clone(store), &keyring, clock.clone());
            replica.unwrap().with_audit(audit.cloned())
        };
        let all = [replica(), replica()];
        let mut background = JoinSet::new();
        for replica in all.clone() {
            background.spawn(async move { replica.follow().await });
        }
        Self { all, background }
    }

    fn new(store: &Arc<dyn Store>) -> Self {
        Self::with(store, &Clock::system(), None)
    }
}

fn request(principal: &str, arguments: &str) -> ApprovalRequest {
    let terms = ApprovalTerms::default().with_approvers(Approvers::others(["approver"], []));
    let subject = ApprovalSubject::new(principal, "main").with_tool("files", "delete");
    ApprovalRequest::new(subject, arguments, "deletion", Arc::new(terms)).unwrap()
}

fn approver() -> Principal {
    Principal::new("carol").with_role("approver")
}

async fn audited(log: &AuditLog, store: &dyn Store) -> BTreeMap<String, usize> {
    log.flush().await.unwrap();
    let mut actions = BTreeMap::new();
    let found = AuditQuery::new().run(store).await.unwrap();
    for record in found.records {
        if let AuditEvent::Change(change) = record.event {
            *actions.entry(change.action).or_default() += 1;
        }
    }
    actions
}

#[tokio::test]
async fn approvals_in_a_store_keep_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let file = SqliteStore::open(&folder.path().join("a.db"))
        .await
        .unwrap();
    let stores: [Arc<dyn Store>; 2] = [Arc::new(MemoryStore::new()), Arc::new(file)];
    for store in stores {
        let replicas = Replicas::new(&store);
        let [one, two] = &replicas.all;
        contract(one, two, async |id: &str, accept| {
            one.decide(id, (&approver(), accept), None).await.unwrap();
        })
        .await;
    }
}

#[tokio::test]
async fn category_approval_the_same_decision_twice_is_recorded_once() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let log = AuditLog::builder(Arc::clone(&store), AuditKey::new(&[1; 32]));
    let log = log.open().await.unwrap();
    let replicas = Replicas::with(&store, &Clock::system(), Some(&log));
    let call = request("bob", "{}");
    let id = replicas.all[0].open(&call).await.unwrap().id;
    let (carol, dave) = (approver(), Principal::new("dave").with_role("approver"));
    let attempts = (0..20).map(|n| {
        let replica = replicas.all[n % 2].clone();
        let (id, who) = (
            Arc::clone(&id),
            if n % 3 == 0 {
                carol.clone()
            } else {
                dave.clone()
            },
        );
        async move { replica.decide(&id, (&who, true), None).await.unwrap() }
    });
    let records = join_all(attempts).await;
    assert!(
        records
            .iter()
            .all(|record| record.state == records[0].state)
    );
    let denied = replicas.all[1]
        .decide(&id, (&dave, false), None)
        .await
        .unwrap_err();
    assert!(matches!(
        denied,
        StoreApprovalsError::Decide(DecideError::Decided)
    ));
    replicas.all[1].redeem(&id, call.key(), 0).await.unwrap();
    let actions = audited(&log, &*store).await;
    let expected = ["approve", "redeem", "request"];
    assert!(
        actions
            .keys()
            .eq(expected.map(|verb| format!("approval.{verb}")).iter())
    );
    assert!(actions.values().all(|count| *count == 1), "{actions:?}");
}

#[tokio::test]
async fn category_approval_it_ends_in_time_without_a_sweep() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let clock = Clock::fixed(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs(),
    );
    let log = AuditLog::builder(Arc::clone(&store), AuditKey::new(&[1; 32]));
    let log = log.open().await.unwrap();
    let replicas = Replicas::with(&store, &clock, Some(&log));
    let [one, two] = &replicas.all;
    let (used, late) = (request("bob", "1"), request("bob", "2"));
    let ids = [
        one.open(&used).await.unwrap().id,
        one.open(&late).await.unwrap().id,
    ];
    one.decide(&ids[0], (&approver(), true), None)
        .await
        .unwrap();
    clock.advance(Duration::from_secs(600));
    let over = two.redeem(&ids[0], used.key(), 0).await.unwrap_err();
    assert!(matches!(over, ApprovalError::Expired), "{over}");
    let over = two
        .decide(&ids[1], (&approver(), true), None)
        .await
        .unwrap_err();
    assert!(matches!(
        over,
        StoreApprovalsError::Decide(DecideError::Expired)
    ));
    // The sweep of two replicas records each end once, and changes nothing else.
    tokio::join!(one.sweep(), two.sweep());
    assert_eq!(audited(&log, &*store).await["approval.expire"], 2);
    let known = two.get(&ids[0]).await.unwrap().unwrap().value;
    assert_eq!(known.state.stored(), Status::Expired);
    assert!(known.state.decision().unwrap().approved);
}

#[tokio::test]
async fn category_approval_a_copy_of_the_store_is_useless() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let replicas = Replicas::new(&store);
    let [one, _] = &replicas.all;
    let (first, second) = (
        request("roberta", r#"{"path":"/payroll"}"#),
        request("roberta", "2"),
    );
    let ids = [
        one.open(&first).await.unwrap().id,
        one.open(&second).await.unwrap().id,
    ];
    one.decide(&ids[0], (&approver(), true), None)
        .await
        .unwrap();
    let documents = store.list("approval/", None, 100).await.unwrap();
    assert_eq!(documents.len(), 5);
    for found in &documents {
        let text = String::from_utf8_lossy(&found.document.value);
        for known in ["payroll", "roberta", "delete", "approved", &*first.digest] {
            assert!(
                !text.contains(known) && !found.key.contains(known),
                "{known}"
            );
        }
    }
    // An approved record in place of another one is none.
    let [from, to] = ids.each_ref().map(|id| format!("{PREFIX}{id}"));
    let copied = store.get(&from).await.unwrap().unwrap().value;
    let batch = Batch::new().put(to.as_str(), copied);
    assert_eq!(store.commit(batch).await.unwrap(), CommitOutcome::Committed);
    let redeemed = one.redeem(&ids[1], second.key(), 0).await;
    assert!(
        matches!(redeemed, Err(ApprovalError::Unknown)),
        "{redeemed:?}"
    );
}

#[tokio::test]
async fn the_number_of_approvals_is_bounded() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let replicas = Replicas::new(&store);
    let limits = Limits {
        pending_per_caller: 3,
        pending: 4,
        records_per_caller: 5,
    };
    let one = replicas.all[0].clone().with_limits(limits);
    let open = async |caller: &str, n: u32| one.open(&request(caller, &n.to_string())).await;
    let first = open("bob", 0).await.unwrap().id;
    for n in 1..3 {
        open("bob", n).await.unwrap();
    }
    let excess = open("bob", 3).await;
    assert!(matches!(excess, Err(ApprovalError::TooMany)), "{excess:?}");
    open("alice", 0).await.unwrap();
    let total = open("erin", 0).await;
    assert!(matches!(total, Err(ApprovalError::TooMany)), "{total:?}");
    // Decided calls make room, and the oldest records are deleted.
    for n in 3..12 {
        let pending = one.list(&|record| record.call.subject == "bob", None, 100);
        let pending = pending.await.unwrap().items;
        assert!(
            pending.len() <= limits.records_per_caller,
            "{}",
            pending.len()
        );
        for record in pending
            .iter()
            .filter(|record| record.state.decision().is_none())
        {
            one.decide(&record.id, (&approver(), false), None)
                .await
                .unwrap();
        }
        open("bob", n).await.unwrap();
    }
    assert!(one.get(&first).await.unwrap().is_none());
}

const CALLS: usize = 1_000;

/// Replicas, of which fresh ones take the place.
type Shared = Arc<Mutex<Replicas>>;

fn replica(replicas: &Shared, n: usize) -> StoreApprovals {
    replicas.lock().unwrap().all[n % 2].clone()
}

/// Waits for the decision about the call, at whatever replica is there.
async fn decided(replicas: &Shared, (n, id): (usize, &str)) {
    loop {
        let replica = replica(replicas, n + 1);
        let mut changes = replica.changes(id);
        if replica.find(id).await.unwrap().state != ApprovalState::Pending {
            return;
        }
        // As a client that tries again: the replica may not be there any more.
        let _ = timeout(Duration::from_secs(5), changes.next()).await;
    }
}

/// Makes the call `n` several times at once after the decision, which several approvers make.
/// Returns `true` if it was approved.
async fn call(replicas: Shared, n: usize) -> bool {
    let call = request(&format!("caller-{}", n / 20), &n.to_string());
    let id = replica(&replicas, n).open(&call).await.unwrap().id;
    let agreed = n % 4 == 1;
    let answers = [!n.is_multiple_of(4), agreed, agreed];
    let decisions = answers.into_iter().enumerate().map(|(by, accept)| {
        let (id, who, replica) = (Arc::clone(&id), approver(), replica(&replicas, n + by));
        async move { replica.decide(&id, (&who, accept), None).await }
    });
    let running = async {
        decided(&replicas, (n, &id)).await;
        let attempts = (0..4).map(|by| {
            let (replica, id, call) = (replica(&replicas, n + by), &id, &call);
            async move { replica.redeem(id, call.key(), 0).await.is_ok() }
        });
        let ran = join_all(attempts).await;
        ran.into_iter().filter(|ran| *ran).count()
    };
    let (ran, made) = tokio::join!(running, join_all(decisions));
    let record = replica(&replicas, n).get(&id).await.unwrap().unwrap().value;
    let decision = record.state.decision().unwrap();
    let mut made = made.into_iter().filter_map(Result::ok);
    assert!(made.all(|known| known.state.decision() == Some(decision)));
    assert_eq!(ran, usize::from(decision.approved), "{record:?}");
    decision.approved
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn category_approval_each_of_a_thousand_calls_ends_as_decided() {
    let folder = tempfile::tempdir().unwrap();
    let file = SqliteStore::open(&folder.path().join("a.db"))
        .await
        .unwrap();
    let store: Arc<dyn Store> = Arc::new(file);
    let replicas = Arc::new(Mutex::new(Replicas::new(&store)));
    let mut calls = JoinSet::new();
    for n in 0..CALLS {
        calls.spawn(call(Arc::clone(&replicas), n));
    }
    for _ in 0..5 {
        tokio::task::yield_now().await;
        let fresh = Replicas::new(&store);
        *replicas.lock().unwrap() = fresh;
    }
    let ended = calls.join_all().await;
    let approved = ended.iter().filter(|approved| **approved).count();
    assert!(
        ended.len() == CALLS && (CALLS / 4..CALLS).contains(&approved),
        "{approved}"
    );
}
