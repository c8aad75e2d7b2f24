//! Server entries of client files.
//!
//! | Keys | Meaning | Unit |
//! |---|---|---|
//! | `type`, `transport`, `transportType` | transport; otherwise it follows from the other keys | |
//! | `command`, `cmd` | child process | |
//! | `url`, `serverUrl`, `httpUrl`, `uri`, `baseUrl`, `serverURL` | server over HTTP | |
//! | `disabled`, `active`, `enabled`, `isActive` | switch; a disabled entry is skipped without a diagnostic | |
//! | `timeout`, `requestTimeout` | timeout of calls | by the dialect of the client |
//! | `tool_timeout_sec`, `read_timeout_seconds` | timeout of calls, which precedes the others | seconds |
//! | `startup_timeout_sec` | timeout for connecting, which precedes the others | seconds |
//! | `startup_timeout_ms`, `connectionTimeout` | timeout for connecting | milliseconds |
//! | `initTimeout` | the same | milliseconds |
//!
//! A time may also be a text with a unit, such as `30s`. An invalid one is ignored with a warning.
//!
//! Lists of tools become the filter of the server: see the module `tools`. Keys for display and
//! approval are ignored without a warning, and unknown keys with one. A login, which the gateway
//! does not perform, causes a warning of its own. Servers that are part of a client are not served:
//! there is neither a program to start nor a URL to call.

use std::time::Duration;

use mcp_gateway_core::upstream::UpstreamProtocol;
use mcp_gateway_platform::spec::{ServerRuntime, ToolFilter};

use super::expand::Variables;
use super::origin::Dialect;
use super::{program, tools, web};
use crate::document::{Field, Table, duration};

/// Server of an entry.
#[derive(Debug)]
pub(super) struct Imported {
    /// Child process or endpoint, with expanded references.
    pub(super) transport: ServerRuntime,
    /// Options for any transport.
    pub(super) options: Options,
}

/// Options of a server that do not concern its transport.
#[derive(Debug, Default)]
pub(super) struct Options {
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
/// a disabled one. A map under `transport` is read instead of the entry, except for its options.
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
        let options = entry.options();
        entry.table.finish_leniently();
        let mut imported = read(&nested, entry.variables)?;
        imported.options = imported.options.or(options);
        return Some(imported);
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
    let options = entry.options();
    entry.table.finish_leniently();
    Some(Imported {
        transport: transport?,
        options,
    })
}

impl Options {
    /// Returns these options, and those of `other` instead of missing ones.
    fn or(self, other: Self) -> Self {
        Self {
            timeout: self.timeout.or(other.timeout),
            connect_timeout: self.connect_timeout.or(other.connect_timeout),
            tools: match self.tools.is_empty() {
                true => other.tools,
                false => self.tools,
            },
        }
    }
}

