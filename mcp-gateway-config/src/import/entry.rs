//! Server entries of client files.
//!
//! | Keys | Meaning | Unit |
//! |---|---|---|
//! | `type`, `transport` | transport; otherwise it follows from the other keys | |
//! | `command`, `cmd` | child process | |
//! | `url`, `serverUrl`, `httpUrl`, `uri`, `baseUrl`, `serverURL` | server over HTTP | |
//! | `disabled`, `enabled` | switch; a disabled entry is skipped without a diagnostic | |
//! | `timeout`, `requestTimeout` | timeout of calls | by the dialect of the client |
//! | `tool_timeout_sec` | timeout of calls, which precedes the others | seconds |
//! | `startup_timeout_sec` | timeout for connecting, which precedes the others | seconds |
//! | `startup_timeout_ms`, `connectionTimeout` | timeout for connecting | milliseconds |
//! | `initTimeout` | the same | milliseconds |
//!
//! Lists of tools become the filter of the server: see the module `tools`. Keys for display and
//! approval are ignored without a warning, and unknown keys with one. Servers that are part of a
//! client are not served: there is neither a program to start nor a URL to call.

use std::time::Duration;

use mcp_gateway_core::upstream::UpstreamProtocol;
use mcp_gateway_platform::spec::{ServerRuntime, ToolFilter};

use super::expand::Variables;
use super::origin::Dialect;
use super::{program, tools, web};
use crate::document::{Field, Table};

/// Server of an entry.
#[derive(Debug)]
pub(super) struct Imported {
    /// Child process or endpoint, with expanded references.
    pub(super) transport: ServerRuntime,
    /// Longest silence during a call.
    ///
    /// `None` without a key, and for a value that is not positive.
    pub(super) timeout: Option<Duration>,
    /// Time limit for starting a program, or for connecting to an endpoint.
    pub(super) connect_timeout: Option<Duration>,
    /// Tools that the client shows.
    pub(super) tools: ToolFilter,
}

/// Server entry of a client file.
pub(super) struct Entry<'a, 'v> {
    /// Map of the entry; keys that are read count as known.
    pub(super) table: Table<'a>,
    /// Expansion of references, with the variables of this entry.
    pub(super) variables: &'v mut Variables<'a>,
}

/// Transport of an entry.
#[derive(Clone, Copy)]
enum Kind {
    /// Child process.
    Process,
    /// HTTP, with the protocol if the entry names it; otherwise the protocol is detected.
    Remote(Option<UpstreamProtocol>),
    /// A transport that only the client itself provides.
    Internal,
}

/// Reads the server of `field`; `None` also if it is disabled.
///
/// An invalid entry results in `None` as well: errors in the report of the file distinguish it from
/// a disabled one. A map under `transport` is read instead of the entry.
pub(super) fn read<'a>(field: &Field<'a>, variables: &mut Variables<'a>) -> Option<Imported> {
    let mut entry = Entry {
        table: field.table()?,
        variables,
    };
    let disabled = entry.is_disabled();
    if disabled {
        return None;
    }
    // Cline nests what the others have in the entry itself.
    if let Some(nested) = entry.table.field("transport").filter(Field::is_map) {
        entry.table.finish_leniently();
        return read(&nested, entry.variables);
    }
    let kind = entry.kind();
    let transport = match kind? {
        Kind::Process => program::read(&mut entry).map(ServerRuntime::Process),
        Kind::Remote(protocol) => web::read(&mut entry, protocol).map(ServerRuntime::Remote),
        Kind::Internal => {
            let message = "only the client itself can provide this server";
            entry.table.whole().error(message);
            return None;
        }
    };
    let (timeout, connect_timeout) = (entry.timeout(), entry.connect_timeout());
    let tools = tools::read(&mut entry.table);
    for key in IGNORED {
        entry.table.field(key);
    }
    entry.table.finish_leniently();
    Some(Imported {
        transport: transport?,
        timeout,
        connect_timeout,
        tools,
    })
}

