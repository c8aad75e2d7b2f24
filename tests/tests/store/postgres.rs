//! Guarantees of PostgreSQL beyond the contract.

use std::{
    error::Error,
    time::{Duration, SystemTime},
};

use futures_util::StreamExt;
use mcp_gateway_store::{Batch, CommitOutcome, Store, WatchEvent};
use mcp_gateway_store::{PostgresOptions, PostgresStore};
use mcp_gateway_tests::postgres::Postgres;
use sqlx::{Connection, PgConnection};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

const DEADLINE: Duration = Duration::from_secs(30);

async fn database() -> String {
    Postgres::shared().await.unwrap().database().await.unwrap()
}

async fn connect(url: &str) -> PostgresStore {
    PostgresStore::connect(url, PostgresOptions::new())
        .await
        .unwrap()
}

async fn put(store: &PostgresStore, key: &str) {
    let batch = Batch::new().put(key, "x");
    assert_eq!(store.commit(batch).await.unwrap(), CommitOutcome::Committed);
}

/// Ends all connections of gateways to this database, as a restart of the server would.
async fn disconnect(connection: &mut PgConnection) {
    sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .execute(connection)
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_may_start_on_a_new_database_at_once() {
    let url = database().await;
    let mut starting = JoinSet::new();
    for _ in 0..8 {
        let url = url.clone();
        starting.spawn(async move {
            let store = connect(&url).await;
            let batch = Batch::new().if_absent("a").put("a", "x");
            store.commit(batch).await.unwrap()
        });
    }
    let outcomes = timeout(DEADLINE, starting.join_all()).await.unwrap();
    let committed = outcomes
        .iter()
        .filter(|outcome| **outcome == CommitOutcome::Committed);
    assert_eq!(committed.count(), 1);
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let url = database().await;
    drop(connect(&url).await);
    let mut connection = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("UPDATE mcp_gateway_schema SET version = 99")
        .execute(&mut connection)
        .await
        .unwrap();
    let error = PostgresStore::connect(&url, PostgresOptions::new())
        .await
        .unwrap_err();
    assert!(error.0.to_string().contains("newer gateway"), "{}", error.0);
}

#[tokio::test]
async fn a_lost_connection_is_made_again_and_watchers_are_told() {
    let url = database().await;
    let (store, other) = (connect(&url).await, connect(&url).await);
    let mut events = store.watch("a/");
    assert_eq!(events.next().await, Some(WatchEvent::Reset));
    put(&other, "a/1").await;
    assert!(matches!(events.next().await, Some(WatchEvent::Put(_))));

    let mut connection = PgConnection::connect(&url).await.unwrap();
    disconnect(&mut connection).await;
    // Neither reading nor writing fails for a connection that was idle.
    assert!(store.get("a/1").await.unwrap().is_some());
    put(&other, "a/2").await;
    put(&store, "a/3").await;
    assert_eq!(
        timeout(DEADLINE, events.next()).await.unwrap(),
        Some(WatchEvent::Reset)
    );
    put(&other, "a/4").await;
    let told = async {
        while let Some(event) = events.next().await {
            if matches!(event, WatchEvent::Put(entry) if *entry.key == *"a/4") {
                return;
            }
        }
        panic!("the watch has ended");
    };
    timeout(DEADLINE, told).await.unwrap();
}

/// A transaction that began before others and ends after them is told of.
#[tokio::test]
async fn who_commits_late_is_told_of() {
    let url = database().await;
    let store = connect(&url).await;
    let mut events = store.watch("");
    assert_eq!(events.next().await, Some(WatchEvent::Reset));
    let mut late = PgConnection::connect(&url).await.unwrap();
    let mut late = late.begin().await.unwrap();
    // What a replica of ours writes.
    sqlx::raw_sql(
        "WITH put AS (
            INSERT INTO mcp_gateway_documents (key, value, version)
            VALUES ('late', 'x', nextval('mcp_gateway_versions')) RETURNING key, version
        ) INSERT INTO mcp_gateway_changes (key, version, deleted) SELECT key, version, false FROM put",
    )
    .execute(&mut *late)
    .await
    .unwrap();
    for key in ["1", "2", "3"] {
        put(&store, key).await;
        // An open transaction keeps nobody waiting.
        let event = timeout(Duration::from_secs(30), events.next())
            .await
            .unwrap();
        assert!(matches!(event, Some(WatchEvent::Put(entry)) if *entry.key == *key));
    }
    late.commit().await.unwrap();
    // It has notified nobody, and is found all the same.
    let event = timeout(Duration::from_secs(30), events.next())
        .await
        .unwrap();
    assert!(matches!(event, Some(WatchEvent::Put(entry)) if *entry.key == *"late"));
}

