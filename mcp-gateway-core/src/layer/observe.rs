//! Report the outcome of each call.
//!
//! [`ObserveLayer`] notifies an [`Observer`] of every call of a server when its reply has ended,
//! has failed, or has been dropped because the client disconnected. Every call passes; the layer
//! changes nothing. It is placed right after routing, so that its reports include calls that the
//! policy denies.
//!
//! # Example
//!
//! ```
//! use std::sync::{Arc, Mutex};
//!
//! use mcp_gateway_core::auth::Principal;
//! use mcp_gateway_core::call::Routed;
//! use mcp_gateway_core::jsonrpc::{Id, Request};
//! use mcp_gateway_core::layer::dispatch::DispatchLayer;
//! use mcp_gateway_core::layer::observe::ObserveLayer;
//! use mcp_gateway_core::observe::{CallReport, Observer};
//! use mcp_gateway_core::policy::AllowAll;
//! use mcp_gateway_core::protocol::{Capabilities, Method, ProtocolVersion};
//! use mcp_gateway_core::reply::CallOutcome;
//! use mcp_gateway_core::route::PrefixRouter;
//! use mcp_gateway_core::upstream::{ServerPool, UpstreamError};
//! use mcp_gateway_core::{Call, Caller, ClientInfo, Error, Reply};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! #[derive(Debug, Default)]
//! struct Log(Mutex<Vec<(CallOutcome, Option<&'static str>)>>);
//!
//! impl Observer for Log {
//!     fn on_call_end(&self, call: &CallReport<'_>) {
//!         self.0.lock().unwrap().push((call.outcome, call.reason));
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let log = Arc::new(Log::default());
//! let router = Arc::new(PrefixRouter::by_name(["files", "github"])?);
//! let stack = ServiceBuilder::new()
//!     .layer(DispatchLayer::new(router, Arc::new(AllowAll::new())))
//!     .layer(ObserveLayer::new(ServerPool::new()).with_observer(log.clone()))
//!     .service(service_fn(async |call: Call<Routed>| {
//!         let server = Arc::clone(&call.target().server);
//!         match &*server {
//!             "files" => Ok(Reply::result(call.request().id(), "{}")),
//!             _ => Err(Error::Upstream { server, source: UpstreamError::UnknownServer }),
//!         }
//!     }));
//!
//! let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
//! let caller = Arc::new(Caller::new(Principal::new("alice"), "main", client));
//! for (name, ok) in [("files__read", true), ("github__search", false)] {
//!     let params = format!(r#"{{"name":"{name}"}}"#);
//!     let request = Request::new(&Id::from(1), &Method::ToolsCall, &params);
//!     let reply = stack.clone().oneshot(Call::trusted(request, Arc::clone(&caller))).await;
//!     assert_eq!(reply.is_ok(), ok);
//! }
//! let log = log.0.lock().unwrap();
//! assert_eq!(log[0], (CallOutcome::Success, None));
//! assert_eq!((log[1].0, log[1].1.is_some()), (CallOutcome::Failed, true));
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::call::{Attempts, Routed};
use crate::observe::{CallReport, Observer};
use crate::protocol::Method;
use crate::reply::{CallOutcome, Completion};
use crate::route::Target;
use crate::trace::CallTrace;
use crate::upstream::ServerPool;
use crate::{Call, Caller, Error, Problem, Reply};

/// A [`Layer`] that applies [`Observe`].
///
/// See the [module documentation](self) for an example.
#[derive(Clone, Debug)]
pub struct ObserveLayer {
    observer: Option<Arc<dyn Observer>>,
    pool: ServerPool,
}

impl ObserveLayer {
    /// Creates a layer without an observer, which forwards calls unchanged.
    ///
    /// `pool` decides if a named feature is listed; see [`CallReport::feature`].
    #[must_use]
    pub fn new(pool: ServerPool) -> Self {
        Self {
            observer: None,
            pool,
        }
    }

