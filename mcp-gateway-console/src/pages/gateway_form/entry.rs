//! Entry of a gateway, as its form describes it.

use serde_json::{Value, json};

use super::assignments;
use super::some;
use crate::form::Fields;

/// Returns `entry` with the values of `fields`. Keys that the form does not have stay.
pub(super) fn changed(mut entry: Value, fields: &Fields) -> Value {
    let servers = assignments::servers(&entry, fields);
    let list = |name: &str, words: Vec<String>| (name.to_owned(), list(words));
    let single = |name: &str| (name.to_owned(), some(fields, name));
    let members = [
        single("name"),
        single("title"),
        single("description"),
        single("instructions"),
        ("visibility".to_owned(), visibility(fields)),
        // An alias of `visibility`.
        ("teams".to_owned(), None),
        ("servers".to_owned(), servers.servers),
        ("assignments".to_owned(), servers.assignments),
        (
            "dpop".to_owned(),
            some(fields, "dpop").filter(|value| value == "required"),
        ),
        list("forwardHeaders", fields.words("forwardHeaders")),
        (
            "exposure".to_owned(),
            some(fields, "exposure").filter(|value| value != "list"),
        ),
        list("visibleTools", fields.words("visibleTools")),
    ];
    if let Some(object) = entry.as_object_mut() {
        for (name, value) in members {
            match value {
                Some(value) => object.insert(name, value),
                None => object.remove(&name),
            };
        }
        // It is required; the API reports one that is missing as such.
        object.entry("name").or_insert_with(|| "".into());
    }
    entry
}

fn visibility(fields: &Fields) -> Option<Value> {
    match fields.text("visibility") {
        "teams" => Some(json!({ "teams": fields.items("teams") })),
        "user" => Some(json!({ "user": fields.text("user") })),
        _ => Some("organization".into()),
    }
}

fn list(words: Vec<String>) -> Option<Value> {
    (!words.is_empty()).then(|| words.into())
}
