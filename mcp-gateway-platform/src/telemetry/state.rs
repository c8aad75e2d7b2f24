//! Metrics of the observed state, which each rendering sets.

use std::sync::atomic::Ordering;

use mcp_gateway_core::trace::SpanCounts;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::deployments::DeploymentMetrics;
use crate::status::ServerStatus;

/// Gauges of the observed state.
#[derive(Clone, Debug, Default)]
pub(super) struct StateMetrics {
    /// Client sessions in use.
    sessions: Gauge,
    /// 1 for a server without recent failures, otherwise 0.
    up: Family<ServerLabels, Gauge>,
    /// Upstream sessions or child processes of a server.
    conversations: Family<ServerLabels, Gauge>,
    /// States of the deployments of servers.
    deployments: DeploymentMetrics,
    /// Spans that a collector has accepted.
    exported: Counter,
    /// Spans that have been dropped.
    dropped: Counter,
}

/// Labels of the gauges of a server.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ServerLabels {
    /// Name of the server.
    mcp_server_name: String,
}

impl StateMetrics {
    /// Registers the gauges.
    pub(super) fn new(registry: &mut Registry) -> Self {
        let state = Self::default();
        let Self {
            sessions,
            up,
            conversations,
            deployments,
            exported,
            dropped,
        } = state.clone();
        registry.register(
            "mcp_trace_spans_exported",
            "Spans that the collector of traces has accepted",
            exported,
        );
        registry.register(
            "mcp_trace_spans_dropped",
            "Spans that were dropped: the queue was full, or the collector did not accept them",
            dropped,
        );
        deployments.register(registry);
        registry.register("mcp_sessions", "Client sessions in use", sessions);
        registry.register(
            "mcp_server_up",
            "1 if recent calls of a server succeeded, otherwise 0",
            up,
        );
        registry.register(
            "mcp_server_conversations",
            "Upstream sessions or child processes of a server",
            conversations,
        );
        state
    }

    /// Sets the numbers of spans, which the recorder counts. The caller must hold the lock of the
    /// rendering.
    pub(super) fn set_spans(&self, counts: SpanCounts) {
        let numbers = [
            (&self.exported, counts.exported),
            (&self.dropped, counts.dropped),
        ];
        for (counter, number) in numbers {
            counter.inner().store(number, Ordering::Relaxed);
        }
    }

    /// Sets all gauges. The caller must hold the lock of the rendering.
    pub(super) fn set(&self, servers: &[ServerStatus], sessions: usize) {
        self.sessions.set(to_i64(sessions));
        // Removes the series of removed servers.
        self.up.clear();
        self.conversations.clear();
        self.deployments.set(servers);
        for server in servers {
            let labels = ServerLabels {
                mcp_server_name: String::from(&*server.name),
            };
            self.up
                .get_or_create(&labels)
                .set(i64::from(server.failure.is_none()));
            self.conversations
                .get_or_create(&labels)
                .set(to_i64(server.conversations));
        }
    }
}

/// Returns a number as a value of a gauge.
fn to_i64(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