#[tokio::test]
async fn the_isolation_that_is_set_does_not_matter() {
    let url = database().await;
    let mut connection = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(
        "DO $$ BEGIN EXECUTE format(
            'ALTER DATABASE %I SET default_transaction_isolation = ''repeatable read''',
            current_database()
        ); END $$",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    let store = connect(&url).await;
    for _ in 0..5 {
        put(&store, "a").await;
        let version = store.get("a").await.unwrap().unwrap().version;
        let mut commits = JoinSet::new();
        for number in 0..50 {
            let store = store.clone();
            let batch = Batch::new()
                .if_version("a", version)
                .put("a", number.to_string());
            commits.spawn(async move { store.commit(batch).await.unwrap() });
        }
        let outcomes = timeout(DEADLINE, commits.join_all()).await.unwrap();
        let committed = outcomes
            .iter()
            .filter(|outcome| **outcome == CommitOutcome::Committed);
        assert_eq!(committed.count(), 1);
    }
}

#[tokio::test]
async fn what_is_over_is_removed() {
    let url = database().await;
    let store = connect(&url).await;
    let put =
        |batch: Batch, number| batch.put_until(format!("a/{number}"), "x", SystemTime::UNIX_EPOCH);
    let batch = (0..2500).fold(Batch::new(), put).put("b", "x");
    assert_eq!(store.commit(batch).await.unwrap(), CommitOutcome::Committed);
    let mut connection = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("UPDATE mcp_gateway_changes SET written = written - interval '1 day'")
        .execute(&mut connection)
        .await
        .unwrap();
    let purged = async {
        let mut left = (i64::MAX, i64::MAX);
        while left != (1, 0) {
            sleep(Duration::from_millis(50)).await;
            left = sqlx::query_as(
                "SELECT (SELECT count(*) FROM mcp_gateway_documents),
                    (SELECT count(*) FROM mcp_gateway_changes)",
            )
            .fetch_one(&mut connection)
            .await
            .unwrap();
        }
    };
    timeout(DEADLINE, purged).await.unwrap();
}

#[tokio::test]
async fn its_connections_end_with_it() {
    let url = database().await;
    let store = connect(&url).await;
    let mut events = store.watch("");
    assert_eq!(events.next().await, Some(WatchEvent::Reset));
    drop(store);
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let ended = async {
        let mut left = i64::MAX;
        while left > 0 {
            sleep(Duration::from_millis(50)).await;
            let count = sqlx::query_scalar(
                "SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()
                    AND backend_type = 'client backend'",
            );
            left = count.fetch_one(&mut connection).await.unwrap();
        }
    };
    timeout(DEADLINE, ended).await.unwrap();
}

/// All that an error says, to whoever asks in whatever way.
fn text(error: &(dyn Error + 'static)) -> String {
    let source = error.source().map(text).unwrap_or_default();
    format!("{error} {error:?} {source}")
}

#[tokio::test]
async fn nothing_shows_the_password() {
    const PASSWORD: &str = "not-to-be-shown";
    let url = database().await;
    assert!(url.contains(PASSWORD));
    assert!(!format!("{:?}", connect(&url).await).contains(PASSWORD));
    let options = || PostgresOptions::new().with_timeout(Duration::from_secs(1));
    let wrong = [
        format!("{url}-other"),
        url.replace("127.0.0.1", "127.0.0.1:x"),
        url.replace("postgres://", "postgres//"),
        url.replace("@127.0.0.1", "@[::1"),
        format!("{url}?sslmode={PASSWORD}"),
        format!("{url}?sslmode=verify-full"),
        // Nobody listens there.
        format!("postgres://postgres:{PASSWORD}@127.0.0.1:1/postgres"),
    ];
    for url in wrong {
        let error = PostgresStore::connect(&url, options()).await.unwrap_err();
        assert!(!text(&error).contains(PASSWORD), "{error:?}");
    }
}
