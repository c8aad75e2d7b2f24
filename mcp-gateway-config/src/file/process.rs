//! Servers that are programs.

use std::path::PathBuf;

use mcp_gateway_platform::spec::{Process, Secret};

use super::secret::Setting;
use crate::document::{Field, Read};

impl Read for Process {
    fn read(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let command = table.required("command", command);
        let args: Vec<String> = table.get("args").unwrap_or_default();
        let mut process = Self::new(command.unwrap_or_default(), args);
        process.env = table.get_with("env", variables).unwrap_or_default();
        process.directory = table.get::<String>("directory").map(PathBuf::from);
        process.clear_environment = table.get("clearEnvironment").unwrap_or(false);
        process.grace = table.get("grace");
        table.finish();
        Some(process)
    }
}

/// Reads the name of a program. Its arguments are separate, because no shell takes them apart.
fn command(field: &Field<'_>) -> Option<String> {
    let text = field.text()?;
    if text.trim().is_empty() {
        field.problem("the name of a program is missing");
        return None;
    }
    if text.contains(char::is_whitespace) && !text.contains('/') {
        field.warning("this is one name with spaces in it; arguments stand in args");
    }
    Some(text.to_owned())
}

fn variables(field: &Field<'_>) -> Option<Vec<(String, Secret)>> {
    let entries = field.entries()?;
    let variable = |(name, field): &(&str, Field<'_>)| {
        let Setting(value) = field.read()?;
        if !is_variable(name) {
            field.problem("this is no name of a variable");
            return None;
        }
        Some(((*name).to_owned(), value))
    };
    Some(entries.iter().filter_map(variable).collect())
}

/// Whether the system takes a variable of the name.
fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}
