//! References in client files.
//!
//! Values come from the entry itself, otherwise from the environment of the gateway. Names of
//! well-known public variables are looked up as such, and all others as secrets. Values are not
//! expanded again, so that they may contain any text. Commands of a client, such as those that
//! print a token, are never run.

use std::collections::HashMap;
use std::ffi::OsStr;

use super::origin::{Dialect, Origin};
use super::reference::{Reference, References, is_name};
use crate::document::{Field, Lookup};

/// Expansion of references in a client file.
///
/// | Reference | Client | Value |
/// |---|---|---|
/// | `${NAME}`, `${NAME:-default}` | Claude Code, Gemini CLI, LibreChat | environment variable |
/// | `${env:NAME}` | VS Code, Cursor, Windsurf, Roo | the same |
/// | `$NAME` | Gemini CLI, Qwen Code, Crush; with the prefix `COPILOT_MCP_`, Copilot | the same |
/// | `{env:NAME}`, `{file:PATH}` | opencode | the same; content of a file |
/// | `{{NAME}}` | LibreChat | the same; those of the client's own users are not supported |
/// | `${file:PATH}` | Windsurf | content of a file |
/// | `${{ secrets.NAME }}` | Continue | the same |
/// | `${input:ID}` | VS Code | environment variable `ID`, instead of a prompt |
/// | `${user_config.ID}` | extensions of Claude Desktop | the same |
/// | `${workspaceFolder}`, `${cwd}`, `${CLAUDE_PROJECT_DIR}` | VS Code, Cursor, Claude Code | workspace folder |
/// | `${extensionPath}`, `${CLAUDE_PLUGIN_ROOT}` | Gemini CLI, Claude Code | folder of the file |
/// | `${userHome}`, `${pathSeparator}`, `${/}` | VS Code, Cursor | as named |
#[derive(Debug)]
pub(super) struct Variables<'a> {
    /// Folders for references, and the syntax of the client.
    pub(super) origin: &'a Origin,
    /// Inputs with their default values.
    inputs: HashMap<String, Option<String>>,
    /// Variables of the entry, which precede those of the gateway.
    own: HashMap<String, String>,
}

impl<'a> Variables<'a> {
    /// Creates the expansion for a file of `origin` with `inputs`.
    pub(super) fn new(origin: &'a Origin, inputs: Option<&Field<'_>>) -> Self {
        let default = |field: &Field<'_>| field.peek("default").map(str::to_owned);
        let inputs = match inputs {
            Some(map) if map.is_map() => {
                let entries = map.entries().unwrap_or_default().into_iter();
                let input = |(id, field): (&str, Field<'_>)| (id.to_owned(), default(&field));
                entries.map(input).collect()
            }
            Some(list) => {
                let items = list.items().unwrap_or_default();
                let input =
                    |field: &Field<'_>| Some((field.peek("id")?.to_owned(), default(field)));
                items.iter().filter_map(input).collect()
            }
            None => HashMap::new(),
        };
        Self {
            origin,
            inputs,
            own: HashMap::new(),
        }
    }

    /// Sets the variables of the entry that is read.
    pub(super) fn set_own<'v>(&mut self, own: impl Iterator<Item = (&'v String, &'v str)>) {
        self.own = own
            .map(|(name, value)| (name.clone(), value.to_owned()))
            .collect();
    }

    /// Returns the text of `field` with expanded references. Records an error for each that fails.
    ///
    /// Returns `None` after an error. `${` without an end is an error as well.
    pub(super) fn text(&self, field: &Field<'_>) -> Option<String> {
        let mut references = References::new(field.text()?, self.origin.dialect);
        let mut expanded = String::new();
        let mut complete = true;
        for (before, reference) in references.by_ref() {
            expanded.push_str(before);
            match self.value(&reference, field) {
                Ok(value) => expanded.push_str(&value),
                Err(message) => {
                    field.error(message);
                    complete = false;
                }
            }
        }
        let rest = references.rest();
        if rest.contains("${") {
            field.error("\"${\" without \"}\"");
            return None;
        }
        expanded.push_str(rest);
        complete.then_some(expanded)
    }

    /// Returns the value of one reference.
    ///
    /// # Errors
    ///
    /// A message if the reference is unsupported or its variable is not set.
    fn value(&self, reference: &Reference<'_>, field: &Field<'_>) -> Result<String, String> {
        match reference {
            Reference::Braces(content) => self.braced(content, field),
            Reference::Template(content) => {
                let content = content.trim();
                let name = ["secrets.", "inputs."]
                    .iter()
                    .find_map(|prefix| content.strip_prefix(prefix))
                    // The owner precedes the name.
                    .and_then(|name| name.rsplit('/').next());
                match name {
                    Some(name) if is_name(name) => self.variable(name, None, field),
                    Some(_) | None => Err(format!("unsupported reference ${{{{ {content} }}}}")),
                }
            }
            Reference::Single(content) => match content.split_once(':') {
                Some(("env", name)) => self.variable(name, None, field).or_else(|message| {
                    field.warning(format!("{message}; the value is empty"));
                    Ok(String::new())
                }),
                Some((_, path)) => self.file(path, field),
                None => Ok(format!("{{{content}}}")),
            },
            Reference::Command(content) => Err(format!("unsupported reference $({content})")),
            Reference::Doubled(name) if name.starts_with("LIBRECHAT_") => Err(format!(
                "{{{{{name}}}}} stands for a value of the client's user, which the gateway lacks"
            )),
            Reference::Doubled(name) => self.variable(name, None, field),
            Reference::Dollar(name) if self.origin.dialect == Dialect::Crush => {
                self.variable(name, None, field)
            }
            // These clients leave a reference as it is if the variable is not set.
            Reference::Dollar(name) => self.variable(name, None, field).or_else(|_| {
                field.warning(format!(
                    "environment variable {name} is not set; ${name} is passed as it is"
                ));
                Ok(format!("${name}"))
            }),
        }
    }

