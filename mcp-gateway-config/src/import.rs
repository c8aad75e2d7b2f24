//! Import of servers from configuration files of MCP clients.
//!
//! | Client | Key |
//! |---|---|
//! | Claude Desktop, Claude Code, Cursor, Windsurf, Cline, Copilot CLI, Gemini CLI, LibreChat, Continue | `mcpServers` |
//! | Claude Code, for one project | `projects.*.mcpServers` |
//! | VS Code | `servers` and `inputs`, or both in `mcp` of its settings |
//! | Zed | `context_servers` |
//! | Codex | `mcp_servers` |
//! | opencode, Crush | `mcp` |
//! | fast-agent | `mcp.servers` |
//! | Goose | `extensions` |
//! | plugins of Claude Code, Warp | the map of servers itself |
//! | extensions of Claude Desktop | `server.mcp_config` and `user_config` |
//! | the MCP registry | `packages` and `remotes` |
//!
//! Files are JSON, YAML or TOML by their extension. Comments and trailing commas are accepted in
//! JSON, references to the environment are expanded, and disabled servers are skipped. Keys without
//! a meaning for a gateway cause a warning. An entry that cannot be served is reported with the
//! reason, and the others are served.

mod entry;
mod env_file;
mod expand;
mod layout;
mod name;
mod origin;
mod program;
mod reference;
mod registry;
mod switches;
mod tools;
mod web;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mcp_gateway_platform::spec::{ServerRuntime, ServerSpec};

use self::entry::Imported;
use self::expand::Variables;
use self::layout::{Layout, Listed};
use self::name::NameRegistry;
use self::origin::{Dialect, Origin, Syntax};
use self::switches::Switches;
use crate::document::{
    DiagnosticSink, Diagnostics, Environment, Field, NoEnvironment, jsonc, toml, yaml,
};

/// Reads the servers of the client file at `path`, whose content is `text`.
///
/// The path determines the syntax, the client, and the folders that relative paths and references
/// mean. Returns the servers, and the warnings: among them the reasons why servers are left out.
///
/// # Errors
///
/// Returns all diagnostics if `text` has a syntax error, or if none of its servers can be served.
///
/// # Example
///
/// ```
/// use std::path::Path;
///
/// use mcp_gateway_config::document::NoEnvironment;
/// use mcp_gateway_config::import::read;
///
/// let text = r#"{ "mcpServers": { "a": { "command": "a" }, "b": {}, } }"#;
/// let (servers, warnings) = read(text, Path::new("mcp.json"), &NoEnvironment).unwrap();
/// assert_eq!(servers.len(), 1);
/// assert!(warnings.to_string().contains("missing command or url"));
/// assert!(read("{}", Path::new("mcp.json"), &NoEnvironment).is_err());
/// ```
pub fn read(
    text: &str,
    path: &Path,
    environment: &dyn Environment,
) -> Result<(Vec<ServerSpec>, Diagnostics), Diagnostics> {
    let report = DiagnosticSink::new(environment);
    let node = match Syntax::of(path) {
        Syntax::Json => jsonc::parse(text, &report),
        Syntax::Toml => toml::parse(text, &report),
        Syntax::Yaml => yaml::parse(text, &report),
    };
    let servers = node.and_then(|node| {
        let root = report.root(&node);
        servers(&root, &Origin::of(path, environment).refined(&root))
    });
    let found = report.into_diagnostics();
    match servers {
        Some(servers) if !servers.is_empty() => Ok((servers, found.into_warnings())),
        Some(servers) if !found.has_errors() => Ok((servers, found)),
        Some(_) | None => Err(found),
    }
}

/// Returns `true` if a YAML file has the keys of a client instead of those of a gateway.
///
/// # Example
///
/// ```
/// use mcp_gateway_config::import::is_client_file;
///
/// assert!(is_client_file("mcpServers: { a: { command: a } }"));
/// assert!(!is_client_file("servers: [{ name: a, process: { command: a } }]"));
/// ```
#[must_use]
pub fn is_client_file(text: &str) -> bool {
    let report = DiagnosticSink::new(&NoEnvironment);
    yaml::parse(text, &report).is_some_and(|node| {
        let root = report.root(&node);
        let keys = [
            "mcpServers",
            "mcp_servers",
            "context_servers",
            "mcp",
            "extensions",
        ];
        keys.iter().any(|key| root.get(key).is_some())
    })
}

/// Reads the servers of the file with `root`.
fn servers(root: &Field<'_>, origin: &Origin) -> Option<Vec<ServerSpec>> {
    let listed = registry::servers(root);
    if !listed.is_empty() {
        return Some(registered(&listed, origin));
    }
    let mut names = NameRegistry::default();
    let layout = Layout::of(root)?;
    let mut variables = Variables::new(origin, layout.inputs.as_ref());
    let switches = match origin.dialect {
        Dialect::Opencode => Switches::of(root),
        _ => Switches::default(),
    };
    let (mut servers, mut invalid) = (Vec::new(), Vec::new());
    for Listed {
        name,
        field,
        project,
    } in &layout.entries
    {
        variables.set_own(std::iter::empty());
        let errors = field.error_count();
        let imported = entry::read(field, &mut variables);
        if field.error_count() > errors {
            invalid.push((*name, field));
        } else if let Some(mut imported) = imported {
            set_directory(&mut imported.transport, *project);
            imported.options.tools = switches.select(name, imported.options.tools);
            servers.push(server(names.assign(name, field), imported));
        }
    }
    if !servers.is_empty() {
        report(&invalid);
    }
    Some(servers)
}

/// Reads servers of the registry.
fn registered(listed: &[Field<'_>], origin: &Origin) -> Vec<ServerSpec> {
    let mut names = NameRegistry::default();
    let variables = Variables::new(origin, None);
    let (mut servers, mut invalid) = (Vec::new(), Vec::new());
    for field in listed {
        let name = field.peek("name").unwrap_or_default();
        let errors = field.error_count();
        match registry::read(field, &variables) {
            Some(imported) if field.error_count() == errors => {
                servers.push(server(names.assign(name, field), imported));
            }
            Some(_) | None => invalid.push((name, field)),
        }
    }
    if !servers.is_empty() {
        report(&invalid);
    }
    servers
}

/// Warns of entries that have an error, besides others that are served.
fn report(invalid: &[(&str, &Field<'_>)]) {
    for (name, field) in invalid {
        field.warning(format!("server {name:?} is not served"));
    }
}

/// Creates the server `name`.
fn server(name: Arc<str>, imported: Imported) -> ServerSpec {
    let mut server = ServerSpec::new(name, imported.transport);
    let options = imported.options;
    server.connect_timeout = options.connect_timeout;
    server.tools = options.tools;
    if let Some(timeout) = options.timeout {
        server.limits.calls = server.limits.calls.with_timeout(timeout);
    }
    server
}

/// Sets the directory of a program without one to that of its project.
fn set_directory(transport: &mut ServerRuntime, project: Option<&str>) {
    if let ServerRuntime::Process(process) = transport
        && process.directory.is_none()
    {
        process.directory = project.map(PathBuf::from);
    }
}

#[cfg(test)]
mod tests;
