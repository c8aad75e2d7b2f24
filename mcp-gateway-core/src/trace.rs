//! Traces of calls: the context that callers and servers exchange, and the spans of a call.
//!
//! Each call has a *server span*, from its arrival to the end of the reply, and one *client span* for
//! each request that the gateway sends to a server for it. A [`SpanObserver`] receives them when they
//! end. It decides at the beginning if the call is sampled; the spans of a call that fails are
//! [recorded](SpanObserver::record) in any case, once it has ended.
//!
//! A [`TraceContext`] is that of the W3C recommendation *Trace Context*. Callers send it in `_meta`,
//! as `traceparent` and `tracestate`, or in the headers of the same names:
//!
//! | `_meta` | header | parent | link |
//! |---|---|---|---|
//! | valid | valid | `_meta` | header |
//! | valid | none or invalid | `_meta` | none |
//! | none or invalid | valid | header | none |
//! | none or invalid | none or invalid | none | none |
//!
//! Servers receive that of the client span in the same places. `baggage` of callers is removed.
//!
//! Without an observer nothing is recorded, nothing is allocated, and `_meta` is forwarded as it is.
//!
//! # Example
//!
//! ```
//! use mcp_gateway_core::trace::TraceContext;
//!
//! let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
//! let context = TraceContext::parse(text, Some("vendor=1")).unwrap();
//! assert!(context.is_sampled());
//! assert_eq!(context.traceparent(), text);
//! // Upper case is invalid.
//! assert!(TraceContext::parse(&text.to_uppercase(), None).is_none());
//! ```

mod call_trace;
mod context;
mod current;
mod random;
mod session_end;
mod span;
mod trace_state;

use std::fmt;
use std::sync::Arc;

pub(crate) use self::call_trace::CallTrace;
pub use self::context::{SpanId, TraceContext, TraceId};
pub(crate) use self::current::Entered;
pub use self::current::current;
pub use self::random::random;
pub use self::session_end::SessionEnd;
pub(crate) use self::session_end::SessionTimer;
pub(crate) use self::span::beginning;
pub use self::span::{
    Span, SpanContent, SpanCounts, SpanFailure, SpanKind, SpanPeer, SpanTransport,
};

/// Receiver of the spans of calls.
///
/// Called on the path of each call and of its reply, concurrently. It must not block.
pub trait SpanObserver: fmt::Debug + Send + Sync + 'static {
    /// Returns the context of the server span of a call, whose caller has sent `parent`.
    ///
    /// `None`, the default, if calls are not traced: their spans have no identifiers.
    fn begin(&self, parent: Option<&TraceContext>) -> Option<TraceContext> {
        let _ = parent;
        None
    }

    /// Receives each span at its end, sampled or not. For metrics.
    fn on_end(&self, span: &Span);

    /// Receives the end of each session of the legacy era, of callers and with servers. For metrics.
    fn on_session_end(&self, session: &SessionEnd) {
        let _ = session;
    }

    /// Receives the spans of a call that is sampled, or of which one has failed.
    ///
    /// Those that end after the call come one by one.
    fn record(&self, spans: Vec<Span>) {
        let _ = spans;
    }

    /// Returns the longest text of arguments and results that spans contain, in bytes; `None`, the
    /// default, if they contain none.
    fn content_limit(&self) -> Option<usize> {
        None
    }

    /// Returns what a span may contain of `arguments`, the JSON text of the arguments of a request. `None`
    /// leaves them out. The default is all of it.
    ///
    /// It is called only if there is a [limit](Self::content_limit).
    fn redact(&self, arguments: &str) -> Option<String> {
        Some(arguments.to_owned())
    }

    /// Returns the numbers of spans that have left the process. The default is zero.
    fn counts(&self) -> SpanCounts {
        SpanCounts::default()
    }
}

impl<O: SpanObserver + ?Sized> SpanObserver for Arc<O> {
    fn begin(&self, parent: Option<&TraceContext>) -> Option<TraceContext> {
        (**self).begin(parent)
    }

    fn on_end(&self, span: &Span) {
        (**self).on_end(span);
    }

    fn on_session_end(&self, session: &SessionEnd) {
        (**self).on_session_end(session);
    }

    fn record(&self, spans: Vec<Span>) {
        (**self).record(spans);
    }

    fn content_limit(&self) -> Option<usize> {
        (**self).content_limit()
    }

    fn redact(&self, arguments: &str) -> Option<String> {
        (**self).redact(arguments)
    }

    fn counts(&self) -> SpanCounts {
        (**self).counts()
    }
}
