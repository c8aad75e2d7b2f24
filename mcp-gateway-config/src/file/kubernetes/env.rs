//! Key `servers[].kubernetes.env`: environment variables of pods.
//!
//! | Value | Meaning |
//! |---|---|
//! | `{ value: TEXT }`, `{ env: NAME }`, `{ file: PATH }` | a setting, as for processes |
//! | `{ secret: NAME, key: KEY }` | key of a Secret of the cluster |
//! | `{ configMap: NAME, key: KEY }` | key of a config map of the cluster |
//!
//! In documents of the store, `{ secret: TEXT }` without a key is a setting with its text.
//!
//! A text is kept in a Secret that belongs to the server, whether it is public or not. A reference
//! names an object that must exist in the namespace of the server: otherwise its pods do not start,
//! and the state of the server has the name of what is missing.

use mcp_gateway_platform::spec::{KeyReference, PodValue};

use super::names;
use crate::document::Field;
use crate::file::secret::Setting;

/// Reads environment variables.
pub(super) fn variables(field: &Field<'_>) -> Option<Vec<(String, PodValue)>> {
    let entries = field.entries()?;
    let variable = |(name, field): &(&str, Field<'_>)| {
        if let Some(violation) = names::variable(name) {
            field.error(violation);
        }
        Some(((*name).to_owned(), value(field)?))
    };
    Some(entries.iter().filter_map(variable).collect())
}

/// Reads the value of a variable.
fn value(field: &Field<'_>) -> Option<PodValue> {
    let is_file = field.environment().has_references();
    let has_key = field.get("key").is_some();
    let is_reference = has_key || field.get("configMap").is_some();
    if is_reference || (is_file && field.get("secret").is_some()) {
        return reference(field);
    }
    if field.is_scalar() && is_file {
        field.error(EXPECTED);
        return None;
    }
    let Setting(text) = field.read()?;
    if text.expose().contains('\0') {
        field.error("NUL is not accepted");
        return None;
    }
    Some(PodValue::Text(text))
}

/// Reads a reference to a key of an object of the cluster.
fn reference(field: &Field<'_>) -> Option<PodValue> {
    let mut table = field.table()?;
    let object = table.one_of(&["secret", "configMap"]);
    let key = table.required("key", |field| field.parse("a key", names::object_key));
    table.finish();
    let (kind, object) = object?;
    let name = object.parse("the name of an object", names::subdomain)?;
    let reference = KeyReference::new(name, key?);
    Some(match kind {
        "secret" => PodValue::Secret(reference),
        _ => PodValue::ConfigMap(reference),
    })
}

/// Error of a text in the place of a value.
const EXPECTED: &str = "expected { value: TEXT }, { env: NAME }, { file: PATH }, \
                        { secret: NAME, key: KEY } or { configMap: NAME, key: KEY }";
