//! Persistent state: what has to outlive a request, or a process.
//!
//! A [`Store`] holds documents under keys. What has to happen at most once (a code is redeemed, a
//! token is rotated, an identifier is seen) is a [`Batch`] with conditions: it is written as a
//! whole, or not at all. Replicas that share a store learn of each other's writes from
//! [`watch`](Store::watch), and so can answer from memory.
//!
//! | store | for |
//! |---|---|
//! | [`MemoryStore`] | one run of one process |
//! | `SqliteStore` (feature `sqlite`) | one process: a file, and nothing to run beside the gateway |
//! | `PostgresStore` (feature `postgres`) | several replicas, any of which answers any request |
//!
//! All of them do what [`Store`] says, which is tested by one contract. What the databases need they
//! create when they are opened, and bring up to date, also where several replicas are started at
//! once. A database that a newer version has brought up to date is refused.
//!
//! Keys are paths such as `auth/client/c-42`; they are ordered by their bytes. Every store takes keys
//! of up to 2,048 bytes and values of up to 16 MiB, and may refuse larger ones. The content of a
//! document is the business of whoever writes it; [`Documents`] are JSON of one Rust type.
//!
//! # Example
//!
//! ```
//! use mcp_gateway_store::{Batch, MemoryStore, Outcome, Store, StoreError};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), StoreError> {
//! let store = MemoryStore::new();
//! store.commit(Batch::new().put("code/1", "for alice")).await?;
//!
//! let code = store.get("code/1").await?.unwrap();
//! let redeem = || Batch::new().if_version("code/1", code.version).delete("code/1");
//! assert_eq!(store.commit(redeem()).await?, Outcome::Committed);
//! assert_eq!(store.commit(redeem()).await?, Outcome::Conflict);
//! # Ok(())
//! # }
//! ```
//!
//! A file that whoever opens it next finds the same documents in:
//!
//! ```
//! # #[cfg(feature = "sqlite")]
//! use mcp_gateway_store::{Batch, Outcome, SqliteStore, Store};
//!
//! # #[cfg(feature = "sqlite")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("gateway.db");
//! let store = SqliteStore::open(&path).await?;
//! let register = || Batch::new().if_absent("client/1").put("client/1", "{}");
//! assert_eq!(store.commit(register()).await?, Outcome::Committed);
//!
//! // It is there for whoever opens the file next, and cannot be registered again.
//! drop(store);
//! let store = SqliteStore::open(&path).await?;
//! assert_eq!(store.get("client/1").await?.unwrap().value, "{}");
//! assert_eq!(store.commit(register()).await?, Outcome::Conflict);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "sqlite"))]
//! # fn main() {}
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

mod batch;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod convert;
mod documents;
mod events;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store;
mod watchers;

pub use self::batch::{Batch, Condition, Write};
pub use self::documents::{DocumentError, Documents, Stored};
pub use self::events::Events;
pub use self::memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use self::postgres::{PostgresOptions, PostgresStore};
#[cfg(feature = "sqlite")]
pub use self::sqlite::SqliteStore;
pub use self::store::{Document, Entry, Event, Outcome, Store, StoreError, Version};
pub use self::watchers::Watchers;

/// Any error that can be passed between threads.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
