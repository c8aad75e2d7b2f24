//! Strategic merge patch of a Deployment, and what it must not change.

use serde_json::{Map, Value};

use super::DefinitionError;

/// Lists whose elements a patch changes one by one, with the member that identifies an element.
const KEYED: [(&str, &str); 9] = [
    ("containers", "name"),
    ("env", "name"),
    ("ephemeralContainers", "name"),
    ("hostAliases", "ip"),
    ("imagePullSecrets", "name"),
    ("initContainers", "name"),
    ("ports", "containerPort"),
    ("volumeMounts", "mountPath"),
    ("volumes", "name"),
];

/// Members by which a patch gives an instruction instead of a value.
const DIRECTIVE: &str = "$patch";

/// Merges `patch` into `target`, as `kubectl patch` does.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        target.clone_from(patch);
        return;
    };
    if changes
        .get(DIRECTIVE)
        .is_some_and(|directive| directive == "replace")
    {
        *target = without_directive(changes);
        return;
    }
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(members) = target else {
        return;
    };
    for (name, change) in changes.iter().filter(|(name, _)| *name != DIRECTIVE) {
        let key = KEYED
            .iter()
            .find(|(list, _)| list == name)
            .map(|(_, key)| *key);
        match (key, change) {
            (_, Value::Null) => {
                members.remove(name);
            }
            (Some(key), Value::Array(elements)) => {
                merge_list(
                    members.entry(name.clone()).or_insert_with(empty),
                    elements,
                    key,
                );
            }
            _ => merge(members.entry(name.clone()).or_insert(Value::Null), change),
        }
    }
}

fn empty() -> Value {
    Value::Array(Vec::new())
}

fn without_directive(members: &Map<String, Value>) -> Value {
    let members = members.iter().filter(|(name, _)| *name != DIRECTIVE);
    Value::Object(
        members
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    )
}

/// Merges `changes` into the list `target`, whose elements `key` identifies.
fn merge_list(target: &mut Value, changes: &[Value], key: &str) {
    let is_directive = |change: &Value, name| {
        change
            .get(DIRECTIVE)
            .is_some_and(|directive| directive == name)
    };
    let replaces = changes
        .iter()
        .any(|change| is_directive(change, "replace") && change.get(key).is_none());
    if replaces || !target.is_array() {
        *target = empty();
    }
    let Value::Array(elements) = target else {
        return;
    };
    for change in changes {
        let Some(id) = change.get(key) else {
            continue;
        };
        let place = elements
            .iter()
            .position(|element| element.get(key) == Some(id));
        match (place, is_directive(change, "delete")) {
            (Some(place), true) => drop(elements.remove(place)),
            (Some(place), false) => merge(&mut elements[place], change),
            (None, true) => {}
            (None, false) => {
                let mut element = Value::Null;
                merge(&mut element, change);
                elements.push(element);
            }
        }
    }
}

/// Members of a Deployment that belong to the orchestrator.
const PROTECTED: [&str; 7] = [
    "/apiVersion",
    "/kind",
    "/metadata/name",
    "/metadata/namespace",
    "/spec/replicas",
    "/spec/selector",
    "/status",
];

/// Labels of the metadata at these places belong to the orchestrator.
const LABELS: [&str; 2] = ["/metadata/labels", "/spec/template/metadata/labels"];

/// Returns the mistakes in a patch that has turned `before` into `after`.
pub(super) fn mistakes(before: &Value, after: &Value) -> Vec<DefinitionError> {
    let mut mistakes = Vec::new();
    let mut protect = |path: String, unchanged: bool| {
        if !unchanged {
            let message = "belongs to the gateway and cannot be patched";
            mistakes.push(DefinitionError::new(
                format!("patch{}", path.replace('/', ".")),
                message,
            ));
        }
    };
    for path in PROTECTED {
        protect(path.to_owned(), before.pointer(path) == after.pointer(path));
    }
    for path in LABELS {
        let kept = before.pointer(path).and_then(Value::as_object);
        let own = kept.into_iter().flatten();
        let after = after.pointer(path);
        for (key, value) in own {
            let now = after.and_then(|labels| labels.get(key));
            protect(format!("{path}/{key}"), now == Some(value));
        }
    }
    if let Some(pod) = after.pointer("/spec/template/spec") {
        privileges(pod, "patch.spec.template.spec", &mut mistakes);
    }
    mistakes
}

/// Adds the mistakes of a pod that would have more rights on its node than a container has.
pub(super) fn privileges(pod: &Value, path: &str, mistakes: &mut Vec<DefinitionError>) {
    for name in ["hostNetwork", "hostPID", "hostIPC"] {
        if pod
            .get(name)
            .is_some_and(|value| *value != Value::Bool(false))
        {
            mistakes.push(DefinitionError::new(
                format!("{path}.{name}"),
                "is refused: servers have no access to namespaces of the node",
            ));
        }
    }
    for (place, volume) in elements(pod, "volumes") {
        if volume.get("hostPath").is_some() {
            mistakes.push(DefinitionError::new(
                format!("{path}.volumes[{place}].hostPath"),
                "is refused: servers have no access to files of the node",
            ));
        }
    }
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for (place, container) in elements(pod, list) {
            let path = format!("{path}.{list}[{place}]");
            if elements(container, "ports").any(|(_, port)| port.get("hostPort").is_some()) {
                mistakes.push(DefinitionError::new(
                    format!("{path}.ports"),
                    "is refused: servers have no ports of the node",
                ));
            }
            if let Some(context) = container.get("securityContext") {
                context_mistakes(context, &format!("{path}.securityContext"), mistakes);
            }
        }
    }
}

