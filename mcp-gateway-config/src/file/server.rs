//! Entries of `servers`.
//!
//! | Key | Type |
//! |---|---|
//! | `name` | string, required |
//! | `prefix` | string; the name by default |
//! | `builtin` | name of a built-in server |
//! | `process` | [`Process`] |
//! | `remote` | [`Remote`](mcp_gateway_platform::spec::Remote) |
//! | `kubernetes` | [`KubernetesServer`](mcp_gateway_platform::spec::KubernetesServer) |
//! | `inputs` | list of [`Input`]s |
//! | `sessions` | `shared`, `principal` or `session` |
//! | `roots` | `off`, `on` or a list of directories |
//! | `tools` | `allow`, `deny`: lists of tools, in which `*` stands for any characters; `rename`: map of tools to aliases |
//! | `pinned` | boolean, `file` or `store`: only approved definitions are offered |
//! | `lint` | `report`, `adapt` or `hold-back` |
//! | `results` | [`ResultBudgets`](mcp_gateway_core::results::ResultBudgets) |
//! | `limits` | [`ServerLimits`](mcp_gateway_platform::spec::ServerLimits) |
//! | `idle`, `connectTimeout` | duration |
//! | `entry` | `NAME@VERSION` of the entry of the registry from which it has been installed |
//!
//! Exactly one of `builtin`, `process`, `remote` and `kubernetes` is required.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mcp_gateway_auth::accounts::RESERVED_NAMES;
use mcp_gateway_core::catalog::lint::LintPolicy;
use mcp_gateway_core::route::PrefixRouter;
use mcp_gateway_core::upstream::{RootsPolicy, SessionPolicy};
use mcp_gateway_platform::spec::{Input, Process, ServerRuntime, ServerSpec, ToolFilter, input_of};
use mcp_gateway_registry::EntryReference;

use super::{input, kubernetes, pins};
use crate::document::{Field, FromField};

impl FromField for ServerSpec {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let mut named = None;
        let name = table.required("name", |field| {
            named = Some(field.clone());
            field.parse("the name of a server", name)
        });
        let prefix = match (table.field("prefix"), named, &name) {
            (Some(field), _, _) => field.parse("a prefix", prefix),
            (None, Some(field), Some(name)) => default_prefix(name, &field),
            (None, _, _) => None,
        };
        let transport = table.one_of(&["builtin", "process", "remote", "kubernetes"]);
        let transport = transport.and_then(|(key, field)| transport_of(key, &field));
        let mut inputs: Vec<Input> = table.get("inputs").unwrap_or_default();
        let sessions = table.get_with("sessions", |field| field.choice(&SESSIONS));
        let program = transport.as_ref().is_some_and(is_program);
        let roots = table.get_with("roots", |field| roots(field, program));
        let tools: ToolKeys = table.get("tools").unwrap_or_default();
        let pinned = table.get_with("pinned", pins::pinned);
        let lint = table.get_with("lint", |field| field.choice(&LINT));
        let results = table.get("results").unwrap_or_default();
        let limits = table.get("limits").unwrap_or_default();
        let idle = table.get("idle");
        let connect_timeout = table.get("connectTimeout");
        let entry = table.get_with("entry", |field| field.parse("an entry", entry));
        table.finish();
        if let Some(ServerRuntime::Process(process)) = &transport {
            check_sharing(process, sessions, field);
        }
        kubernetes::check_server(transport.as_ref(), sessions, field);
        if let Some(transport) = &transport {
            check_inputs(&mut inputs, transport, field);
        }
        if let (Some(SessionPolicy::Shared), Some(ServerRuntime::Process(_)), Some(inputs)) =
            (sessions, &transport, field.get("inputs"))
        {
            inputs.error("sessions: shared shares the process, and so the values");
        }
        let mut server = Self::new(name?, transport?);
        server.inputs = inputs;
        if server.is_connected_by_callers()
            && RESERVED_NAMES.contains(&&*server.name)
            && let Some(field) = field.get("name")
        {
            field.error("reserved for the pages on which accounts are connected");
        }
        server.prefix = prefix?;
        server.sessions = sessions.unwrap_or(server.sessions);
        server.roots = roots;
        server.tools = tools.filter;
        server.tool_aliases = tools.aliases;
        server.pinned = pinned.unwrap_or_default();
        server.lint = lint.unwrap_or_default();
        server.results = results;
        server.limits = limits;
        server.idle = idle;
        server.connect_timeout = connect_timeout;
        server.entry = entry;
        Some(server)
    }
}

