//! Entries of servers that are child processes.
//!
//! | Keys | Meaning |
//! |---|---|
//! | `command`, `cmd` | program; list of program and arguments; map of `path`, `args`, `env` |
//! | `args` | arguments, after those of the command |
//! | `env`, `environment`, `envs` | map of variables; `null` sets an empty value |
//! | `env_vars`, `env_keys` | names of variables that are passed on if they are set; the client requires the latter |
//! | `envFile` | file of variables, relative to the workspace |
//! | `cwd`, `workingDirectory`, `working_directory` | directory, relative to the workspace |
//!
//! Variables of the file come first, then those passed on, then those of the maps: a later one
//! overrides an earlier one of the same name. References in the program, its arguments and its
//! directory are expanded with these variables first, and with the environment of the gateway
//! otherwise.

use std::path::PathBuf;

use mcp_gateway_platform::spec::{Process, Secret};

use super::entry::{COMMANDS, Entry};
use super::env_file;
use crate::document::{Field, Lookup};

/// Variables of a program.
///
/// A name may occur several times; the last value counts.
type Variables = Vec<(String, Secret)>;

/// Parts of a command, as far as they are valid.
#[derive(Default)]
struct Command {
    /// Name or path of the program; `None` if it is missing or has an error.
    program: Option<String>,
    /// Arguments that belong to the key of the program.
    args: Vec<String>,
}

/// Reads a server that is a child process.
///
/// The environment is read first, because the program and its arguments may refer to it. The
/// other keys are read even if the program is missing, so that their errors are found.
pub(super) fn read(entry: &mut Entry<'_, '_>) -> Option<Process> {
    let command = entry.first(&COMMANDS);
    let mut env = environment(entry);
    // Zed had a map of path, arguments and variables.
    let nested = command.as_ref().filter(|field| field.is_map());
    let nested_env = nested.and_then(|field| field.table()?.field("env"));
    env.extend(
        nested_env
            .map(|field| variables(entry, &field))
            .unwrap_or_default(),
    );
    let own = env.iter().map(|(name, value)| (name, value.expose()));
    entry.variables.set_own(own);
    let Command { program, args } = match &command {
        Some(field) => parts(entry, field),
        None => {
            entry.table.whole().error("missing key \"command\"");
            Command::default()
        }
    };
    let own_args = entry.table.field("args");
    let own_args = own_args
        .map(|field| texts(entry, &field))
        .unwrap_or_default();
    // Read even without a program, so that the key is known.
    let directory = directory(entry);
    let mut process = Process::new(program?, [args, own_args].concat());
    process.directory = directory;
    process.env = env;
    Some(process)
}

/// Reads the program, with the arguments that its key contains.
///
/// The key is a text, a list or a map.
fn parts(entry: &Entry<'_, '_>, field: &Field<'_>) -> Command {
    if field.is_list() {
        if field.items().is_some_and(|items| items.is_empty()) {
            field.error("the list is empty: missing program");
        }
        let mut args = texts(entry, field).into_iter();
        let program = args.next();
        return Command {
            program,
            args: args.collect(),
        };
    }
    if !field.is_map() {
        let program = entry.variables.text(field);
        if program
            .as_ref()
            .is_some_and(|program| program.trim().is_empty())
        {
            field.error("empty: missing program");
        }
        return Command {
            program,
            args: Vec::new(),
        };
    }
    let Some(mut table) = field.table() else {
        return Command::default();
    };
    table.field("env");
    let program = table.required("path", |field| entry.variables.text(field));
    let args = table.field("args");
    table.finish_leniently();
    Command {
        program,
        args: args.map(|field| texts(entry, &field)).unwrap_or_default(),
    }
}

/// Returns the working directory: that of the entry, or the workspace where the client uses it.
///
/// Returns `None` where the client has no such folder, as for the files of a user, which belong to
/// no project.
fn directory(entry: &mut Entry<'_, '_>) -> Option<PathBuf> {
    let origin = entry.variables.origin;
    let own = entry.first(&["cwd", "workingDirectory", "working_directory"]);
    match own {
        Some(field) => {
            let path = entry.variables.text(&field)?;
            Some(origin.workspace.join(home(entry, &field, path)))
        }
        None if origin.runs_in_workspace && !origin.workspace.as_os_str().is_empty() => {
            Some(origin.workspace.clone())
        }
        None => None,
    }
}

/// Replaces `~` at the beginning of `path`.
///
/// The path remains as it is if `HOME` is not set.
fn home(entry: &Entry<'_, '_>, field: &Field<'_>, path: String) -> String {
    match path.strip_prefix("~/") {
        Some(rest) => match entry.variables.variable("HOME", None, field) {
            Ok(home) => format!("{home}/{rest}"),
            Err(_) => path,
        },
        None => path,
    }
}

/// Returns the texts of a list with expanded references, without those that have an error.
fn texts(entry: &Entry<'_, '_>, field: &Field<'_>) -> Vec<String> {
    let items = field.items().unwrap_or_default();
    items
        .iter()
        .filter_map(|field| entry.variables.text(field))
        .collect()
}

/// Returns the variables of a program; those of the entry override those of its environment file.
fn environment(entry: &mut Entry<'_, '_>) -> Variables {
    let file = entry.table.field("envFile");
    let mut environment = Vec::new();
    if let Some(field) = file
        && let Some(path) = entry.variables.text(&field)
    {
        let path = entry.variables.origin.workspace.join(path);
        environment = env_file::read(&path, &field);
    }
    environment.extend(named(entry));
    for key in ["env", "environment", "envs"] {
        if let Some(field) = entry.table.field(key) {
            environment.extend(variables(entry, &field));
        }
    }
    environment
}

/// Returns the variables that an entry names without their values.
pub(super) fn named(entry: &mut Entry<'_, '_>) -> Variables {
    let mut variables = Variables::new();
    for (key, is_required) in [("env_vars", false), ("env_keys", true)] {
        if let Some(field) = entry.table.field(key) {
            variables.extend(passed(&field, is_required));
        }
    }
    variables
}

/// Reads a map of variables.
pub(super) fn variables(entry: &Entry<'_, '_>, field: &Field<'_>) -> Variables {
    let entries = field.entries().unwrap_or_default().into_iter();
    let variable = |(name, field): (&str, Field<'_>)| {
        // VS Code unsets such a variable; an empty one is the closest equivalent.
        let value = match field.is_null() {
            true => String::new(),
            false => entry.variables.text(&field)?,
        };
        Some((name.to_owned(), Secret::new(value)))
    };
    entries.filter_map(variable).collect()
}

/// Reads a list of names of variables that the program gets from the environment, if they are set.
///
/// Items are names, or maps with the name under `name`. References are not expanded. A required
/// variable that is not set causes a warning.
fn passed(field: &Field<'_>, is_required: bool) -> Variables {
    let items = field.items().unwrap_or_default();
    let variable = |field: &Field<'_>| {
        let name = match field.is_map() {
            true => field.peek("name")?,
            false => field.text()?,
        };
        match field.environment().secret(name) {
            Lookup::Found(value) => Some((name.to_owned(), value)),
            Lookup::Missing if is_required => {
                field.warning(format!("environment variable {name} is not set"));
                None
            }
            Lookup::Missing | Lookup::Unavailable => None,
        }
    };
    items.iter().filter_map(variable).collect()
}
