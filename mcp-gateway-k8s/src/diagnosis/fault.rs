//! Reasons for which pods of a server do not run.

use k8s_openapi::api::core::v1::{
    ContainerStateTerminated, ContainerStateWaiting, ContainerStatus, Pod,
};

use super::{is_current, is_out_of_sight, is_ready};
use crate::observed::{Observed, Warning};

/// Reason for which a server does not run, or not as it should.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Fault {
    /// One word. It does not change while the fault stays, whatever the cluster is about to try.
    pub(crate) reason: &'static str,
    /// The fact, and a remedy.
    pub(crate) message: String,
    /// Set if it does not pass by itself within moments.
    lasts: bool,
}

impl Fault {
    fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            lasts: true,
        }
    }

    fn passing(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            lasts: false,
            ..Self::new(reason, message)
        }
    }

    /// Returns `true` if callers need not wait.
    pub(crate) fn is_final(&self) -> bool {
        self.lasts
    }
}

/// Returns the fault of the pods that are not ready, or of the Deployment.
pub(super) fn of_server(observed: &Observed) -> Option<Fault> {
    let waiting = observed
        .pods
        .values()
        .filter(|pod| is_current(pod) && !is_ready(pod));
    let mut faults: Vec<_> = waiting
        .filter_map(|pod| {
            let name = pod.metadata.name.as_deref().unwrap_or_default();
            let fault = of_pod(pod, observed.warnings.get(name).map_or(&[], Vec::as_slice))?;
            let lost = observed.lost_secret();
            let is_lost = lost.is_some_and(|text| fault.message.contains(&text));
            Some(if is_lost { own_secret(&fault) } else { fault })
        })
        .collect();
    faults.sort_by_key(|fault| !fault.lasts);
    let pods = faults.into_iter().next();
    pods.or_else(|| of_deployment(observed))
        .or_else(|| of_ended(observed))
}

/// Returns `fault` of a pod without the Secret of its server, which nobody else has to create.
fn own_secret(fault: &Fault) -> Fault {
    Fault::passing(
        fault.reason,
        "its pod waits for the Secret of the server, which was deleted; the gateway creates it again",
    )
}

/// Returns the fault of pods that cannot be created.
fn of_deployment(observed: &Observed) -> Option<Fault> {
    let status = observed.deployment.as_ref()?.status.as_ref()?;
    let mut conditions = status.conditions.iter().flatten();
    let failure = conditions.find(|one| one.type_ == "ReplicaFailure" && one.status == "True")?;
    let message = failure.message.as_deref().unwrap_or_default();
    let (reason, remedy) = REFUSALS
        .iter()
        .find(|(text, ..)| message.contains(text))
        .map_or(
            ("FailedCreate", "see the events of its ReplicaSet"),
            |(_, reason, remedy)| (*reason, *remedy),
        );
    Some(Fault::new(
        reason,
        format!("the cluster refuses its pods: {message}; {remedy}"),
    ))
}

/// Texts in refusals of pods, the reason, and the remedy.
const REFUSALS: [(&str, &str, &str); 7] = [
    (
        "exceeded quota",
        "QuotaExceeded",
        "raise the quota, or lower requests and limits",
    ),
    (
        "failed quota",
        "QuotaExceeded",
        "set the requests and limits that the quota requires",
    ),
    (
        "usage per",
        "LimitRange",
        "set requests and limits within the LimitRange of the namespace",
    ),
    (
        "is forbidden: minimum",
        "LimitRange",
        "set requests and limits within the LimitRange of the namespace",
    ),
    (
        "violates PodSecurity",
        "PodSecurity",
        "change securityContext as the policy of the namespace requires",
    ),
    (
        "service account",
        "ServiceAccountNotFound",
        "create the service account, or correct serviceAccount",
    ),
    (
        "serviceaccount",
        "ServiceAccountNotFound",
        "create the service account, or correct serviceAccount",
    ),
];

/// Returns the fault of pods that were removed from their node.
fn of_ended(observed: &Observed) -> Option<Fault> {
    let ended = observed
        .pods
        .values()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none());
    let evicted = ended.filter_map(|pod| pod.status.as_ref()).find(|status| {
        status.phase.as_deref() == Some("Failed") && status.reason.as_deref() == Some("Evicted")
    })?;
    let message = evicted
        .message
        .as_deref()
        .unwrap_or("the node is short of resources");
    Some(Fault::passing(
        "Evicted",
        format!("a pod was evicted: {message}"),
    ))
}

fn of_pod(pod: &Pod, warnings: &[Warning]) -> Option<Fault> {
    let status = pod.status.as_ref()?;
    let mut conditions = status.conditions.iter().flatten();
    let unscheduled = conditions.find(|one| one.type_ == "PodScheduled" && one.status == "False");
    if let Some(condition) = unscheduled {
        let message = condition.message.as_deref().unwrap_or_default();
        return Some(Fault::new(
            "Unschedulable",
            format!(
                "no node takes its pod: {message}; lower its requests, change nodeSelector, affinity or \
                     tolerations, or add nodes"
            ),
        ));
    }
    if is_out_of_sight(pod) {
        return Some(Fault::passing(
            "NodeNotReady",
            "its node has not reported for a while; calls go on as far as the pod answers",
        ));
    }
    let install = status.init_container_statuses.iter().flatten();
    let own = status.container_statuses.iter().flatten();
    let mut containers = install
        .map(|one| (true, one))
        .chain(own.map(|one| (false, one)));
    let fault = containers.find_map(|(is_init, one)| of_container(one, is_init, warnings));
    fault
        .or_else(|| of_warnings(pod, warnings))
        .or_else(|| progress(pod))
}