/// Adds the mistakes in the security context of a container.
pub(super) fn context_mistakes(context: &Value, path: &str, mistakes: &mut Vec<DefinitionError>) {
    let mut refuse = |name: &str, message: &str| {
        mistakes.push(DefinitionError::new(format!("{path}.{name}"), message));
    };
    if context
        .get("privileged")
        .is_some_and(|value| *value != Value::Bool(false))
    {
        refuse("privileged", "is refused: servers are never privileged");
    }
    if context
        .get("procMount")
        .is_some_and(|value| value != "Default")
    {
        refuse("procMount", "is refused: /proc is masked");
    }
    let added = context
        .pointer("/capabilities/add")
        .and_then(Value::as_array);
    if added
        .into_iter()
        .flatten()
        .any(|name| name != "NET_BIND_SERVICE")
    {
        refuse("capabilities.add", "is refused, but for NET_BIND_SERVICE");
    }
}

fn elements<'a>(
    value: &'a Value,
    list: &str,
) -> impl Iterator<Item = (usize, &'a Value)> + use<'a> {
    let list = value.get(list).and_then(Value::as_array);
    list.into_iter().flatten().enumerate()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(mut target: Value, patch: &Value) -> Value {
        merge(&mut target, patch);
        target
    }

    #[test]
    fn elements_are_merged_by_their_key() {
        let pod = json!({"containers": [
            {"name": "a", "image": "1", "args": ["x", "y"], "env": [{"name": "E", "value": "1"}]},
            {"name": "b"},
        ]});
        let patch = json!({"containers": [
            {"name": "a", "args": ["z"], "env": [{"name": "F", "value": "2"}]},
            {"name": "b", "$patch": "delete"},
            {"name": "c", "image": "3"},
        ], "hostname": "h"});
        let expected = json!({"hostname": "h", "containers": [
            {"name": "a", "image": "1", "args": ["z"],
             "env": [{"name": "E", "value": "1"}, {"name": "F", "value": "2"}]},
            {"name": "c", "image": "3"},
        ]});
        assert_eq!(merged(pod, &patch), expected);
    }

    #[test]
    fn null_removes_and_replace_replaces() {
        let before = json!({"a": {"b": 1, "c": 2}, "d": {"e": 1}, "env": [{"name": "A"}]});
        let patch = json!({
            "a": {"b": null},
            "d": {"$patch": "replace", "f": 2},
            "env": [{"$patch": "replace"}, {"name": "B"}],
        });
        let expected = json!({"a": {"c": 2}, "d": {"f": 2}, "env": [{"name": "B"}]});
        assert_eq!(merged(before, &patch), expected);
    }

    #[test]
    fn category_cluster_privileges_of_the_node_are_refused() {
        for pod in [
            json!({"hostNetwork": true}),
            json!({"hostPID": true}),
            json!({"hostIPC": "true"}),
            json!({"volumes": [{"name": "a", "hostPath": {"path": "/"}}]}),
            json!({"containers": [{"name": "a", "securityContext": {"privileged": true}}]}),
            json!({"initContainers": [{"name": "a", "securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}]}),
            json!({"containers": [{"name": "a", "ports": [{"containerPort": 1, "hostPort": 1}]}]}),
            json!({"containers": [{"name": "a", "securityContext": {"procMount": "Unmasked"}}]}),
        ] {
            let before = json!({"spec": {"template": {"spec": {}}}});
            let after = merged(
                before.clone(),
                &json!({"spec": {"template": {"spec": pod}}}),
            );
            assert_eq!(mistakes(&before, &after).len(), 1, "{pod}");
        }
    }

    #[test]
    fn category_cluster_privileges_do_not_follow_from_labels() {
        let before = json!({
            "metadata": {"name": "a", "labels": {"x": "1"}},
            "spec": {"selector": {"matchLabels": {"x": "1"}}},
        });
        for patch in [
            json!({"metadata": {"name": "b"}}),
            json!({"metadata": {"labels": {"x": "2"}}}),
            json!({"metadata": {"labels": {"$patch": "replace"}}}),
            json!({"spec": {"selector": null}}),
            json!({"spec": {"replicas": 3}}),
        ] {
            let after = merged(before.clone(), &patch);
            let mistakes = mistakes(&before, &after);
            assert_eq!(mistakes.len(), 1, "{patch}: {mistakes:?}");
        }
        let added = merged(before.clone(), &json!({"metadata": {"labels": {"y": "2"}}}));
        assert!(mistakes(&before, &added).is_empty());
    }
}
