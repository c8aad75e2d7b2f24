//! State of a server, as a pure function of its objects.

mod fault;

use k8s_openapi::api::core::v1::{Pod, PodCondition};
use kube::ResourceExt;
use mcp_gateway_platform::orchestrator::DeploymentState;

pub(crate) use self::fault::Fault;
use crate::observed::Observed;

/// Pod that answers calls.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ReadyPod {
    /// Name.
    pub(crate) name: String,
    /// Address.
    pub(crate) ip: String,
    /// Digest of the template of which it was made.
    pub(crate) template: String,
    /// Time of its creation, for comparisons.
    pub(crate) created: String,
}

/// State of a server and its cause.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Diagnosis {
    /// State.
    pub(crate) state: DeploymentState,
    /// Cause of the state, or of the fact that an update does not complete.
    pub(crate) fault: Option<Fault>,
    /// Pods that are ready, newest first.
    pub(crate) ready: Vec<ReadyPod>,
    /// Names of the pods that shall run and exist.
    pub(crate) current: Vec<String>,
    /// Number of pods that shall run.
    pub(crate) desired: u32,
    /// Number of restarts of containers of the current pods.
    pub(crate) restarts: u32,
}

/// Returns the state of the server with the objects `observed`. `sleeps` is set if it is scaled to
/// zero while it is not used.
pub(crate) fn diagnose(observed: &Observed, sleeps: bool) -> Diagnosis {
    let desired = u32::try_from(observed.replicas().unwrap_or(0)).unwrap_or(0);
    // Those of a server that shall not run are about to be deleted.
    let current: Vec<_> = observed
        .pods
        .values()
        .filter(|pod| desired > 0 && is_current(pod))
        .collect();
    let restarts = current.iter().map(|pod| restarts(pod)).sum();
    let ready = ready(current.iter().map(|pod| &***pod));
    let fault = fault::of_server(observed);
    let state = match &observed.deployment {
        None if observed.pods.is_empty() => DeploymentState::NotCreated,
        None => DeploymentState::Deleting,
        Some(one) if one.metadata.deletion_timestamp.is_some() => DeploymentState::Deleting,
        Some(_) if desired == 0 => DeploymentState::Asleep,
        Some(_) if !ready.is_empty() => DeploymentState::Running,
        Some(_) if fault.as_ref().is_some_and(Fault::is_final) => DeploymentState::Failed,
        Some(_) if sleeps => DeploymentState::Waking,
        Some(_) => DeploymentState::Pending,
    };
    let has_cause = matches!(
        state,
        DeploymentState::Failed
            | DeploymentState::Pending
            | DeploymentState::Running
            | DeploymentState::Waking
    );
    Diagnosis {
        state,
        fault: fault.filter(|_| has_cause),
        ready,
        current: current.iter().map(|pod| pod.name_any()).collect(),
        desired,
        restarts,
    }
}

/// Returns `true` if the pod is one of those that shall run: it is neither being deleted nor has it
/// ended.
pub(crate) fn is_current(pod: &Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    pod.metadata.deletion_timestamp.is_none() && !matches!(phase, Some("Failed" | "Succeeded"))
}

fn is_ready(pod: &Pod) -> bool {
    has_condition(pod, "Ready", "True")
}

/// Returns `true` if the node of the pod has not been heard of for a while: Kubernetes takes back that
/// the pod is ready, while its containers are so, as far as the node has said. They may well answer.
fn is_out_of_sight(pod: &Pod) -> bool {
    // Nodes give a reason when they say so themselves.
    let by_node = |one: &PodCondition| one.reason.as_deref() == Some("ReadinessGatesNotReady");
    let ready = condition(pod, "Ready");
    ready.is_some_and(|ready| ready.status == "False" && !by_node(ready))
        && has_condition(pod, "ContainersReady", "True")
}

fn has_condition(pod: &Pod, kind: &str, status: &str) -> bool {
    condition(pod, kind).is_some_and(|condition| condition.status == status)
}

fn condition<'a>(pod: &'a Pod, kind: &str) -> Option<&'a PodCondition> {
    let mut conditions = pod
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    conditions.find(|condition| condition.type_ == kind)
}

fn restarts(pod: &Pod) -> u32 {
    let statuses = pod
        .status
        .iter()
        .flat_map(|status| status.container_statuses.iter().flatten());
    let restarts = statuses.map(|status| u32::try_from(status.restart_count).unwrap_or(0));
    restarts.sum()
}

/// Returns the pods that answer, newest first: the ready ones, or else those out of sight.
fn ready<'a>(pods: impl Iterator<Item = &'a Pod> + Clone) -> Vec<ReadyPod> {
    let mut ready: Vec<_> = pods
        .clone()
        .filter(|pod| is_ready(pod))
        .filter_map(ready_pod)
        .collect();
    if ready.is_empty() {
        let others = pods.filter(|pod| is_out_of_sight(pod));
        ready = others.filter_map(ready_pod).collect();
    }
    ready.sort_by(|one, other| (&other.created, &other.name).cmp(&(&one.created, &one.name)));
    ready
}

fn ready_pod(pod: &Pod) -> Option<ReadyPod> {
    Some(ReadyPod {
        name: pod.name_any(),
        ip: pod.status.as_ref()?.pod_ip.clone()?,
        template: pod
            .labels()
            .get("pod-template-hash")
            .cloned()
            .unwrap_or_default(),
        created: pod
            .creation_timestamp()
            .map(|time| time.0.to_string())
            .unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests;
