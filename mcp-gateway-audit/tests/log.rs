//! Durability of the log, with real stores and files.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mcp_gateway_audit::{
    Actor, AuditEvent, AuditKey, AuditLog, AuditLogBuilder, AuditQuery, AuditRecord, Change,
    FaultKind, Verification,
};
use mcp_gateway_store::{
    Batch, CommitOutcome, Document, ListedDocument, MemoryStore, SqliteStore, Store, StoreError,
    WatchStream,
};

fn key() -> AuditKey {
    AuditKey::new(&[7; 32])
}

fn builder(store: &Arc<impl Store>, folder: &Path) -> AuditLogBuilder {
    AuditLog::builder(store.clone(), key()).with_folder(folder)
}

fn record(number: usize) -> AuditRecord {
    let event = AuditEvent::Change(Change::new("note.put", format!("note/{number}")));
    AuditRecord::new(Actor::new("ada"), event)
}

/// Returns the objects of all recorded changes, in their order.
async fn objects(store: &dyn Store) -> Vec<String> {
    let mut query = AuditQuery::new().with_limit(100);
    let mut objects = Vec::new();
    loop {
        let page = query.run(store).await.unwrap();
        objects.extend(
            page.records
                .into_iter()
                .filter_map(|record| match record.event {
                    AuditEvent::Change(change) => Some(change.object),
                    _ => None,
                }),
        );
        match page.next {
            Some(next) => query = query.after(next),
            None => return objects,
        }
    }
}

#[tokio::test]
async fn a_page_has_as_many_records_as_it_may_and_misses_none() {
    let store = Arc::new(MemoryStore::new());
    let log = AuditLog::builder(store.clone(), key())
        .open()
        .await
        .unwrap();
    for number in 0..7 {
        log.append(&record(number));
        if number == 2 {
            log.flush().await.unwrap();
        }
    }
    log.close().await.unwrap();
    for limit in 1..=8 {
        let mut query = AuditQuery::new().with_limit(limit);
        let mut found = Vec::new();
        loop {
            let page = query.run(&*store).await.unwrap();
            assert!(page.records.len() <= limit, "{limit}");
            found.extend(page.records);
            match page.next {
                Some(next) => query = query.after(next),
                None => break,
            }
        }
        let numbers = found.iter().map(|found| match &found.event {
            AuditEvent::Change(change) => change.object.clone(),
            _ => String::new(),
        });
        let expected: Vec<_> = (0..7).map(|number| format!("note/{number}")).collect();
        assert_eq!(numbers.collect::<Vec<_>>(), expected, "{limit}");
    }
}

#[tokio::test]
async fn records_of_a_killed_process_are_recovered_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(folder.path().join("s.db")).await.unwrap());
    let journal = folder.path().join("audit");
    let log = builder(&store, &journal).open().await.unwrap();
    for number in 0..10 {
        log.append(&record(number));
    }
    log.flush().await.unwrap();
    for number in 10..20 {
        log.append(&record(number));
    }
    // Neither closed nor flushed. Dropping it releases its lock, as the end of its process does.
    drop(log);
    for _ in 0..2 {
        let log = builder(&store, &journal).open().await.unwrap();
        let found = objects(&*store).await;
        assert_eq!(found.len(), 20);
        assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), 20);
        log.close().await.unwrap();
    }
    assert!(
        Verification::run(&*store, &key())
            .await
            .unwrap()
            .is_intact()
    );
    let left = std::fs::read_dir(&journal).unwrap().count();
    assert_eq!(left, 0, "files remain in the journal");
}

#[tokio::test]
async fn a_journal_in_use_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::new());
    let first = builder(&store, folder.path()).open().await.unwrap();
    first.append(&record(1));
    let second = builder(&store, folder.path()).open().await.unwrap();
    second.append(&record(2));
    second.close().await.unwrap();
    assert_eq!(objects(&*store).await, ["note/2"]);
    first.close().await.unwrap();
    assert_eq!(objects(&*store).await.len(), 2);
    assert_eq!(Verification::run(&*store, &key()).await.unwrap().chains, 2);
}

/// A store that fails, or loses its answer, at certain commits.
#[derive(Debug)]
struct Unreliable {
    store: MemoryStore,
    commits: std::sync::atomic::AtomicUsize,
}

