//! Observation of calls: an [`Observer`] receives a report of each.
//!
//! [`ObserveLayer`] notifies it when the reply of a server has ended, has failed, or has been
//! dropped because the client disconnected. Metrics and audit logs build on it.
//!
//! # Example
//! ```
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicU64, Ordering};
//!
//! use mcp_gateway_core::auth::Principal;
//! use mcp_gateway_core::jsonrpc::{Id, Request};
//! use mcp_gateway_core::layer::dispatch::DispatchLayer;
//! use mcp_gateway_core::layer::observe::ObserveLayer;
//! use mcp_gateway_core::observe::{CallReport, Observer};
//! use mcp_gateway_core::policy::AllowAll;
//! use mcp_gateway_core::protocol::{Capabilities, Method, ProtocolVersion};
//! use mcp_gateway_core::reply::CallOutcome;
//! use mcp_gateway_core::route::PrefixRouter;
//! use mcp_gateway_core::upstream::ServerPool;
//! use mcp_gateway_core::{Call, Caller, ClientInfo, Error, Reply};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! /// Number of successful calls.
//! #[derive(Debug, Default)]
//! struct Successes(AtomicU64);
//!
//! impl Observer for Successes {
//!     fn on_call_end(&self, call: &CallReport<'_>) {
//!         if call.outcome == CallOutcome::Success {
//!             self.0.fetch_add(1, Ordering::Relaxed);
//!         }
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let successes = Arc::new(Successes::default());
//! let router = Arc::new(PrefixRouter::by_name(["files"])?);
//! let stack = ServiceBuilder::new()
//!     .layer(DispatchLayer::new(router, Arc::new(AllowAll::new())))
//!     .layer(ObserveLayer::new(ServerPool::new()).with_observer(successes.clone()))
//!     .service(service_fn(async |call: Call<_>| {
//!         Ok::<_, Error>(Reply::result(call.request().id(), "{}"))
//!     }));
//!
//! let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
//! let caller = Caller::new(Principal::new("alice"), "main", client);
//! let request = Request::new(&Id::from(1), &Method::ToolsCall, r#"{"name":"files__read"}"#);
//! stack.oneshot(Call::trusted(request, Arc::new(caller))).await?;
//! assert_eq!(successes.0.load(Ordering::Relaxed), 1);
//! # Ok(())
//! # }
//! ```
//!
//! [`ObserveLayer`]: crate::layer::observe::ObserveLayer

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::ClientInfo;
use crate::auth::Principal;
use crate::protocol::{Method, ProtocolVersion};
use crate::reply::CallOutcome;
use crate::route::Feature;
use crate::trace::TraceContext;

/// Receiver of a report of each call.
///
/// Called on the path of the reply, once per call, concurrently. It must not block: it should
/// count, or hand the report to another task.
#[doc(alias("audit", "metrics", "hook"))]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot observe calls",
    label = "not an `Observer`",
    note = "implement `Observer`, whose method receives a `CallReport` of each call"
)]
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// Receives the report of a call at its end.
    fn on_call_end(&self, call: &CallReport<'_>);
}

impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn on_call_end(&self, call: &CallReport<'_>) {
        (**self).on_call_end(call);
    }
}

/// Report of a completed call.
///
/// Metrics need the [feature](Self::feature) and the figures; an audit log needs the
/// [principal](Self::principal), the [client](Self::client) and the [target](Self::requested).
///
/// # Example
///
/// ```
/// use std::sync::Mutex;
///
/// use mcp_gateway_core::observe::{CallReport, Observer};
///
/// /// An audit log.
/// #[derive(Debug, Default)]
/// struct Audit(Mutex<Vec<String>>);
///
/// impl Observer for Audit {
///     fn on_call_end(&self, call: &CallReport<'_>) {
///         let who = call.principal.subject();
///         let with = call.client.implementation();
///         let session = call.session.unwrap_or("-");
///         let did = format!("{} {:?} of {}", call.method, call.requested, call.server);
///         let line = format!("{who} with {with} in {session}: {did}: {:?}", call.outcome);
///         self.0.lock().unwrap().push(line);
///     }
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallReport<'a> {
    /// Name of the gateway that received the call.
    pub gateway: &'a str,
    /// Name of the server that the call was routed to.
    pub server: &'a str,
    /// Principal that called.
    pub principal: &'a Principal,
    /// Client that the principal used, as it declared itself.
    pub client: &'a ClientInfo,
    /// Key of the client's session; `None` for clients of the modern era.
    ///
    /// It is random, and the same for all calls of the session on all replicas. It is not the
    /// session ID, which is a credential.
    pub session: Option<&'a str>,
    /// Account whose credential was presented to the server.
    ///
    /// `None` if there was none, or the server has not replied.
    pub account: Option<&'a str>,
    /// Method of the request.
    pub method: &'a Method,
    /// Feature of the server that the call targets, as the client named it.
    ///
    /// The name may be invented, so that it must not be a metric label.
    pub requested: &'a Feature,
    /// Feature of the server that the call targets, if the server is known to list it.
    ///
    /// `None` for names that a client invented, so that the values are bounded and can be metric
    /// labels.
    pub feature: Option<&'a Feature>,
    /// Protocol version of the client.
    pub version: ProtocolVersion,
    /// Outcome of the call.
    pub outcome: CallOutcome,
    /// Reason in one word if the gateway produced no reply; `None` otherwise.
    pub reason: Option<&'static str>,
    /// Name of the limit that has rejected the call; `None` otherwise.
    pub limit: Option<&'a str>,
    /// Number of times that the call was sent again after a failed attempt.
    pub retries: u32,
    /// Time from the arrival of the call to the end of the reply.
    pub duration: Duration,
    /// Size of the request in bytes.
    pub request_bytes: u64,
    /// Size of the server's messages in bytes.
    pub response_bytes: u64,
    /// Context of the server span of the call; `None` if calls are not traced.
    pub trace: Option<&'a TraceContext>,
}
