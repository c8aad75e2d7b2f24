//! Trace of the code that runs on a thread, for its log lines.

use std::cell::Cell;

use super::{SpanId, TraceContext, TraceId};

/// Trace, and server span whose call is being processed.
type Current = (TraceId, SpanId);

/// Guard that restores the previous trace of the thread when it is dropped.
#[must_use = "the trace is current until the guard is dropped"]
pub(crate) struct Entered(Option<Current>);

/// Returns the trace of the call that the current thread processes, and its server span.
///
/// For subscribers of `tracing`: they add it to the events of the call. Events of background tasks,
/// and of replies that are still being read, are outside.
///
/// # Example
///
/// ```
/// assert!(mcp_gateway_core::trace::current().is_none());
/// ```
#[must_use]
pub fn current() -> Option<(TraceId, SpanId)> {
    CURRENT.get()
}

impl Entered {
    /// Makes `context` current on this thread.
    pub(crate) fn new(context: Option<&TraceContext>) -> Self {
        let current = context.map(|context| (context.trace_id(), context.span_id()));
        Self(match current {
            Some(current) => CURRENT.replace(Some(current)),
            None => CURRENT.get(),
        })
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

thread_local! {
    static CURRENT: Cell<Option<Current>> = const { Cell::new(None) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_previous_trace_is_restored() {
        let (one, two) = (TraceContext::random(true), TraceContext::random(false));
        let outer = Entered::new(Some(&one));
        {
            let _inner = Entered::new(Some(&two));
            assert_eq!(current(), Some((two.trace_id(), two.span_id())));
            let _same = Entered::new(None);
            assert_eq!(current(), Some((two.trace_id(), two.span_id())));
        }
        assert_eq!(current(), Some((one.trace_id(), one.span_id())));
        drop(outer);
        assert_eq!(current(), None);
    }
}
