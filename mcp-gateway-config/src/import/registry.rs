//! Servers in the format of the MCP registry, `server.json`.
//!
//! | `registryType` | Program | Form of the package |
//! |---|---|---|
//! | `npm` | `npx -y` | `identifier@version` |
//! | `pypi` | `uvx` | `identifier==version` |
//! | `oci`, `docker` | `docker run -i --rm`, and `-e NAME` per variable | `identifier:version` |
//! | `nuget` | `dnx --yes` | `identifier@version` |
//!
//! The version is left out if it is missing or `latest`. Packages of other types, such as archives
//! to download, are not served, nor are packages whose transport has a URL: they listen for
//! requests themselves. Both the names of keys in camel case and the older ones with underscores
//! are accepted.
//!
//! The gateway cannot prompt for inputs. A value comes from the key `value`, from the environment
//! variable with the name of the input in upper case, or from the key `default`.

use mcp_gateway_platform::spec::{Process, Remote, Secret, ServerRuntime};

use super::entry::{Imported, Options};
use super::expand::{Variables, variable_name};
use super::web;
use crate::document::{Field, Table};
use crate::file::remote;

/// Returns the servers of the registry in the file with `root`: the file itself, or a response of
/// the registry with one or several servers.
pub(super) fn servers<'a>(root: &Field<'a>) -> Vec<Field<'a>> {
    let listed = root.get("servers").filter(Field::is_list);
    let mut candidates = items(listed);
    candidates.push(root.clone());
    let unwrapped = candidates.into_iter();
    let unwrapped = unwrapped.map(|field| field.get("server").unwrap_or(field));
    unwrapped.filter(is_server).collect()
}

/// Returns `true` if `field` is a server of the registry.
fn is_server(field: &Field<'_>) -> bool {
    let has = |key: &str| field.get(key).is_some();
    field.peek("name").is_some() && (has("packages") || has("remotes"))
}

/// Reads the server of a file: its first package that can be run, otherwise its first endpoint.
///
/// Such a file has no timeouts: those of the gateway apply. Names of keys are not checked, because
/// most of them describe the server for readers of the registry.
pub(super) fn read(root: &Field<'_>, variables: &Variables<'_>) -> Option<Imported> {
    let mut table = root.table()?;
    let packages = items(table.field("packages"));
    let remotes = items(table.field("remotes"));
    let runnable = packages.iter().find(|field| runner(field).is_some());
    let transport = match (runnable, remotes.first()) {
        (Some(field), _) => package(field, variables).map(ServerRuntime::Process),
        (None, Some(field)) => endpoint(field, variables).map(ServerRuntime::Remote),
        (None, None) => {
            root.error("no package that can be run without a download, and no remote");
            None
        }
    };
    Some(Imported {
        transport: transport?,
        options: Options::default(),
    })
}

/// Returns the items of a list; none if it is missing or is not a list.
fn items(field: Option<Field<'_>>) -> Vec<Field<'_>> {
    field.and_then(|field| field.items()).unwrap_or_default()
}

/// Returns the value of the first of `keys`: older files have names with underscores.
fn text<'a>(field: &Field<'a>, keys: [&str; 2]) -> Option<&'a str> {
    keys.iter().find_map(|key| field.peek(key))
}

/// Programs that run the packages of a registry, with their first arguments.
///
/// Returns `None` for a package that cannot be run.
fn runner(package: &Field<'_>) -> Option<(&'static str, &'static [&'static str])> {
    let has_url = package
        .get("transport")
        .is_some_and(|field| field.peek("url").is_some());
    let kind = text(package, ["registryType", "registry_type"])
        .or_else(|| text(package, ["registryName", "registry_name"]))?;
    match kind {
        _ if has_url => None,
        "npm" => Some(("npx", &["-y"])),
        "pypi" => Some(("uvx", &[])),
        "oci" | "docker" => Some(("docker", &["run", "-i", "--rm"])),
        "nuget" => Some(("dnx", &["--yes"])),
        _ => None,
    }
}

/// Reads a package as a program.
///
/// Arguments are in the order: those of the runner, `runtimeArguments`, the package, and
/// `packageArguments`.
fn package(field: &Field<'_>, variables: &Variables<'_>) -> Option<Process> {
    let (program, first) = runner(field)?;
    let mut table = field.table()?;
    let identifier = text(field, ["identifier", "name"])?;
    let env = environment(&mut table, variables);
    let mut args: Vec<_> = first.iter().map(|&arg| arg.to_owned()).collect();
    if program == "docker" {
        let names = env.iter().map(|(name, _)| name.clone());
        args.extend(names.flat_map(|name| ["-e".to_owned(), name]));
    }
    args.extend(arguments(
        &mut table,
        ["runtimeArguments", "runtime_arguments"],
        variables,
    ));
    args.push(match (program, field.peek("version")) {
        (_, None | Some("latest")) => identifier.to_owned(),
        ("uvx", Some(version)) => format!("{identifier}=={version}"),
        // The tag is part of the identifier in newer files.
        ("docker", Some(_)) if identifier.contains([':', '@']) => identifier.to_owned(),
        ("docker", Some(version)) => format!("{identifier}:{version}"),
        (_, Some(version)) => format!("{identifier}@{version}"),
    });
    args.extend(arguments(
        &mut table,
        ["packageArguments", "package_arguments"],
        variables,
    ));
    let mut process = Process::new(program, args);
    process.env = env;
    Some(process)
}

