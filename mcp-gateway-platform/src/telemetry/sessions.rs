//! Metrics of sessions of the legacy era, by the MCP semantic conventions.

use mcp_gateway_core::trace::{SessionEnd, SpanKind, SpanTransport};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Metric families of sessions, which only the legacy era has.
///
/// A session counts when it ends, with the time for which this process has had it.
#[derive(Debug)]
pub(super) struct SessionMetrics {
    /// Sessions of callers.
    server: Durations,
    /// Sessions of the gateway with servers.
    client: Durations,
}

/// Durations of the sessions of one side.
type Durations = Family<SessionLabels, Histogram, fn() -> Histogram>;

/// Labels of a session. All of their values are of the protocol, so that there are few series.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct SessionLabels {
    /// Negotiated version.
    mcp_protocol_version: &'static str,
    /// `http`; empty for another transport.
    network_protocol_name: &'static str,
    /// `tcp` or `pipe`.
    network_transport: &'static str,
}

impl SessionMetrics {
    /// Registers the metrics. Their names are those of the documentation, and stay.
    pub(super) fn new(registry: &mut Registry) -> Self {
        let durations: fn() -> Histogram = || Histogram::new(SECONDS);
        let metrics = Self {
            server: Family::new_with_constructor(durations),
            client: Family::new_with_constructor(durations),
        };
        registry.register_with_unit(
            "mcp_server_session_duration",
            "Duration of sessions of callers",
            Unit::Seconds,
            metrics.server.clone(),
        );
        registry.register_with_unit(
            "mcp_client_session_duration",
            "Duration of sessions with servers",
            Unit::Seconds,
            metrics.client.clone(),
        );
        metrics
    }

    /// Counts a session.
    pub(super) fn observe(&self, session: &SessionEnd) {
        let labels = SessionLabels {
            mcp_protocol_version: session.version.as_str(),
            network_protocol_name: match session.transport {
                SpanTransport::Tcp => "http",
                _ => "",
            },
            network_transport: session.transport.as_str(),
        };
        let family = match session.kind {
            SpanKind::Client => &self.client,
            _ => &self.server,
        };
        let series = family.get_or_create_owned(&labels);
        series.observe(session.duration.as_secs_f64());
    }
}

/// Buckets of the conventions, and longer ones, because sessions last for hours.
const SECONDS: [f64; 19] = [
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3_600.0,
    14_400.0, 43_200.0, 86_400.0,
];
