//! Server span of a call that has not ended.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::HeaderMap;

use crate::call::StandsFor;
use crate::jsonrpc::Request;
use crate::protocol::{Era, Method, meta};
use crate::reply::{CallOutcome, Completion};
use crate::trace::beginning;
use crate::trace::{
    CallTrace, Span, SpanContent, SpanFailure, SpanKind, SpanObserver, SpanPeer, SpanTransport,
    TraceContext,
};
use crate::{Call, Error, PeerAddr, Problem, json};

/// Server span of a call. Dropping it ends the span of a call whose client has gone.
#[derive(Debug)]
pub(super) struct PendingSpan {
    trace: Arc<CallTrace>,
    /// Span without its end; `None` once it has ended.
    span: Option<Box<Span>>,
    begun: Instant,
}

impl PendingSpan {
    /// Begins the span of `call`, and returns the call with its trace.
    ///
    /// A call that the gateway makes on its own has none.
    pub(super) fn begin(observer: &Arc<dyn SpanObserver>, call: Call) -> (Call, Option<Self>) {
        let (method, request_id) = match call.extensions().get() {
            Some(StandsFor::Nothing) => return (call, None),
            Some(StandsFor::Request(method, id)) => (method.clone(), Some(id.clone())),
            None => {
                let id = call.notification().is_none().then(|| call.request().id());
                (call.request().method().clone(), id.cloned())
            }
        };
        let Received { parent, link } = Received::of(&call);
        let context = observer.begin(parent.as_ref());
        let trace = Arc::new(CallTrace::new(Arc::clone(observer), context));
        let (request, caller) = (call.request(), call.caller());
        let name = request.name();
        let is_named = matches!(request.method(), Method::PromptsGet | Method::ToolsCall);
        let (name, uri) = match is_named {
            true => (name, None),
            false => (None, name.filter(|_| names_resource(request.method()))),
        };
        let peer = caller.head().and_then(|head| head.extensions.get());
        let client = caller.client();
        let span = Span {
            kind: SpanKind::Server,
            context: trace.context().cloned(),
            parent: parent.map(|parent| parent.span_id()),
            link,
            started: SystemTime::now(),
            duration: Duration::ZERO,
            method,
            name: name.map(Into::into),
            is_listed: false,
            uri: uri.map(Into::into),
            request_id,
            gateway: Arc::clone(caller.shared_gateway()),
            server: None,
            session: session(&call),
            version: client.version(),
            transport: match caller.is_http() {
                true => SpanTransport::Tcp,
                false => SpanTransport::Pipe,
            },
            peer: peer.map(|PeerAddr(address)| SpanPeer::Client(*address)),
            outcome: CallOutcome::Cancelled,
            failure: None,
            content: observer
                .content_limit()
                .map(|limit| arguments(&**observer, request, limit)),
        };
        let pending = Self {
            trace: Arc::clone(&trace),
            span: Some(Box::new(span)),
            begun: Instant::now(),
        };
        (call.with_trace(Some(trace)), Some(pending))
    }

    /// Returns the context of the span.
    pub(super) fn context(&self) -> Option<&TraceContext> {
        self.trace.context()
    }

    /// Returns the longest text of the result that the span contains.
    pub(super) fn content_limit(&self) -> Option<usize> {
        self.trace.content_limit()
    }

    /// Sets the JSON text of the result.
    pub(super) fn set_result(&mut self, result: String) {
        if let Some(span) = &mut self.span {
            span.content.get_or_insert_default().result = Some(result);
        }
    }

    /// Ends the span with the reply.
    pub(super) fn complete(&mut self, completion: &Completion) {
        self.end(completion.outcome, None);
    }

    /// Ends the span with the error that the client receives instead of a reply.
    pub(super) fn fail(&mut self, error: &Error) {
        let problem = Problem::from(error);
        let failure = SpanFailure {
            reason: problem.reason,
            code: Some(problem.error.code),
        };
        self.end(CallOutcome::Failed, Some(failure));
    }

    fn end(&mut self, outcome: CallOutcome, failure: Option<SpanFailure>) {
        if let Some(span) = self.span.take() {
            self.trace.end(Span {
                duration: self.begun.elapsed(),
                outcome,
                failure,
                ..*span
            });
        }
    }
}

impl Drop for PendingSpan {
    fn drop(&mut self) {
        self.end(CallOutcome::Cancelled, None);
    }
}

/// Contexts that the caller has sent.
struct Received {
    parent: Option<TraceContext>,
    link: Option<TraceContext>,
}

impl Received {
    /// Reads the contexts of `call`: that in `_meta` is the parent, or that of the headers without it.
    fn of(call: &Call) -> Self {
        let headers = call.caller().head().map(|head| &head.headers);
        let in_headers = headers.and_then(from_headers);
        match from_meta(call.request()) {
            Some(parent) => Self {
                parent: Some(parent),
                link: in_headers,
            },
            None => Self {
                parent: in_headers,
                link: None,
            },
        }
    }
}

/// Reads the context in `_meta`.
fn from_meta(request: &Request) -> Option<TraceContext> {
    let member = |key| request.meta(key).and_then(json::string);
    let parent = member(meta::TRACEPARENT)?;
    TraceContext::parse(&parent, member(meta::TRACESTATE).as_deref())
}

/// Reads the context in `headers`. Several values of `tracestate` are one list.
fn from_headers(headers: &HeaderMap) -> Option<TraceContext> {
    let mut parents = headers.get_all(meta::TRACEPARENT).iter();
    let (Some(parent), None) = (parents.next(), parents.next()) else {
        return None;
    };
    let states = headers.get_all(meta::TRACESTATE).iter();
    let states: Option<Vec<_>> = states.map(|state| state.to_str().ok()).collect();
    TraceContext::parse(parent.to_str().ok()?, Some(&states?.join(",")))
}

/// Returns the key of the session; clients of the modern era have none.
fn session(call: &Call) -> Option<Arc<str>> {
    let session = call.client().session()?;
    (call.client().era() == Era::Legacy).then(|| Arc::clone(session.key()))
}

/// Returns `true` if a request with this method names a resource.
fn names_resource(method: &Method) -> bool {
    matches!(
        method,
        Method::ResourcesRead
            | Method::ResourcesDirectoryRead
            | Method::ResourcesSubscribe
            | Method::ResourcesUnsubscribe
    )
}

/// Returns the arguments of `request`, of up to `limit` bytes.
fn arguments(observer: &dyn SpanObserver, request: &Request, limit: usize) -> Box<SpanContent> {
    let text = request.param("arguments");
    let text = text.and_then(|text| observer.redact(text));
    Box::new(SpanContent {
        arguments: text.map(|text| shortened(&text, limit)),
        result: None,
    })
}

/// Returns the beginning of `text`, of up to `limit` bytes.
pub(super) fn shortened(text: &str, limit: usize) -> String {
    match text.len() > limit {
        true => format!("{}…", beginning(text, limit)),
        false => text.to_owned(),
    }
}
