//! Client span of a request or notification to a server.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::connection::{SendError, UpstreamConnection};
use crate::call::Prepared;
use crate::error::UpstreamError;
use crate::jsonrpc::Notification;
use crate::protocol::Method;
use crate::reply::CallOutcome;
use crate::route::Feature;
use crate::trace::{CallTrace, Span, SpanFailure, SpanKind, SpanPeer, SpanTransport, TraceContext};
use crate::{Call, Problem, Reply};

/// Sends `call` on `connection`, within a span if somebody observes the call.
///
/// The span ends with the reply. `is_listed` tells if the server is known to list what the call names.
///
/// # Errors
///
/// Those of [`UpstreamConnection::send`].
///
/// # Cancel safety
///
/// That of [`UpstreamConnection::send`].
pub(super) async fn send(
    connection: &dyn UpstreamConnection,
    call: &Call<Prepared>,
    is_listed: impl FnOnce(&Feature) -> bool,
) -> Result<Reply, SendError> {
    let Some(trace) = call.trace() else {
        return connection.send(call).await;
    };
    let span = span(trace, call, connection, is_listed(&call.target().feature));
    let (pending, outgoing) = PendingSpan::begin(trace, span);
    let sent = match outgoing {
        Some(context) => connection.send(&call.with_outgoing(context)).await,
        None => connection.send(call).await,
    };
    pending.finish(sent)
}

/// Sends `notification`, which `call` carries, on `connection`, within a span if somebody observes the
/// call.
///
/// # Errors
///
/// Those of [`UpstreamConnection::notify`].
pub(super) async fn notify(
    connection: &dyn UpstreamConnection,
    call: &Call<Prepared>,
    notification: &Notification,
) -> Result<(), UpstreamError> {
    let Some(trace) = call.trace() else {
        return connection.notify(call, notification).await;
    };
    let span = Span {
        request_id: None,
        ..span(trace, call, connection, false)
    };
    let (mut pending, outgoing) = PendingSpan::begin(trace, span);
    let sent = match outgoing {
        Some(context) => {
            let call = call.with_outgoing(context);
            connection.notify(&call, notification).await
        }
        None => connection.notify(call, notification).await,
    };
    match &sent {
        Ok(()) => pending.end(CallOutcome::Success, None),
        Err(error) => pending.end(CallOutcome::Failed, Some(failure(error))),
    }
    sent
}

/// Client span of a request. Dropping it ends the span of a request that has been abandoned.
struct PendingSpan {
    trace: Arc<CallTrace>,
    /// Span without its end; `None` once it has ended.
    span: Option<Box<Span>>,
    begun: Instant,
}

impl PendingSpan {
    /// Begins `span`, and returns the context that the server receives; `None` if calls are not traced.
    fn begin(trace: &Arc<CallTrace>, span: Span) -> (Self, Option<TraceContext>) {
        let outgoing = span.context.clone();
        let pending = Self {
            trace: Arc::clone(trace),
            span: Some(Box::new(span)),
            begun: Instant::now(),
        };
        (pending, outgoing)
    }

    /// Ends the span with the reply, or with the error at once.
    fn finish(mut self, sent: Result<Reply, SendError>) -> Result<Reply, SendError> {
        match sent {
            Ok(mut reply) => {
                reply.on_complete(move |completion| self.end(completion.outcome, None));
                Ok(reply)
            }
            Err(error) => {
                let (SendError::Closed(cause) | SendError::Failed(cause)) = &error;
                self.end(CallOutcome::Failed, Some(failure(cause)));
                Err(error)
            }
        }
    }

    fn end(&mut self, outcome: CallOutcome, failure: Option<SpanFailure>) {
        if let Some(span) = self.span.take() {
            self.trace.end_child(Span {
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

/// Returns the span of `call` on `connection`, without its end.
fn span(
    trace: &CallTrace,
    call: &Call<Prepared>,
    connection: &dyn UpstreamConnection,
    is_listed: bool,
) -> Span {
    let parent = trace.context();
    let request = call.request();
    let target = call.target();
    let (name, uri) = match &target.feature {
        Feature::Tool(name) | Feature::Prompt(name) => (Some(name), None),
        Feature::Resource(uri) if request.method() != &Method::CompletionComplete => {
            (None, Some(uri))
        }
        _ => (None, None),
    };
    let peer = connection.peer();
    Span {
        kind: SpanKind::Client,
        context: parent.map(|parent| parent.child()),
        parent: parent.map(|parent| parent.span_id()),
        link: None,
        started: SystemTime::now(),
        duration: Duration::ZERO,
        method: request.method().clone(),
        name: name.cloned(),
        is_listed,
        uri: uri.cloned(),
        request_id: Some(request.id().clone()),
        gateway: Arc::clone(call.caller().shared_gateway()),
        server: Some(Arc::clone(&target.server)),
        session: None,
        version: connection.server_info().version,
        transport: match peer {
            Some(_) => SpanTransport::Tcp,
            None => SpanTransport::Pipe,
        },
        peer: peer.map(|uri| SpanPeer::Server(uri.clone())),
        outcome: CallOutcome::Cancelled,
        failure: None,
        content: None,
    }
}

/// Returns the failure that `error` is.
fn failure(error: &UpstreamError) -> SpanFailure {
    SpanFailure {
        reason: Problem::from(error).reason,
        code: None,
    }
}
