//! Spans of one call, until it has ended.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Span, SpanObserver, TraceContext};

/// Trace of one call, shared by the requests that are sent for it.
///
/// Spans that have ended are kept until the call has ended, because it depends on its outcome whether
/// they are recorded.
#[derive(Debug)]
pub(crate) struct CallTrace {
    observer: Arc<dyn SpanObserver>,
    /// Context of the server span; `None` if calls are not traced.
    context: Option<TraceContext>,
    state: Mutex<TraceState>,
}

/// State of a trace.
#[derive(Debug, Default)]
struct TraceState {
    /// Client spans that have ended before the call.
    children: Vec<Span>,
    /// `true` if one of them has failed.
    has_failed: bool,
    /// `true` if what the call names is listed.
    is_listed: bool,
    /// Name of the call that the call has turned out to stand for.
    name: Option<Arc<str>>,
    /// Decision to record the spans, once the call has ended.
    is_recorded: Option<bool>,
}

impl CallTrace {
    /// Creates the trace of a call whose server span has the context `context`.
    pub(crate) fn new(observer: Arc<dyn SpanObserver>, context: Option<TraceContext>) -> Self {
        Self {
            observer,
            context,
            state: Mutex::default(),
        }
    }

    /// Returns the context of the server span.
    pub(crate) fn context(&self) -> Option<&TraceContext> {
        self.context.as_ref()
    }

    /// Returns the longest text of arguments and results in spans.
    pub(crate) fn content_limit(&self) -> Option<usize> {
        self.observer.content_limit()
    }

    /// Records that what the call names is listed.
    pub(crate) fn set_listed(&self) {
        self.state().is_listed = true;
    }

    /// Names the server span after another tool.
    pub(crate) fn rename(&self, name: Arc<str>) {
        self.state().name = Some(name);
    }

    /// Ends a client span.
    pub(crate) fn end_child(&self, span: Span) {
        self.observer.on_end(&span);
        if self.context.is_none() {
            return;
        }
        let mut state = self.state();
        match state.is_recorded {
            Some(true) => {
                drop(state);
                self.record(vec![span]);
            }
            Some(false) => {}
            None => {
                state.has_failed |= span.is_error();
                if state.children.len() < MAX_CHILDREN {
                    state.children.push(span);
                }
            }
        }
    }

    /// Ends the server span.
    pub(crate) fn end(&self, mut span: Span) {
        let mut state = self.state();
        span.is_listed = state.is_listed;
        if let Some(name) = state.name.take() {
            span.name = Some(name);
        }
        let is_sampled = self.context.as_ref().map(TraceContext::is_sampled);
        let is_recorded = is_sampled.is_some_and(|it| it || state.has_failed || span.is_error());
        state.is_recorded = Some(is_recorded);
        let mut spans = mem::take(&mut state.children);
        drop(state);
        self.observer.on_end(&span);
        if is_recorded {
            spans.push(span);
            self.record(spans);
        }
    }

    fn record(&self, mut spans: Vec<Span>) {
        spans.iter_mut().for_each(Span::bound);
        self.observer.record(spans);
    }

    /// Locks the state.
    fn state(&self) -> MutexGuard<'_, TraceState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Maximum number of client spans of a call; a script makes more.
const MAX_CHILDREN: usize = 128;

#[cfg(test)]
mod tests {
    use super::super::SpanKind;
    use super::super::span::tests::span;
    use super::*;
    use crate::reply::CallOutcome;

    /// Sizes of what has been recorded, and the number of ended spans.
    #[derive(Debug, Default)]
    struct Seen(Mutex<(Vec<usize>, usize)>);

    impl SpanObserver for Seen {
        fn on_end(&self, _: &Span) {
            self.0.lock().unwrap().1 += 1;
        }

        fn record(&self, spans: Vec<Span>) {
            self.0.lock().unwrap().0.push(spans.len());
        }
    }

    fn recorded(is_sampled: Option<bool>, outcomes: [CallOutcome; 3]) -> (Vec<usize>, usize) {
        let seen = Arc::new(Seen::default());
        let context = is_sampled.map(TraceContext::random);
        let trace = CallTrace::new(Arc::clone(&seen) as _, context);
        trace.end_child(span(SpanKind::Client, outcomes[0]));
        trace.end(span(SpanKind::Server, outcomes[1]));
        trace.end_child(span(SpanKind::Client, outcomes[2]));
        seen.0.lock().unwrap().clone()
    }

    #[test]
    fn the_spans_of_a_failed_call_are_recorded_although_it_is_not_sampled() {
        use CallOutcome::{Failed, Success, ToolError};
        let table = [
            (Some(true), [Success, Success, Success], vec![2, 1]),
            (Some(false), [Success, Success, Success], vec![]),
            (Some(false), [Success, ToolError, Success], vec![2, 1]),
            (Some(false), [Failed, Success, Success], vec![2, 1]),
            // A failure that comes later than the end of the call is too late for its spans.
            (Some(false), [Success, Success, Failed], vec![]),
            (None, [Failed, Failed, Failed], vec![]),
        ];
        for (is_sampled, outcomes, expected) in table {
            assert_eq!(recorded(is_sampled, outcomes), (expected, 3));
        }
    }
}