/// Parses the name and version of an entry of the registry.
fn entry(text: &str) -> Result<Arc<str>, String> {
    match text.parse::<EntryReference>()?.version {
        Some(_) => Ok(text.into()),
        None => Err("expected NAME@VERSION".to_owned()),
    }
}

/// Records an error if a shared process shall have the state of single callers.
fn check_sharing(process: &Process, sessions: Option<SessionPolicy>, field: &Field<'_>) {
    let state = field.get("process").and_then(|field| field.get("state"));
    let shared = state.and_then(|field| field.get("shared"));
    let isolation = process.isolation.as_ref();
    if let (Some(SessionPolicy::Shared), Some(shared)) = (sessions, shared)
        && isolation.is_some_and(|isolation| !isolation.shared_state)
    {
        shared.error("sessions: shared shares the process, and so its state");
    }
}

/// Records errors of the definitions of inputs, and of references to them; completes the former by
/// the parts of the URL that they become.
fn check_inputs(inputs: &mut [Input], transport: &ServerRuntime, server: &Field<'_>) {
    let field = server.get("inputs").unwrap_or_else(|| server.clone());
    input::check_names(inputs, &field);
    match transport {
        ServerRuntime::Remote(remote) => {
            let templates = remote.templates.iter();
            let references = templates.flat_map(|(_, template)| template.references());
            let of_url = remote.url_template.iter();
            let of_url = of_url.flat_map(|template| template.values().map(|(name, _)| name));
            input::check_references(inputs, references.chain(of_url), &field);
            if let Some(template) = &remote.url_template {
                input::bind_url(inputs, template, &field);
            }
        }
        ServerRuntime::Process(process) => {
            let references = process.placeholders().filter_map(input_of);
            input::check_references(inputs, references, &field);
            input::check_program(inputs, process, server);
        }
        ServerRuntime::Builtin(_) if !inputs.is_empty() => {
            field.error("inputs are for remote servers and programs");
        }
        // Of pods: `kubernetes::check_server`.
        _ => {}
    }
    if !inputs.is_empty() && transport.auth().is_some() {
        field.error("inputs and remote.auth are mutually exclusive");
    }
}

/// Section `tools` of a server.
#[derive(Default)]
struct ToolKeys {
    filter: ToolFilter,
    aliases: BTreeMap<Arc<str>, Arc<str>>,
}

impl FromField for ToolKeys {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let allow = table.get_with("allow", patterns);
        let deny = table.get_with("deny", patterns).unwrap_or_default();
        let filter = ToolFilter::default().with_denied(deny);
        let filter = match allow {
            Some(allow) => filter.with_allowed(allow),
            None => filter,
        };
        let aliases = table
            .get_with("rename", |field| aliases(field, &filter))
            .unwrap_or_default();
        table.finish();
        Some(Self { filter, aliases })
    }
}

/// Reads a list of patterns of the names of tools.
fn patterns(field: &Field<'_>) -> Option<Vec<Arc<str>>> {
    let read = |field: &Field<'_>| field.parse("the name of a tool", tool_name);
    let read: Vec<_> = field.items()?.iter().map(read).collect();
    read.into_iter().collect()
}

/// Reads a map of the names of tools, as far as `filter` offers them, to distinct aliases.
fn aliases(field: &Field<'_>, filter: &ToolFilter) -> Option<BTreeMap<Arc<str>, Arc<str>>> {
    let mut aliases: BTreeMap<Arc<str>, Arc<str>> = BTreeMap::new();
    for (tool, field) in field.entries()? {
        match tool_name(tool) {
            Ok(_) if tool.contains('*') => field.error("expected the name of one tool, without *"),
            Ok(_) if !filter.allows(tool) => {
                field.warning("the alias has no effect, because the tool is not offered");
            }
            Ok(_) => {}
            Err(reason) => field.error(format!("{tool:?} is not the name of a tool: {reason}")),
        }
        let Some(alias) = field.parse("an alias", name) else {
            continue;
        };
        if aliases.values().any(|other| *other == alias) {
            field.error(format!("duplicate alias {alias:?}"));
        }
        aliases.insert(tool.into(), alias);
    }
    Some(aliases)
}

