//! The admin REST API of an MCP gateway, with its OpenAPI document.
//!
//! An [`AdminApi`] is a router for `/api/v1`, to be mounted in any `axum` application. Its callers
//! are the principals with the role `admin` that an
//! [`AuthVerifier`](mcp_gateway_core::auth::AuthVerifier) authenticates by bearer tokens: there are
//! no cookies, and therefore no cross-site request forgery. Everybody else may read the entries that
//! they see, and request them, decide about calls where a rule names them, and list the gateways that
//! they may use.
//!
//! | path below `/api/v1` | content |
//! |---|---|
//! | `/users`, `/tokens`, `/clients` | an [`Administration`] |
//! | `/connections` | [`Connections`] |
//! | `/servers`, `/gateways` | a [`Catalog`], and [`Deployments`] of servers |
//! | `/usable-gateways` | gateways that the caller may use |
//! | `/policy` | a [`PolicyCatalog`] |
//! | `/entries`, `/imports`, `/requests` | an [`EntryRegistry`] |
//! | `/approvals` | approvals of calls |
//! | `/audit` | audit log |
//! | `/calls` | a [`CallFeed`], as server-sent events |
//! | `/events` | changes of objects, as server-sent events |
//! | `/sessions` | [`ClientSessions`] |
//! | `/taints` | callers whose context is untrusted |
//! | `/usage` | [`Quotas`] |
//! | `/whoami` | sender of the request, and what it may do |
//! | `/openapi.json` | OpenAPI 3.1 document |
//!
//! Errors are problem documents (RFC 9457). Lists have pages, in a stable order. The command line
//! shares [`Administration`] with the API, so that every change has an audit record.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use axum::body::Body;
//! use http::Request;
//! use mcp_gateway_admin::AdminApi;
//! use mcp_gateway_auth::StaticTokens;
//! use mcp_gateway_core::auth::Principal;
//! use tower::ServiceExt as _;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let tokens = StaticTokens::new()
//!     .with_token("HbT1mZ4c", Principal::new("alice").with_role("admin"))
//!     .with_token("r8Yw2QkV", Principal::new("bob"));
//! let router = AdminApi::new(Arc::new(tokens)).router();
//! for (token, status) in [("HbT1mZ4c", 200), ("r8Yw2QkV", 403), ("guessed", 401)] {
//!     let request = Request::get("/api/v1/openapi.json")
//!         .header("authorization", format!("Bearer {token}"))
//!         .body(Body::empty())?;
//!     assert_eq!(router.clone().oneshot(request).await?.status(), status);
//! }
//! # Ok(())
//! # }
//! ```

mod administration;
mod api;
mod calls;
mod catalog;
mod connections;
mod deployments;
mod entry_registry;
mod idempotency;
mod local;
mod new_client;
mod pins;
mod policy;
mod quotas;
mod sessions;
mod tools;
mod trail;

pub use self::administration::{Administration, Administrator};
pub use self::api::AdminApi;
pub use self::api::approvals::{ApprovalDocument, ApproversDocument};
pub use self::api::clients::ClientDocument;
pub use self::api::connections::ConnectionDocument;
pub use self::api::taints::{TAINTS, TaintDocument};
pub use self::api::tokens::TokenDocument;
pub use self::api::users::{IdentityDocument, UserDocument};
pub use self::api::whoami::WhoamiDocument;
pub use self::calls::CallFeed;
pub use self::catalog::{
    AssignmentDocument, Catalog, CatalogError, DanglingServer, GatewayDocument, Installation,
    ServerDocument, ServerSource,
};
pub use self::connections::Connections;
pub use self::deployments::{
    DeploymentDocument, DeploymentError, Deployments, LogSelection, ServerLog,
};
pub use self::entry_registry::EntryRegistry;
pub use self::idempotency::IdempotencyStore;
pub use self::local::LocalApi;
pub use self::new_client::{ClientError, NewClient, is_identifier};
pub use self::pins::{PendingDocument, PinRegistry, PinnedServerDocument};
pub use self::policy::{
    PolicyAnnotations, PolicyCall, PolicyCaller, PolicyCatalog, PolicyExplanation, PolicyStep,
    RuleDocument, RuleOrder,
};
pub use self::quotas::{Quotas, UsageDocument};
pub use self::sessions::{ClientSessions, SessionDocument};
pub use self::tools::PlatformTools;
pub use self::trail::AuditTrail;
pub use mcp_gateway_registry::Violation;
