//! References in client files.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::document::{Field, Lookup};

/// Expansion of references in a client file.
///
/// | Reference | Client | Value |
/// |---|---|---|
/// | `${NAME}`, `${NAME:-default}` | Claude Code, Gemini CLI | environment variable |
/// | `${env:NAME}` | VS Code, Cursor, Windsurf | the same |
/// | `${input:ID}` | VS Code | environment variable `ID`, instead of a prompt |
/// | `${workspaceFolder}` | VS Code, Cursor | directory that contains `.vscode` or `.cursor` |
/// | `${userHome}`, `${pathSeparator}`, `${/}` | VS Code, Cursor | as named |
#[derive(Debug)]
pub(super) struct Variables {
    workspace: PathBuf,
    /// Inputs with their default values.
    inputs: HashMap<String, Option<String>>,
}

impl Variables {
    /// Creates the expansion for a file in `folder` with `inputs`.
    pub(super) fn new(folder: &Path, inputs: Option<&Field<'_>>) -> Self {
        let of_editor = folder
            .file_name()
            .is_some_and(|name| name == ".vscode" || name == ".cursor");
        let workspace = match folder.parent() {
            Some(parent) if of_editor => parent,
            Some(_) | None => folder,
        };
        let inputs = inputs.and_then(Field::items).unwrap_or_default();
        let input = |field: &Field<'_>| {
            let default = field.peek("default").map(str::to_owned);
            Some((field.peek("id")?.to_owned(), default))
        };
        Self {
            workspace: workspace.to_owned(),
            inputs: inputs.iter().filter_map(input).collect(),
        }
    }

    /// Returns the workspace folder.
    pub(super) fn workspace(&self) -> &Path {
        &self.workspace
    }

    /// Returns the text of `field` with expanded references.
    pub(super) fn text(&self, field: &Field<'_>) -> Option<String> {
        self.expand(field, |name| field.environment().variable(name))
    }

    /// Returns the text of `field` with expanded references, as a secret.
    pub(super) fn secret(&self, field: &Field<'_>) -> Option<String> {
        self.expand(field, |name| field.environment().secret(name))
    }

    /// Replaces all references in the text of `field`. Records an error for each that fails.
    fn expand(&self, field: &Field<'_>, look_up: impl Fn(&str) -> Lookup) -> Option<String> {
        let mut rest = field.text()?;
        let mut expanded = String::new();
        let mut complete = true;
        while let Some((before, reference)) = rest.split_once("${") {
            expanded.push_str(before);
            let Some((reference, after)) = reference.split_once('}') else {
                field.error("\"${\" without \"}\"");
                return None;
            };
            match self.value(reference, &look_up) {
                Ok(value) => expanded.push_str(&value),
                Err(message) => {
                    field.error(message);
                    complete = false;
                }
            }
            rest = after;
        }
        expanded.push_str(rest);
        complete.then_some(expanded)
    }

    /// Returns the value of one reference, without its delimiters.
    ///
    /// # Errors
    ///
    /// A message if the reference is unsupported or its variable is not set.
    fn value(&self, reference: &str, look_up: impl Fn(&str) -> Lookup) -> Result<String, String> {
        match reference {
            "workspaceFolder" => return Ok(self.workspace.display().to_string()),
            "workspaceFolderBasename" => {
                let name = self.workspace.file_name().unwrap_or_default();
                return Ok(name.display().to_string());
            }
            "pathSeparator" | "/" => return Ok("/".to_owned()),
            "userHome" => return found("HOME", look_up("HOME"), None),
            _ => {}
        }
        if let Some(id) = reference.strip_prefix("input:") {
            return self.input(id, look_up);
        }
        let reference = reference.strip_prefix("env:").unwrap_or(reference);
        let (name, default) = match reference.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (reference, None),
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        match !name.is_empty() && name.chars().all(is_name) {
            true => found(name, look_up(name), default),
            false => Err(format!("unsupported reference ${{{reference}}}")),
        }
    }

    /// Resolves an input, which an editor would prompt for.
    fn input(&self, id: &str, look_up: impl Fn(&str) -> Lookup) -> Result<String, String> {
        let default = self.inputs.get(id).and_then(Option::as_deref);
        let upper = |c: char| match c.is_ascii_alphanumeric() {
            true => c.to_ascii_uppercase(),
            false => '_',
        };
        let name: String = id.chars().map(upper).collect();
        found(&name, look_up(&name), default).map_err(|_| {
            format!("cannot prompt for input {id:?}; set the environment variable {name}")
        })
    }
}

/// Returns the value of a variable, or its default.
fn found(name: &str, found: Lookup, default: Option<&str>) -> Result<String, String> {
    match (found, default) {
        (Lookup::Found(value), None) => Ok(value.expose().to_owned()),
        // As in a shell, the default replaces an empty value.
        (Lookup::Found(value), Some(_)) if !value.expose().is_empty() => {
            Ok(value.expose().to_owned())
        }
        (_, Some(default)) => Ok(default.to_owned()),
        (Lookup::Unavailable, None) => Ok(String::new()),
        (Lookup::Missing, None) => Err(format!("environment variable {name} is not set")),
    }
}
