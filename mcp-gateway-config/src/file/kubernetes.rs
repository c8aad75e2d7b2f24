//! Key `servers[].kubernetes`: servers that are pods of a cluster.
//!
//! | Key | Type |
//! |---|---|
//! | `image` | reference of an image, required |
//! | `command` | program, or a list of the program and its first arguments |
//! | `args` | list of strings |
//! | `env` | map of settings and references, in `env` |
//! | `files` | list of secrets and config maps, in `files` |
//! | `transport` | `bridge` or `attach` |
//! | `http` | `port`, `path`; excludes `transport` |
//! | `protocol` | `auto`, `modern`, `legacy`; with `http` also `sse` |
//! | `namespace` | name |
//! | `egress` | `deny`, `internet` or a list of blocks of addresses, in `egress` |
//! | `sleep`, `grace` | duration |
//! | `patch` | map |
//!
//! All other keys are those of the pod, in `pod`. Values that have the form of the Kubernetes API are
//! compared with it (`shape`), because some of its versions report an unknown field as a failure of
//! their own.

mod egress;
mod env;
mod files;
pub(super) mod image;
pub(super) mod names;
pub(super) mod pod;
mod quantity;
mod shape;
mod source;

use mcp_gateway_core::upstream::{SessionPolicy, UpstreamProtocol};
use mcp_gateway_platform::spec::{
    KubernetesServer, PodTransport, PodValue, ServerRuntime, input_of, placeholders,
};

use crate::document::{Field, FromField, Table};

impl FromField for KubernetesServer {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let image = table.required("image", |field| field.parse("an image", image::reference));
        let mut server = Self::new(image.unwrap_or_default());
        server.command = table.get_with("command", command).unwrap_or_default();
        server.args = table.get_with("args", texts).unwrap_or_default();
        server.env = table.get_with("env", env::variables).unwrap_or_default();
        server.files = table.get_with("files", files::files).unwrap_or_default();
        server.transport = transport(&mut table).unwrap_or_default();
        let is_http = matches!(server.transport, PodTransport::Http { .. });
        let protocol = table.get_with("protocol", |field| protocol(field, is_http));
        server.protocol = protocol.flatten();
        server.namespace = table.get_with("namespace", |field| {
            field.parse("a namespace", names::label)
        });
        server.pod = pod::settings(&mut table);
        server.egress = table.get_with("egress", egress::egress).unwrap_or_default();
        server.sleep = table.get("sleep");
        server.grace = table.get("grace");
        server.patch = table.get_with("patch", |field| shape::json(field, "patch"));
        table.finish();
        if server.transport == PodTransport::Bridge && field.get("command").is_none() {
            field.error(NO_COMMAND);
        }
        check_texts(&server, field);
        source::check(field);
        Some(server)
    }
}

/// Records errors of keys of a `server` on Kubernetes that are for others.
///
/// Its pods are shared by all callers, or at most by one process for each of them. They have neither
/// values nor directories of single callers.
pub(super) fn check_server(
    transport: Option<&ServerRuntime>,
    sessions: Option<SessionPolicy>,
    server: &Field<'_>,
) {
    let Some(ServerRuntime::Kubernetes(kubernetes)) = transport else {
        return;
    };
    if let Some(field) = server.get("inputs") {
        field.error("callers cannot supply values to pods, which all of them share");
    }
    if let Some(field) = server.get("roots")
        && !(field.is_scalar() && field.text() == Some("off"))
    {
        field.error("pods have no directories of callers; only off is possible");
    }
    if let (PodTransport::Attach, Some(policy), Some(field)) =
        (&kubernetes.transport, sessions, server.get("sessions"))
        && policy != SessionPolicy::Shared
    {
        field.error("kubernetes.transport: attach has one process, which all callers share");
    }
}

/// Reads the transport: one of `transport` and `http`.
fn transport(table: &mut Table<'_>) -> Option<PodTransport> {
    let named = table.field("transport");
    let http = table.field("http");
    match (named, http) {
        (Some(field), Some(_)) => {
            field.error("transport and http are mutually exclusive");
            None
        }
        (Some(field), None) => field.choice(&TRANSPORTS),
        (None, Some(field)) => endpoint(&field),
        (None, None) => None,
    }
}

