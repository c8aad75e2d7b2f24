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

use std::path::PathBuf;

use mcp_gateway_core::upstream::UpstreamProtocol;
use mcp_gateway_platform::spec::{Process, Secret};

use super::secret::Setting;
use crate::document::{Field, FromField};

impl FromField for Process {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let command = table.required("command", command);
        let args: Vec<String> = table.get("args").unwrap_or_default();
        let mut process = Self::new(command.unwrap_or_default(), args);
        process.env = table.get_with("env", variables).unwrap_or_default();
        process.directory = table.get::<String>("directory").map(PathBuf::from);
        process.clear_environment = table.get("clearEnvironment").unwrap_or(true);
        process.grace = table.get("grace");
        let protocol = table.get_with("protocol", |field| field.choice(&PROTOCOLS));
        process.protocol = protocol.flatten();
        table.finish();
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
    Some(text.to_owned())
}

/// Reads environment variables.
fn variables(field: &Field<'_>) -> Option<Vec<(String, Secret)>> {
    let entries = field.entries()?;
    let variable = |(name, field): &(&str, Field<'_>)| {
        let Setting(value) = field.read()?;
        if !is_variable(name) {
            field.error("not a valid variable name");
            return None;
        }
        Some(((*name).to_owned(), value))
    };
    Some(entries.iter().filter_map(variable).collect())
}

/// Returns `true` if the system accepts a variable with this name.
fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

/// Values of `protocol`.
const PROTOCOLS: [(&str, Option<UpstreamProtocol>); 3] = [
    ("auto", None),
    ("modern", Some(UpstreamProtocol::Modern)),
    ("legacy", Some(UpstreamProtocol::Legacy)),
];
