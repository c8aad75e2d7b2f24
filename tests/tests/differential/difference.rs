use std::collections::BTreeSet;

use serde_json::Value;

/// Difference of two transcripts of a script: the step, and the path in its transcript.
pub(super) fn differences(expected: &Value, seen: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    compare(expected, seen, "", &mut found);
    found
}

fn compare(expected: &Value, seen: &Value, path: &str, found: &mut BTreeSet<String>) {
    match (expected, seen) {
        (Value::Object(expected), Value::Object(seen)) => {
            let names: BTreeSet<_> = expected.keys().chain(seen.keys()).collect();
            for name in names {
                let path = format!("{path}/{name}");
                match (expected.get(name), seen.get(name)) {
                    (Some(expected), Some(seen)) => compare(expected, seen, &path, found),
                    (Some(_), None) => drop(found.insert(format!("-{path}"))),
                    _ => drop(found.insert(format!("+{path}"))),
                }
            }
        }
        (Value::Array(expected), Value::Array(seen)) if expected.len() == seen.len() => {
            for (index, (expected, seen)) in expected.iter().zip(seen).enumerate() {
                compare(expected, seen, &format!("{path}/{index}"), found);
            }
        }
        _ if expected == seen || is_rest_of_lifetime(expected, seen, path) => {}
        _ => drop(found.insert(format!("!{path}"))),
    }
}

/// Returns `true` if the values are the lifetime of a list, and what is left of it in a cache.
fn is_rest_of_lifetime(expected: &Value, seen: &Value, path: &str) -> bool {
    let left = seen.as_u64().zip(expected.as_u64());
    path.ends_with("/result/ttlMs") && left.is_some_and(|(left, whole)| 0 < left && left < whole)
}