    /// Sets the observer that receives the reports.
    #[must_use]
    pub fn with_observer(self, observer: Arc<dyn Observer>) -> Self {
        Self {
            observer: Some(observer),
            ..self
        }
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Observe {
            inner,
            layer: self.clone(),
        }
    }
}

/// A service that reports the outcome of each call.
#[derive(Clone, Debug)]
pub struct Observe<S> {
    inner: S,
    layer: ObserveLayer,
}

impl<S> Service<Call<Routed>> for Observe<S>
where
    S: Service<Call<Routed>, Response = Reply, Error = Error>,
{
    type Response = Reply;
    type Error = Error;
    type Future = ObserveFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call<Routed>) -> Self::Future {
        let observed = self.layer.observer.as_ref().map(|observer| PendingReport {
            observer: Arc::clone(observer),
            pool: self.layer.pool.clone(),
            caller: Arc::clone(call.caller()),
            target: call.target().clone(),
            method: call.request().method().clone(),
            started: Instant::now(),
            request_bytes: call.request().text().len() as u64,
            attempts: Attempts::counted(),
            trace: call.trace().cloned(),
            is_due: true,
        });
        let call = match &observed {
            Some(observed) => call.with_attempts(observed.attempts.clone()),
            None => call,
        };
        ObserveFuture {
            inner: self.inner.call(call),
            observed,
        }
    }
}

pin_project! {
    /// The response future of [`Observe`].
    #[must_use = "futures do nothing unless polled"]
    pub struct ObserveFuture<F> {
        #[pin]
        inner: F,
        observed: Option<PendingReport>,
    }
}

impl<F: Future<Output = Result<Reply, Error>>> Future for ObserveFuture<F> {
    type Output = Result<Reply, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut result = ready!(this.inner.poll(cx));
        if let Some(mut observed) = this.observed.take() {
            match &mut result {
                // The call is reported when it is sent again, with an approval or without one.
                Err(Error::ApprovalRequired(_)) => observed.is_due = false,
                Ok(reply) => reply.on_complete(move |completion| observed.send(completion, None)),
                Err(error) => {
                    observed.send(&Completion::new(CallOutcome::Failed, 0), Some(&*error));
                }
            }
        }
        Poll::Ready(result)
    }
}

impl<F> fmt::Debug for ObserveFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObserveFuture").finish_non_exhaustive()
    }
}

/// A call whose end will be reported.
struct PendingReport {
    observer: Arc<dyn Observer>,
    pool: ServerPool,
    caller: Arc<Caller>,
    target: Target,
    method: Method,
    started: Instant,
    request_bytes: u64,
    attempts: Attempts,
    trace: Option<Arc<CallTrace>>,
    /// `false` once there is nothing to report.
    is_due: bool,
}

/// A client may disconnect before there is a reply.
impl Drop for PendingReport {
    fn drop(&mut self) {
        if self.is_due {
            self.send(&Completion::new(CallOutcome::Cancelled, 0), None);
        }
    }
}