impl<'a> Entry<'a, '_> {
    /// Returns `true` if the client skips the entry.
    fn is_disabled(&mut self) -> bool {
        let disabled = self.table.get("disabled") == Some(true);
        let enabled = self.table.get("enabled") != Some(false);
        disabled || !enabled
    }

    /// Returns the value of the first of `keys` that is present.
    ///
    /// All of `keys` become known, so that the others cause no warning.
    pub(super) fn first(&mut self, keys: &[&'static str]) -> Option<Field<'a>> {
        let present: Vec<_> = keys
            .iter()
            .filter_map(|key| self.table.field(key))
            .collect();
        present.into_iter().next()
    }

    /// Determines the transport from `type`, or from the keys of programs and URLs.
    ///
    /// An explicit name decides even if both a program and a URL are present. Without one, an entry
    /// must have either; one that has neither, but `settings`, is a server of the client itself.
    fn kind(&mut self) -> Option<Kind> {
        let command = self.first(&COMMANDS).is_some();
        let url = self.first(&URLS).is_some();
        if let Some(field) = self.first(&["type", "transport"]) {
            let name = field.text()?;
            let known = KINDS.iter().find(|(known, _)| *known == name);
            if known.is_none() {
                field.error(format!("unsupported transport {name:?}"));
            }
            return known.map(|(_, kind)| *kind);
        }
        match (command, url) {
            (true, false) => Some(Kind::Process),
            (false, true) => Some(Kind::Remote(None)),
            (true, true) => {
                let message = "command and url are mutually exclusive";
                self.table.whole().error(message);
                None
            }
            (false, false) if self.table.field("settings").is_some() => Some(Kind::Internal),
            (false, false) => {
                self.table.whole().error("missing command or url");
                None
            }
        }
    }

    /// Returns the longest silence during a call.
    ///
    /// The unit follows from the dialect. In files of unknown clients, numbers from 1000 on are
    /// milliseconds, and smaller ones are seconds.
    fn timeout(&mut self) -> Option<Duration> {
        let seconds = self.table.field("tool_timeout_sec");
        let seconds = seconds.and_then(|field| time(&field, 1.0));
        let timeout = self.first(&["timeout", "requestTimeout"]);
        let timeout = timeout.and_then(|field| {
            let unit = match self.variables.origin.dialect {
                Dialect::Gemini | Dialect::Milliseconds | Dialect::Opencode => MILLISECOND,
                Dialect::Crush | Dialect::Seconds => 1.0,
                // Nobody waits for a quarter of an hour, or for less than a second.
                Dialect::Other if number(&field)? >= 1000.0 => MILLISECOND,
                Dialect::Other => 1.0,
            };
            time(&field, unit)
        });
        seconds.or(timeout)
    }

    /// Returns the time limit for starting or connecting.
    fn connect_timeout(&mut self) -> Option<Duration> {
        let seconds = self.table.field("startup_timeout_sec");
        let seconds = seconds.and_then(|field| time(&field, 1.0));
        let keys = ["startup_timeout_ms", "connectionTimeout", "initTimeout"];
        let milliseconds = self.first(&keys);
        seconds.or_else(|| milliseconds.and_then(|field| time(&field, MILLISECOND)))
    }
}

/// Returns a number; records an error otherwise.
fn number(field: &Field<'_>) -> Option<f64> {
    field.parse("a number", |text| {
        text.parse().map_err(|_| "expected digits".to_owned())
    })
}

/// Returns a duration in `unit`s of a second. Zero means that there is no limit.
///
/// Negative numbers, and those that a duration cannot hold, are treated alike.
fn time(field: &Field<'_>, unit: f64) -> Option<Duration> {
    let seconds = number(field)? * unit;
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|duration| !duration.is_zero())
}

/// Milliseconds in seconds.
const MILLISECOND: f64 = 0.001;

/// Values of `type`.
///
/// The spelling of Streamable HTTP differs between clients. Only `sse` determines the protocol.
const KINDS: [(&str, Kind); 15] = [
    ("stdio", Kind::Process),
    ("local", Kind::Process),
    // Some servers implement only HTTP+SSE although clients configure `http`: detected.
    ("http", Kind::Remote(None)),
    ("streamable-http", Kind::Remote(None)),
    ("streamableHttp", Kind::Remote(None)),
    ("streamable_http", Kind::Remote(None)),
    ("remote", Kind::Remote(None)),
    ("url", Kind::Remote(None)),
    ("sse", Kind::Remote(Some(UpstreamProtocol::Sse))),
    ("builtin", Kind::Internal),
    ("platform", Kind::Internal),
    ("frontend", Kind::Internal),
    ("inline_python", Kind::Internal),
    ("sdk", Kind::Internal),
    ("inMemory", Kind::Internal),
];

/// Keys of the program.
pub(super) const COMMANDS: [&str; 2] = ["command", "cmd"];

/// Keys of the URL: `serverUrl` in Windsurf, `httpUrl` in Gemini CLI, `uri` in Goose.
pub(super) const URLS: [&str; 6] = ["url", "serverUrl", "httpUrl", "uri", "baseUrl", "serverURL"];

/// Keys that concern the client only, such as display and approval.
const IGNORED: [&str; 27] = [
    "alwaysAllow",
    "always_allow",
    "autoApprove",
    "autoStart",
    "bundled",
    "chatMenu",
    "default_tools_approval_mode",
    "description",
    "dev",
    "display_name",
    "gallery",
    "icon",
    "iconPath",
    "id",
    "installed_by",
    "isActive",
    "name",
    "note",
    "required",
    "sandbox",
    "sandboxEnabled",
    "serverInstructions",
    "settings",
    "source",
    "startup",
    "trust",
    "version",
];
