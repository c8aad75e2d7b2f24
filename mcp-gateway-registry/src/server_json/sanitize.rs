//! Published files, made valid.

use serde_json::{Map, Value, json};

use super::fields::{field, flag, items, scalar, text};
use super::read::shortened;
use super::{LOCAL, PUBLISHER, SCHEMA, remote};
use crate::Entry;

/// Returns `server` in the form of the schema: with today's names of keys, and without parts that
/// the schema does not allow.
pub(super) fn sanitize(server: &Value, entry: &Entry) -> Value {
    let mut valid = json!({
        "$schema": SCHEMA,
        "name": qualified(&entry.name),
        "description": shortened(&entry.description, 100),
        "version": entry.version,
    });
    if let Some(title) = &entry.title {
        valid["title"] = title.as_str().into();
    }
    if let Some(url) = entry.website_url.as_deref().filter(|url| is_uri(url)) {
        valid["websiteUrl"] = url.into();
    }
    valid["repository"] = field(server, "repository").and_then(repository).into();
    valid["icons"] = list(items(server, "icons"), icon);
    valid["packages"] = list(items(server, "packages"), package);
    valid["remotes"] = list(items(server, "remotes"), transport);
    let publisher = server.get("_meta").and_then(|meta| meta.get(PUBLISHER));
    if let Some(publisher) = publisher.filter(|it| it.is_object() && it.to_string().len() <= 4096) {
        valid["_meta"] = json!({ PUBLISHER: publisher });
    }
    without_nulls(valid)
}

/// Returns a name with a namespace.
pub(super) fn qualified(name: &str) -> String {
    match name.contains('/') {
        true => name.to_owned(),
        false => format!("{LOCAL}/{name}"),
    }
}

/// Removes members that are null.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.into_iter().filter(|(_, member)| !member.is_null());
            members.collect::<Map<_, _>>().into()
        }
        other => other,
    }
}

/// Returns the valid items of a list; null if there is none.
fn list(items: &[Value], valid: fn(&Value) -> Option<Value>) -> Value {
    let valid: Vec<_> = items.iter().filter_map(valid).map(without_nulls).collect();
    match valid.is_empty() {
        true => Value::Null,
        false => valid.into(),
    }
}

/// Returns the texts of the members `keys`.
fn texts(value: &Value, keys: &[&str]) -> Value {
    let texts = keys
        .iter()
        .map(|&key| (key.to_owned(), text(value, key).into()));
    without_nulls(texts.collect::<Map<_, _>>().into())
}

fn repository(repository: &Value) -> Option<Value> {
    let valid = texts(repository, &["url", "source", "id", "subfolder"]);
    let is_complete = is_uri(valid["url"].as_str()?) && valid["source"].is_string();
    is_complete.then_some(valid)
}

fn icon(icon: &Value) -> Option<Value> {
    let src = text(icon, "src")?;
    let is_valid = src.starts_with("https://") && src.len() <= 255 && is_uri(src);
    let mut valid = texts(icon, &["src", "mimeType", "theme"]);
    let members = valid.as_object_mut()?;
    members.retain(|key, member| match &**key {
        "mimeType" => member.as_str().is_some_and(|it| MIME_TYPES.contains(&it)),
        "theme" => member == "light" || member == "dark",
        _ => true,
    });
    is_valid.then_some(valid)
}

fn package(package: &Value) -> Option<Value> {
    let kind = text(package, "registryType").or_else(|| text(package, "registryName"))?;
    let identifier = text(package, "identifier").or_else(|| text(package, "name"))?;
    let transport = match field(package, "transport") {
        Some(transport) if text(transport, "url").is_some() => self::transport(transport)?,
        _ => json!({ "type": "stdio" }),
    };
    // Without an invalid part, it would be another package.
    let version = text(package, "version").filter(|version| *version != "latest");
    let base = text(package, "registryBaseUrl");
    let hash = text(package, "fileSha256");
    let is_valid = version.is_none_or(crate::version::is_valid)
        && base.is_none_or(is_uri)
        && hash.is_none_or(is_hash);
    if !is_valid {
        return None;
    }
    Some(json!({
        "registryType": kind,
        "identifier": identifier,
        "registryBaseUrl": base,
        "version": version,
        "fileSha256": hash,
        "runtimeHint": text(package, "runtimeHint"),
        "transport": without_nulls(transport),
        "runtimeArguments": list(items(package, "runtimeArguments"), argument),
        "packageArguments": list(items(package, "packageArguments"), argument),
        "environmentVariables": list(items(package, "environmentVariables"), named),
    }))
}

