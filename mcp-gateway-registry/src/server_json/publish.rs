//! Writing of a file.

use serde_json::{Map, Value, json};

use super::read::shortened;
use super::sanitize::sanitize;
use crate::template::{Part, parts};
use crate::{Entry, EntryDocument, Input, InputFormat};

/// Returns the `server.json` of an entry, which is valid against [`SCHEMA`](super::SCHEMA).
///
/// An imported entry is written as it has been published. Otherwise a remote server becomes a
/// remote, and a program that runs a package becomes a package; other programs are left out,
/// because a file cannot describe them. The file contains no visibility and no value of an input.
///
/// # Example
///
/// ```
/// use mcp_gateway_registry::{Entry, EntryDocument, server_json};
/// use serde_json::json;
///
/// let mut entry = Entry::new("notes", "1.0.0", "Notes");
/// entry.server = Some(json!({ "remote": { "url": "https://notes.example.com/mcp" } }));
/// let file = server_json::write(&EntryDocument::new(entry, 0));
/// assert!(server_json::violations(&file).is_empty());
/// assert_eq!(file["name"], "local/notes");
/// assert_eq!(file["remotes"][0]["type"], "streamable-http");
/// ```
#[must_use]
pub fn write(document: &EntryDocument) -> Value {
    if let Some(published) = &document.published {
        return published.clone();
    }
    let entry = &document.entry;
    let server = entry.server.as_ref();
    let part = |key: &str| server.and_then(|server| server.get(key));
    let mut file = json!({});
    if let Some(remote) = part("remote") {
        file["remotes"] = json!([remote_of(entry, remote)]);
    }
    if let Some(package) = part("process").and_then(|process| package_of(entry, process)) {
        file["packages"] = json!([package]);
    }
    sanitize(&file, entry)
}

/// Returns the remote of a server over HTTP.
fn remote_of(entry: &Entry, remote: &Value) -> Value {
    let kind = match remote["protocol"].as_str() {
        Some("sse") => "sse",
        _ => "streamable-http",
    };
    let url = remote["url"].as_str().unwrap_or_default();
    let headers = settings(entry, &remote["headers"]);
    let bearer = remote["bearer"].as_str();
    let bearer = bearer.map(|bearer| named(entry, "Authorization", &format!("Bearer {bearer}")));
    let headers: Vec<_> = headers.into_iter().chain(bearer).collect();
    json!({ "type": kind, "url": url, "headers": headers, "variables": variables(entry, url) })
}

/// Returns the package that a program runs; `None` if it is not known to run packages.
///
/// The package is the first argument that is neither an option nor the value of one.
fn package_of(entry: &Entry, process: &Value) -> Option<Value> {
    let args: Vec<&Value> = process["args"].as_array()?.iter().collect();
    let command = process["command"].as_str()?;
    let (kind, first): (_, &[&str]) = match command {
        "npx" => ("npm", &["-y", "--yes"]),
        "uvx" => ("pypi", &[]),
        "dnx" => ("nuget", &["--yes"]),
        "docker" => ("oci", &["run", "-i", "--rm"]),
        _ => return None,
    };
    let mut at = args
        .iter()
        .take_while(|it| it.as_str().is_some_and(|it| first.contains(&it)))
        .count();
    let skipped = at;
    while args
        .get(at)?
        .as_str()
        .is_none_or(|arg| arg.starts_with('-'))
    {
        let has_value = command == "docker" && args[at].as_str() == Some("-e");
        at += 1 + usize::from(has_value);
    }
    let (identifier, version) = split(kind, args[at].as_str()?);
    let env = settings(entry, &process["env"]);
    Some(json!({
        "registryType": kind,
        "identifier": identifier,
        "version": version,
        "runtimeHint": command,
        "transport": { "type": "stdio" },
        "runtimeArguments": arguments(entry, &args[skipped..at], command == "docker"),
        "packageArguments": arguments(entry, &args[at + 1..], false),
        "environmentVariables": env,
    }))
}

/// Splits a package into identifier and version.
fn split<'a>(kind: &str, package: &'a str) -> (&'a str, Option<&'a str>) {
    let split = match kind {
        "pypi" => package.split_once("=="),
        "oci" => None,
        _ => package
            .rsplit_once('@')
            .filter(|(name, _)| !name.is_empty()),
    };
    // `uvx` accepts both.
    let split = split.or_else(|| (kind == "pypi").then(|| package.split_once('@')).flatten());
    split.map_or((package, None), |(name, version)| (name, Some(version)))
}

/// Returns arguments; those that pass variables to a container are implied if `is_container`.
fn arguments(entry: &Entry, args: &[&Value], is_container: bool) -> Vec<Value> {
    let mut written = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg {
            Value::String(text) if is_container && text == "-e" => _ = args.next(),
            Value::String(text) => written.push(positional(entry, text)),
            Value::Array(group) => match (group.first(), group.get(1)) {
                (Some(Value::String(name)), Some(Value::String(value))) => {
                    let mut argument = named(entry, name, value);
                    argument["type"] = "named".into();
                    written.push(argument);
                }
                _ => written.extend(
                    group
                        .iter()
                        .filter_map(Value::as_str)
                        .map(|it| positional(entry, it)),
                ),
            },
            _ => {}
        }
    }
    written
}

fn positional(entry: &Entry, text: &str) -> Value {
    let mut argument = value(entry, text);
    argument["type"] = "positional".into();
    if let Some(input) = sole(entry, text) {
        argument["valueHint"] = input.name.as_str().into();
    }
    argument
}

/// Returns variables or headers.
fn settings(entry: &Entry, members: &Value) -> Vec<Value> {
    let members = members.as_object().into_iter().flatten();
    let setting = |(name, member): (&String, &Value)| {
        let text = member.get("value").unwrap_or(member).as_str()?;
        Some(named(entry, name, text))
    };
    members.filter_map(setting).collect()
}

fn named(entry: &Entry, name: &str, text: &str) -> Value {
    let mut item = value(entry, text);
    item["name"] = name.into();
    item
}

/// Returns the members of a value: those of its input, if it is nothing else than one.
fn value(entry: &Entry, text: &str) -> Value {
    match sole(entry, text) {
        Some(input) => declared(input),
        None => json!({ "value": text, "variables": variables(entry, text) }),
    }
}

/// Returns the input of a text that is nothing else than its name in braces.
fn sole<'a>(entry: &'a Entry, text: &str) -> Option<&'a Input> {
    let name = text.strip_prefix('{')?.strip_suffix('}')?;
    entry.inputs.iter().find(|input| input.name == name)
}

/// Returns the inputs in `text`; null if there is none.
fn variables(entry: &Entry, text: &str) -> Value {
    let find = |name: &str| entry.inputs.iter().find(|input| input.name == name);
    let mut variables = Map::new();
    for part in parts(text, &|name| find(name).is_some()) {
        if let Part::Name(name) = part
            && let Some(input) = find(name)
        {
            variables.insert(name.to_owned(), declared(input));
        }
    }
    match variables.is_empty() {
        true => Value::Null,
        false => variables.into(),
    }
}

fn declared(input: &Input) -> Value {
    json!({
        "description": input.description.as_deref().map(|it| shortened(it, 1000)),
        "isRequired": input.required,
        "isSecret": input.secret,
        "default": input.default,
        "placeholder": input.placeholder,
        "choices": input.choices,
        "format": match input.format {
            InputFormat::String => None,
            InputFormat::Number => Some("number"),
            InputFormat::Boolean => Some("boolean"),
            InputFormat::Filepath => Some("filepath"),
        },
    })
}
