//! Client side of MCP servers: connections, sessions, caches and retries.
//!
//! An [`UpstreamServer`] connects to an MCP server that a [`RuntimeBackend`] runs. It detects the era of the
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
//! | [`UpstreamServer`] | confinement of roots, choice of the view |
//! | view | list cache, era translation, retry on a new connection |
//! | connector | start by the backend, detection of the protocol, handshake |
//! | connection | encoding, correlation of responses, resumption of streams |
//!
//! See [transports](https://modelcontextprotocol.io/specification/2026-07-28/basic/transports) of
//! MCP 2026-07-28 and
//! [lifecycle](https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle) of MCP
//! 2025-11-25.

mod backend;
mod backoff;
mod cancel_policy;
mod client_span;
mod connection;
mod connector;
mod detection;
mod discover_result;
mod embedded;
mod embedded_server;
mod encode;
mod handshake;
mod http_endpoint;
mod legacy_http;
mod legacy_sse;
mod lint_report;
mod malformed;
mod modern_http;
mod multiplexed;
mod pool;
mod post_response;
mod protocol_store;
mod request_ids;
mod roots;
mod server;
mod subscription_filter;
mod unanswered;
mod unsolicited;
mod view;
mod view_key;

use std::sync::Arc;

use async_trait::async_trait;

pub use self::backend::{Instance, InstanceKey, InstanceOwner, RuntimeBackend};
pub use self::discover_result::DiscoverResult;
pub use self::embedded_server::EmbeddedServer;
pub use self::handshake::UpstreamProtocol;
pub use self::lint_report::LintCounts;
pub use self::pool::{PooledServer, ServerPool, Turns};
pub use self::protocol_store::{DetectedProtocols, ProtocolStore};
pub use self::roots::RootsPolicy;
pub use self::server::{SessionPolicy, UpstreamServer, UpstreamServerBuilder};
pub(crate) use self::subscription_filter::SubscriptionFilter;
use crate::call::Prepared;
use crate::catalog::{CatalogEntry, ListKind, Listing};
pub use crate::error::UpstreamError;
use crate::route::Feature;
use crate::{Call, Reply, reply};

/// A target of calls; usually an [`UpstreamServer`].
///
/// Implement it to serve calls by other means than MCP over a transport. Limits, circuit breaker
/// and deadlines are applied by the [`ServerPool`], so an implementation has none of its own.
///
/// # Example
///
/// A target that answers every call by itself:
///
/// ```
/// use std::sync::Arc;
///
/// use async_trait::async_trait;
/// use mcp_gateway_core::auth::Principal;
/// use mcp_gateway_core::call::Prepared;
/// use mcp_gateway_core::jsonrpc::{Id, Request};
/// use mcp_gateway_core::protocol::{Capabilities, Method, ProtocolVersion};
/// use mcp_gateway_core::route::{Feature, Target};
/// use mcp_gateway_core::upstream::{Upstream, UpstreamError};
/// use mcp_gateway_core::{Call, Caller, ClientInfo, Credential, Reply};
///
/// #[derive(Debug)]
/// struct Fixed;
///
/// #[async_trait]
/// impl Upstream for Fixed {
///     async fn send(&self, call: Call<Prepared>) -> Result<Reply, UpstreamError> {
///         let result = r#"{"content":[{"type":"text","text":"42"}]}"#;
///         Ok(Reply::result(call.request().id(), result))
///     }
///
///     fn is_known_to_list(&self, feature: &Feature) -> bool {
///         *feature == Feature::Tool("answer".into())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), UpstreamError> {
/// let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
/// let caller = Caller::new(Principal::new("alice"), "tools", client);
/// let request = Request::new(&Id::from(1), &Method::ToolsCall, r#"{"name":"answer"}"#);
/// let target = Target::new("fixed", Feature::Tool("answer".into()));
/// let call = Call::trusted(request, Arc::new(caller))
///     .prepared(Prepared::trusted(target, Credential::none()));
///
/// assert!(matches!(Fixed.send(call).await?, Reply::Json { status, .. } if status == 200));
/// assert!(Fixed.is_known_to_list(&Feature::Tool("answer".into())));
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait Upstream: std::fmt::Debug + Send + Sync + 'static {
    /// Sends `call` and returns the reply as soon as its first message has arrived.
    ///
    /// The names in `call` are those of the server: routing, authorization and credentials are
    /// done. If its method is that of a list, the reply is one page of it: the first one, or that
    /// of the `cursor`, which is the server's own.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] if there is no valid response. An error that the *server* reports is a
    /// response and is forwarded.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped when the client disconnects or the timeout expires; so is the reply.
    /// Both must abandon the call.
    async fn send(&self, call: Call<Prepared>) -> Result<Reply, UpstreamError>;

    /// Returns the complete list of `kind` for the caller of `call`.
    ///
    /// By default it sends `call`, whose method is that of the list, and parses one result.
    /// Implementations that cache lists, or read them page by page, override it.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] if the server sends no valid list. A server without the capability has an
    /// [unsupported](Listing::unsupported) one.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped when the client disconnects.
    async fn list(
        &self,
        kind: ListKind,
        call: Call<Prepared>,
    ) -> Result<Arc<Listing>, UpstreamError> {
        let server = Arc::clone(&call.target().server);
        reply::listing(self.send(call).await?, &server, kind).await
    }

    /// Returns `true` if the server is known to list `feature`. `false` by default.
    ///
    /// Called at the end of a call, to distinguish existing names from those that a client
    /// invented: only existing ones become labels of metrics. Must not block.
    fn is_known_to_list(&self, feature: &Feature) -> bool {
        let _ = feature;
        false
    }

    /// Returns the catalog entry of `feature`, if a cached list contains it and all that do agree.
    /// `None` by default.
    ///
    /// Called when a policy asks for the entry of a call. Must not block.
    fn entry(&self, feature: &Feature) -> Option<CatalogEntry> {
        let _ = feature;
        None
    }

    /// Returns the catalog entry of the target of `call` as its caller received it last, unless the
    /// server has announced a change since, or that was more than five minutes ago. `None` by
    /// default: the list is requested.
    ///
    /// Called before a call of a definition that must be approved. Must not block.
    fn recent_entry(&self, call: &Call<Prepared>) -> Option<CatalogEntry> {
        let _ = call;
        None
    }

    /// Closes all connections. Does nothing by default.
    ///
    /// Called once the server has been removed and its in-flight calls have finished, or at
    /// shutdown.
    async fn close(&self) {}
}
