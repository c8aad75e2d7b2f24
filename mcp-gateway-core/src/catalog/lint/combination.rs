//! Merge of the schemas that are combined at the top of a schema of arguments.

use crate::json::{Tree, TreeObject};

/// Combinations that interfaces of models reject at the top level.
pub(super) const COMBINATIONS: [&str; 3] = ["anyOf", "oneOf", "allOf"];

/// Merges the schemas that `schema` combines by `key` into it.
///
/// All properties stay described, and every valid argument stays valid: a property is required only
/// if it is whichever alternative is meant. The server still validates the alternatives.
///
/// Returns `false`, and changes nothing, unless all of them are objects, of which there are up to 32.
pub(super) fn merge(schema: &mut TreeObject<'_>, key: &str) -> bool {
    let Some(branches) = branches(schema, key) else {
        return false;
    };
    let required = required(&branches, key == "allOf");
    schema.remove(key);
    add_properties(schema, &branches);
    let own = match schema.get("required") {
        Some(Tree::Array(names)) => names.clone(),
        _ => Vec::new(),
    };
    let new = required.into_iter().filter(|name| !own.contains(name));
    let names: Vec<_> = own.iter().cloned().chain(new).collect();
    if names.len() > own.len() {
        schema.set("required", Tree::Array(names));
    }
    true
}

/// Returns the combined schemas, or `None` if one of them is not an object.
fn branches<'a>(schema: &TreeObject<'a>, key: &str) -> Option<Vec<TreeObject<'a>>> {
    let Some(Tree::Array(items)) = schema.get(key) else {
        return None;
    };
    let branch = |item: &Tree<'a>| {
        let object = item.as_object()?;
        match object.get("$ref").and_then(Tree::text) {
            Some(reference) => target(schema, &reference)?.as_object().cloned(),
            None => Some(object.clone()),
        }
    };
    // Different schemas of one property are nested once for each of them.
    match items.len() <= MAX_BRANCHES {
        true => items.iter().map(branch).collect(),
        false => None,
    }
}

/// Maximum number of schemas that are merged.
const MAX_BRANCHES: usize = 32;

/// Returns the target of a reference within the document.
fn target<'s, 'a>(schema: &'s TreeObject<'a>, reference: &str) -> Option<&'s Tree<'a>> {
    let path = reference.strip_prefix("#/")?;
    match path.split_once('/') {
        Some((first, rest)) => schema.get(first)?.pointer(&format!("/{rest}")),
        None => schema.get(path),
    }
}

/// Returns the names that are required by all of `branches`, or by any of them.
fn required<'a>(branches: &[TreeObject<'a>], by_any: bool) -> Vec<Tree<'a>> {
    let lists: Vec<&[Tree<'a>]> = branches
        .iter()
        .map(|branch| match branch.get("required") {
            Some(Tree::Array(names)) => names.as_slice(),
            _ => &[],
        })
        .collect();
    let mut names: Vec<Tree<'a>> = Vec::new();
    for name in lists.iter().copied().flatten() {
        let is_required = by_any || lists.iter().all(|list| list.contains(name));
        if is_required && !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// Adds the properties of `branches` that `schema` does not have. Different schemas of one property
/// become alternatives.
fn add_properties<'a>(schema: &mut TreeObject<'a>, branches: &[TreeObject<'a>]) {
    let mut properties = match schema.get("properties") {
        Some(Tree::Object(properties)) => properties.clone(),
        _ => TreeObject::default(),
    };
    let own = properties.clone();
    let added = branches
        .iter()
        .filter_map(|branch| branch.get("properties")?.as_object());
    for (name, property) in added.flat_map(TreeObject::iter) {
        if own.get(name).is_some() {
            continue;
        }
        let property = match properties.get(name) {
            Some(other) if other != property => either(other.clone(), property.clone()),
            Some(_) | None => property.clone(),
        };
        properties.set(name.to_owned(), property);
    }
    if properties != own {
        schema.set("properties", Tree::Object(properties));
    }
}

/// Returns the schema of a value of either schema.
fn either<'a>(one: Tree<'a>, other: Tree<'a>) -> Tree<'a> {
    let mut either = TreeObject::default();
    either.set("anyOf", Tree::Array(vec![one, other]));
    Tree::Object(either)
}
