//! Metrics of limits on calls, and of calls that are sent again.

use mcp_gateway_core::observe::CallReport;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Metric families of limits.
#[derive(Clone, Debug, Default)]
pub(super) struct LimitMetrics {
    /// Requests that a limit has rejected.
    rejections: Family<LimitLabels, Counter>,
    /// Attempts after the first one of calls that were sent again. The label is the server alone: the
    /// tools that are called again are few, and the number of series is not multiplied.
    retries: Family<RetryLabels, Counter>,
}

/// Label of the rejections by a limit.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct LimitLabels {
    limit: String,
}

/// Label of the attempts of calls of a server.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RetryLabels {
    mcp_server_name: String,
}

impl LimitMetrics {
    /// Registers the metrics. Their names are those of the documentation, and stay.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "mcp_limit_rejections",
            "Requests that a limit has rejected",
            self.rejections.clone(),
        );
        registry.register(
            "mcp_call_retries",
            "Attempts after the first one of calls that were sent again",
            self.retries.clone(),
        );
    }

    /// Counts the rejection of `call`, and its attempts.
    pub(super) fn count(&self, call: &CallReport<'_>) {
        if let Some(limit) = call.limit {
            let limit = limit.to_owned();
            let rejections = self.rejections.get_or_create_owned(&LimitLabels { limit });
            rejections.inc();
        }
        if call.retries > 0 {
            let mcp_server_name = call.server.to_owned();
            let retries = self
                .retries
                .get_or_create_owned(&RetryLabels { mcp_server_name });
            retries.inc_by(call.retries.into());
        }
    }
}
