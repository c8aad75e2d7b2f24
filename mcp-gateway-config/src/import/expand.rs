use std::collections::HashMap;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;

use crate::document::{Field, Lookup};

/// What references in a file stand for.
///
/// | reference | of | stands for |
/// |---|---|---|
/// | `${NAME}`, `${NAME:-default}` | Claude Code, Gemini CLI | a variable of the environment |
/// | `${env:NAME}` | VS Code, Cursor, Windsurf | the same |
/// | `${input:ID}` | VS Code | what the editor would ask for: here the variable `ID` |
/// | `${workspaceFolder}` | VS Code, Cursor | the folder in which `.vscode` or `.cursor` is |
/// | `${userHome}`, `${pathSeparator}`, `${/}` | VS Code, Cursor | what they say |
#[derive(Debug)]
pub(super) struct Variables {
    workspace: PathBuf,
    /// What is to be asked for, and what it is if nobody is asked.
    inputs: HashMap<String, Option<String>>,
}

impl Variables {
    /// The references of a file in `folder` that asks for `inputs`.
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

    /// The folder that the file is about.
    pub(super) fn workspace(&self) -> &Path {
        &self.workspace
    }

    /// The text of `field`, with what its references stand for in their place.
    pub(super) fn text(&self, field: &Field<'_>) -> Option<String> {
        self.expand(field, |name| field.outside().variable(name))
    }

    /// The same for a text that nobody else is to know.
    pub(super) fn secret(&self, field: &Field<'_>) -> Option<String> {
        self.expand(field, |name| field.outside().secret(name))
    }

    fn expand(&self, field: &Field<'_>, look_up: impl Fn(&str) -> Lookup) -> Option<String> {
        let mut rest = field.text()?;
        let mut expanded = String::new();
        let mut complete = true;
        while let Some((before, reference)) = rest.split_once("${") {
            expanded.push_str(before);
            let Some((reference, after)) = reference.split_once('}') else {
                field.problem("\"${\" has no \"}\"");
                return None;
            };
            match self.value(reference, &look_up) {
                Ok(value) => expanded.push_str(&value),
                Err(message) => {
                    field.problem(message);
                    complete = false;
                }
            }
            rest = after;
        }
        expanded.push_str(rest);
        complete.then_some(expanded)
    }

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
            false => Err(format!("${{{reference}}} has no meaning here")),
        }
    }

    /// What the editor would ask a person for.
    fn input(&self, id: &str, look_up: impl Fn(&str) -> Lookup) -> Result<String, String> {
        let default = self.inputs.get(id).and_then(Option::as_deref);
        let upper = |c: char| match c.is_ascii_alphanumeric() {
            true => c.to_ascii_uppercase(),
            false => '_',
        };
        let name: String = id.chars().map(upper).collect();
        found(&name, look_up(&name), default)
            .map_err(|_| format!("an editor would ask for {id:?}; set the variable {name} instead"))
    }
}

/// The value of a variable, or what there is instead.
fn found(name: &str, found: Lookup, default: Option<&str>) -> Result<String, String> {
    match (found, default) {
        (Lookup::Found(value), None) => Ok(value.expose_secret().to_owned()),
        // As in a shell, an empty one is none.
        (Lookup::Found(value), Some(_)) if !value.expose_secret().is_empty() => {
            Ok(value.expose_secret().to_owned())
        }
        (_, Some(default)) => Ok(default.to_owned()),
        (Lookup::Unread, None) => Ok(String::new()),
        (Lookup::Missing, None) => Err(format!("the environment has no variable {name}")),
    }
}