/// Reads the endpoint of an HTTP server, whose container listens at all addresses of the pod.
fn endpoint(field: &Field<'_>) -> Option<PodTransport> {
    let mut table = field.table()?;
    let port = table.required("port", |field| field.parse("a port", names::port));
    let path = table.get_with("path", |field| field.parse("a path", names::url_path));
    table.finish();
    Some(PodTransport::Http {
        // Another value than that of the file is never used: its error is recorded.
        port: port.unwrap_or(1),
        path: path.unwrap_or_else(|| DEFAULT_PATH.to_owned()),
    })
}

/// Reads the protocol.
fn protocol(field: &Field<'_>, is_http: bool) -> Option<Option<UpstreamProtocol>> {
    match is_http {
        true => field.choice(&PROTOCOLS),
        false => field.choice(&PROTOCOLS[..3]),
    }
}

/// Reads the program, or the program and its first arguments.
///
/// Warns if a program seems to contain arguments, because no shell splits them.
fn command(field: &Field<'_>) -> Option<Vec<String>> {
    let command = match field.is_list() {
        true => texts(field)?,
        false => vec![text(field)?],
    };
    if command
        .first()
        .is_none_or(|program| program.trim().is_empty())
    {
        field.error("missing program name");
        return None;
    }
    if !field.is_list() && command[0].contains(char::is_whitespace) && !command[0].contains('/') {
        field.warning("the program name contains spaces; arguments belong in args");
    }
    Some(command)
}

/// Reads a list of texts.
fn texts(field: &Field<'_>) -> Option<Vec<String>> {
    let items = field.items()?;
    let read: Vec<_> = items.iter().map(text).collect();
    read.into_iter().collect()
}

/// Reads a text. The error has no text, which may be a secret.
fn text(field: &Field<'_>) -> Option<String> {
    let text = field.text()?;
    if text.contains('\0') {
        field.error("NUL is not accepted");
        return None;
    }
    Some(text.to_owned())
}

/// Records errors of references to values of callers.
fn check_texts(server: &KubernetesServer, field: &Field<'_>) {
    let refers = |text: &str| placeholders(text).any(|name| input_of(name).is_some());
    for key in ["command", "args"] {
        let Some(list) = field.get(key) else {
            continue;
        };
        let parts = match list.is_list() {
            true => list.items().unwrap_or_default(),
            false => vec![list.clone()],
        };
        for part in parts {
            if part.is_scalar() && part.text().is_some_and(refers) {
                part.error(NO_INPUTS);
            }
        }
    }
    let variables = field.get("env").filter(Field::is_map);
    for (name, value) in &server.env {
        if let PodValue::Text(text) = value
            && refers(text.expose())
            && let Some(field) = variables.as_ref().and_then(|all| all.get(name))
        {
            field.error(NO_INPUTS);
        }
    }
}

/// Values of `transport`.
const TRANSPORTS: [(&str, PodTransport); 2] = [
    ("bridge", PodTransport::Bridge),
    ("attach", PodTransport::Attach),
];

/// Values of `protocol`; the last one requires HTTP.
const PROTOCOLS: [(&str, Option<UpstreamProtocol>); 4] = [
    ("auto", None),
    ("modern", Some(UpstreamProtocol::Modern)),
    ("legacy", Some(UpstreamProtocol::Legacy)),
    ("sse", Some(UpstreamProtocol::Sse)),
];

/// Default path of the endpoint of an HTTP server.
const DEFAULT_PATH: &str = "/mcp";

/// Error of a stdio server whose program is unknown.
const NO_COMMAND: &str = "missing key \"command\": the bridge does not know the entrypoint of the \
                          image; set command, transport: attach or http";

/// Error of a reference to a value of a caller.
const NO_INPUTS: &str = "callers cannot supply values to pods, which all of them share";
