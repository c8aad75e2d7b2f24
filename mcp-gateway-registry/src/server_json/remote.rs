//! Remotes: servers over HTTP.

use serde_json::{Map, Value, json};

use super::fields::{field, flag, items, scalar, text};
use super::inputs::{Defaults, Inputs, names_secret};

/// Returns the template of the server at `remote`.
///
/// # Errors
///
/// The reason for which the gateway cannot use it.
pub(super) fn read(remote: &Value, inputs: &mut Inputs) -> Result<Value, String> {
    let kind = kind(remote)?;
    let url = text(remote, "url").ok_or("the remote has no URL")?;
    let defaults = Defaults {
        secret: false,
        undeclared_secret: false,
        required: true,
    };
    let variables = field(remote, "variables");
    let url = inputs.template(url, variables, defaults);
    let headers = headers(remote, variables, inputs);
    let mut template = json!({ "url": url });
    if kind == "sse" {
        template["protocol"] = kind.into();
    }
    if !headers.is_empty() {
        template["headers"] = headers.into();
    }
    Ok(json!({ "remote": template }))
}

/// Returns the transport of `remote`, as the schema names it.
///
/// # Errors
///
/// A message if it is another one.
pub(super) fn kind(remote: &Value) -> Result<&'static str, String> {
    let kind = text(remote, "type").or_else(|| text(remote, "transportType"));
    let kind = kind.or_else(|| text(remote, "transport"));
    match kind.unwrap_or("streamable-http") {
        "sse" => Ok("sse"),
        "http" | "streamable" | "streamable-http" | "streamableHttp" | "streamable_http" => {
            Ok("streamable-http")
        }
        kind => Err(format!("the transport {kind:?} is not supported")),
    }
}

/// Returns the templates of the headers of `remote`.
fn headers(remote: &Value, variables: Option<&Value>, inputs: &mut Inputs) -> Map<String, Value> {
    let mut headers = Map::new();
    for header in items(remote, "headers") {
        let Some(name) = text(header, "name") else {
            continue;
        };
        let defaults = Defaults {
            secret: flag(header, "isSecret"),
            undeclared_secret: true,
            required: flag(header, "isRequired"),
        };
        let template = match scalar(header, "value").filter(|value| !value.is_empty()) {
            Some(value) => {
                let variables = field(header, "variables").or(variables);
                inputs.template(&value, variables, defaults)
            }
            None => inputs.add(name, header, names_secret(name)),
        };
        headers.insert(name.to_owned(), template.into());
    }
    headers
}