/// Returns the fault that only the events of a pod tell, whose containers wait without a reason.
fn of_warnings(pod: &Pod, warnings: &[Warning]) -> Option<Fault> {
    let status = pod.status.as_ref()?;
    if status.phase.as_deref() != Some("Pending") {
        return None;
    }
    warnings.iter().rev().find_map(|warning| {
        let text = &warning.message;
        let (reason, remedy) = match warning.reason.as_str() {
            "FailedMount" | "FailedAttachVolume" => (
                "FailedMount",
                "create the Secret or config map in the namespace, or correct files",
            ),
            "FailedCreatePodSandBox" => ("FailedCreatePodSandBox", "see the network of the node"),
            _ => return None,
        };
        // A busy node tries again.
        if warning.is_delay() {
            let message = format!("its pod has not started yet: {text}");
            return Some(Fault::passing(reason, message));
        }
        Some(Fault::new(
            reason,
            format!("its pod cannot start: {text}; {remedy}"),
        ))
    })
}

/// Returns the progress of a pod without a fault.
fn progress(pod: &Pod) -> Option<Fault> {
    let status = pod.status.as_ref()?;
    let own = status.container_statuses.iter().flatten();
    let runs = own
        .filter_map(|one| one.state.as_ref())
        .any(|state| state.running.is_some());
    Some(match runs {
        true => Fault::passing(
            "NotReady",
            "its container runs and does not pass its readiness probe yet",
        ),
        false => Fault::passing("ContainerCreating", "its container is being created"),
    })
}

fn of_container(status: &ContainerStatus, is_init: bool, warnings: &[Warning]) -> Option<Fault> {
    let state = status.state.as_ref();
    let waiting = state.and_then(|state| state.waiting.as_ref());
    if let Some(fault) = waiting.and_then(|waiting| of_waiting(status, waiting, warnings)) {
        return Some(fault);
    }
    let now = state.and_then(|state| state.terminated.as_ref());
    let last = status
        .last_state
        .as_ref()
        .and_then(|state| state.terminated.as_ref());
    let ended = now
        .or(last)
        .filter(|ended| ended.exit_code != 0 || !is_init)?;
    // The first restart follows at once, and may succeed.
    let backs_off = waiting.is_some() || now.is_some();
    let repeats = status.restart_count >= 2 || (status.restart_count >= 1 && backs_off);
    repeats.then(|| of_end(status, ended, is_init))
}

fn of_waiting(
    status: &ContainerStatus,
    waiting: &ContainerStateWaiting,
    warnings: &[Warning],
) -> Option<Fault> {
    let message = waiting.message.as_deref().unwrap_or_default();
    let image = &status.image;
    Some(match waiting.reason.as_deref()? {
        "ErrImagePull"
        | "ImagePullBackOff"
        | "RegistryUnavailable"
        | "ErrImageNeverPull"
        | "ImageInspectError" => {
            // The message of the pod alternates with one without the cause.
            let pulls = |one: &&Warning| one.reason == "Failed" && one.message.contains("pull");
            let cause = warnings
                .iter()
                .rev()
                .find(pulls)
                .map_or(message, |one| one.message.as_str());
            Fault::new(
                "ImagePullBackOff",
                format!(
                    "the image {image} cannot be pulled: {cause}; correct its name and tag, or add pullSecrets"
                ),
            )
        }
        "InvalidImageName" => Fault::new(
            "InvalidImageName",
            format!("{image:?} is not the name of an image; correct it"),
        ),
        "CreateContainerConfigError" | "CreateContainerError" => of_config(message),
        "RunContainerError" => Fault::new("StartError", not_started(message)),
        _ => return None,
    })
}

/// Returns the fault of a container whose configuration is refused by the node.
fn of_config(message: &str) -> Fault {
    let remedy = if message.contains("runAsNonRoot") || message.contains("non-numeric") {
        "set securityContext.runAsUser to the number of a user other than root"
    } else if message.contains("secret") || message.contains("configmap") {
        "create it with this key in the namespace, or correct env"
    } else {
        "correct the definition"
    };
    Fault::new(
        "CreateContainerConfigError",
        format!("its container cannot be created: {message}; {remedy}"),
    )
}

fn not_started(message: &str) -> String {
    format!("its command does not start: {message}; correct command, which the image must have")
}

/// Returns the fault of a container that ends again and again.
///
/// Its message is not repeated: programs write it.
fn of_end(status: &ContainerStatus, ended: &ContainerStateTerminated, is_init: bool) -> Fault {
    let code = ended.exit_code;
    let restarts = status.restart_count;
    match (ended.reason.as_deref(), code) {
        (Some("OOMKilled"), _) => Fault::new(
            "OOMKilled",
            format!("it exceeds its memory limit (restarts: {restarts}); raise limits.memory"),
        ),
        (Some("StartError" | "ContainerCannotRun"), _) => {
            // This message is that of the container runtime.
            Fault::new(
                "StartError",
                not_started(ended.message.as_deref().unwrap_or_default()),
            )
        }
        _ if is_init => Fault::new(
            "InitError",
            format!(
                "its init container {} exits with code {code} (restarts: {restarts}); see the log of that container",
                status.name
            ),
        ),
        (_, 126 | 127) => Fault::new(
            "StartError",
            format!(
                "its command cannot be run (exit code {code}); correct command, which the image must have"
            ),
        ),
        (_, 137) => Fault::new(
            "CrashLoopBackOff",
            format!(
                "it is killed again and again (exit code 137, restarts: {restarts}); it may exceed \
                     limits.memory or fail its liveness probe; see its log before the last restart"
            ),
        ),
        _ => Fault::new(
            "CrashLoopBackOff",
            format!(
                "it exits with code {code} again and again (restarts: {restarts}); see its log before the last \
                     restart"
            ),
        ),
    }
}
