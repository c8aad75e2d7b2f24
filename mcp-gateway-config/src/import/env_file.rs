//! Environment files of client entries.
//!
//! A file has one variable in each line, as `NAME=value` or `export NAME=value`. Spaces around
//! names and values are removed, and so is one pair of single or double quotes. Escapes and
//! references within values have no meaning. Empty lines and lines that begin with `#` are skipped.

use std::io;
use std::path::Path;

use mcp_gateway_platform::spec::Secret;

use crate::document::{Field, Lookup};

/// Reads the variables of the file at `path`, with one `NAME=value` in each line.
///
/// An unreadable file is an error of `field`, and so is each invalid line. The result is empty
/// without lookups in the environment.
pub(super) fn read(path: &Path, field: &Field<'_>) -> Vec<(String, Secret)> {
    match field.environment().file(path) {
        Ok(Lookup::Found(text)) => {
            let lines = text.expose().lines().enumerate();
            lines
                .filter_map(|(at, line)| variable(at, line, field))
                .collect()
        }
        Ok(Lookup::Missing | Lookup::Unavailable) => Vec::new(),
        Err(error) => {
            field.error(unreadable(path, &error));
            Vec::new()
        }
    }
}

/// Formats the error of a file that cannot be read.
fn unreadable(path: &Path, error: &io::Error) -> String {
    format!("cannot read {}: {error}", path.display())
}

/// Parses a line. `export` and quotes are removed; empty lines and comments are skipped.
///
/// `at` is the index of the line, from 0; messages count from 1. They do not contain the line,
/// which may be a secret.
fn variable(at: usize, line: &str, field: &Field<'_>) -> Option<(String, Secret)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let line = line.strip_prefix("export ").unwrap_or(line);
    let Some((name, value)) = line.split_once('=') else {
        field.error(format!(
            "line {} of the file is not of the form NAME=value",
            at + 1
        ));
        return None;
    };
    let value = value.trim();
    let quoted = ['"', '\''].iter().find_map(|quote| {
        let value = value.strip_prefix(*quote)?;
        value.strip_suffix(*quote)
    });
    let value = quoted.unwrap_or(value);
    Some((name.trim().to_owned(), Secret::new(value)))
}
