//! Metrics of approvals.
//!
//! The gauge is of the store, so that each replica shows the same; events are those that this process
//! has written, so that their sum over the replicas counts each once. Nothing in them names a caller.

use mcp_gateway_approval::{ApprovalEvent, ApprovalObserver};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Observer that counts approvals.
#[derive(Debug)]
pub(super) struct ApprovalMetrics {
    /// Calls that wait for a decision.
    pending: Gauge,
    /// Changes that this process has stored.
    events: Family<EventLabels, Counter>,
    /// Times from the request to the decision in seconds.
    waited: Histogram,
}

/// Labels of the number of changes.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct EventLabels {
    /// Kind of change, one of a fixed set.
    event: &'static str,
}

impl ApprovalMetrics {
    /// Registers the metrics.
    pub(super) fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            pending: Gauge::default(),
            events: Family::default(),
            waited: Histogram::new(SECONDS),
        };
        registry.register(
            "mcp_approvals_pending",
            "Calls of all replicas that wait for a decision",
            metrics.pending.clone(),
        );
        registry.register(
            "mcp_approval_events",
            "Changes of approvals by this process",
            metrics.events.clone(),
        );
        registry.register_with_unit(
            "mcp_approval_wait",
            "Time from the request of an approval to the decision",
            Unit::Seconds,
            metrics.waited.clone(),
        );
        metrics
    }
}

impl ApprovalObserver for ApprovalMetrics {
    fn on_event(&self, event: ApprovalEvent) {
        let (event, waited) = match event {
            ApprovalEvent::Approved { waited } => ("approved", Some(waited)),
            ApprovalEvent::Denied { waited } => ("denied", Some(waited)),
            ApprovalEvent::Expired => ("expired", None),
            ApprovalEvent::Redeemed => ("redeemed", None),
            ApprovalEvent::Requested => ("requested", None),
            _ => return,
        };
        self.events
            .get_or_create_owned(&EventLabels { event })
            .inc();
        if let Some(waited) = waited {
            self.waited.observe(waited.as_secs_f64());
        }
    }

    fn on_pending(&self, count: usize) {
        self.pending.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}

/// Upper bounds of the buckets: people decide in seconds to days.
const SECONDS: [f64; 10] = [
    5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0, 259_200.0, 604_800.0,
];
