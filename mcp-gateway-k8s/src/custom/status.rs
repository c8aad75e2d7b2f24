//! Status of objects of the kind `MCPServer`.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::api::{DynamicObject, Patch};
use mcp_gateway_platform::orchestrator::{DeploymentState, DeploymentStatus};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::Shared;
use crate::fleet::Fleet;
use crate::names::APPLIER;
use crate::objects::{bounded, managed_by};

impl Shared {
    /// Writes the status of objects whose state has changed, while this process leads.
    pub(crate) async fn write_statuses(&self, fleet: &Fleet, leads: watch::Receiver<bool>) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if *leads.borrow() {
                for (name, status) in self.changed_statuses(fleet) {
                    self.write(&name, status).await;
                }
            }
        }
    }

    /// Returns the first of the statuses that differ from those of the objects.
    fn changed_statuses(&self, fleet: &Fleet) -> Vec<(String, Value)> {
        let rejected = self.rejected().clone();
        let Some(rejected) = rejected else {
            return Vec::new();
        };
        let objects = self.objects();
        let changed = objects.iter().filter_map(|(name, object)| {
            let rejection = rejected.get(name.as_str()).map(String::as_str);
            let next = status(object, fleet.status(name).as_ref(), rejection);
            let known = object.data.get("status").cloned().unwrap_or_default();
            (present(&known) != present(&next)).then(|| (name.clone(), next))
        });
        changed.take(AT_ONCE).collect()
    }

    async fn write(&self, name: &str, status: Value) {
        let change = json!({"status": status});
        let params = managed_by(APPLIER);
        let patch = Patch::Merge(&change);
        match bounded(self.api.patch_status(name, &params, &patch)).await {
            // The watch may be late.
            Ok(written) => {
                if let Some(known) = self.objects().get_mut(name) {
                    *known = written;
                }
            }
            Err(refusal) => {
                tracing::debug!(name, cause = refusal.text(), "status of object not written");
            }
        }
    }
}

/// Returns the status of `object`.
fn status(
    object: &DynamicObject,
    deployment: Option<&DeploymentStatus>,
    rejection: Option<&str>,
) -> Value {
    let reason = deployment.and_then(|one| one.reason.as_deref());
    let message = deployment.and_then(|one| one.message.as_deref());
    let state = deployment.map(|one| one.state);
    let is_ready = state == Some(DeploymentState::Running);
    let waiting = state.map_or("Unknown", DeploymentState::as_str);
    let accepted = match rejection {
        None => ("Accepted", true, "Accepted", ""),
        Some(text) => ("Accepted", false, "Invalid", text),
    };
    let ready = (
        "Ready",
        is_ready,
        reason.unwrap_or(if is_ready { "Running" } else { waiting }),
        message.unwrap_or_default(),
    );
    json!({
        "observedGeneration": object.metadata.generation,
        "state": match rejection {
            None => waiting,
            Some(_) => "invalid",
        },
        "reason": reason.or_else(|| rejection.map(|_| "InvalidDefinition")),
        "message": rejection.or(message),
        "ready": deployment.map_or(0, |one| one.ready),
        "desired": deployment.map_or(0, |one| one.desired),
        "restarts": deployment.map_or(0, |one| one.restarts),
        "conditions": [condition(object, accepted), condition(object, ready)],
    })
}

/// Returns `status` without null values, which remove members of the status of an object.
fn present(status: &Value) -> Value {
    let mut status = status.clone();
    if let Some(members) = status.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    status
}

/// Returns a condition, with the time of the last change of its status.
fn condition(
    object: &DynamicObject,
    (kind, holds, reason, message): (&str, bool, &str, &str),
) -> Value {
    let status = if holds { "True" } else { "False" };
    let known = object.data["status"]["conditions"].as_array();
    let known = known.into_iter().flatten();
    let mut same = known.filter(|one| one["type"] == kind && one["status"] == status);
    let since = same.next().map(|one| one["lastTransitionTime"].clone());
    // Conditions have whole seconds.
    let now = || Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut condition = json!({
        "type": kind,
        "status": status,
        "reason": reason,
        "observedGeneration": object.metadata.generation,
        "lastTransitionTime": since.unwrap_or_else(|| now().into()),
    });
    // Kubernetes 1.20 takes an empty text for none, and refuses it.
    if !message.is_empty() {
        condition["message"] = message.into();
    }
    condition
}

/// Interval of the comparison of statuses.
const INTERVAL: Duration = Duration::from_secs(1);
/// Number of statuses that are written in one interval.
const AT_ONCE: usize = 20;
