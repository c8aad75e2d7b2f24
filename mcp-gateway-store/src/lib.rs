//! Persistent state of an MCP gateway: everything that outlives a request or a process.
//!
//! A [`Store`] holds documents under keys. A change that must happen at most once (an authorization
//! code is redeemed, a token is rotated, a `jti` is recorded) is a [`Batch`] with conditions. It is
//! written atomically: as a whole, or not at all. Replicas that share a store follow each other's
//! writes by [`watch`](Store::watch), so that they can serve reads from memory.
//!
//! | store | use |
//! |---|---|
//! | [`MemoryStore`] | one process; the state ends with it |
//! | `SqliteStore` (feature `sqlite`) | one process with a file; no database server |
//! | `PostgresStore` (feature `postgres`) | several replicas, any of which serves any request |
//!
//! All of them fulfill the contract of [`Store`], which one test suite verifies. The databases
//! create their schema when they are opened and migrate it, even if several replicas start at once.
//! A database with a newer schema is rejected.
//!
//! Keys are paths such as `auth/client/c-42`, ordered by their bytes. Every store accepts keys of
//! up to 2,048 bytes and values of up to 16 MiB, and may reject larger ones. The content of a
//! document is defined by its writer; [`Documents`] are JSON of one Rust type.
//!
//! # Example
//!
//! ```
//! use mcp_gateway_store::{Batch, MemoryStore, CommitOutcome, Store, StoreError};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), StoreError> {
//! let store = MemoryStore::new();
//! store.commit(Batch::new().put("code/1", "for alice")).await?;
//!
//! let code = store.get("code/1").await?.unwrap();
//! let redeem = || Batch::new().if_version("code/1", code.version).delete("code/1");
//! assert_eq!(store.commit(redeem()).await?, CommitOutcome::Committed);
//! assert_eq!(store.commit(redeem()).await?, CommitOutcome::Conflict);
//! # Ok(())
//! # }
//! ```
//!
//! A file whose documents survive a restart:
//!
//! ```
//! # #[cfg(feature = "sqlite")]
//! use mcp_gateway_store::{Batch, CommitOutcome, SqliteStore, Store};
//!
//! # #[cfg(feature = "sqlite")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("gateway.db");
//! let store = SqliteStore::open(&path).await?;
//! let register = || Batch::new().if_absent("client/1").put("client/1", "{}");
//! assert_eq!(store.commit(register()).await?, CommitOutcome::Committed);
//!
//! // The next process finds the document, and cannot register it again.
//! drop(store);
//! let store = SqliteStore::open(&path).await?;
//! assert_eq!(store.get("client/1").await?.unwrap().value, "{}");
//! assert_eq!(store.commit(register()).await?, CommitOutcome::Conflict);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "sqlite"))]
//! # fn main() {}
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod attachment;
mod batch;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod convert;
mod document;
mod documents;
mod error;
mod events;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store;
mod watchers;

pub use self::attachment::Attachment;
pub use self::batch::{Batch, Condition, WriteOp};
pub use self::document::{Document, DocumentVersion, ListedDocument};
pub use self::documents::{DocumentError, Documents, Versioned};
pub use self::error::{BoxError, StoreError};
pub use self::events::{WatchEvent, WatchStream};
pub use self::memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use self::postgres::{PostgresOptions, PostgresStore};
#[cfg(feature = "sqlite")]
pub use self::sqlite::SqliteStore;
pub use self::store::{CommitOutcome, Store};
pub use self::watchers::WatcherRegistry;
