//! Status of objects of the kind `MCPGateway`.

use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::outcome::GatewayOutcome;
use super::status::{accepted, condition};

/// Returns the status of `object`.
pub(super) fn status(object: &DynamicObject, outcome: &GatewayOutcome) -> Value {
    let (generation, rejection) = (outcome.generation, outcome.rejection.as_ref());
    let missing = missing(outcome);
    let ready = match rejection {
        Some(rejection) => ("Ready", false, rejection.reason, ""),
        None if !outcome.missing.is_empty() => ("Ready", false, "ServersMissing", &*missing),
        None if outcome.servers == 0 => ("Ready", false, "NoServers", "it has no servers"),
        None => ("Ready", true, "Served", ""),
    };
    let is_served = rejection.is_none();
    let absent: Vec<_> = outcome.missing.iter().map(|name| &**name).collect();
    json!({
        "observedGeneration": generation,
        // A path of a gateway that is not used is that of somebody else.
        "path": is_served.then_some(&outcome.path),
        "servers": if is_served { outcome.servers } else { 0 },
        "missing": absent,
        "conditions": [
            condition(object, generation, accepted(rejection)),
            condition(object, generation, ready),
        ],
    })
}

/// Returns the message about servers that a gateway does not have.
fn missing(outcome: &GatewayOutcome) -> String {
    let names = outcome.missing.iter().take(NAMED);
    let names: Vec<_> = names.map(|name| &**name).collect();
    let others = match outcome.missing.len().saturating_sub(NAMED) {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    format!(
        "no server of an object is named {}{others}, and the configuration offers none of that name",
        names.join(", ")
    )
}

/// Maximum number of names in a message.
const NAMED: usize = 10;