/// Parses the name that a server gives to a tool, or a pattern of such names.
fn tool_name(text: &str) -> Result<Arc<str>, String> {
    let is_printable = !text.contains(char::is_control);
    match !text.is_empty() && text.len() <= MAX_TOOL_NAME && is_printable {
        true => Ok(text.into()),
        false => Err(format!(
            "expected printable characters, up to {MAX_TOOL_NAME} bytes"
        )),
    }
}

/// Reads the transport under `key`.
fn transport_of(key: &str, field: &Field<'_>) -> Option<ServerRuntime> {
    match key {
        "builtin" => builtin(field).map(ServerRuntime::Builtin),
        "process" => field.read().map(ServerRuntime::Process),
        "kubernetes" => {
            let server = field.read().map(Arc::new);
            server.map(ServerRuntime::Kubernetes)
        }
        _ => field.read().map(ServerRuntime::Remote),
    }
}

/// Returns `true` for a server on this machine.
fn is_program(transport: &ServerRuntime) -> bool {
    matches!(
        transport,
        ServerRuntime::Builtin(_) | ServerRuntime::Process(_)
    )
}

/// Reads the roots policy; `program` is `true` for a server on this machine.
fn roots(field: &Field<'_>, program: bool) -> Option<RootsPolicy> {
    if !field.is_scalar() {
        return directories(field).map(RootsPolicy::Inside);
    }
    let policy = field.choice(&[("off", RootsPolicy::Off), ("on", RootsPolicy::Unchecked)])?;
    if program && policy == RootsPolicy::Unchecked {
        field.error("on is for remote servers only; list the allowed directories");
        return None;
    }
    Some(policy)
}

/// Reads a non-empty list of directories.
fn directories(field: &Field<'_>) -> Option<Vec<PathBuf>> {
    let items = field.items()?;
    if items.is_empty() {
        field.error("at least one directory is required; use off for no roots");
        return None;
    }
    let read = |field: &Field<'_>| field.parse("a directory", directory);
    let read: Vec<_> = items.iter().map(read).collect();
    read.into_iter().collect()
}

/// Parses an absolute path.
fn directory(text: &str) -> Result<PathBuf, String> {
    match Path::new(text).is_absolute() {
        true => Ok(text.into()),
        false => Err("expected an absolute path".to_owned()),
    }
}

/// Reads the name of a built-in server.
fn builtin(field: &Field<'_>) -> Option<Arc<str>> {
    let known = field.environment().builtins();
    if known.is_empty() {
        field.error("no built-in servers are available");
        return None;
    }
    let choices: Vec<_> = known.iter().map(|name| (*name, *name)).collect();
    field.choice(&choices).map(Arc::from)
}

/// Parses the name of a server.
fn name(text: &str) -> Result<Arc<str>, String> {
    // Parts of paths, which URLs resolve.
    if [".", ".."].contains(&text) {
        return Err("expected more than dots".to_owned());
    }
    match !text.is_empty() && text.len() <= MAX_NAME && text.chars().all(is_name_char) {
        true => Ok(text.into()),
        false => Err(format!(
            "expected letters, digits, '-', '_' and '.', up to {MAX_NAME} characters"
        )),
    }
}

/// Returns `true` if `c` is allowed in the name of a server.
pub(crate) fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// Parses the prefix of tool names.
fn prefix(text: &str) -> Result<Arc<str>, String> {
    match PrefixRouter::new([("", text)]) {
        Ok(_) => Ok(text.into()),
        Err(error) => Err(error.to_string()),
    }
}

/// Returns the default prefix of tool names, which is the name of the server.
fn default_prefix(name: &str, field: &Field<'_>) -> Option<Arc<str>> {
    let prefix = prefix(name);
    if let Err(error) = &prefix {
        field.error(format!(
            "the name is not a valid prefix; set prefix: {error}"
        ));
    }
    prefix.ok()
}

/// Values of `lint`.
const LINT: [(&str, LintPolicy); 3] = [
    ("report", LintPolicy::Report),
    ("adapt", LintPolicy::Adapt),
    ("hold-back", LintPolicy::HoldBack),
];

/// Values of `sessions`.
const SESSIONS: [(&str, SessionPolicy); 3] = [
    ("shared", SessionPolicy::Shared),
    ("principal", SessionPolicy::PerPrincipal),
    ("session", SessionPolicy::PerSession),
];

/// Maximum length of the name that a server gives to a tool, in bytes.
const MAX_TOOL_NAME: usize = 2048;

/// Maximum length of a name in characters. Names are labels of metrics and parts of log lines.
const MAX_NAME: usize = 64;