#[async_trait::async_trait]
impl Store for Unreliable {
    async fn get(&self, key: &str) -> Result<Option<Document>, StoreError> {
        self.store.get(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ListedDocument>, StoreError> {
        self.store.list(prefix, after, limit).await
    }

    async fn commit(&self, batch: Batch) -> Result<CommitOutcome, StoreError> {
        let commit = self
            .commits
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        match commit % 4 {
            0 => Err(StoreError::new("connection refused")),
            1 => {
                let _ = self.store.commit(batch).await?;
                Err(StoreError::new("connection lost"))
            }
            _ => self.store.commit(batch).await,
        }
    }

    fn watch(&self, prefix: &str) -> WatchStream {
        self.store.watch(prefix)
    }
}

#[tokio::test]
async fn failures_of_the_store_neither_lose_nor_repeat_records() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Unreliable {
        store: MemoryStore::new(),
        // The first one, which marks the store, succeeds.
        commits: std::sync::atomic::AtomicUsize::new(3),
    });
    let log = builder(&store, folder.path()).open().await.unwrap();
    let mut failures = 0;
    for number in 0..40 {
        log.append(&record(number));
        failures += usize::from(log.flush().await.is_err());
    }
    assert!(failures > 10);
    while log.flush().await.is_err() {}
    let expected: Vec<_> = (0..40).map(|number| format!("note/{number}")).collect();
    assert_eq!(objects(&*store).await, expected);
    assert!(
        Verification::run(&*store, &key())
            .await
            .unwrap()
            .is_intact()
    );
}

#[tokio::test]
async fn a_full_journal_is_reported_as_a_gap() {
    let store = Arc::new(MemoryStore::new());
    let log = AuditLog::builder(store.clone(), key()).with_journal_limit(200);
    let log = log.open().await.unwrap();
    for number in 0..10 {
        log.append(&record(number));
    }
    log.flush().await.unwrap();
    log.flush().await.unwrap();
    let page = AuditQuery::new().run(&*store).await.unwrap();
    let kept = page.records.len() as u64 - 1;
    let AuditEvent::Gap(gap) = &page.records.last().unwrap().event else {
        panic!("no gap");
    };
    assert!(kept > 0);
    assert_eq!(kept + gap.lost, 10);
}

