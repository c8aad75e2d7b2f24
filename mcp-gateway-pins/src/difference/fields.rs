//! Differences of the fields of a definition.

use std::collections::BTreeSet;

use super::text;
use crate::node::Node;
use crate::printable;

/// Returns a line for each member of a definition that is new.
pub(super) fn all(definition: &Node) -> Vec<String> {
    match definition.members() {
        Some(members) => {
            let members = members.iter().filter(|(key, _)| *key != "name");
            members
                .map(|(key, value)| format!("{}: {value}", printable(key)))
                .collect()
        }
        None => vec![definition.to_string()],
    }
}

/// Returns the differences of two definitions.
pub(super) fn changed(approved: &Node, current: &Node) -> Vec<String> {
    let mut lines = Vec::new();
    compare("", approved, current, &mut lines);
    if lines.is_empty() {
        // Digits that only the text of a number has.
        lines.push(format!("{approved} -> {current}"));
    }
    lines
}

/// Adds the differences of two values at `path`.
fn compare(path: &str, approved: &Node, current: &Node, lines: &mut Vec<String>) {
    match (approved, current) {
        (one, two) if one == two => {}
        (Node::Object(one), Node::Object(two)) => {
            let keys: BTreeSet<_> = one.keys().chain(two.keys()).collect();
            for key in keys {
                let path = match path {
                    "" => printable(key),
                    path => format!("{path}.{}", printable(key)),
                };
                match (one.get(key), two.get(key)) {
                    (Some(one), Some(two)) => compare(&path, one, two, lines),
                    (None, Some(two)) => lines.push(format!("{path}: added {two}")),
                    (Some(one), None) => lines.push(format!("{path}: removed {one}")),
                    (None, None) => {}
                }
            }
        }
        (Node::Array(one), Node::Array(two)) => items(path, one, two, lines),
        (Node::Text(one), Node::Text(two)) => lines.extend(text::difference(path, one, two)),
        (one, two) => lines.push(line(path, &format!("{one} -> {two}"))),
    }
}

/// Adds the differences of two arrays: items that one of them does not have, or each item if they have
/// the same number of objects.
fn items(path: &str, approved: &[Node], current: &[Node], lines: &mut Vec<String>) {
    let are_objects = |items: &[Node]| items.iter().all(|item| item.members().is_some());
    if approved.len() == current.len() && are_objects(approved) && are_objects(current) {
        for (at, (one, two)) in approved.iter().zip(current).enumerate() {
            compare(&format!("{path}[{at}]"), one, two, lines);
        }
        return;
    }
    let before = lines.len();
    let added = current.iter().filter(|item| !approved.contains(item));
    lines.extend(added.map(|item| line(path, &format!("added {item}"))));
    let removed = approved.iter().filter(|item| !current.contains(item));
    lines.extend(removed.map(|item| line(path, &format!("removed {item}"))));
    if lines.len() == before {
        let (one, two) = (
            Node::Array(approved.to_vec()),
            Node::Array(current.to_vec()),
        );
        lines.push(line(path, &format!("{one} -> {two}")));
    }
}

/// Returns a line about the value at `path`.
pub(super) fn line(path: &str, text: &str) -> String {
    match path {
        "" => text.to_owned(),
        path => format!("{path}: {text}"),
    }
}
