//! Record one span for each request of MCP.
//!
//! [`TraceLayer`] opens a `tracing` span of the level `DEBUG` and of the target `mcp_gateway::call`
//! when a call begins, and closes it when its reply has ended. Events of the inner layers are in it.
//!
//! The attributes are those of the MCP [semantic conventions][semconv] of OpenTelemetry. The name is
//! `{mcp.method.name} {target}`, as `otel.name`; the target is the name of a tool or prompt, as the
//! client wrote it.
//!
//! Without a subscriber that wants the span, nothing is recorded and nothing is allocated.
//!
//! A [`SpanObserver`] receives the spans of calls without the detour over `tracing`, together with those
//! of the requests to servers; see [`trace`](crate::trace). It costs calls less, and it decides about a
//! span when its outcome is known.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use mcp_gateway_core::auth::Principal;
//! use mcp_gateway_core::jsonrpc::{Id, Request};
//! use mcp_gateway_core::layer::trace::TraceLayer;
//! use mcp_gateway_core::protocol::{Capabilities, Method, ProtocolVersion};
//! use mcp_gateway_core::{Call, Caller, ClientInfo, Error, Reply};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! let inner = service_fn(async |call: Call| Ok(Reply::result(call.request().id(), "{}")));
//! let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
//! let caller = Caller::new(Principal::new("alice"), "default", client);
//! let request = Request::new(&Id::from(1), &Method::ToolsCall, r#"{"name":"add"}"#);
//! let call = Call::trusted(request, Arc::new(caller));
//! // The span is "tools/call add".
//! let reply = TraceLayer::new().layer(inner).oneshot(call).await?;
//! assert!(matches!(reply, Reply::Json { .. }));
//! # Ok(())
//! # }
//! ```
//!
//! [semconv]: https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/mcp.md

mod capture;
mod pending;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;
use tracing::Span;
use tracing::field::{Empty, display};

use self::capture::CapturedResult;
use self::pending::PendingSpan;
use crate::error::UpstreamError;
use crate::protocol::Method;
use crate::reply::{CallOutcome, Completion};
use crate::trace::{Entered, SpanKind, SpanObserver, SpanTransport};
use crate::{BoxFuture, Call, Error, Problem, Reply, semconv};

/// A [`Layer`] that applies [`Trace`].
///
/// See the [module documentation](self) for an example.
#[derive(Clone, Debug, Default)]
#[doc(alias("OpenTelemetry", "span"))]
pub struct TraceLayer {
    observer: Option<Arc<dyn SpanObserver>>,
}

impl TraceLayer {
    /// Creates the layer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the observer of the spans of calls. Default: none.
    #[must_use]
    pub fn with_observer(self, observer: Arc<dyn SpanObserver>) -> Self {
        Self {
            observer: Some(observer),
        }
    }
}

impl<S> Layer<S> for TraceLayer {
    type Service = Trace<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Trace {
            inner,
            observer: self.observer.clone(),
        }
    }
}

/// A service that records a span for each call.
///
/// See the [module documentation](self) for an example.
#[derive(Clone, Debug)]
pub struct Trace<S> {
    inner: S,
    observer: Option<Arc<dyn SpanObserver>>,
}

impl<S> Service<Call> for Trace<S>
where
    S: Service<Call, Response = Reply, Error = Error>,
{
    type Response = Reply;
    type Error = Error;
    type Future = TraceFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let span = span(&call);
        let (call, pending) = match &self.observer {
            Some(observer) => PendingSpan::begin(observer, call),
            None => (call, None),
        };
        let entered = Entered::new(pending.as_ref().and_then(PendingSpan::context));
        let inner = span.in_scope(|| self.inner.call(call));
        drop(entered);
        TraceFuture {
            inner,
            span,
            pending,
            capturing: None,
        }
    }
}

pin_project! {
    /// The response future of [`Trace`].
    #[must_use = "futures do nothing unless polled"]
    pub struct TraceFuture<F> {
        #[pin]
        inner: F,
        span: Span,
        pending: Option<PendingSpan>,
        // Reply whose result is being read for the span.
        capturing: Option<(CapturedResult, BoxFuture<'static, Result<Reply, UpstreamError>>)>,
    }
}

impl<F: Future<Output = Result<Reply, Error>>> Future for TraceFuture<F> {
    type Output = Result<Reply, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let _entered = Entered::new(this.pending.as_ref().and_then(PendingSpan::context));
        if this.capturing.is_none() {
            let mut result = ready!(this.span.in_scope(|| this.inner.poll(cx)));
            if !this.span.is_disabled() {
                record_result(this.span, &mut result);
            }
            let Some(pending) = this.pending.take() else {
                return Poll::Ready(result);
            };
            let (reply, limit) = match (result, pending.content_limit()) {
                (Ok(reply), Some(limit)) => (reply, limit),
                (result, _) => return Poll::Ready(capture::finish(pending, None, result)),
            };
            let captured = CapturedResult::default();
            let reading = captured.read(reply, limit);
            *this.pending = Some(pending);
            *this.capturing = Some((captured, reading));
        }
        let Some((captured, reading)) = this.capturing else {
            return Poll::Pending;
        };
        let result = ready!(reading.as_mut().poll(cx)).map_err(capture::unreadable);
        let captured = captured.clone();
        Poll::Ready(match this.pending.take() {
            Some(pending) => capture::finish(pending, Some(captured), result),
            None => result,
        })
    }
}

