//! Server entries of client files.

use std::path::PathBuf;

use http::{HeaderName, HeaderValue};
use mcp_gateway_core::upstream::UpstreamProtocol;
use mcp_gateway_platform::spec::{Process, Remote, Secret, ServerRuntime};

use super::env_file;
use super::expand::Variables;
use crate::document::{Field, Table};
use crate::file::remote;

/// Reads the server of `field`; `None` also if it is disabled.
pub(super) fn read(field: &Field<'_>, variables: &Variables) -> Option<ServerRuntime> {
    let mut entry = Entry {
        table: field.table()?,
        variables,
    };
    if entry.is_disabled() {
        return None;
    }
    let transport = match entry.kind()? {
        Kind::Process => entry.process().map(ServerRuntime::Process),
        Kind::Remote(protocol) => entry.remote(protocol).map(ServerRuntime::Remote),
    };
    for key in IGNORED {
        entry.table.field(key);
    }
    entry.table.finish_leniently();
    transport
}

/// Server entry of a client file.
struct Entry<'a> {
    table: Table<'a>,
    variables: &'a Variables,
}

/// Transport of an entry.
#[derive(Clone, Copy)]
enum Kind {
    Process,
    Remote(Option<UpstreamProtocol>),
}

impl Entry<'_> {
    /// Returns `true` if the client skips the entry.
    fn is_disabled(&mut self) -> bool {
        self.table.get("disabled") == Some(true) || self.table.get("enabled") == Some(false)
    }

    /// Determines the transport from `type`, or from `command` and the keys of the URL.
    fn kind(&mut self) -> Option<Kind> {
        if let Some(kind) = self.table.field("type") {
            return kind.choice(&KINDS);
        }
        let has_url = URLS.iter().any(|key| self.table.field(key).is_some());
        match (self.table.field("command").is_some(), has_url) {
            (true, false) => Some(Kind::Process),
            (false, true) => Some(Kind::Remote(None)),
            (true, true) => {
                self.table
                    .whole()
                    .error("command and url are mutually exclusive");
                None
            }
            (false, false) => {
                self.table.whole().error("missing command or url");
                None
            }
        }
    }

    /// Reads a server that is a child process.
    fn process(&mut self) -> Option<Process> {
        let variables = self.variables;
        let command = self
            .table
            .required("command", |field| variables.text(field));
        let args = self.table.get_with("args", |field| {
            let args = field.items()?.into_iter();
            Some(args.filter_map(|field| variables.text(&field)).collect())
        });
        let args: Vec<String> = args.unwrap_or_default();
        let mut process = Process::new(command?, args);
        let directory = self.table.get_with("cwd", |field| variables.text(field));
        process.directory = directory.map(|directory| self.path(&directory));
        process.env = self.environment();
        Some(process)
    }

    /// Returns the variables of a program; those of the entry override those of its environment
    /// file.
    fn environment(&mut self) -> Vec<(String, Secret)> {
        let variables = self.variables;
        let file = self.table.field("envFile");
        let file = file.and_then(|field| Some((variables.text(&field)?, field)));
        let from_file = file.map(|(path, field)| env_file::read(&self.path(&path), &field));
        let own = self.table.get_with("env", |field| {
            let entries = field.entries()?.into_iter();
            let entry = |(name, field): (&str, Field<'_>)| {
                // VS Code unsets such a variable; an empty one is the closest equivalent.
                let value = match field.is_null() {
                    true => String::new(),
                    false => variables.text(&field)?,
                };
                Some((name.to_owned(), Secret::new(value)))
            };
            Some(entries.filter_map(entry).collect::<Vec<_>>())
        });
        let mut environment = from_file.unwrap_or_default();
        environment.extend(own.unwrap_or_default());
        environment
    }

    /// Resolves `path` relative to the workspace folder.
    fn path(&self, path: &str) -> PathBuf {
        self.variables.workspace().join(path)
    }

    /// Reads a server over HTTP.
    fn remote(&mut self, protocol: Option<UpstreamProtocol>) -> Option<Remote> {
        let variables = self.variables;
        let url = URLS.iter().find_map(|key| self.table.field(key));
        let Some(url) = url else {
            self.table.whole().error("missing url");
            return None;
        };
        let text = variables.text(&url)?;
        let endpoint = match remote::endpoint(&text) {
            Ok(endpoint) => endpoint,
            Err(message) => {
                // The message must not contain the URL, which may contain a key.
                url.error(message);
                return None;
            }
        };
        let headers = self.table.get_with("headers", |field| {
            let entries = field.entries()?;
            let headers = entries
                .iter()
                .filter_map(|(name, field)| header(name, field, variables));
            Some(headers.collect())
        });
        let mut remote = Remote::new(endpoint);
        remote.headers = headers.unwrap_or_default();
        remote.protocol = protocol;
        Some(remote)
    }
}

/// Reads a request header. Headers that cannot be configured are ignored with a warning.
fn header(
    name: &str,
    field: &Field<'_>,
    variables: &Variables,
) -> Option<(HeaderName, HeaderValue)> {
    let value = variables.secret(field)?;
    match remote::header_name(name) {
        Ok(name) => Some((name, remote::read_value(&value, field)?)),
        Err(message) => {
            field.warning(format!("{message}; ignored"));
            None
        }
    }
}

/// Values of `type`.
const KINDS: [(&str, Kind); 6] = [
    ("stdio", Kind::Process),
    ("local", Kind::Process),
    // Some servers implement only HTTP+SSE although clients configure `http`: detected.
    ("http", Kind::Remote(None)),
    ("streamable-http", Kind::Remote(None)),
    ("streamableHttp", Kind::Remote(None)),
    ("sse", Kind::Remote(Some(UpstreamProtocol::Sse))),
];

/// Keys of the URL: `serverUrl` in Windsurf, `httpUrl` in Gemini CLI.
const URLS: [&str; 3] = ["url", "serverUrl", "httpUrl"];

/// Keys that concern the client only, such as display and approval.
const IGNORED: [&str; 9] = [
    "alwaysAllow",
    "autoApprove",
    "description",
    "dev",
    "gallery",
    "name",
    "source",
    "trust",
    "version",
];
