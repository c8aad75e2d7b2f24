//! Import of servers from configuration files of MCP clients.
//!
//! | Client | Key |
//! |---|---|
//! | Claude Desktop, Claude Code, Cursor, Windsurf, Cline, Copilot CLI, Gemini CLI | `mcpServers` |
//! | VS Code | `servers` and `inputs`, or both in `mcp` of its settings |
//! | Zed | `context_servers` |
//!
//! Comments and trailing commas are accepted, references to the environment are expanded, and
//! disabled servers are skipped. Keys without a meaning for a gateway cause a warning.

mod entry;
mod env_file;
mod expand;
mod name;

use std::path::Path;

use mcp_gateway_platform::spec::ServerSpec;

use self::expand::Variables;
use self::name::NameRegistry;
use crate::document::{DiagnosticSink, Diagnostics, Environment, Field, Table, jsonc};

/// Reads the servers of a client file.
///
/// Paths are relative to `folder`, the directory of the file. Returns the servers and the warnings.
///
/// # Errors
///
/// Returns all diagnostics if `text` is invalid.
///
/// # Example
///
/// ```
/// use std::path::Path;
///
/// use mcp_gateway_config::document::NoEnvironment;
/// use mcp_gateway_config::import::read;
///
/// let text = r#"{ "mcpServers": { "a": { "command": "a" }, } }"#;
/// let (servers, _) = read(text, Path::new("."), &NoEnvironment).unwrap();
/// assert_eq!(servers.len(), 1);
/// assert!(read("{}", Path::new("."), &NoEnvironment).is_err());
/// ```
pub fn read(
    text: &str,
    folder: &Path,
    environment: &dyn Environment,
) -> Result<(Vec<ServerSpec>, Diagnostics), Diagnostics> {
    let report = DiagnosticSink::new(environment);
    let node = jsonc::parse(text, &report);
    let servers = node.and_then(|node| servers(&report.root(&node), folder));
    let problems = report.into_diagnostics();
    match servers {
        Some(servers) if !problems.has_errors() => Ok((servers, problems)),
        Some(_) | None => Err(problems),
    }
}

/// Reads the servers of the file with `root`.
fn servers(root: &Field<'_>, folder: &Path) -> Option<Vec<ServerSpec>> {
    let mut file = root.table()?;
    let settings = file.get_with("mcp", |settings| settings.table());
    let (list, inputs) = match list(&mut file) {
        Some(list) => (list, file.field("inputs")),
        None => {
            let mut settings = settings.unwrap_or(file);
            let Some(list) = list(&mut settings) else {
                root.error(format!("expected one of: {}", LISTS.join(", ")));
                return None;
            };
            (list, settings.field("inputs"))
        }
    };
    let variables = Variables::new(folder, inputs.as_ref());
    let mut names = NameRegistry::default();
    let mut servers = Vec::new();
    for (name, field) in list.entries()? {
        // An invalid entry does not end the loop, so that all errors are found.
        if let Some(transport) = entry::read(&field, &variables) {
            servers.push(ServerSpec::new(names.assign(name, &field), transport));
        }
    }
    Some(servers)
}

/// Returns the map of servers, under any of the supported keys.
fn list<'a>(file: &mut Table<'a>) -> Option<Field<'a>> {
    LISTS.iter().find_map(|key| file.field(key))
}

/// Keys of the map of servers.
const LISTS: [&str; 3] = ["mcpServers", "servers", "context_servers"];

#[cfg(test)]
mod tests;