impl PendingReport {
    /// Reports the end of the reply, or the `error` instead of one.
    fn send(&mut self, completion: &Completion, error: Option<&Error>) {
        self.is_due = false;
        let limit = match error {
            Some(Error::LimitReached { limit, .. }) => Some(&**limit),
            Some(_) | None => None,
        };
        let Target { server, feature } = &self.target;
        let listed = self.pool.is_known_to_list(server, feature);
        let client = self.caller.client();
        let trace = self.trace.as_deref();
        if listed && let Some(trace) = trace {
            trace.set_listed();
        }
        self.observer.on_call_end(&CallReport {
            gateway: self.caller.gateway(),
            server,
            principal: self.caller.principal(),
            client,
            session: client.session().map(|session| &**session.key()),
            account: completion.account.as_deref(),
            method: &self.method,
            requested: feature,
            feature: listed.then_some(feature),
            version: client.version(),
            outcome: completion.outcome,
            reason: error.map(|error| Problem::from(error).reason),
            limit,
            retries: self.attempts.retries(),
            duration: self.started.elapsed(),
            request_bytes: self.request_bytes,
            response_bytes: completion.bytes,
            trace: trace.and_then(CallTrace::context),
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::FutureExt as _;
    use tower::{ServiceExt, service_fn};

    use super::*;
    use crate::ClientInfo;
    use crate::auth::{Assertion, Principal};
    use crate::jsonrpc::{Id, Request};
    use crate::protocol::{Capabilities, ProtocolVersion};
    use crate::route::Feature;
    use crate::session::{Session, SessionRecord};

    /// Lines of an audit log.
    #[derive(Debug, Default)]
    struct Audit(Mutex<Vec<String>>);

    impl Observer for Audit {
        fn on_call_end(&self, call: &CallReport<'_>) {
            let line = format!(
                "{} {} {:?} {:?} {:?}",
                call.principal.subject(),
                call.client.implementation(),
                call.session,
                call.requested,
                call.feature
            );
            assert!(!format!("{call:?}").contains("secret"));
            self.0.lock().unwrap().push(line);
        }
    }

    /// Notes the outcomes of calls.
    #[derive(Debug, Default)]
    struct Outcomes(Mutex<Vec<CallOutcome>>);

    impl Observer for Outcomes {
        fn on_call_end(&self, call: &CallReport<'_>) {
            self.0.lock().unwrap().push(call.outcome);
        }
    }

    #[tokio::test]
    async fn a_call_that_is_dropped_before_its_reply_is_reported_once() {
        let outcomes = Arc::new(Outcomes::default());
        let layer = ObserveLayer::new(ServerPool::new()).with_observer(outcomes.clone());
        let service = layer.layer(service_fn(|call: Call<Routed>| async move {
            if call.request().text().contains("never") {
                std::future::pending::<()>().await;
            }
            Ok(Reply::result(call.request().id(), "{}"))
        }));
        for params in ["{\"name\":\"never\"}", "{}"] {
            let modern = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
            let caller = Arc::new(Caller::new(Principal::new("alice"), "main", modern));
            let request = Request::new(&Id::from(1), &Method::ToolsCall, params);
            let target = Target::new("files", Feature::Server);
            let call = Call::trusted(request, caller).advance(|()| Routed::new(target));
            drop(service.clone().oneshot(call).now_or_never());
        }
        let expected = [CallOutcome::Cancelled, CallOutcome::Success];
        assert_eq!(*outcomes.0.lock().unwrap(), expected);
    }

    fn session() -> Arc<Session> {
        let record = SessionRecord {
            principal: Principal::new("alice"),
            gateway: "main".into(),
            version: ProtocolVersion::V2025_11_25,
            capabilities: Capabilities::default(),
            client_info: Some("{\"name\":\"editor\"}".into()),
        };
        Session::new("7f".into(), record, None)
    }

    #[tokio::test]
    async fn a_report_tells_who_called() {
        let audit = Arc::new(Audit::default());
        let layer = ObserveLayer::new(ServerPool::new()).with_observer(audit.clone());
        let service = layer.layer(service_fn(async |call: Call<Routed>| {
            Ok(Reply::result(call.request().id(), "{}"))
        }));
        let info = Some("{\"name\":\"cli\"}".into());
        let modern = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
        for client in [ClientInfo::in_session(session()), modern.with_info(info)] {
            let alice = Principal::new("alice").with_assertion(Assertion::new("secret"));
            let caller = Arc::new(Caller::new(alice, "main", client));
            let request = Request::new(&Id::from(1), &Method::ToolsCall, "{}");
            let target = Target::new("files", Feature::Tool("invented".into()));
            let call = Call::trusted(request, caller).advance(|()| Routed::new(target));
            drop(service.clone().oneshot(call).await.unwrap());
        }
        let lines = audit.0.lock().unwrap();
        assert_eq!(
            *lines,
            [
                "alice {\"name\":\"editor\"} Some(\"7f\") Tool(\"invented\") None",
                "alice {\"name\":\"cli\"} None Tool(\"invented\") None",
            ]
        );
    }
}
