//! Observed state of a platform.

use std::collections::HashMap;
use std::sync::Arc;

use mcp_gateway_admin::Violation;
use mcp_gateway_core::upstream::LintCounts;

use crate::orchestrator::{DeploymentState, DeploymentStatus};

/// Observed state of a platform.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlatformStatus {
    /// Servers, in the order of the spec.
    pub servers: Vec<ServerStatus>,
    /// Number of client sessions in use.
    pub sessions: usize,
    /// Set while the platform drains, and accepts no new calls.
    pub is_draining: bool,
}

/// Observed state of a server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerStatus {
    /// Name of the server.
    pub name: Arc<str>,
    /// Number of upstream sessions or child processes.
    pub conversations: usize,
    /// Cause of recent failures.
    pub failure: Option<String>,
    /// Numbers of tools with defects.
    pub lint: LintCounts,
    /// State of the deployment of a server on a cluster.
    pub deployment: Option<DeploymentStatus>,
}

/// Outcome of the last apply for the servers and gateways that objects of a cluster define.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ObjectReport {
    /// Violations of servers that are not used, by name.
    pub servers: HashMap<Arc<str>, Vec<Violation>>,
    /// Gateways by name, used or not.
    pub gateways: HashMap<Arc<str>, ObjectGateway>,
}

/// Gateway that an object of a cluster defines.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ObjectGateway {
    /// Violations for which it is not used.
    pub violations: Vec<Violation>,
    /// Number of its servers.
    pub servers: usize,
    /// Names of servers that it does not have: they do not exist, or are not offered to objects.
    pub missing: Vec<Arc<str>>,
}

impl ServerStatus {
    /// Returns the state as one word.
    ///
    /// An idle server is started or connected by the next call that needs it, and so is one that is
    /// asleep.
    ///
    /// | Word | Failure | Deployment | Sessions or processes |
    /// |---|---|---|---|
    /// | `failing` | recent | any | any number |
    /// | `pending`, `asleep`, `waking`, `deleting` | none | that state, or not created | any number |
    /// | `idle` | none | none or running | none |
    /// | `up` | none | none or running | at least one |
    #[must_use]
    pub fn state(&self) -> &'static str {
        if self.failure.is_some() {
            return "failing";
        }
        let deployment = self.deployment.as_ref().map(|status| status.state);
        match (deployment, self.conversations) {
            (Some(DeploymentState::NotCreated), _) => DeploymentState::Pending.as_str(),
            (Some(DeploymentState::Failed), _) => "failing",
            (None | Some(DeploymentState::Running), 0) => "idle",
            (None | Some(DeploymentState::Running), _) => "up",
            (Some(state), _) => state.as_str(),
        }
    }
}
