//! Metrics in the format that a scraper accepts.
//!
//! Label values are bounded: the names in the spec, and the names of tools that servers list. Names
//! that only a client has chosen do not become label values.
//!
//! Counters and histograms are updated by each call. The gauges of the state are set when the
//! metrics are rendered. Series of calls remain until the restart, also those of removed servers.

mod approvals;
mod deployments;
mod format;
mod limits;
mod operations;
mod sessions;
mod spans;
mod state;
mod tool_key;

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::SystemTime;

use hashbrown::HashMap;
use mcp_gateway_approval::ApprovalObserver;
use mcp_gateway_core::observe::{CallReport, Observer};
use mcp_gateway_core::protocol::Method;
use mcp_gateway_core::reply::CallOutcome;
use mcp_gateway_core::route::Feature;
use mcp_gateway_core::trace::{SessionEnd, Span, SpanObserver, TraceContext};
use prometheus_client::encoding::{EncodeLabelSet, prometheus_text, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use self::approvals::ApprovalMetrics;
pub(crate) use self::format::Format;
use self::limits::LimitMetrics;
use self::operations::OperationMetrics;
use self::sessions::SessionMetrics;
pub(crate) use self::spans::CallSpans;
use self::state::StateMetrics;
use self::tool_key::{Tool, ToolRef};
use crate::status::ServerStatus;

/// Observer that counts calls.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// All metric families.
    registry: Registry,
    /// Families that calls update.
    calls: CallMetrics,
    /// Families of approvals.
    approvals: Arc<ApprovalMetrics>,
    /// Families of requests.
    operations: OperationMetrics,
    /// Families of sessions.
    sessions: SessionMetrics,
    /// Recorder whose spans are counted, if calls are traced.
    recorder: OnceLock<Arc<dyn SpanObserver>>,
    /// Families that each rendering sets.
    state: StateMetrics,
    /// Series of each tool, so that a call requires a single lookup.
    known: RwLock<HashMap<Tool, Arc<Series>>>,
    /// Held while rendering, because the gauges of the state are set for each rendering.
    rendering: Mutex<()>,
}

/// Metric families of calls.
#[derive(Clone, Debug)]
struct CallMetrics {
    /// Number of calls, by outcome.
    total: Family<CallLabels, Counter>,
    /// Durations in seconds.
    duration: Family<ToolLabels, Durations, fn() -> Durations>,
    /// Sizes of requests in bytes.
    request: Family<ToolLabels, Histogram, Buckets>,
    /// Sizes of responses in bytes.
    response: Family<ToolLabels, Histogram, Buckets>,
    /// Rejections by limits, and attempts.
    limits: LimitMetrics,
}

/// Labels of the number of calls, with the outcome in `status`.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct CallLabels {
    /// Name of the gateway.
    gateway: String,
    /// Name of the server.
    mcp_server_name: String,
    /// Name of the tool on its server, [`UNLISTED`] or [`OTHER`].
    tool_name: String,
    /// `success` or `error`.
    status: &'static str,
}

/// Labels of the histograms of a tool.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ToolLabels {
    /// Name of the gateway.
    gateway: String,
    /// Name of the server.
    mcp_server_name: String,
    /// Name of the tool on its server, [`UNLISTED`] or [`OTHER`].
    tool_name: String,
}

/// Histogram of durations, with traces of examples.
type Durations = HistogramWithExemplars<TraceLabels>;

/// Labels of an example, which Grafana turns into a link to the trace. A histogram keeps one example for
/// each bucket.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct TraceLabels {
    /// Trace of the call.
    trace_id: String,
    /// Server span of the call.
    span_id: String,
}

/// Constructor of a histogram with the buckets of its family.
type Buckets = fn() -> Histogram;

/// Series of one tool.
#[derive(Debug)]
struct Series {
    /// Calls that succeeded.
    success: Counter,
    /// Calls with any other outcome.
    error: Counter,
    /// Durations in seconds.
    duration: Durations,
    /// Sizes of requests in bytes.
    request: Histogram,
    /// Sizes of responses in bytes.
    response: Histogram,
}

impl Metrics {
    /// Creates the metrics, without series of calls.
    pub(crate) fn new() -> Arc<Self> {
        let mut registry = Registry::default();
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("mcp_gateway", "The gateway", version);
        let calls = CallMetrics::new(&mut registry);
        let approvals = Arc::new(ApprovalMetrics::new(&mut registry));
        let operations = OperationMetrics::new(&mut registry);
        let sessions = SessionMetrics::new(&mut registry);
        let state = StateMetrics::new(&mut registry);
        Arc::new(Self {
            registry,
            calls,
            approvals,
            operations,
            sessions,
            recorder: OnceLock::new(),
            state,
            known: RwLock::default(),
            rendering: Mutex::default(),
        })
    }

