//! Keeps the state of a gateway in a database.
//!
//! | store | for |
//! |---|---|
//! | `SqliteStore` (feature `sqlite`) | one process: a file, and nothing to run beside the gateway |
//! | `PostgresStore` (feature `postgres`) | several replicas, any of which answers any request |
//!
//! Both are [`Store`](mcp_gateway_core::store::Store)s: what they do is said there, and tested by one
//! contract for all of them. What they create in the database they bring up to date when they are
//! opened, also where several replicas are started at once. A database that a newer version has
//! brought up to date is refused.
//!
//! # Example
//!
//! ```
//! use mcp_gateway_core::store::{Batch, Outcome, Store};
//! # #[cfg(feature = "sqlite")]
//! use mcp_gateway_store::SqliteStore;
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

#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod convert;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "postgres")]
pub use self::postgres::{PostgresOptions, PostgresStore};
#[cfg(feature = "sqlite")]
pub use self::sqlite::SqliteStore;
