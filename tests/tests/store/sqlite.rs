//! Guarantees of SQLite beyond the contract.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    time::{Duration, SystemTime},
};

use mcp_gateway_store::SqliteStore;
use mcp_gateway_store::{Batch, CommitOutcome, Store};
use sqlx::{Connection, SqliteConnection};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

const DEADLINE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn others_may_not_read_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("store.db"))
        .await
        .unwrap();
    let _ = store.commit(Batch::new().put("a", "secret")).await.unwrap();
    let mut names = Vec::new();
    for file in fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file:?}");
        names.push(file.file_name());
    }
    names.sort();
    assert_eq!(names, ["store.db", "store.db-shm", "store.db-wal"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_may_open_a_new_file_at_once() {
    for _ in 0..5 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let mut opening = JoinSet::new();
        for number in 0..8 {
            let path = path.clone();
            opening.spawn(async move {
                let store = SqliteStore::open(path).await.unwrap();
                let batch = Batch::new().if_absent("a").put("a", format!("{number}"));
                store.commit(batch).await.unwrap()
            });
        }
        let outcomes = timeout(DEADLINE, opening.join_all()).await.unwrap();
        let committed = outcomes
            .iter()
            .filter(|outcome| **outcome == CommitOutcome::Committed);
        assert_eq!(committed.count(), 1);
    }
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    drop(SqliteStore::open(&path).await.unwrap());
    let url = format!("sqlite://{}", path.display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("PRAGMA user_version = 99")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    let error = SqliteStore::open(&path).await.unwrap_err();
    assert!(error.0.to_string().contains("newer gateway"), "{}", error.0);
}

#[tokio::test]
async fn what_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    fs::write(&path, "not a database, but text of some length".repeat(100)).unwrap();
    let error = SqliteStore::open(&path).await.unwrap_err();
    assert!(error.0.to_string().contains("notes.txt"), "{}", error.0);
    assert!(
        SqliteStore::open(folder.path().join("none/store.db"))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn what_is_over_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let put =
        |batch: Batch, number| batch.put_until(format!("a/{number}"), "x", SystemTime::UNIX_EPOCH);
    let batch = (0..2000).fold(Batch::new(), put).put("b", "x");
    assert_eq!(store.commit(batch).await.unwrap(), CommitOutcome::Committed);
    let url = format!("sqlite://{}", path.display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    let purged = async {
        let mut left = i64::MAX;
        while left > 1 {
            sleep(Duration::from_millis(50)).await;
            let count = sqlx::query_scalar("SELECT count(*) FROM documents");
            left = count.fetch_one(&mut connection).await.unwrap();
        }
    };
    timeout(DEADLINE, purged).await.unwrap();
    assert!(store.get("b").await.unwrap().is_some());
}

#[tokio::test]
async fn a_closed_store_is_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let _ = store.commit(Batch::new().put("a", "kept")).await.unwrap();
    assert!(store.get("a").await.unwrap().is_some());
    timeout(DEADLINE, store.close()).await.unwrap();
    let files = fs::read_dir(folder.path()).unwrap();
    let names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
    assert_eq!(names, ["store.db"]);
    assert!(store.commit(Batch::new().put("b", "late")).await.is_err());
    timeout(DEADLINE, store.close()).await.unwrap();
    let again = SqliteStore::open(&path).await.unwrap();
    assert!(again.get("a").await.unwrap().is_some());
}