impl<F> fmt::Debug for TraceFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceFuture").finish_non_exhaustive()
    }
}

/// Names the span that is entered after `call`, which its own call has turned out to stand for.
pub(crate) fn rename(call: &Call) {
    let span = Span::current();
    if !span.is_disabled() {
        span.record(semconv::OTEL_NAME, display(SpanName(call)));
        record_target(&span, call);
    }
}

/// Names the server span of `call` after the tool that its own call has turned out to stand for.
pub(crate) fn rename_observed(call: &Call) {
    if let (Some(trace), Some(name)) = (call.trace(), call.request().name()) {
        trace.rename(name.into());
    }
}

/// Returns the span of `call`. Its fields are computed only if a subscriber is interested.
fn span(call: &Call) -> Span {
    let span = tracing::debug_span!(
        target: "mcp_gateway::call",
        "call",
        { semconv::OTEL_NAME } = display(SpanName(call)),
        { semconv::OTEL_KIND } = "server",
        { semconv::OTEL_STATUS_CODE } = Empty,
        { semconv::MCP_METHOD_NAME } = call.request().method().as_str(),
        { semconv::MCP_PROTOCOL_VERSION } = call.client().version().as_str(),
        { semconv::MCP_SESSION_ID } = Empty,
        { semconv::JSONRPC_REQUEST_ID } = display(RequestId(call)),
        { semconv::NETWORK_TRANSPORT } = transport(call),
        { semconv::GEN_AI_OPERATION_NAME } = Empty,
        { semconv::GEN_AI_TOOL_NAME } = Empty,
        { semconv::GEN_AI_PROMPT_NAME } = Empty,
        { semconv::GATEWAY } = call.caller().gateway(),
        { semconv::RPC_RESPONSE_STATUS_CODE } = Empty,
        { semconv::ERROR_TYPE } = Empty,
        { semconv::REASON } = Empty,
    );
    if !span.is_disabled() {
        record_target(&span, call);
    }
    span
}

fn record_target(span: &Span, call: &Call) {
    let request = call.request();
    let name = request.name().unwrap_or_default();
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "only these have a name of low cardinality"
    )]
    match request.method() {
        Method::ToolsCall => {
            span.record(semconv::GEN_AI_OPERATION_NAME, "execute_tool");
            span.record(semconv::GEN_AI_TOOL_NAME, &*name);
        }
        Method::PromptsGet => {
            span.record(semconv::GEN_AI_PROMPT_NAME, &*name);
        }
        _ => {}
    }
    if let Some(session) = call.client().session() {
        span.record(semconv::MCP_SESSION_ID, &**session.key());
    }
}

fn record_result(span: &Span, result: &mut Result<Reply, Error>) {
    match result {
        Ok(reply) => {
            let span = span.clone();
            reply.on_complete(move |completion| record_completion(&span, completion));
        }
        Err(error) => {
            let problem = Problem::from(&*error);
            span.record(semconv::REASON, problem.reason);
            record_code(span, problem.error.code);
        }
    }
}

fn record_completion(span: &Span, completion: &Completion) {
    match completion.outcome {
        CallOutcome::Cancelled | CallOutcome::Success => {}
        CallOutcome::Error { code } => record_code(span, code),
        CallOutcome::Failed => record_failure(span, "upstream"),
        CallOutcome::ToolError => record_failure(span, "tool_error"),
    }
}

/// Records the code of a JSON-RPC error. Codes that denote a mistake of the client do not mark a
/// server span as failed.
fn record_code(span: &Span, code: i64) {
    span.record(semconv::RPC_RESPONSE_STATUS_CODE, display(code));
    if SpanKind::Server.counts(code) {
        record_failure(span, code);
    }
}

fn record_failure(span: &Span, error_type: impl fmt::Display) {
    span.record(semconv::ERROR_TYPE, display(error_type));
    span.record(semconv::OTEL_STATUS_CODE, "ERROR");
}

fn transport(call: &Call) -> &'static str {
    match call.caller().is_http() {
        true => SpanTransport::Tcp.as_str(),
        false => SpanTransport::Pipe.as_str(),
    }
}

/// Name of the span, `{mcp.method.name} {target}`.
struct SpanName<'a>(&'a Call);

impl fmt::Display for SpanName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let request = self.0.request();
        f.write_str(request.method().as_str())?;
        let named = matches!(request.method(), Method::PromptsGet | Method::ToolsCall);
        match request.name().filter(|_| named) {
            Some(name) => write!(f, " {name}"),
            None => Ok(()),
        }
    }
}

