//! Key `servers[].process`: servers that are child processes.
//!
//! | Key | Type |
//! |---|---|
//! | `command` | program name or path, required |
//! | `args` | list of strings |
//! | `env` | map of settings |
//! | `directory` | path |
//! | `clearEnvironment` | boolean |
//! | `grace` | duration |
//! | `protocol` | `auto`, `modern` or `legacy` |
//! | `ownHome`, `oneAtATime` | boolean |
//! | `state` | `shared`, `maxSize` |
//! | `cleanup` | non-empty list of strings |
//!
//! The last ones but `oneAtATime`, and the placeholders in texts, are the [`Isolation`]. Arguments and
//! variables with `value` may refer to inputs of the server.

use std::path::PathBuf;

use mcp_gateway_core::upstream::UpstreamProtocol;
use mcp_gateway_platform::spec::{
    Isolation, PLACEHOLDERS, Process, Secret, input_of, placeholders,
};

use super::secret::Setting;
use crate::document::{Bytes, Field, FromField, Table, nearest};

impl FromField for Process {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let command = table.required("command", command);
        let args = table.get_with("args", arguments).unwrap_or_default();
        let mut process = Self::new(command.unwrap_or_default(), args);
        let env = table.get_with("env", variables).unwrap_or_default();
        let directory = table.get_with("directory", |field| field.parse("a path", printable));
        process.directory = directory.map(PathBuf::from);
        process.clear_environment = table.get("clearEnvironment").unwrap_or(true);
        process.grace = table.get("grace");
        let protocol = table.get_with("protocol", |field| field.choice(&PROTOCOLS));
        process.protocol = protocol.flatten();
        process.one_at_a_time = table.get("oneAtATime").unwrap_or_default();
        let isolation = isolation(&mut table);
        table.finish();
        isolate(&mut process, isolation, env);
        check_placeholders(&process, field);
        Some(process)
    }
}

/// Reads a program name. Warns if it seems to contain arguments, because no shell splits them.
fn command(field: &Field<'_>) -> Option<String> {
    let text = field.text()?;
    if text.trim().is_empty() {
        field.error("missing program name");
        return None;
    }
    if text.contains(char::is_whitespace) && !text.contains('/') {
        field.warning("the program name contains spaces; arguments belong in args");
    }
    field.parse("a program", printable)
}

/// Parses a name or a path, which has no control characters.
///
/// The system would accept all but NUL, but a log or a table with such a name has other lines.
///
/// # Errors
///
/// A message if it has one.
fn printable(text: &str) -> Result<String, String> {
    match text.contains(char::is_control) {
        true => Err("expected text without control characters".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// Reads arguments.
///
/// No program can be started with one that contains NUL. Other control characters are accepted: an
/// argument may be a script of several lines.
fn arguments(field: &Field<'_>) -> Option<Vec<String>> {
    let items = field.items()?;
    let read = items.iter().map(|field| without_nul(field, field.text()?));
    read.collect()
}

/// Returns `text`, unless it contains NUL. The error has no text, which may be a secret.
fn without_nul(field: &Field<'_>, text: &str) -> Option<String> {
    if text.contains('\0') {
        field.error("NUL is not accepted");
        return None;
    }
    Some(text.to_owned())
}

/// Environment variable in a file.
struct Variable {
    name: String,
    value: Secret,
    /// Set for `{ value: TEXT }`, in which placeholders are replaced.
    is_text: bool,
}

/// Reads environment variables.
fn variables(field: &Field<'_>) -> Option<Vec<Variable>> {
    let entries = field.entries()?;
    let variable = |(name, field): &(&str, Field<'_>)| {
        let Setting(value) = field.read()?;
        if !is_variable(name) {
            field.error("not a valid variable name");
            return None;
        }
        without_nul(field, value.expose())?;
        Some(Variable {
            name: (*name).to_owned(),
            value,
            is_text: field.peek("value").is_some(),
        })
    };
    Some(entries.iter().filter_map(variable).collect())
}

/// Reads the keys of the isolation; `None` without any.
fn isolation(table: &mut Table<'_>) -> Option<Isolation> {
    let own_home = table.get("ownHome");
    let state = table.get_with("state", state);
    let cleanup = table.get_with("cleanup", cleanup);
    let is_set = own_home.is_some() || state.is_some() || cleanup.is_some();
    let mut isolation = state.unwrap_or_default();
    isolation.own_home = own_home.unwrap_or_default();
    isolation.cleanup = cleanup.unwrap_or_default();
    is_set.then_some(isolation)
}

/// Reads the settings of the state folder.
fn state(field: &Field<'_>) -> Option<Isolation> {
    let mut table = field.table()?;
    let mut isolation = Isolation::default();
    isolation.shared_state = table.get("shared").unwrap_or_default();
    if let Some(Bytes(bytes)) = table.get("maxSize") {
        isolation.max_bytes = bytes as u64;
    }
    table.finish();
    Some(isolation)
}

/// Reads the command that ends what outlives a program.
fn cleanup(field: &Field<'_>) -> Option<Vec<String>> {
    let command = arguments(field)?;
    if command.is_empty() {
        field.error("expected a program and its arguments");
        return None;
    }
    Some(command)
}

/// Assigns the isolation and the variables. Placeholders require an isolation.
fn isolate(process: &mut Process, isolation: Option<Isolation>, env: Vec<Variable>) {
    let texts = env.iter().filter(|variable| variable.is_text);
    let are_used = process.placeholders().any(is_placeholder)
        || texts
            .clone()
            .any(|variable| placeholders(variable.value.expose()).any(is_placeholder));
    process.isolation = isolation.or_else(|| are_used.then(Isolation::default));
    for Variable {
        name,
        value,
        is_text,
    } in env
    {
        match &mut process.isolation {
            Some(isolation) if is_text && value.expose().contains("${") => {
                isolation.env.push((name, value.expose().to_owned()));
            }
            Some(_) | None => process.env.push((name, value)),
        }
    }
}

/// Returns `true` if `name` stands for something of the caller.
fn is_placeholder(name: &str) -> bool {
    PLACEHOLDERS.contains(&name) || input_of(name).is_some()
}

/// Warns of names that resemble a placeholder, and of settings without an effect.
fn check_placeholders(process: &Process, field: &Field<'_>) {
    let unknown = process.placeholders().filter(|name| !is_placeholder(name));
    for name in unknown {
        if let Some(near) = nearest(name, &PLACEHOLDERS) {
            field.warning(format!(
                "${{{name}}} is no placeholder; did you mean ${{{near}}}?"
            ));
        }
    }
    if let Some(state) = field.get("state")
        && !process.uses_state()
    {
        state.warning("no effect: the program uses neither ${state} nor ownHome");
    }
}

/// Returns `true` if the system accepts a variable with this name.
fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains('=') && !name.contains(char::is_control)
}

/// Values of `protocol`.
const PROTOCOLS: [(&str, Option<UpstreamProtocol>); 3] = [
    ("auto", None),
    ("modern", Some(UpstreamProtocol::Modern)),
    ("legacy", Some(UpstreamProtocol::Legacy)),
];
