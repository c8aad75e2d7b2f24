//! Approvals of calls in the store of an MCP gateway, shared by its replicas.
//!
//! [`StoreApprovals`] implement the [`Approvals`](mcp_gateway_core::approval::Approvals) of the core,
//! and record the decisions of people other than the caller. Each change of an approval is one
//! conditional write, together with its audit record, so that of any number of replicas and
//! approvers one decides, and one call is made. [`Lifecycle`] is the state machine without I/O.
//!
//! Records are sealed as a whole: whoever has the database alone can neither read the arguments of a
//! call, nor approve it.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use mcp_gateway_approval::{StoreApprovals, StoreApprovalsError};
//! use mcp_gateway_auth::{Clock, Keyring};
//! use mcp_gateway_core::approval::{
//!     ApprovalRequest, ApprovalSubject, ApprovalTerms, Approvals, Approvers,
//! };
//! use mcp_gateway_core::auth::Principal;
//! use mcp_gateway_store::MemoryStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let keyring = Keyring::new(&[7; 32])?;
//! let approvals = StoreApprovals::new(Arc::new(MemoryStore::new()), &keyring, Clock::system())?;
//!
//! let subject = ApprovalSubject::new("bob", "main").with_tool("billing", "refund");
//! let terms = ApprovalTerms::default().with_approvers(Approvers::others([], ["finance"]));
//! let call = ApprovalRequest::new(subject, r#"{"amount":500}"#, "refunds", Arc::new(terms))?;
//! let approval = approvals.open(&call).await?;
//!
//! let bob = Principal::new("bob").with_team("finance");
//! let own = approvals.decide(&approval.id, (&bob, true), None).await;
//! assert!(matches!(own, Err(StoreApprovalsError::NotApprover(_))));
//! let carol = Principal::new("carol").with_team("finance");
//! approvals.decide(&approval.id, (&carol, true), None).await?;
//!
//! approvals.redeem(&approval.id, call.key(), 0).await?;
//! assert!(approvals.redeem(&approval.id, call.key(), 0).await.is_err());
//! # Ok(())
//! # }
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod callers;
mod events;
mod lifecycle;
mod record;
mod sealed;
mod signals;
mod store_approvals;
mod trail;
mod unfinished;

pub use self::events::{ApprovalEvent, ApprovalObserver};
pub use self::lifecycle::{Change, DecideError, Decision, Lifecycle, RedeemError, Status, Terms};
pub use self::record::{ApprovalRecord, DecidedBy, NotApprover, RecordedCall};
pub use self::store_approvals::{ApprovalPage, Limits, StoreApprovals, StoreApprovalsError};
