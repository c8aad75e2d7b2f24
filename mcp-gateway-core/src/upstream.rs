//! Reach the servers, whichever transport and revision they speak.
//!
//! A [`Server`] has conversations with an MCP server that a [`RuntimeBackend`] runs. It finds out
//! by itself whether the server speaks the modern or the legacy era, begins sessions where those
//! exist, shares them between callers as its [`SessionPolicy`] says, keeps what the server lists,
//! and takes up again what broke.
//!
//! The [`ServerPool`] holds the servers of a process by their names.

mod backend;
mod cancel;
mod conversation;
mod dialer;
mod exchange;
mod facts;
mod filter;
mod http;
mod legacy_http;
mod legacy_sse;
mod modern_http;
mod outgoing;
mod pool;
mod probe;
mod roots;
mod server;
mod view;
mod view_key;

pub use self::backend::{Instance, RuntimeBackend};
pub use self::facts::Facts;
pub(crate) use self::filter::Filter;
pub use self::pool::{PooledServer, ServerPool};
pub use self::probe::Protocol;
pub use self::roots::RootsPolicy;
pub use self::server::{Server, ServerBuilder, SessionPolicy, Upstream};
pub use crate::error::UpstreamError;
