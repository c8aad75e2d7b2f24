//! Records that are written together with their changes.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mcp_gateway_audit::{
    Actor, AuditEvent, AuditKey, AuditLog, AuditQuery, AuditRecord, Change, FaultKind, Verification,
};
use mcp_gateway_store::{Batch, CommitOutcome, MemoryStore, SqliteStore, Store};
use tokio::task::JoinSet;

fn key() -> AuditKey {
    AuditKey::new(&[7; 32])
}

async fn open(store: &Arc<impl Store>) -> AuditLog {
    let log = AuditLog::builder(store.clone(), key());
    log.open().await.unwrap()
}

fn record(number: usize) -> AuditRecord {
    let event = AuditEvent::Change(Change::new("note.put", format!("note/{number}")));
    AuditRecord::new(Actor::new("ada"), event)
}

/// Writes the note `number` with its record.
async fn put(store: &impl Store, log: &AuditLog, record: &AuditRecord, number: usize) {
    let batch = Batch::new().put(format!("note/{number}"), "");
    let outcome = store.commit(log.attach(batch, record)).await;
    assert_eq!(outcome.unwrap(), CommitOutcome::Committed);
}

async fn list(store: &dyn Store, prefix: &str) -> Vec<String> {
    let listed = store.list(prefix, None, 1000).await.unwrap();
    listed.iter().map(|entry| entry.key.to_string()).collect()
}

/// Returns the objects of all records.
async fn objects(store: &dyn Store, query: AuditQuery) -> Vec<String> {
    let page = query.with_limit(1000).run(store).await.unwrap();
    let objects = page.records.into_iter().map(|record| match record.event {
        AuditEvent::Change(change) => change.object,
        other => unreachable!("{other:?}"),
    });
    objects.collect()
}

async fn is_intact(store: &dyn Store) -> bool {
    let found = Verification::run(store, &key()).await.unwrap();
    found.is_intact() && found.pending == 0
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_move_each_record_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("s.db")).await.unwrap();
    let store = Arc::new(store);
    let mut tasks = JoinSet::new();
    let mut running = JoinSet::new();
    for process in 0..4 {
        let (store, log) = (store.clone(), open(&store).await);
        let writer = log.clone();
        running.spawn(async move { writer.run().await });
        tasks.spawn(async move {
            for number in 0..50 {
                let number = process * 50 + number;
                put(&*store, &log, &record(number), number).await;
                if number % 7 == 0 {
                    let _ = log.flush().await;
                }
            }
        });
    }
    tasks.join_all().await;
    running.shutdown().await;
    open(&store).await.flush().await.unwrap();
    let found = objects(&*store, AuditQuery::new()).await;
    assert_eq!(found.len(), 200);
    let notes: BTreeSet<_> = list(&*store, "note/").await.into_iter().collect();
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), notes);
    assert!(is_intact(&*store).await);
    assert!(list(&*store, "audit/outbox/").await.is_empty());
}

#[tokio::test]
async fn the_next_process_moves_what_a_killed_one_has_left() {
    let store = Arc::new(MemoryStore::new());
    let log = open(&store).await;
    put(&*store, &log, &record(1), 1).await;
    let found = Verification::run(&*store, &key()).await.unwrap();
    assert_eq!((found.pending, found.records), (1, 0));
    drop(log);
    let log = open(&store).await;
    let mut running = JoinSet::new();
    running.spawn(async move { log.run().await });
    let deadline = SystemTime::now() + Duration::from_secs(30);
    while objects(&*store, AuditQuery::new()).await != ["note/1"] {
        assert!(SystemTime::now() < deadline, "not moved");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(is_intact(&*store).await);
}

#[tokio::test]
async fn a_change_that_is_not_made_has_no_record() {
    let store = Arc::new(MemoryStore::new());
    let log = open(&store).await;
    put(&*store, &log, &record(1), 1).await;
    let batch = Batch::new().if_absent("note/1").put("note/1", "again");
    let outcome = store.commit(log.attach(batch, &record(2))).await;
    assert_eq!(outcome.unwrap(), CommitOutcome::Conflict);
    log.flush().await.unwrap();
    assert_eq!(objects(&*store, AuditQuery::new()).await, ["note/1"]);
}

#[tokio::test]
async fn records_of_a_long_outage_are_found_by_time() {
    let store = Arc::new(MemoryStore::new());
    let log = open(&store).await;
    let now = record(0).time;
    let hour = 60 * 60 * 1000;
    for number in 0..10_u64 {
        let mut record = record(number.try_into().unwrap());
        record.time = now - (10 - number) * hour;
        put(&*store, &log, &record, number.try_into().unwrap()).await;
    }
    log.flush().await.unwrap();
    let since = SystemTime::UNIX_EPOCH + Duration::from_millis(now - 2 * hour);
    let found = objects(&*store, AuditQuery::new().since(since)).await;
    assert_eq!(found, ["note/8", "note/9"]);
    let found = objects(&*store, AuditQuery::new().with_target("note/3")).await;
    assert_eq!(found, ["note/3"]);
    assert!(is_intact(&*store).await);
}

#[tokio::test]
async fn category_unrecorded_change_forged_records_are_not_moved() {
    let store = Arc::new(MemoryStore::new());
    let log = open(&store).await;
    put(&*store, &log, &record(1), 1).await;
    let sealed = store
        .list("audit/outbox/", None, 1)
        .await
        .unwrap()
        .remove(0);
    let text = String::from_utf8_lossy(&sealed.document.value).into_owned();
    let copy = format!("{}0", sealed.key);
    let forged = Batch::new()
        .put(sealed.key, text.replace("note/1", "note/2"))
        .put(copy, text)
        .put("audit/outbox/x", "{}");
    assert_eq!(
        store.commit(forged).await.unwrap(),
        CommitOutcome::Committed
    );
    put(&*store, &log, &record(3), 3).await;
    log.flush().await.unwrap();
    assert_eq!(objects(&*store, AuditQuery::new()).await, ["note/3"]);

    let found = Verification::run(&*store, &key()).await.unwrap();
    assert_eq!((found.pending, found.faults.len()), (3, 3));
    let mut faults = found.faults.iter();
    assert!(faults.all(|fault| fault.kind == FaultKind::UnsealedRecord));
    let text = found.faults[2].to_string();
    assert_eq!(text, "record x was not sealed by this gateway");
}

#[tokio::test]
async fn records_in_another_order_are_detected() {
    let store = Arc::new(MemoryStore::new());
    let log = open(&store).await;
    for number in 0..3 {
        put(&*store, &log, &record(number), number).await;
    }
    log.flush().await.unwrap();
    let [segment] = &store.list("audit/segment/", None, 2).await.unwrap()[..] else {
        unreachable!("one segment");
    };
    let text = String::from_utf8_lossy(&segment.document.value).into_owned();
    let mut lines: Vec<_> = text.lines().collect();
    lines.swap(1, 2);
    let batch = Batch::new().put(segment.key.clone(), lines.join("\n") + "\n");
    assert_eq!(store.commit(batch).await.unwrap(), CommitOutcome::Committed);
    let found = Verification::run(&*store, &key()).await.unwrap();
    assert_eq!(found.faults[0].kind, FaultKind::Modified);
}