/// Display form of the identifier of a request, without quotes.
struct RequestId<'a>(&'a Call);

impl fmt::Display for RequestId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.0.request().id();
        match id.as_str() {
            Some(text) => f.write_str(text),
            None => id.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use tower::{ServiceExt, service_fn};
    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing_subscriber::layer::{Context as LayerContext, Layer as _, SubscriberExt};
    use tracing_subscriber::{Registry, filter};

    use super::*;
    use crate::auth::Principal;
    use crate::error::RouteError;
    use crate::jsonrpc::{Id as RequestId, Request};
    use crate::protocol::{Capabilities, ProtocolVersion};
    use crate::{Caller, ClientInfo};

    /// The fields of the only span.
    #[derive(Clone, Debug, Default)]
    struct Fields(Arc<Mutex<BTreeMap<&'static str, String>>>);

    impl Visit for Fields {
        fn record_str(&mut self, field: &Field, value: &str) {
            let mut fields = self.0.lock().unwrap();
            fields.insert(field.name(), value.to_owned());
        }

        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            self.record_str(field, &format!("{value:?}"));
        }
    }

    impl tracing_subscriber::Layer<Registry> for Fields {
        fn on_new_span(&self, span: &Attributes<'_>, _: &Id, _: LayerContext<'_, Registry>) {
            span.record(&mut self.clone());
        }

        fn on_record(&self, _: &Id, record: &Record<'_>, _: LayerContext<'_, Registry>) {
            record.record(&mut self.clone());
        }
    }

    fn call(method: &Method, params: &str) -> Call {
        let client = ClientInfo::new(ProtocolVersion::V2026_07_28, Capabilities::default());
        let caller = Caller::new(Principal::new("alice"), "main", client);
        let request = Request::new(&RequestId::from("a"), method, params);
        Call::trusted(request, Arc::new(caller))
    }

    fn recorded(call: Call, level: tracing::Level, fails: bool) -> BTreeMap<&'static str, String> {
        let fields = Fields::default();
        let filter = filter::LevelFilter::from_level(level);
        let subscriber = Registry::default().with(fields.clone().with_filter(filter));
        let inner = service_fn(move |call: Call| async move {
            let method = "x".into();
            match fails {
                false => Ok(Reply::result(call.request().id(), "{}")),
                true => Err(Error::from(RouteError::UnknownMethod { method })),
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        tracing::subscriber::with_default(subscriber, || {
            let _ = runtime.block_on(TraceLayer::new().layer(inner).oneshot(call));
        });
        fields.0.lock().unwrap().clone()
    }

    #[test]
    fn a_span_has_the_attributes_of_the_conventions() {
        let call = call(&Method::ToolsCall, r#"{"name":"add"}"#);
        let fields = recorded(call, tracing::Level::DEBUG, false);
        let expected = [
            ("gen_ai.operation.name", "execute_tool"),
            ("gen_ai.tool.name", "add"),
            ("jsonrpc.request.id", "a"),
            ("mcp.method.name", "tools/call"),
            ("mcp.protocol.version", "2026-07-28"),
            ("mcp_gateway.name", "main"),
            ("network.transport", "pipe"),
            ("otel.kind", "server"),
            ("otel.name", "tools/call add"),
        ];
        let expected = expected.map(|(name, value)| (name, value.to_owned()));
        assert_eq!(fields, BTreeMap::from(expected));
    }

    #[test]
    fn a_span_can_be_named_after_another_call() {
        let fields = Fields::default();
        let subscriber = Registry::default().with(fields.clone());
        let inner = service_fn(async |outer: Call| {
            rename(&call(&Method::ToolsCall, r#"{"name":"add"}"#));
            Ok::<_, Error>(Reply::result(outer.request().id(), "{}"))
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let outer = call(&Method::ToolsCall, r#"{"name":"run_tool"}"#);
        tracing::subscriber::with_default(subscriber, || {
            let _ = runtime.block_on(TraceLayer::new().layer(inner).oneshot(outer));
        });
        let fields = fields.0.lock().unwrap();
        assert_eq!(fields["otel.name"], "tools/call add");
        assert_eq!(fields["gen_ai.tool.name"], "add");
    }

    #[test]
    fn a_mistake_of_the_client_is_no_error_of_the_span() {
        let fields = recorded(
            call(&Method::from("x/y"), "{}"),
            tracing::Level::DEBUG,
            true,
        );
        assert_eq!(fields["otel.name"], "x/y");
        assert_eq!(fields["rpc.response.status_code"], "-32601");
        assert_eq!(fields["mcp_gateway.reason"], "method_not_found");
        assert!(!fields.contains_key("error.type"));
    }

    #[test]
    fn nothing_is_recorded_that_no_subscriber_wants() {
        let call = call(&Method::ToolsCall, r#"{"name":"add"}"#);
        assert!(recorded(call, tracing::Level::INFO, false).is_empty());
    }
}
