//! The control plane of an MCP gateway: a whole platform that a program can mount.
//!
//! A [`spec`] describes the desired state: servers, gateways, callers and limits. A [`Platform`]
//! makes the running state match it. It owns the servers, the sessions, the authorization server
//! and their store, and serves all of it as one [`tower::Service`](tower_service::Service) or as an
//! [`axum::Router`].
//!
//! | part | task |
//! |---|---|
//! | [`spec`] | desired state: data types only |
//! | [`source`] | sources of specs |
//! | [`Platform`] | starts, applies specs, drains and closes |
//! | [`status`] | observed state |
//! | [`orchestrator`] | programs that run servers on a cluster |
//! | [`audit`] | log of calls and administrative changes |
//! | [`state`] | store of accounts, tokens, clients and detected protocols, and its key |
//! | [`isolation`] | state folders of programs |
//! | [`registry`] | servers in the store, beside those of the spec |
//! | [`servers`] | creation of servers from their specs |
//!
//! The crate reads no configuration files, handles no signals, prints nothing and never ends the
//! process. `mcp-gateway-config` reads specs from files.

mod accounts;
mod admin;
mod approvals;
pub mod audit;
mod auth;
#[cfg(feature = "console")]
mod console;
mod controller;
mod error;
mod http;
pub mod isolation;
pub mod orchestrator;
mod platform;
mod protocols;
pub mod registry;
mod reload;
mod rollout;
mod running;
pub mod servers;
pub mod source;
pub mod spec;
pub mod state;
pub mod status;
mod taints;
mod telemetry;
mod tools;

pub use self::auth::InitialAccount;
pub use self::error::PlatformError;
pub use self::http::router::{HttpRouter, MetricsService};
pub use self::platform::{Platform, PlatformBuilder};
pub use self::rollout::Rollout;
