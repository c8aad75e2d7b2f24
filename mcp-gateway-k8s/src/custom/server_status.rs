//! Status of objects of the kind `MCPServer`.

use kube::api::DynamicObject;
use mcp_gateway_platform::orchestrator::{DeploymentState, DeploymentStatus};
use serde_json::{Value, json};

use super::outcome::{Rejection, ServerOutcome};
use super::status::{Fact, accepted, condition};

/// State of a server, and of its pods if it has any.
struct Seen<'a> {
    state: &'a str,
    is_ready: bool,
    reason: Option<&'a str>,
    message: Option<&'a str>,
    /// Numbers of pods that are ready, of pods that are desired, and of restarts.
    pods: Option<[u32; 3]>,
}

/// Returns the status of `object`.
pub(super) fn status(
    object: &DynamicObject,
    outcome: &ServerOutcome,
    deployment: Option<&DeploymentStatus>,
) -> Value {
    let (generation, rejection) = (outcome.generation, outcome.rejection.as_ref());
    let seen = seen(outcome, deployment);
    let pods = |at: usize| seen.pods.map(|pods| pods[at]);
    json!({
        "observedGeneration": generation,
        "state": match rejection {
            None => seen.state,
            Some(_) => "invalid",
        },
        "reason": seen.reason.or_else(|| rejection.map(|it| it.reason)),
        "message": rejection.map(|it| &*it.message).or(seen.message),
        "ready": pods(0),
        "desired": pods(1),
        "restarts": pods(2),
        "conditions": [
            condition(object, generation, accepted(rejection)),
            condition(object, generation, ready(&seen, rejection)),
        ],
    })
}

/// Returns the condition for the readiness of a server.
fn ready<'a>(seen: &Seen<'a>, rejection: Option<&'a Rejection>) -> Fact<'a> {
    let reason = match (seen.reason, rejection) {
        (Some(reason), _) => reason,
        (None, _) if seen.is_ready => "Running",
        (None, Some(rejection)) => rejection.reason,
        (None, None) => seen.state,
    };
    let message = seen.message.unwrap_or_default();
    ("Ready", seen.is_ready, reason, message)
}

fn seen<'a>(outcome: &'a ServerOutcome, deployment: Option<&'a DeploymentStatus>) -> Seen<'a> {
    // A deployment of that name belongs to somebody else.
    let rejection = outcome.rejection.as_ref();
    let is_hidden = rejection.is_some_and(|it| it.reason == Rejection::CONFLICT);
    let failure = outcome.failure.as_deref();
    match (outcome.state, deployment) {
        (Some(state), _) => Seen {
            state,
            is_ready: failure.is_none() && rejection.is_none(),
            reason: failure.map(|_| "CallsFail"),
            message: failure,
            pods: None,
        },
        (None, Some(deployment)) if !is_hidden => Seen {
            state: deployment.state.as_str(),
            is_ready: deployment.state == DeploymentState::Running,
            reason: deployment.reason.as_deref(),
            message: deployment.message.as_deref(),
            pods: Some([deployment.ready, deployment.desired, deployment.restarts]),
        },
        (None, _) => Seen {
            state: "Unknown",
            is_ready: false,
            reason: None,
            message: None,
            pods: None,
        },
    }
}
