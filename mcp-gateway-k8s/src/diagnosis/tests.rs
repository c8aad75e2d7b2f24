use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::observed::Warning;

fn observed(replicas: i32, status: &Value, pods: &[Value]) -> Observed {
    let deployment = json!({
        "metadata": {"name": "d"},
        "spec": {"replicas": replicas, "selector": {}, "template": {}},
        "status": status,
    });
    let mut observed = Observed {
        deployment: Some(Arc::new(serde_json::from_value(deployment).unwrap())),
        ..Observed::default()
    };
    for (number, status) in pods.iter().enumerate() {
        let name = format!("d-5d-{number}");
        let pod = json!({"metadata": {"name": name}, "status": status});
        observed
            .pods
            .insert(name, Arc::new(serde_json::from_value(pod).unwrap()));
    }
    observed
}

fn pod(phase: &str, container: &Value) -> Value {
    let mut container = container.clone();
    for (key, value) in [
        ("name", json!("server")),
        ("image", json!("a:1")),
        ("imageID", json!("")),
        ("ready", json!(false)),
        ("restartCount", json!(0)),
    ] {
        if container.get(key).is_none() {
            container[key] = value;
        }
    }
    json!({"phase": phase, "containerStatuses": [container]})
}

fn warned(mut observed: Observed, reason: &str, message: &str) -> Observed {
    let warning = Warning {
        reason: reason.to_owned(),
        message: message.to_owned(),
    };
    observed.warn("d-5d-0", warning);
    observed
}

fn waiting(reason: &str, message: &str) -> Value {
    json!({"state": {"waiting": {"reason": reason, "message": message}}})
}

fn one(pod: Value) -> Observed {
    observed(1, &json!({}), &[pod])
}

/// States as they were seen on real clusters.
#[expect(clippy::too_many_lines, reason = "a table")]
fn faults() -> Vec<(&'static str, &'static str, Observed)> {
    let pull = "Back-off pulling image \"a:1\"";
    let condition = |message: &str| {
        json!({"conditions": [
            {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message},
        ]})
    };
    let restarted = |ended: Value| {
        json!({
            "restartCount": 2,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
            "lastState": {"terminated": ended},
        })
    };
    vec![
        (
            "ImagePullBackOff",
            "not found",
            warned(
                one(pod("Pending", &waiting("ImagePullBackOff", pull))),
                "Failed",
                "Failed to pull image \"a:1\": not found",
            ),
        ),
        (
            "ImagePullBackOff",
            "refused",
            one(pod(
                "Pending",
                &waiting("ErrImagePull", "connection refused"),
            )),
        ),
        (
            "StartError",
            "executable file not found",
            one(pod(
                "Running",
                &json!({
                    "restartCount": 1,
                    "state": {"waiting": {"reason": "RunContainerError", "message": "executable file not found"}},
                    "lastState": {"terminated": {"exitCode": 128, "reason": "ContainerCannotRun"}},
                }),
            )),
        ),
        (
            "StartError",
            "command",
            one(pod(
                "Running",
                &restarted(json!({"exitCode": 127, "reason": "Error"})),
            )),
        ),
        (
            "CrashLoopBackOff",
            "exits with code 3",
            one(pod(
                "Running",
                &restarted(json!({"exitCode": 3, "reason": "Error"})),
            )),
        ),
        // Between the end and the back-off.
        (
            "CrashLoopBackOff",
            "exits with code 0",
            one(pod(
                "Running",
                &json!({
                    "restartCount": 1,
                    "state": {"terminated": {"exitCode": 0, "reason": "Completed"}},
                }),
            )),
        ),
        (
            "OOMKilled",
            "limits.memory",
            one(pod(
                "Running",
                &json!({
                    "restartCount": 1, "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
                }),
            )),
        ),
        (
            "CreateContainerConfigError",
            "secret \"s\" not found",
            one(pod(
                "Pending",
                &waiting("CreateContainerConfigError", "secret \"s\" not found"),
            )),
        ),
        (
            "CreateContainerConfigError",
            "securityContext.runAsUser",
            one(pod(
                "Pending",
                &waiting(
                    "CreateContainerConfigError",
                    "container has runAsNonRoot and image will run as root",
                ),
            )),
        ),
        (
            "FailedMount",
            "secret \"s\" not found",
            warned(
                one(pod(
                    "Pending",
                    &json!({"state": {"waiting": {"reason": "ContainerCreating"}}}),
                )),
                "FailedMount",
                "MountVolume.SetUp failed for volume \"v\": secret \"s\" not found",
            ),
        ),
        (
            "Unschedulable",
            "Insufficient cpu",
            one(json!({"phase": "Pending", "conditions": [
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes: Insufficient cpu"},
            ]})),
        ),
        (
            "QuotaExceeded",
            "raise the quota",
            observed(
                1,
                &condition("pods \"x\" is forbidden: exceeded quota: q"),
                &[],
            ),
        ),
        (
            "LimitRange",
            "LimitRange",
            observed(
                1,
                &condition("pods \"x\" is forbidden: maximum memory usage per Container is 1Gi"),
                &[],
            ),
        ),
        (
            "ServiceAccountNotFound",
            "service account",
            observed(1, &condition("error looking up service account mcp/x"), &[]),
        ),
        (
            "PodSecurity",
            "policy",
            observed(
                1,
                &condition("pods \"x\" is forbidden: violates PodSecurity \"restricted\""),
                &[],
            ),
        ),
        (
            "InitError",
            "exits with code 1",
            one(json!({"phase": "Pending", "initContainerStatuses": [{
                "name": "bridge", "image": "b", "imageID": "", "ready": false, "restartCount": 2,
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}},
            }]})),
        ),
    ]
}

