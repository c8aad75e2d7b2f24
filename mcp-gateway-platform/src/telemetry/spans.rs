//! Spans of the calls of all gateways: counted, and recorded if calls are traced.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use mcp_gateway_core::trace::{SessionEnd, Span, SpanCounts, SpanObserver, TraceContext};
use mcp_gateway_policy::result::ResultRules;

use super::Metrics;

/// Observer of the spans of calls.
///
/// It counts all of them. The recorder decides about sampling and about the content of spans; without one,
/// spans have no identifiers, and are counted only.
#[derive(Debug)]
pub(crate) struct CallSpans {
    /// Metrics, which count spans and sessions.
    metrics: Arc<Metrics>,
    /// Recorder of spans, if calls are traced.
    recorder: Option<Arc<dyn SpanObserver>>,
    /// Rules whose masks apply to arguments in spans.
    results: ArcSwapOption<ResultRules>,
}

impl CallSpans {
    /// Creates the observer. Each rendering of `metrics` counts the spans that `recorder` has exported and
    /// dropped.
    pub(crate) fn new(metrics: Arc<Metrics>, recorder: Option<Arc<dyn SpanObserver>>) -> Arc<Self> {
        if let Some(recorder) = &recorder {
            metrics.set_recorder(Arc::clone(recorder));
        }
        Arc::new(Self {
            metrics,
            recorder,
            results: ArcSwapOption::empty(),
        })
    }

    /// Sets the rules whose masks apply to arguments. Results pass the rules before they reach a span.
    pub(crate) fn set_results(&self, rules: Option<Arc<ResultRules>>) {
        self.results.store(rules);
    }
}

impl SpanObserver for CallSpans {
    fn begin(&self, parent: Option<&TraceContext>) -> Option<TraceContext> {
        self.recorder.as_ref()?.begin(parent)
    }

    fn on_end(&self, span: &Span) {
        self.metrics.observe(span);
    }

    fn on_session_end(&self, session: &SessionEnd) {
        self.metrics.observe_session(session);
    }

    fn record(&self, spans: Vec<Span>) {
        if let Some(recorder) = &self.recorder {
            recorder.record(spans);
        }
    }

    fn content_limit(&self) -> Option<usize> {
        self.recorder.as_ref()?.content_limit()
    }

    /// Masks the arguments; leaves out those that cannot be masked.
    fn redact(&self, arguments: &str) -> Option<String> {
        match &*self.results.load() {
            Some(rules) => rules.mask_arguments(arguments),
            None => Some(arguments.to_owned()),
        }
    }

    fn counts(&self) -> SpanCounts {
        let recorder = self.recorder.as_ref();
        recorder.map_or_else(SpanCounts::default, |recorder| recorder.counts())
    }
}