/// Reads the arguments under the first of `keys`. Optional ones without a value are left out.
///
/// A named argument becomes its name and its value, or its name alone if the value is empty.
/// Scalars are passed as they are.
fn arguments(
    table: &mut Table<'_>,
    keys: [&'static str; 2],
    variables: &Variables<'_>,
) -> Vec<String> {
    let list = keys.iter().find_map(|key| table.field(key));
    let mut args = Vec::new();
    for field in items(list) {
        if field.is_scalar() {
            args.extend(field.text().map(str::to_owned));
            continue;
        }
        let name = field.peek("name");
        let is_named = field.peek("type") == Some("named");
        let hint = text(&field, ["valueHint", "value_hint"]).or(name);
        let value = input(&field, hint.unwrap_or("argument"), variables);
        match (is_named, name, value) {
            (true, Some(name), Some(value)) if value.is_empty() => args.push(name.to_owned()),
            (true, Some(name), Some(value)) => args.extend([name.to_owned(), value]),
            (_, _, Some(value)) => args.push(value),
            (_, _, None) => {}
        }
    }
    args
}

/// Reads the variables of a package.
///
/// Variables without a name are ignored, and so are optional ones without a value.
fn environment(table: &mut Table<'_>, variables: &Variables<'_>) -> Vec<(String, Secret)> {
    let keys = ["environmentVariables", "environment_variables"];
    let list = items(keys.iter().find_map(|key| table.field(key)));
    let variable = |field: &Field<'_>| {
        let name = field.peek("name")?;
        Some((name.to_owned(), Secret::new(input(field, name, variables)?)))
    };
    list.iter().filter_map(variable).collect()
}

/// Reads an endpoint with its headers.
///
/// The protocol is detected. `{NAME}` in the URL is replaced as in values of inputs.
fn endpoint(field: &Field<'_>, variables: &Variables<'_>) -> Option<Remote> {
    let mut table = field.table()?;
    let url = table.required("url", Field::text)?;
    let headers = items(table.field("headers"));
    let header = |field: &Field<'_>| {
        let name = field.peek("name")?;
        web::header(name, &input(field, name, variables)?, field)
    };
    let headers = headers.iter().filter_map(header).collect();
    let url = templated(url, field, variables)?;
    let url = remote::endpoint(&url).map_err(|message| field.error(message));
    let mut remote = Remote::new(url.ok()?);
    remote.headers = headers;
    Some(remote)
}

/// Returns the value of an input: the variable `name`, its fixed value, or its default. Records an
/// error if a required one has none.
///
/// Leading hyphens are not part of the name: `--api-key` is the variable `API_KEY`.
fn input(field: &Field<'_>, name: &str, variables: &Variables<'_>) -> Option<String> {
    if let Some(value) = field.peek("value") {
        return templated(value, field, variables);
    }
    let name = variable_name(name.trim_start_matches('-'));
    let is_required = text(field, ["isRequired", "is_required"]) == Some("true");
    match variables.variable(&name, field.peek("default"), field) {
        Ok(value) => Some(value),
        Err(message) if is_required => {
            field.error(message);
            None
        }
        Err(_) => None,
    }
}

/// Replaces the names in braces in `text` by the values of its variables.
///
/// The value is that of the environment variable, or the default in `variables` of the field.
/// Without either, an error is recorded and the result is `None`.
fn templated(text: &str, field: &Field<'_>, variables: &Variables<'_>) -> Option<String> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, name, after)) = name_in_braces(rest) {
        expanded.push_str(before);
        let default = field.get("variables").and_then(|field| field.get(name));
        let default = default.as_ref().and_then(|field| field.peek("default"));
        let variable = variable_name(name);
        match variables.variable(&variable, default, field) {
            Ok(value) => expanded.push_str(&value),
            Err(message) => {
                field.error(message);
                return None;
            }
        }
        rest = after;
    }
    expanded.push_str(rest);
    Some(expanded)
}

/// Splits `text` at its first name in braces.
///
/// Returns the text before, the name, and the text after. A `$` before the brace is removed.
fn name_in_braces(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    Some((before.strip_suffix('$').unwrap_or(before), name, after))
}