#[test]
fn each_fault_has_a_reason_and_a_remedy() {
    for (reason, text, observed) in faults() {
        let found = diagnose(&observed, false);
        assert_eq!(found.state, DeploymentState::Failed, "{reason}");
        let fault = found.fault.unwrap();
        assert_eq!(fault.reason, reason, "{}", fault.message);
        assert!(fault.message.contains(text), "{reason}: {}", fault.message);
    }
}

#[test]
fn a_ready_pod_outweighs_the_fault_of_an_update() {
    for (reason, _, mut observed) in faults() {
        let ready = json!({
            "metadata": {"name": "d-4c-0"},
            "status": {
                "phase": "Running", "podIP": "10.0.0.1",
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        });
        observed.pods.insert(
            "d-4c-0".to_owned(),
            Arc::new(serde_json::from_value(ready).unwrap()),
        );
        let found = diagnose(&observed, false);
        assert_eq!(found.state, DeploymentState::Running);
        assert_eq!(found.fault.unwrap().reason, reason);
    }
}

#[test]
fn category_cluster_secrets_of_programs_are_not_repeated() {
    let ended = json!({"exitCode": 1, "reason": "Error", "message": "password=hunter2"});
    let crashed = json!({"restartCount": 3, "state": {"terminated": ended}});
    let found = diagnose(&one(pod("Running", &crashed)), false);
    assert!(!found.fault.unwrap().message.contains("hunter2"));
}

#[test]
fn states_without_a_fault() {
    let creating = pod(
        "Pending",
        &json!({"state": {"waiting": {"reason": "ContainerCreating"}}}),
    );
    let state = |observed: &Observed, sleeps| diagnose(observed, sleeps).state;
    assert_eq!(
        state(&Observed::default(), false),
        DeploymentState::NotCreated
    );
    assert_eq!(
        state(&observed(0, &json!({}), &[]), true),
        DeploymentState::Asleep
    );
    assert_eq!(
        state(&one(creating.clone()), false),
        DeploymentState::Pending
    );
    assert_eq!(state(&one(creating), true), DeploymentState::Waking);
    // The first restart follows at once, and may succeed.
    let once = json!({
        "restartCount": 1, "state": {"running": {}}, "lastState": {"terminated": {"exitCode": 1}},
    });
    assert_eq!(
        state(&one(pod("Running", &once)), false),
        DeploymentState::Pending
    );
    let ready = json!({
        "phase": "Running", "podIP": "10.0.0.1",
        "conditions": [{"type": "Ready", "status": "True"}],
    });
    let ending = diagnose(&observed(0, &json!({}), &[ready]), true);
    assert_eq!(ending.state, DeploymentState::Asleep);
    assert!(ending.ready.is_empty() && ending.current.is_empty());
    let mut deleting = one(pod("Running", &json!({})));
    deleting.deployment = None;
    assert_eq!(state(&deleting, false), DeploymentState::Deleting);
}

#[test]
fn a_node_that_is_late_is_no_failure() {
    let creating = json!({"state": {"waiting": {"reason": "ContainerCreating"}}});
    let late = "MountVolume.SetUp failed for volume \"v\": failed to sync secret cache: timed out waiting for the condition";
    let missing = "MountVolume.SetUp failed for volume \"v\": secret \"s\" not found";
    let one = || observed(1, &json!({}), &[pod("Pending", &creating)]);
    let found = diagnose(&warned(one(), "FailedMount", late), false);
    assert_eq!(found.state, DeploymentState::Pending);
    // It does not hide what is missing.
    let both = warned(warned(one(), "FailedMount", missing), "FailedMount", late);
    let found = diagnose(&both, false);
    assert_eq!(found.state, DeploymentState::Failed);
    assert!(found.fault.unwrap().message.contains("not found"));
}

#[test]
fn nobody_has_to_create_the_secret_of_the_server() {
    let message = "MountVolume.SetUp failed for volume \"v\": secret \"d\" not found";
    let creating = json!({"state": {"waiting": {"reason": "ContainerCreating"}}});
    let mounting = warned(one(pod("Pending", &creating)), "FailedMount", message);
    let config = waiting("CreateContainerConfigError", "secret \"d\" not found");
    for observed in [mounting, one(pod("Pending", &config))] {
        assert_eq!(observed.pod_without_secret(), Some("d-5d-0"));
        let found = diagnose(&observed, false);
        assert_eq!(found.state, DeploymentState::Pending);
        let message = found.fault.unwrap().message;
        assert!(
            message.contains("the gateway creates it again"),
            "{message}"
        );
    }
}

/// The conditions as Kubernetes 1.20 has them 40 seconds after the end of a kubelet.
#[test]
fn a_pod_whose_node_is_lost_may_answer() {
    let lost = |reason: &str, containers: &str| {
        let mut pod = pod("Running", &json!({"state": {"running": {}}}));
        pod["podIP"] = json!("10.0.0.1");
        pod["conditions"] = json!([
            {"type": "ContainersReady", "status": containers},
            {"type": "Ready", "status": "False", "reason": reason},
        ]);
        pod
    };
    let found = diagnose(&one(lost("", "True")), false);
    assert_eq!(found.state, DeploymentState::Running);
    assert_eq!(found.fault.unwrap().reason, "NodeNotReady");
    assert_eq!(found.ready.len(), 1);
    for pod in [
        lost("ContainersNotReady", "False"),
        lost("ReadinessGatesNotReady", "True"),
    ] {
        assert_eq!(diagnose(&one(pod), false).state, DeploymentState::Pending);
    }
    // One that is ready is better.
    let ready = json!({
        "phase": "Running", "podIP": "10.0.0.2",
        "conditions": [{"type": "Ready", "status": "True"}],
    });
    let both = observed(1, &json!({}), &[lost("", "True"), ready]);
    let ready = diagnose(&both, false).ready;
    assert_eq!(ready.len(), 1);
    assert_eq!(ready[0].ip, "10.0.0.2");
}
