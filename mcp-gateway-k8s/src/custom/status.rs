//! Statuses of objects.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::api::{DynamicObject, Patch};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::kind::Kind;
use super::outcome::Rejection;
use super::{Shared, gateway_status, server_status};
use crate::fleet::Fleet;
use crate::names::APPLIER;
use crate::objects::{bounded, managed_by};

impl Shared {
    /// Writes the status of objects whose state has changed, while this process leads.
    pub(super) async fn write_statuses(&self, fleet: &Fleet, leads: watch::Receiver<bool>) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let outcomes = self.outcomes().clone();
            let Some(outcomes) = outcomes.filter(|_| *leads.borrow()) else {
                continue;
            };
            if let Some(kind) = &self.servers {
                kind.write_changed(|name, object| {
                    let outcome = outcomes.servers.get(name)?;
                    let deployment = fleet.status(name);
                    Some(server_status::status(object, outcome, deployment.as_ref()))
                })
                .await;
            }
            if let Some(kind) = &self.gateways {
                kind.write_changed(|name, object| {
                    let outcome = outcomes.gateways.get(name)?;
                    Some(gateway_status::status(object, outcome))
                })
                .await;
            }
        }
    }
}

impl Kind {
    /// Writes the first of the statuses of `next` that differ from those of the objects.
    async fn write_changed(&self, next: impl Fn(&str, &DynamicObject) -> Option<Value>) {
        let changed: Vec<_> = {
            let objects = self.objects();
            let changed = objects.iter().filter_map(|(name, object)| {
                let next = next(name, object)?;
                let known = object.data.get("status").cloned().unwrap_or_default();
                (present(&known) != present(&next)).then(|| (name.clone(), next))
            });
            changed.take(AT_ONCE).collect()
        };
        for (name, status) in changed {
            self.write(&name, status).await;
        }
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
                let (kind, cause) = (self.name, refusal.text());
                tracing::debug!(kind, name, cause, "status of object not written");
            }
        }
    }
}

/// Condition of an object: its type, whether it holds, its reason and message.
pub(super) type Fact<'a> = (&'a str, bool, &'a str, &'a str);

/// Returns the condition for the acceptance of an object.
pub(super) fn accepted(rejection: Option<&Rejection>) -> Fact<'_> {
    match rejection {
        None => ("Accepted", true, "Accepted", ""),
        Some(rejection) => ("Accepted", false, rejection.reason, &rejection.message),
    }
}

/// Returns a condition of `generation`, with the time of the last change of its status.
pub(super) fn condition(
    object: &DynamicObject,
    generation: Option<i64>,
    (kind, holds, reason, message): Fact<'_>,
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
        "lastTransitionTime": since.unwrap_or_else(|| now().into()),
    });
    if let Some(generation) = generation {
        condition["observedGeneration"] = generation.into();
    }
    // Kubernetes 1.20 takes an empty text for none, and refuses it.
    if !message.is_empty() {
        condition["message"] = message.into();
    }
    condition
}

/// Returns `status` without null values, which remove members of the status of an object.
fn present(status: &Value) -> Value {
    let mut status = status.clone();
    if let Some(members) = status.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    status
}

/// Interval of the comparison of statuses.
const INTERVAL: Duration = Duration::from_secs(1);
/// Number of statuses of a kind that are written in one interval.
const AT_ONCE: usize = 20;