    /// Returns the observer of approvals.
    pub(crate) fn approvals(&self) -> Arc<dyn ApprovalObserver> {
        Arc::clone(&self.approvals) as _
    }

    /// Counts the spans of `recorder` from now on: each rendering reads its numbers.
    fn set_recorder(&self, recorder: Arc<dyn SpanObserver>) {
        // There is one for the life of the process.
        let _ = self.recorder.set(recorder);
    }

    /// Counts the request of a span.
    fn observe(&self, span: &Span) {
        self.operations.observe(span);
    }

    /// Counts the end of a session.
    fn observe_session(&self, session: &SessionEnd) {
        self.sessions.observe(session);
    }

    /// Formats the metrics in `format` with the observed state of `servers` and `sessions`.
    ///
    /// Renderings are serialized: a concurrent one would see gauges that are cleared but not set.
    pub(crate) fn render(
        &self,
        format: Format,
        servers: &[ServerStatus],
        sessions: usize,
    ) -> String {
        let _rendering = self
            .rendering
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.state.set(servers, sessions);
        if let Some(recorder) = self.recorder.get() {
            self.state.set_spans(recorder.counts());
        }
        let mut text = String::new();
        let written = match format {
            Format::OpenMetrics => text::encode(&mut text, &self.registry),
            Format::Text => prometheus_text::encode(&mut text, &self.registry),
        };
        match written {
            Ok(()) => text,
            // Formatting to a string does not fail.
            Err(fmt::Error) => String::new(),
        }
    }

    /// Returns the series of `tool`, creating them if necessary.
    ///
    /// Known tools need the read lock only. The limit is checked before the write lock is acquired,
    /// so concurrent calls can exceed it by a few. Beyond it, new tools of a server share one
    /// series.
    fn series(&self, tool: ToolRef<'_>) -> Arc<Series> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(series) = known.get(&tool) {
            return Arc::clone(series);
        }
        let full = known.len() >= MAX_TOOLS;
        drop(known);
        let tool = match full {
            true => ToolRef {
                name: OTHER,
                ..tool
            },
            false => tool,
        };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let series = known.entry(tool.to_owned());
        Arc::clone(series.or_insert_with(|| Arc::new(self.calls.series(tool))))
    }
}

impl Observer for Metrics {
    /// Counts a tool call. Other methods are ignored, except for rejections by limits.
    ///
    /// The trace of a call whose spans are exported becomes an example of its duration.
    fn on_call_end(&self, call: &CallReport<'_>) {
        self.calls.limits.count(call);
        if call.method != &Method::ToolsCall {
            return;
        }
        let name = match (call.feature, call.requested, call.outcome) {
            (Some(Feature::Tool(name)), _, _) => name,
            // Its success proves that the tool exists, although no client has listed it yet.
            (None, Feature::Tool(name), CallOutcome::Success) => name,
            _ => UNLISTED,
        };
        let series = self.series(ToolRef {
            gateway: call.gateway,
            server: call.server,
            name,
        });
        match call.outcome {
            CallOutcome::Success => series.success.inc(),
            _ => series.error.inc(),
        };
        let trace = call.trace.filter(|trace| {
            // Those of failed calls are exported in any case.
            trace.is_sampled() || call.outcome != CallOutcome::Success
        });
        let (example, now) = (
            trace.map(TraceLabels::new),
            trace.map(|_| SystemTime::now()),
        );
        let seconds = call.duration.as_secs_f64();
        series.duration.observe(seconds, example, now);
        series.request.observe(to_f64(call.request_bytes));
        series.response.observe(to_f64(call.response_bytes));
    }
}

impl TraceLabels {
    /// Returns the labels of the call with the context `trace`.
    fn new(trace: &TraceContext) -> Self {
        Self {
            trace_id: trace.trace_id().to_string(),
            span_id: trace.span_id().to_string(),
        }
    }
}

/// Returns a number of bytes as a value of a histogram.
#[expect(clippy::cast_precision_loss, reason = "no message has 2^53 bytes")]
fn to_f64(bytes: u64) -> f64 {
    bytes as f64
}

