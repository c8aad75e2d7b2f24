//! Contracts for implementations of the traits of `mcp-gateway-core`.
//!
//! | contract | trait |
//! |---|---|
//! | [`approvals::contract`] | [`Approvals`](mcp_gateway_core::approval::Approvals) |
//! | [`backend::contract`] | [`RuntimeBackend`](mcp_gateway_core::upstream::RuntimeBackend) |
//! | [`observer::contract`] | [`Observer`](mcp_gateway_core::observe::Observer) |
//! | [`policy::contract`] | [`Policy`](mcp_gateway_core::policy::Policy) |
//! | [`resolver::contract`] | [`CredentialResolver`](mcp_gateway_core::credential::CredentialResolver) |
//! | [`router::contract`] | [`ToolRouter`](mcp_gateway_core::route::ToolRouter) |
//! | [`upstream::contract`] | [`Upstream`](mcp_gateway_core::upstream::Upstream) |
//! | [`verifier::contract`], [`verifier::revocation_contract`] | [`AuthVerifier`](mcp_gateway_core::auth::AuthVerifier) |
//!
//! A contract takes an implementation and inputs that the implementation accepts or rejects. It
//! panics with the rule that is broken, and is called in a test of the implementation. Contracts
//! check the rules that the documentation of the traits states and that hold for every
//! implementation; whether the right callers are accepted remains the subject of other tests.
//!
//! # Example
//!
//! ```
//! use mcp_gateway_core::route::PrefixRouter;
//!
//! let router = PrefixRouter::by_name(["docs", "time"])?;
//! mcp_gateway_testkit::router::contract(&router, &["search", "now"]);
//! # Ok::<(), mcp_gateway_core::route::PrefixError>(())
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]
#![expect(
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a contract panics when it is broken"
)]

mod cancel;

pub mod approvals;
pub mod backend;
pub mod observer;
pub mod policy;
pub mod resolver;
pub mod router;
pub mod upstream;
pub mod verifier;
