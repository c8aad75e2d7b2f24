//! The contract of all stores, and the guarantees of each beyond it.

#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

#[path = "store/killed.rs"]
mod killed;
#[path = "store/postgres.rs"]
mod on_postgres;
#[path = "store/sqlite.rs"]
mod on_sqlite;

use std::sync::Arc;

use mcp_gateway_store::MemoryStore;
use mcp_gateway_store::{PostgresOptions, PostgresStore, SqliteStore};
use mcp_gateway_tests::{harness::store::Opened, postgres::Postgres, store_contract};

async fn memory_store() -> Opened {
    let store = MemoryStore::new();
    Opened::new(Arc::new(store.clone()), Arc::new(store))
}

async fn sqlite_store() -> Opened {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let replica = SqliteStore::open(&path).await.unwrap();
    Opened::new(Arc::new(store), Arc::new(replica)).keep(folder)
}

async fn postgres_store() -> Opened {
    let url = Postgres::shared().await.unwrap().database().await.unwrap();
    let connect = || PostgresStore::connect(&url, PostgresOptions::new());
    let (store, replica) = (connect().await.unwrap(), connect().await.unwrap());
    Opened::new(Arc::new(store), Arc::new(replica))
}

store_contract!(memory, memory_store);
store_contract!(postgres, postgres_store);
store_contract!(sqlite, sqlite_store);