impl CallMetrics {
    /// Registers the metrics of calls. Their names are those of the documentation, and stay.
    fn new(registry: &mut Registry) -> Self {
        let durations: fn() -> Durations = || Durations::new(SECONDS.into_iter());
        let sizes: Buckets = || Histogram::new(BYTES);
        let calls = Self {
            total: Family::default(),
            duration: Family::new_with_constructor(durations),
            request: Family::new_with_constructor(sizes),
            response: Family::new_with_constructor(sizes),
            limits: LimitMetrics::default(),
        };
        registry.register("mcp_tool_calls", "Tool calls", calls.total.clone());
        registry.register_with_unit(
            "mcp_tool_call_duration",
            "Duration of tool calls, from arrival to the end of the response",
            Unit::Seconds,
            calls.duration.clone(),
        );
        registry.register_with_unit(
            "mcp_request_size",
            "Size of requests of tool calls",
            Unit::Bytes,
            calls.request.clone(),
        );
        registry.register_with_unit(
            "mcp_response_size",
            "Size of responses of tool calls",
            Unit::Bytes,
            calls.response.clone(),
        );
        calls.limits.register(registry);
        calls
    }

    /// Returns the series of a tool, so that a call looks its labels up once.
    fn series(&self, tool: ToolRef<'_>) -> Series {
        let labels = ToolLabels {
            gateway: tool.gateway.to_owned(),
            mcp_server_name: tool.server.to_owned(),
            tool_name: tool.name.to_owned(),
        };
        let total = |status| {
            let ToolLabels {
                gateway,
                mcp_server_name,
                tool_name,
            } = labels.clone();
            self.total.get_or_create_owned(&CallLabels {
                gateway,
                mcp_server_name,
                tool_name,
                status,
            })
        };
        Series {
            success: total("success"),
            error: total("error"),
            duration: self.duration.get_or_create_owned(&labels),
            request: self.request.get_or_create_owned(&labels),
            response: self.response.get_or_create_owned(&labels),
        }
    }
}

/// Label value of tools that their servers do not list, unless a call succeeds.
const UNLISTED: &str = "_unlisted";

/// Label value of tools beyond [`MAX_TOOLS`].
const OTHER: &str = "_other";

/// Maximum number of tools with series. Each costs a few kilobytes here and in Prometheus.
const MAX_TOOLS: usize = 10_000;

/// Buckets of durations.
const SECONDS: [f64; 11] = [0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];

/// Buckets of sizes, from a short response to the largest common one.
const BYTES: [f64; 7] = [
    128.0,
    1024.0,
    8192.0,
    65_536.0,
    524_288.0,
    4_194_304.0,
    33_554_432.0,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_names_that_are_known() {
        let metrics = Metrics::new();
        let series = |name| {
            metrics.series(ToolRef {
                gateway: "g",
                server: "s",
                name,
            })
        };
        series("echo").success.inc();
        series("echo").duration.observe(0.02, None, None);
        series(UNLISTED).error.inc_by(2);
        let text = metrics.render(Format::OpenMetrics, &[], 3);
        for line in [
            "# TYPE mcp_tool_calls counter",
            "mcp_tool_calls_total{gateway=\"g\",mcp_server_name=\"s\",tool_name=\"echo\",status=\"success\"} 1",
            "mcp_tool_calls_total{gateway=\"g\",mcp_server_name=\"s\",tool_name=\"_unlisted\",status=\"error\"} 2",
            "mcp_tool_call_duration_seconds_bucket{le=\"0.05\",gateway=\"g\",mcp_server_name=\"s\",tool_name=\"echo\"} 1",
            "mcp_sessions 3",
            "# EOF",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}\n{text}");
        }
    }

    #[tokio::test]
    async fn every_report_of_a_tool_call_is_counted() {
        let metrics = Metrics::new();
        let reports = mcp_gateway_testkit::observer::contract(Arc::clone(&metrics) as _);
        let calls = reports
            .iter()
            .filter(|(method, _)| *method == Method::ToolsCall);
        let text = metrics.render(Format::OpenMetrics, &[], 0);
        let totals = text
            .lines()
            .filter(|line| line.starts_with("mcp_tool_calls_total"))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok());
        assert_eq!(totals.sum::<usize>(), calls.count());
    }

    #[test]
    fn there_is_an_end_to_series() {
        let metrics = Metrics::new();
        for number in 0..MAX_TOOLS + 10 {
            let name = number.to_string();
            metrics.series(ToolRef {
                gateway: "g",
                server: "s",
                name: &name,
            });
        }
        assert_eq!(metrics.known.read().unwrap().len(), MAX_TOOLS + 1);
    }
}