impl<'a> Entry<'a, '_> {
    /// Returns `true` if the client skips the entry.
    fn is_disabled(&mut self) -> bool {
        let disabled = self.table.get("disabled") == Some(true);
        let enabled =
            ["active", "enabled", "isActive"].map(|key| self.table.get(key) != Some(false));
        disabled || enabled.contains(&false)
    }

    /// Reads the options, and marks the keys that have no meaning for a gateway as known.
    fn options(&mut self) -> Options {
        let options = Options {
            timeout: self.timeout(),
            connect_timeout: self.connect_timeout(),
            tools: tools::read(&mut self.table),
        };
        let logins = LOGINS.map(|key| self.table.field(key));
        if let Some(login) = logins.into_iter().flatten().find(is_on) {
            login.warning(
                "the gateway neither logs in to servers nor runs commands for their headers",
            );
        }
        for key in IGNORED {
            self.table.field(key);
        }
        options
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
    /// Gemini CLI prefers the URL if there are both.
    fn kind(&mut self) -> Option<Kind> {
        let command = self.first(&COMMANDS).is_some();
        let url = self.first(&URLS).is_some();
        let uses = self.table.field("uses");
        if let Some(field) = self.first(&["type", "transport", "transportType"]) {
            return kind_of(&field);
        }
        match (command, url) {
            (true, false) => Some(Kind::Process),
            (false, true) => Some(Kind::Remote(None)),
            (true, true) if self.variables.origin.dialect == Dialect::Gemini => {
                Some(Kind::Remote(None))
            }
            (true, true) => {
                let message = "command and url are mutually exclusive";
                self.table.whole().error(message);
                None
            }
            (false, false) if self.table.field("settings").is_some() => Some(Kind::Internal),
            (false, false) if uses.is_some() => {
                let message = "a block of the hub; replace \"uses\" by the content of the block";
                self.table.whole().error(message);
                None
            }
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
        let seconds = self.first(&["tool_timeout_sec", "read_timeout_seconds"]);
        let seconds = seconds.and_then(|field| time(&field, 1.0));
        let timeout = self.first(&["timeout", "requestTimeout"]);
        let timeout = timeout.and_then(|field| {
            let unit = match self.variables.origin.dialect {
                Dialect::Gemini
                | Dialect::LibreChat
                | Dialect::Milliseconds
                | Dialect::Opencode => MILLISECOND,
                Dialect::Crush | Dialect::Seconds => 1.0,
                // Nobody waits for a quarter of an hour, or for less than a second.
                Dialect::Other if number(&field) >= Some(1000.0) => MILLISECOND,
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

/// Returns the transport that `field` names, in any spelling. Records an error if it is unknown.
fn kind_of(field: &Field<'_>) -> Option<Kind> {
    let name = field.text()?;
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let plain = plain.to_ascii_lowercase();
    let known = KINDS.iter().find(|(known, _)| *known == plain);
    if known.is_none() {
        field.error(format!("unsupported transport {name:?}"));
    }
    known.map(|(_, kind)| *kind)
}

/// Returns `true` if the value of a login is not empty, and does not turn it off.
fn is_on(login: &Field<'_>) -> bool {
    if login.is_scalar() {
        return login.text() != Some("false");
    }
    let is_empty = match login.is_map() {
        true => login.entries().is_none_or(|entries| entries.is_empty()),
        false => login.items().is_none_or(|items| items.is_empty()),
    };
    !is_empty && login.peek("enabled") != Some("false")
}

/// Returns the value of a number.
fn number(field: &Field<'_>) -> Option<f64> {
    let text = field.is_scalar().then(|| field.text()).flatten();
    text?.parse().ok()
}

/// Returns a duration: a number in `unit`s of a second, or a text with a unit.
///
/// Zero means that there is no limit. Negative numbers, and those that a duration cannot hold, are
/// treated alike. Anything else causes a warning.
fn time(field: &Field<'_>, unit: f64) -> Option<Duration> {
    let time = match number(field) {
        Some(number) => Duration::try_from_secs_f64(number * unit).ok(),
        None => {
            let text = field.is_scalar().then(|| field.text()).flatten();
            let time = text.and_then(|text| duration(text).ok());
            if time.is_none() {
                field.warning("expected a number; the default applies");
            }
            time
        }
    };
    time.filter(|time| !time.is_zero())
}

/// Milliseconds in seconds.
const MILLISECOND: f64 = 0.001;

/// Values of `type`, in lower case and without separators.
///
/// The spelling of Streamable HTTP differs between clients. Only `sse` determines the protocol.
const KINDS: [(&str, Kind); 15] = [
    ("stdio", Kind::Process),
    ("local", Kind::Process),
    // Some servers implement only HTTP+SSE although clients configure `http`: detected.
    ("http", Kind::Remote(None)),
    ("streamable", Kind::Remote(None)),
    ("streamablehttp", Kind::Remote(None)),
    ("remote", Kind::Remote(None)),
    ("url", Kind::Remote(None)),
    ("sse", Kind::Remote(Some(UpstreamProtocol::Sse))),
    ("builtin", Kind::Internal),
    ("platform", Kind::Internal),
    ("frontend", Kind::Internal),
    ("inlinepython", Kind::Internal),
    ("sdk", Kind::Internal),
    ("inmemory", Kind::Internal),
    ("registry", Kind::Internal),
];

/// Keys of the program.
pub(super) const COMMANDS: [&str; 2] = ["command", "cmd"];

/// Keys of the URL: `httpUrl` in Gemini CLI, where it precedes `url`; `serverUrl` in Windsurf, `uri`
/// in Goose.
pub(super) const URLS: [&str; 6] = ["httpUrl", "url", "serverUrl", "uri", "baseUrl", "serverURL"];

/// Keys of logins, and of commands that print headers.
const LOGINS: [&str; 8] = [
    "auth",
    "authProviderType",
    "headersHelper",
    "oauth",
    "oauthScopes",
    "oauth_resource",
    "requiresOAuth",
    "scopes",
];

/// Keys that concern the client only, such as display and approval.
const IGNORED: [&str; 38] = [
    "alwaysAllow",
    "always_allow",
    "autoApprove",
    "autoStart",
    "bundled",
    "chatMenu",
    "customUserVars",
    "default_tools_approval_mode",
    "description",
    "dev",
    "display_name",
    "faviconUrl",
    "gallery",
    "icon",
    "iconPath",
    "id",
    "installed_by",
    "metadata",
    "name",
    "note",
    "remote",
    "remoteConfigured",
    "required",
    "sandbox",
    "sandboxEnabled",
    "serverInstructions",
    "settings",
    "socket",
    "source",
    "start_on_launch",
    "startup",
    "stderr",
    "supports_parallel_tool_calls",
    "targetAudience",
    "targetServiceAccount",
    "trust",
    "version",
    "watchPaths",
];