fn transport(remote: &Value) -> Option<Value> {
    let kind = remote::kind(remote).ok()?;
    let url = text(remote, "url").filter(|url| is_template(url))?;
    let variables = field(remote, "variables").and_then(Value::as_object);
    let variables = variables.map(inputs);
    Some(json!({
        "type": kind,
        "url": url,
        "headers": list(items(remote, "headers"), named),
        "variables": variables,
    }))
}

fn argument(argument: &Value) -> Option<Value> {
    if let Value::String(text) = argument {
        return Some(json!({ "type": "positional", "value": text }));
    }
    let mut valid = input(argument);
    let members = valid.as_object_mut()?;
    let name = text(argument, "name");
    if flag(argument, "isRepeated") {
        members.insert("isRepeated".to_owned(), true.into());
    }
    match (text(argument, "type"), name) {
        (Some("named") | None, Some(name)) => {
            members.insert("type".to_owned(), "named".into());
            members.insert("name".to_owned(), name.into());
        }
        _ => {
            members.insert("type".to_owned(), "positional".into());
            let hint = text(argument, "valueHint").or(name);
            if hint.is_some() || !members.contains_key("value") {
                let hint = hint.unwrap_or("argument");
                members.insert("valueHint".to_owned(), hint.into());
            }
        }
    }
    Some(valid)
}

/// Returns a variable or a header.
fn named(item: &Value) -> Option<Value> {
    let name = text(item, "name")?;
    let mut valid = input(item);
    valid["name"] = name.into();
    Some(valid)
}

/// Returns the members of an input, with its variables.
fn input(item: &Value) -> Value {
    let mut valid = texts(item, &["description", "placeholder"]);
    for key in ["value", "default"] {
        if let Some(text) = scalar(item, key) {
            valid[key] = text.into();
        }
    }
    for key in ["isRequired", "isSecret"] {
        if flag(item, key) {
            valid[key] = true.into();
        }
    }
    let format = text(item, "format").filter(|it| FORMATS.contains(it));
    if let Some(format) = format {
        valid["format"] = format.into();
    }
    let choices = items(item, "choices").iter().filter(|it| it.is_string());
    let choices: Vec<_> = choices.cloned().collect();
    if !choices.is_empty() {
        valid["choices"] = choices.into();
    }
    if let Some(variables) = field(item, "variables").and_then(Value::as_object) {
        valid["variables"] = inputs(variables);
    }
    valid
}

/// Returns a map of inputs.
fn inputs(variables: &Map<String, Value>) -> Value {
    let variables = variables.iter();
    let valid = variables.map(|(name, variable)| {
        let mut valid = input(variable);
        if let Some(members) = valid.as_object_mut() {
            members.remove("variables");
        }
        (name.clone(), valid)
    });
    valid.collect::<Map<_, _>>().into()
}

/// Returns `true` if `text` is a SHA-256 hash.
pub(super) fn is_hash(text: &str) -> bool {
    let is_digit = |it: char| it.is_ascii_digit() || ('a'..='f').contains(&it);
    text.len() == 64 && text.chars().all(is_digit)
}

/// Returns `true` if `text` is an absolute URI.
pub(super) fn is_uri(text: &str) -> bool {
    url::Url::parse(text).is_ok() && !text.contains(char::is_whitespace)
}

/// Returns `true` if `text` is a URL of HTTP, with names in braces or without.
pub(super) fn is_template(text: &str) -> bool {
    let is_word = text.len() > 8 && !text.contains(char::is_whitespace);
    is_word && (text.starts_with("http://") || text.starts_with("https://"))
}

/// Types of images of an icon.
pub(super) const MIME_TYPES: [&str; 5] = [
    "image/png",
    "image/jpeg",
    "image/jpg",
    "image/svg+xml",
    "image/webp",
];

/// Formats of inputs.
pub(super) const FORMATS: [&str; 4] = ["string", "number", "boolean", "filepath"];
