//! Differences between an object and its manifest.

use serde_json::{Map, Value, json};

/// Lists of the template of pods whose elements have names.
const NAMED: [&str; 3] = ["containers", "initContainers", "volumes"];

/// Returns `true` if `observed` has all that `desired` states.
///
/// The API server adds defaults, and may write quantities in another way: a difference need not be a
/// change by somebody else.
pub(crate) fn contains(observed: &Value, desired: &Value) -> bool {
    match (observed, desired) {
        (Value::Object(observed), Value::Object(desired)) => desired.iter().all(|(name, value)| {
            let own = observed.get(name);
            own.map_or_else(|| is_nothing(value), |own| contains(own, value))
        }),
        (Value::Array(observed), Value::Array(desired)) => {
            observed.len() == desired.len()
                && observed
                    .iter()
                    .zip(desired)
                    .all(|(own, value)| contains(own, value))
        }
        _ => observed == desired,
    }
}

/// Returns `true` for values that the API server omits.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(elements) => elements.is_empty(),
        Value::Object(members) => members.values().all(is_nothing),
        Value::Bool(true) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Returns the strategic merge patch that removes containers, volumes and variables from the
/// Deployment `observed` that `desired` does not have; `None` if there are none.
///
/// Server-side apply leaves what others have added.
pub(crate) fn foreign(observed: &Value, desired: &Value) -> Option<Value> {
    let pod = "/spec/template/spec";
    let (observed, desired) = (observed.pointer(pod)?, desired.pointer(pod)?);
    let mut changes = Map::new();
    for list in NAMED {
        let mut elements = removed(observed.get(list), desired.get(list));
        for container in names(desired.get(list)) {
            let own = element(observed.get(list), container);
            let env = |container: Option<&Value>| container.and_then(|one| one.get("env")).cloned();
            let wanted = env(element(desired.get(list), container));
            let variables = removed(env(own).as_ref(), wanted.as_ref());
            if !variables.is_empty() {
                elements.push(json!({"name": container, "env": variables}));
            }
        }
        if !elements.is_empty() {
            changes.insert(list.to_owned(), elements.into());
        }
    }
    (!changes.is_empty()).then(|| json!({"spec": {"template": {"spec": changes}}}))
}

/// Returns instructions to remove the elements of `observed` that `desired` does not have.
fn removed(observed: Option<&Value>, desired: Option<&Value>) -> Vec<Value> {
    let wanted = names(desired);
    let foreign = names(observed)
        .into_iter()
        .filter(|name| !wanted.contains(name));
    foreign
        .map(|name| json!({"name": name, "$patch": "delete"}))
        .collect()
}

fn names(list: Option<&Value>) -> Vec<&str> {
    let elements = list.and_then(Value::as_array).into_iter().flatten();
    elements
        .filter_map(|element| element.get("name")?.as_str())
        .collect()
}

fn element<'a>(list: Option<&'a Value>, name: &str) -> Option<&'a Value> {
    list?
        .as_array()?
        .iter()
        .find(|element| element["name"] == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_no_drift() {
        let desired = json!({"a": {"b": 1, "c": false, "d": {}}, "l": [{"n": "x"}]});
        let observed = json!({"a": {"b": 1, "z": 2}, "l": [{"n": "x", "default": true}]});
        assert!(contains(&observed, &desired));
        for other in [
            json!({"a": {"b": 2}, "l": [{"n": "x"}]}),
            json!({"a": {"b": 1}, "l": [{"n": "x"}, {"n": "y"}]}),
            json!({"l": [{"n": "x"}]}),
        ] {
            assert!(!contains(&other, &desired), "{other}");
        }
    }

    #[test]
    fn foreign_elements_are_removed() {
        let pod = |spec: Value| json!({"spec": {"template": {"spec": spec}}});
        let desired = pod(json!({"containers": [{"name": "server", "env": [{"name": "A"}]}]}));
        let observed = pod(json!({
            "containers": [
                {"name": "server", "env": [{"name": "A"}, {"name": "LD_PRELOAD", "value": "x"}]},
                {"name": "spy"},
            ],
            "volumes": [{"name": "host"}],
        }));
        let expected = pod(json!({
            "containers": [
                {"name": "spy", "$patch": "delete"},
                {"name": "server", "env": [{"name": "LD_PRELOAD", "$patch": "delete"}]},
            ],
            "volumes": [{"name": "host", "$patch": "delete"}],
        }));
        assert_eq!(foreign(&observed, &desired), Some(expected));
        assert_eq!(foreign(&desired, &desired), None);
    }
}