    /// Returns the value of `${content}`.
    ///
    /// # Errors
    ///
    /// Returns a message if the content is not a name, or the variable is not set.
    fn braced(&self, content: &str, field: &Field<'_>) -> Result<String, String> {
        if let Some(path) = self.folder(content) {
            return Ok(path);
        }
        let inputs = ["input:", "user_config."];
        if let Some(id) = inputs
            .iter()
            .find_map(|prefix| content.strip_prefix(prefix))
        {
            return self.input(id, field);
        }
        if let Some(path) = content.strip_prefix("file:") {
            return self.file(path, field);
        }
        let name = content.strip_prefix("env:").unwrap_or(content);
        let (name, default) = match name.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (name, None),
        };
        match is_name(name) {
            true => self.variable(name, default, field),
            false => Err(format!("unsupported reference ${{{content}}}")),
        }
    }

    /// Returns the value of a reference to a folder.
    fn folder(&self, name: &str) -> Option<String> {
        let Origin {
            folder, workspace, ..
        } = self.origin;
        Some(match name {
            "workspaceFolder" | "workspacePath" | "cwd" | "CLAUDE_PROJECT_DIR" => {
                workspace.display().to_string()
            }
            // The only folder of the workspace.
            _ if name.strip_prefix("workspaceFolder:").map(OsStr::new) == workspace.file_name() => {
                workspace.display().to_string()
            }
            "extensionPath" | "CLAUDE_PLUGIN_ROOT" | "__dirname" => folder.display().to_string(),
            "workspaceFolderBasename" => {
                let name = workspace.file_name().unwrap_or_default();
                name.display().to_string()
            }
            "pathSeparator" | "/" => "/".to_owned(),
            _ => return None,
        })
    }

    /// Resolves an input, which an editor would prompt for.
    ///
    /// The variable has the identifier of the input in upper case. Its value precedes the default
    /// of the file.
    fn input(&self, id: &str, field: &Field<'_>) -> Result<String, String> {
        let default = self.inputs.get(id).and_then(Option::as_deref);
        let name = variable_name(id);
        self.variable(&name, default, field).map_err(|_| {
            format!("cannot prompt for input {id:?}; set the environment variable {name}")
        })
    }

    /// Returns the value of a variable, or its default.
    ///
    /// Without lookups, the result is the default, or else empty.
    ///
    /// # Errors
    ///
    /// Returns a message with the name if the variable is not set and has no default.
    pub(super) fn variable(
        &self,
        name: &str,
        default: Option<&str>,
        field: &Field<'_>,
    ) -> Result<String, String> {
        if let Some(value) = self.own.get(name) {
            return Ok(value.clone());
        }
        let environment = field.environment();
        let lookup = match name {
            "userHome" => environment.variable("HOME"),
            name if PUBLIC.contains(&name) => environment.variable(name),
            name => environment.secret(name),
        };
        match (lookup, default) {
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

    /// Returns the content of a file that the text refers to.
    ///
    /// The path is relative to the folder of the file, or to the home directory after `~/`. White
    /// space around the content is removed.
    ///
    /// # Errors
    ///
    /// Returns a message with the path if the file cannot be read.
    fn file(&self, path: &str, field: &Field<'_>) -> Result<String, String> {
        let full = match path.strip_prefix("~/") {
            Some(rest) => self.variable("HOME", None, field)? + "/" + rest,
            None => self.origin.folder.join(path).display().to_string(),
        };
        match field.environment().file(full.as_ref()) {
            Ok(Lookup::Found(text)) => Ok(text.expose().trim().to_owned()),
            Ok(Lookup::Missing | Lookup::Unavailable) => Ok(String::new()),
            Err(error) => Err(format!("cannot read {full}: {error}")),
        }
    }
}

/// Returns the name of the variable that stands for the input `id`.
///
/// Letters become upper case, and all but ASCII letters and digits an underscore.
pub(super) fn variable_name(id: &str) -> String {
    let upper = |c: char| match c.is_ascii_alphanumeric() {
        true => c.to_ascii_uppercase(),
        false => '_',
    };
    id.chars().map(upper).collect()
}

/// Variables that are not secrets.
const PUBLIC: [&str; 6] = ["HOME", "LANG", "LOGNAME", "PATH", "TMPDIR", "USER"];
