//! Client side of MCP servers: connections, sessions, caches and retries.
//!
//! A [`Server`] connects to an MCP server that a [`RuntimeBackend`] runs. It detects the era of the
//! server, starts sessions where the era has them, shares them between callers according to its
//! [`SessionPolicy`], caches the lists of the server, and reconnects after failures.
//!
//! [`ServerPool`] holds the servers of a process by name and applies their
//! [`Limits`](crate::limit::Limits).
//!
//! Within the module: a *view* is a server as one class of callers sees it; it owns at most one
//! connection, a `Conversation`, whose handshake is complete. Three kinds of connections exist:
//! Streamable HTTP of the modern era, Streamable HTTP of the legacy era, and an exchange over a
//! bidirectional channel (stdio, or HTTP+SSE of 2024-11-05).
//!
//! Specification: [2026-07-28,
//! transports](https://modelcontextprotocol.io/specification/2026-07-28/basic/transports) and
//! [2025-11-25,
//! lifecycle](https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle).

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