#[tokio::test]
async fn expired_segments_are_deleted_without_a_fault() {
    let store = Arc::new(MemoryStore::new());
    let log = AuditLog::builder(store.clone(), key()).with_retention(Duration::from_millis(300));
    let log = log.open().await.unwrap();
    log.append(&record(1));
    log.flush().await.unwrap();
    log.append(&record(2));
    log.flush().await.unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    log.append(&record(3));
    let running = log.clone();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move { running.run().await });
    let deadline = SystemTime::now() + Duration::from_secs(10);
    while objects(&*store).await != ["note/3"] {
        assert!(SystemTime::now() < deadline, "not deleted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tasks.shutdown().await;
    let verification = Verification::run(&*store, &key()).await.unwrap();
    assert!(verification.is_intact(), "{:?}", verification.faults);
    assert_eq!(verification.records, 1);
}

#[tokio::test]
async fn every_deletion_and_replacement_is_detected() {
    let store = Arc::new(MemoryStore::new());
    let log = AuditLog::builder(store.clone(), key())
        .open()
        .await
        .unwrap();
    for number in 0..5 {
        log.append(&record(number));
        log.flush().await.unwrap();
    }
    let documents = store.list("audit/", None, 100).await.unwrap();
    assert_eq!(documents.len(), 6);
    for victim in &documents {
        let delete = store.commit(Batch::new().delete(victim.key.clone())).await;
        assert_eq!(delete.unwrap(), CommitOutcome::Committed);
        let found = Verification::run(&*store, &key()).await.unwrap();
        assert!(!found.is_intact(), "deleted {}", victim.key);

        // Another segment in its place.
        for other in &documents {
            let batch = Batch::new().put(victim.key.clone(), other.document.value.clone());
            assert_eq!(store.commit(batch).await.unwrap(), CommitOutcome::Committed);
            let found = Verification::run(&*store, &key()).await.unwrap();
            assert_eq!(found.is_intact(), victim.key == other.key, "{}", victim.key);
        }
        let batch = Batch::new().put(victim.key.clone(), victim.document.value.clone());
        assert_eq!(store.commit(batch).await.unwrap(), CommitOutcome::Committed);
    }
    assert!(
        Verification::run(&*store, &key())
            .await
            .unwrap()
            .is_intact()
    );

    let copy = format!("{}0", documents[5].key);
    let batch = Batch::new().put(copy.as_str(), documents[5].document.value.clone());
    assert_eq!(store.commit(batch).await.unwrap(), CommitOutcome::Committed);
    assert!(
        !Verification::run(&*store, &key())
            .await
            .unwrap()
            .is_intact()
    );
    let delete = store.commit(Batch::new().delete(copy.as_str())).await;
    assert_eq!(delete.unwrap(), CommitOutcome::Committed);

    let other = Verification::run(&*store, &AuditKey::new(&[8; 32]))
        .await
        .unwrap();
    assert!(
        other
            .faults
            .iter()
            .all(|fault| fault.kind == FaultKind::Unsealed)
    );
    assert_eq!(other.faults.len(), 6);
}

#[tokio::test]
async fn a_modified_head_is_not_sealed_again() {
    let store = Arc::new(MemoryStore::new());
    let log = AuditLog::builder(store.clone(), key())
        .open()
        .await
        .unwrap();
    for number in 0..3 {
        log.append(&record(number));
        log.flush().await.unwrap();
    }
    let head = store.list("audit/head/", None, 1).await.unwrap().remove(0);
    let text = String::from_utf8_lossy(&head.document.value).into_owned();
    let modified = text.replace("\"number\":3", "\"number\":1000000000");
    assert_ne!(text, modified);
    let batch = Batch::new().put(head.key.clone(), modified);
    assert_eq!(store.commit(batch).await.unwrap(), CommitOutcome::Committed);

    log.append(&record(3));
    assert!(log.flush().await.is_err());
    let found = Verification::run(&*store, &key()).await.unwrap();
    assert!(found.faults.len() <= 101, "{}", found.faults.len());
    assert!(
        found
            .faults
            .iter()
            .any(|fault| fault.kind == FaultKind::Unsealed)
    );

    // The record has waited in the journal.
    let batch = Batch::new().put(head.key.clone(), text);
    assert_eq!(store.commit(batch).await.unwrap(), CommitOutcome::Committed);
    log.flush().await.unwrap();
    assert_eq!(objects(&*store).await.len(), 4);
    assert!(
        Verification::run(&*store, &key())
            .await
            .unwrap()
            .is_intact()
    );
}

/// Leaves the journal of an ended process with one record in `folder`; returns its chain.
async fn leave_orphan(store: &Arc<MemoryStore>, folder: &Path) -> String {
    let log = builder(store, folder).open().await.unwrap();
    log.append(&record(1));
    drop(log);
    let names = std::fs::read_dir(folder).unwrap();
    let mut names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let lock = names.find(|name| name.ends_with(".lock")).unwrap();
    lock.trim_end_matches(".lock").to_owned()
}

#[tokio::test]
async fn category_journal_folder_entries_of_others_are_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "s3cr3t\n").unwrap();
    let store = Arc::new(MemoryStore::new());
    let chain = leave_orphan(&store, folder.path()).await;
    let mark = store.get("audit/journal").await.unwrap().unwrap().value;
    let mark = std::str::from_utf8(&mark).unwrap();
    assert!(chain.starts_with(mark), "{chain}");
    let path = |name: &str| folder.path().join(format!("{mark}{name}"));

    let pipe = |name: &str| {
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, path(name), mode).unwrap();
    };
    let link = |name: &str| std::os::unix::fs::symlink(secret.path(), path(name)).unwrap();
    std::fs::create_dir(path("a.lock")).unwrap();
    pipe("b.lock");
    link("c.lock");
    std::os::unix::fs::symlink(path("created"), path("d.lock")).unwrap();
    for chain in ["e", "f", "g"] {
        std::fs::write(path(&format!("{chain}.lock")), "").unwrap();
    }
    pipe("e-0000000001.jsonl");
    link("f-0000000001.jsonl");
    std::fs::create_dir(path("g-0000000001.jsonl")).unwrap();

    let log = builder(&store, folder.path()).open().await.unwrap();
    assert_eq!(objects(&*store).await, ["note/1"], "the journal of {chain}");
    log.append(&record(2));
    log.close().await.unwrap();
    assert_eq!(objects(&*store).await.len(), 2);
    assert!(!path("created").exists());
    assert_eq!(std::fs::read(secret.path()).unwrap(), b"s3cr3t\n");
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 10, "only the own files are removed");
}

#[tokio::test]
async fn category_journal_of_another_store_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let [own, foreign] = [(); 2].map(|()| Arc::new(MemoryStore::new()));
    leave_orphan(&own, folder.path()).await;
    let other = builder(&foreign, folder.path()).open().await.unwrap();
    assert_eq!(objects(&*foreign).await, [""; 0]);
    other.close().await.unwrap();
    let log = builder(&own, folder.path()).open().await.unwrap();
    assert_eq!(objects(&*own).await, ["note/1"]);
    log.close().await.unwrap();
}

#[tokio::test]
async fn category_journal_folder_is_private_and_no_symbolic_link() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, link) = (folder.path().join("a/b"), folder.path().join("link"));
    let store = Arc::new(MemoryStore::new());
    let log = builder(&store, &journal).open().await.unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode;
    let permissions = std::fs::metadata(&journal).unwrap().permissions();
    assert_eq!(mode(&permissions) & 0o777, 0o700);
    log.close().await.unwrap();

    std::os::unix::fs::symlink(&journal, &link).unwrap();
    let opened = builder(&store, &link).open().await;
    let error = opened.unwrap_err();
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), "it is a symbolic link, not a directory");
    assert!(
        error.to_string().contains(link.to_str().unwrap()),
        "{error}"
    );
}
