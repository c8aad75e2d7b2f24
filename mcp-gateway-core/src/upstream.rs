//! Client side of MCP servers: connections, sessions, caches and retries.
//!
//! A [`Server`] connects to an MCP server that a [`RuntimeBackend`] runs. It detects the era of the
//! server, starts sessions where the era has them, shares them between callers according to its
//! [`SessionPolicy`], caches the lists of the server, and reconnects after failures.
//!
//! [`ServerPool`] holds the servers of a process by name and applies their
//! [`Limits`](crate::limit::Limits).
//!
//! Within the module, a *view* is a server as one class of callers sees it. It owns at most one
//! shared *connection*, on which the protocol version has been negotiated, and the exclusive ones
//! of calls that cannot share. Three kinds of connections exist: Streamable HTTP of the modern era,
//! Streamable HTTP of the legacy era, and a multiplexed connection over a bidirectional channel
//! (stdio, or HTTP+SSE of MCP 2024-11-05).
//!
//! A call takes this path:
//!
//! | part | task |
//! |---|---|
//! | [`ServerPool`] | look-up by name, circuit breaker, queue, deadlines |
//! | [`Server`] | confinement of roots, choice of the view |
//! | view | list cache, era translation, retry on a new connection |
//! | connector | start by the backend, detection of the protocol, handshake |
//! | connection | encoding, correlation of responses, resumption of streams |
//!
//! See [transports](https://modelcontextprotocol.io/specification/2026-07-28/basic/transports) of
//! MCP 2026-07-28 and
//! [lifecycle](https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle) of MCP
//! 2025-11-25.

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
