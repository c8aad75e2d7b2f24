//! Secrets of entries, as the audit log records them: by their paths, never with their values.

use std::collections::BTreeMap;

use serde_json::Value;

/// Returns the changes of secrets between the entries `before` and `after`, such as
/// `remote.bearer: secret replaced`.
///
/// A secret is an object with the only member `secret`. The value `true` keeps it.
pub(super) fn changes(before: Option<&Value>, after: Option<&Value>) -> Vec<String> {
    let (before, after) = (found(before), found(after));
    let written = after.iter().filter(|(_, secret)| **secret != true);
    let written = written.map(|(path, _)| match before.contains_key(path) {
        true => format!("{path}: secret replaced"),
        false => format!("{path}: secret created"),
    });
    let deleted = before.keys().filter(|path| !after.contains_key(*path));
    let deleted = deleted.map(|path| format!("{path}: secret deleted"));
    written.chain(deleted).collect()
}

/// Returns the secrets of `entry` by their paths.
fn found(entry: Option<&Value>) -> BTreeMap<String, &Value> {
    let mut secrets = BTreeMap::new();
    if let Some(entry) = entry {
        collect(entry, String::new(), &mut secrets);
    }
    secrets
}

/// Adds the secrets of `value`, which is at `path`, to `secrets`.
fn collect<'v>(value: &'v Value, path: String, secrets: &mut BTreeMap<String, &'v Value>) {
    match value {
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                collect(item, format!("{path}[{at}]"), secrets);
            }
        }
        Value::Object(members) => {
            if let (1, Some(secret)) = (members.len(), members.get("secret")) {
                secrets.insert(path, secret);
                return;
            }
            let separator = if path.is_empty() { "" } else { "." };
            for (key, member) in members {
                collect(member, format!("{path}{separator}{key}"), secrets);
            }
        }
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_recorded_by_their_paths() {
        let before = json!({ "remote": {
            "bearer": { "secret": true },
            "headers": { "a": { "secret": true }, "b": { "secret": true } },
        }});
        let after = json!({ "remote": {
            "bearer": { "secret": "n3w" },
            "headers": { "a": { "secret": true }, "c": { "secret": "n3w" } },
        }, "args": [{ "secret": "n3w" }, { "value": "public" }]});
        let replaced = changes(Some(&before), Some(&after));
        let expected = [
            "args[0]: secret created",
            "remote.bearer: secret replaced",
            "remote.headers.c: secret created",
            "remote.headers.b: secret deleted",
        ];
        assert_eq!(replaced, expected);
        assert!(changes(Some(&before), Some(&before)).is_empty());
        assert_eq!(changes(Some(&before), None).len(), 3);
    }
}
