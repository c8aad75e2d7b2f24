//! Audit log of an MCP gateway: who called what, with whose credential and which outcome, and who
//! changed what.
//!
//! An [`AuditLog`] is an [`Observer`](mcp_gateway_core::observe::Observer) of calls, and takes
//! [records](AuditRecord) of administrative changes. It is not on the critical path of a call: a
//! record is one line in a journal, which a background task moves to a
//! [`Store`](mcp_gateway_store::Store).
//!
//! | property | means |
//! |---|---|
//! | nothing is lost by `kill -9` | the journal is a file; the next process moves it to the store |
//! | no change without its record | the record is [attached](AuditLog::attach) to the batch of the change |
//! | nothing is lost if the store fails | records stay in the journal, up to its limit |
//! | changes are detected | segments of records form a hash chain for each process; each hash is sealed with an HMAC key that is not in the store ([`Verification`]) |
//! | no secrets | arguments and results are not recorded; URIs are redacted |
//! | bounded | [retention](AuditLogBuilder::with_retention) by age |
//!
//! # Example
//!
//! A gateway whose calls are audited:
//!
//! ```
//! use std::sync::Arc;
//!
//! use mcp_gateway_audit::{AuditKey, AuditLog};
//! use mcp_gateway_core::Gateway;
//! use mcp_gateway_core::auth::AllowAnonymous;
//! use mcp_gateway_store::MemoryStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Arc::new(MemoryStore::new());
//! let log = AuditLog::builder(store, AuditKey::new(&[7; 32])).open().await?;
//! let gateway = Gateway::builder(AllowAnonymous::new())
//!     .with_observer(log.clone())
//!     .build()?;
//! let mut background = tokio::task::JoinSet::new();
//! let writer = log.clone();
//! background.spawn(async move { writer.run().await });
//! // Serve the gateway; then:
//! background.shutdown().await;
//! log.close().await?;
//! # let _ = gateway;
//! # Ok(())
//! # }
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod chain;
mod error;
mod journal;
mod log;
mod mark;
mod outbox;
mod pages;
mod query;
mod record;
mod redaction;
mod retention;
mod segment;
mod verification;

pub use self::error::AuditError;
pub use self::log::{AuditLog, AuditLogBuilder};
pub use self::query::{AuditPage, AuditQuery};
pub use self::record::{Actor, AuditEvent, AuditRecord, AuditedCall, Change, Gap, Outcome};
pub use self::segment::AuditKey;
pub use self::verification::{Fault, FaultKind, Verification};
