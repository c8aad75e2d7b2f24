//! Metric of the deployments of servers on a cluster.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::orchestrator::DeploymentState;
use crate::status::ServerStatus;

/// Gauge of each server and state.
#[derive(Clone, Debug, Default)]
pub(super) struct DeploymentMetrics {
    /// 1 for the current state of a server, 0 for the others.
    status: Family<DeploymentLabels, Gauge>,
}

/// Labels of the gauge.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct DeploymentLabels {
    mcp_server_name: String,
    /// State, one of a fixed set.
    state: &'static str,
}

impl DeploymentMetrics {
    /// Registers the metric.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "mcp_server_deployment_status",
            "1 for the current state of the deployment of a server, 0 for the other states",
            self.status.clone(),
        );
    }

    /// Sets the gauges of `servers`, and removes those of others.
    pub(super) fn set(&self, servers: &[ServerStatus]) {
        self.status.clear();
        for server in servers {
            let Some(deployment) = &server.deployment else {
                continue;
            };
            for state in DeploymentState::ALL {
                let labels = DeploymentLabels {
                    mcp_server_name: String::from(&*server.name),
                    state: state.as_str(),
                };
                let is_current = state == deployment.state;
                let gauge = self.status.get_or_create_owned(&labels);
                gauge.set(i64::from(is_current));
            }
        }
    }
}
