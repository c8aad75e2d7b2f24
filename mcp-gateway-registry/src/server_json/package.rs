//! Packages: programs on the machine of the gateway.

use serde_json::{Map, Value, json};

use super::arguments;
use super::fields::{field, flag, items, scalar, text};
use super::inputs::{Defaults, Inputs, names_secret};

/// Program that runs packages of one registry.
#[derive(Debug)]
struct Runner {
    command: &'static str,
    /// First arguments.
    first: &'static [&'static str],
    /// Text between the identifier and the version.
    separator: &'static str,
    /// Registry that it uses by default.
    registry: &'static str,
    /// Option that selects another registry.
    option: Option<&'static str>,
}

/// Returns the template of the server that runs `package`.
///
/// Arguments are in the order: those of the runner, `runtimeArguments`, the package, and
/// `packageArguments`.
///
/// # Errors
///
/// The reason for which the gateway cannot run it.
pub(super) fn read(package: &Value, inputs: &mut Inputs) -> Result<Value, String> {
    let runner = runner(package)?;
    let identifier = text(package, "identifier").or_else(|| text(package, "name"));
    let identifier = identifier.ok_or("the package has no identifier")?;
    let version = text(package, "version").filter(|version| *version != "latest");
    let is_word = |text: &str| !text.starts_with('-') && !text.contains(char::is_whitespace);
    if !is_word(identifier) || !version.is_none_or(is_word) {
        return Err("the identifier or the version of the package is invalid".to_owned());
    }
    let env = environment(package, inputs);
    let mut args: Vec<Value> = runner.first.iter().map(|&arg| arg.into()).collect();
    if runner.command == "docker" {
        args.extend(
            env.keys()
                .flat_map(|name| ["-e".into(), name.as_str().into()]),
        );
    }
    args.extend(registry(package, &runner)?);
    args.extend(arguments::read(items(package, "runtimeArguments"), inputs));
    args.push(match version {
        // The tag of an image is part of the identifier in newer files.
        Some(_) if runner.command == "docker" && has_tag(identifier) => identifier.into(),
        Some(version) => format!("{identifier}{}{version}", runner.separator).into(),
        None => identifier.into(),
    });
    args.extend(arguments::read(items(package, "packageArguments"), inputs));
    let mut process = json!({ "command": runner.command, "args": args });
    if !env.is_empty() {
        process["env"] = env.into();
    }
    Ok(json!({ "process": process }))
}

/// Returns the program that runs `package`.
fn runner(package: &Value) -> Result<Runner, String> {
    let transport = field(package, "transport");
    let url = transport.and_then(|transport| text(transport, "url"));
    if url.is_some() {
        return Err("the package listens for HTTP requests itself; start it, and add its URL as a remote server".to_owned());
    }
    if text(package, "fileSha256").is_some() {
        return Err("the hash of the package cannot be checked before it runs".to_owned());
    }
    let kind = text(package, "registryType").or_else(|| text(package, "registryName"));
    let runner = |command, first, separator, registry, option| Runner {
        command,
        first,
        separator,
        registry,
        option,
    };
    match kind {
        Some("npm") => Ok(runner(
            "npx",
            &["-y"],
            "@",
            "https://registry.npmjs.org",
            Some("--registry"),
        )),
        Some("pypi") => Ok(runner(
            "uvx",
            &[],
            "==",
            "https://pypi.org",
            Some("--default-index"),
        )),
        Some("oci" | "docker") => Ok(runner(
            "docker",
            &["run", "-i", "--rm"],
            ":",
            "https://docker.io",
            None,
        )),
        Some("nuget") => Ok(runner(
            "dnx",
            &["--yes"],
            "@",
            "https://api.nuget.org/v3/index.json",
            Some("--source"),
        )),
        Some("mcpb") => Err("an MCPB archive must be downloaded and unpacked by hand".to_owned()),
        Some(kind) => Err(format!("no program runs packages of the type {kind:?}")),
        None => Err("the package has no type".to_owned()),
    }
}

/// Returns the arguments that select the registry of `package`.
///
/// # Errors
///
/// The reason for which it cannot be selected.
fn registry(package: &Value, runner: &Runner) -> Result<Vec<Value>, String> {
    let base = text(package, "registryBaseUrl").map(|base| base.trim_end_matches('/'));
    let Some(base) = base.filter(|base| !runner.registry.starts_with(base)) else {
        return Ok(Vec::new());
    };
    let is_url = base.starts_with("https://") && !base.contains(char::is_whitespace);
    match runner.option {
        Some(option) if is_url => Ok(vec![option.into(), base.into()]),
        // The host is part of the identifier of an image.
        None if is_url => Ok(Vec::new()),
        _ => Err("the URL of the package registry is invalid".to_owned()),
    }
}

/// Returns `true` if the identifier of an image has a tag or a digest.
fn has_tag(identifier: &str) -> bool {
    let last = identifier.rsplit('/').next().unwrap_or(identifier);
    last.contains([':', '@'])
}

/// Returns the templates of the environment of `package`.
fn environment(package: &Value, inputs: &mut Inputs) -> Map<String, Value> {
    let mut env = Map::new();
    for variable in items(package, "environmentVariables") {
        let Some(name) = text(variable, "name") else {
            continue;
        };
        let defaults = Defaults {
            secret: flag(variable, "isSecret"),
            undeclared_secret: names_secret(name),
            required: flag(variable, "isRequired"),
        };
        let template = match scalar(variable, "value").filter(|value| !value.is_empty()) {
            Some(value) => inputs.template(&value, field(variable, "variables"), defaults),
            None => inputs.add(name, variable, false),
        };
        env.insert(name.to_owned(), template.into());
    }
    env
}
