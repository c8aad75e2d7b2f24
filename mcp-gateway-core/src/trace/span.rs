//! Spans of a call, when they have ended.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::Uri;

use super::{SpanId, TraceContext};
use crate::jsonrpc::{Id, code};
use crate::protocol::{Method, ProtocolVersion};
use crate::reply::CallOutcome;

/// A span that has ended: one request, as its sender or its receiver sees it.
///
/// Its parts are those of the MCP semantic conventions of OpenTelemetry.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Span {
    /// Side of the request.
    pub kind: SpanKind,
    /// Identifiers of the span; `None` if calls are not traced.
    pub context: Option<TraceContext>,
    /// Identifier of the parent; `None` for the first span of a trace.
    pub parent: Option<SpanId>,
    /// Context in the headers of a request that has another one in `_meta`.
    pub link: Option<TraceContext>,
    /// Time of the start.
    pub started: SystemTime,
    /// Time from the start to the end of the reply.
    pub duration: Duration,
    /// Method of the request.
    pub method: Method,
    /// Name of the tool or prompt: that of the client in a server span, that of the server in a client
    /// span.
    pub name: Option<Arc<str>>,
    /// `true` if a server is known to list what is named. Otherwise a client may have invented the
    /// name, so that it must not be a metric label.
    pub is_listed: bool,
    /// URI of the resource.
    pub uri: Option<Arc<str>>,
    /// Identifier of the request, as the client has chosen it; `None` for a notification.
    pub request_id: Option<Id>,
    /// Name of the gateway.
    pub gateway: Arc<str>,
    /// Name of the server, in a client span.
    pub server: Option<Arc<str>>,
    /// Key of the client's session, in a server span. It is not the session ID, which is a credential.
    pub session: Option<Arc<str>>,
    /// Protocol version between sender and receiver.
    pub version: ProtocolVersion,
    /// Transport between sender and receiver.
    pub transport: SpanTransport,
    /// Other side of the connection.
    pub peer: Option<SpanPeer>,
    /// Outcome of the request.
    pub outcome: CallOutcome,
    /// Failure of the gateway, if it has produced no reply.
    pub failure: Option<SpanFailure>,
    /// Arguments and result, if spans contain them.
    pub content: Option<Box<SpanContent>>,
}

/// Side of a request.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum SpanKind {
    /// The gateway has sent the request to a server.
    Client,
    /// The gateway has received the request from a caller.
    Server,
}

/// Transport of a request.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum SpanTransport {
    /// Standard input and output, or a channel within the process.
    Pipe,
    /// HTTP.
    Tcp,
}

/// Other side of a connection.
#[derive(Clone)]
#[non_exhaustive]
pub enum SpanPeer {
    /// Address of a client.
    Client(SocketAddr),
    /// URL of a server.
    Server(Uri),
}

/// Failure of the gateway to produce a reply.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SpanFailure {
    /// Reason in one word.
    pub reason: &'static str,
    /// JSON-RPC code that the caller receives; `None` in a client span.
    pub code: Option<i64>,
}

/// Texts that spans contain only if it is configured.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct SpanContent {
    /// JSON text of the arguments.
    pub arguments: Option<String>,
    /// JSON text of the result.
    pub result: Option<String>,
}

/// Numbers of recorded spans since the start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct SpanCounts {
    /// Spans that a collector has accepted.
    pub exported: u64,
    /// Spans that have been dropped: the queue was full, or the collector has rejected them.
    pub dropped: u64,
}

impl SpanCounts {
    /// Creates the numbers.
    #[must_use]
    pub fn new(exported: u64, dropped: u64) -> Self {
        Self { exported, dropped }
    }
}

impl SpanPeer {
    /// Returns the address or name of the host.
    #[must_use]
    pub fn address(&self) -> Cow<'_, str> {
        match self {
            Self::Client(address) => address.ip().to_string().into(),
            Self::Server(uri) => uri.host().unwrap_or_default().into(),
        }
    }

    /// Returns the port.
    #[must_use]
    pub fn port(&self) -> u16 {
        match self {
            Self::Client(address) => address.port(),
            Self::Server(uri) => match (uri.port_u16(), uri.scheme_str()) {
                (Some(port), _) => port,
                (None, Some("https")) => 443,
                (None, _) => 80,
            },
        }
    }
}

/// Without the rest of the URL, which may be a secret.
impl fmt::Debug for SpanPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.address(), self.port())
    }
}

/// Without the texts.
impl fmt::Debug for SpanContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanContent").finish_non_exhaustive()
    }
}

impl SpanTransport {
    /// Returns the value of `network.transport`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pipe => "pipe",
            Self::Tcp => "tcp",
        }
    }
}

impl SpanKind {
    /// Returns `true` if a JSON-RPC error `code` is an error of the span.
    ///
    /// Codes that denote a mistake of the sender are no errors of the receiver.
    #[must_use]
    pub fn counts(self, code: i64) -> bool {
        match self {
            Self::Client => true,
            Self::Server => !BY_SENDER.contains(&code),
        }
    }
}

impl Span {
    /// Shortens what a client or a server can choose, so that waiting spans have a bounded size.
    pub(super) fn bound(&mut self) {
        if let Method::Other(name) = &self.method
            && name.len() > MAX_NAME
        {
            self.method = Method::from(beginning(name, MAX_NAME));
        }
        for (text, max) in [(&mut self.name, MAX_NAME), (&mut self.uri, MAX_URI)] {
            if let Some(long) = text
                && long.len() > max
            {
                *long = beginning(long, max).into();
            }
        }
        let id = self.request_id.as_ref().and_then(Id::as_str);
        if let Some(long) = id.filter(|id| id.len() > MAX_NAME) {
            self.request_id = Some(Id::from(beginning(long, MAX_NAME)));
        }
    }

    /// Returns the name of the span: the method, and the name of the tool or prompt.
    #[must_use]
    pub fn title(&self) -> String {
        match &self.name {
            Some(name) => format!("{} {name}", self.method),
            None => self.method.as_str().to_owned(),
        }
    }

    /// Returns the code of the JSON-RPC error with which the request has ended.
    #[must_use]
    pub fn status_code(&self) -> Option<i64> {
        match (self.outcome, self.failure) {
            (CallOutcome::Error { code }, _) => Some(code),
            (_, Some(failure)) => failure.code,
            (_, None) => None,
        }
    }

    /// Returns the value of `error.type`; `None` if the request has not failed.
    ///
    /// A request that its sender has cancelled has not failed.
    #[must_use]
    pub fn error_type(&self) -> Option<Cow<'static, str>> {
        if let Some(code) = self.status_code() {
            return self.kind.counts(code).then(|| code.to_string().into());
        }
        match (self.outcome, self.failure) {
            (CallOutcome::ToolError, _) => Some("tool_error".into()),
            (CallOutcome::Failed, Some(failure)) => Some(failure.reason.into()),
            (CallOutcome::Failed, None) => Some("upstream".into()),
            _ => None,
        }
    }

    /// Returns `true` if the request has failed.
    #[must_use]
    pub fn is_error(&self) -> bool {
        match self.status_code() {
            Some(code) => self.kind.counts(code),
            None => matches!(self.outcome, CallOutcome::Failed | CallOutcome::ToolError),
        }
    }
}

/// Returns the beginning of `text`, of up to `max` bytes.
pub(crate) fn beginning(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Maximum length of names and identifiers in bytes.
const MAX_NAME: usize = 256;

/// Maximum length of URIs in bytes.
const MAX_URI: usize = 1024;

/// Codes that denote a mistake of the sender of a request.
const BY_SENDER: [i64; 5] = [
    code::PARSE_ERROR,
    code::INVALID_REQUEST,
    code::METHOD_NOT_FOUND,
    code::INVALID_PARAMS,
    code::RESOURCE_NOT_FOUND,
];

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Creates a span of `tools/call add`.
    pub(in crate::trace) fn span(kind: SpanKind, outcome: CallOutcome) -> Span {
        Span {
            kind,
            context: None,
            parent: None,
            link: None,
            started: SystemTime::UNIX_EPOCH,
            duration: Duration::ZERO,
            method: Method::ToolsCall,
            name: Some("add".into()),
            is_listed: true,
            uri: None,
            request_id: Some(Id::from(1)),
            gateway: "main".into(),
            server: None,
            session: None,
            version: ProtocolVersion::LATEST,
            transport: SpanTransport::Tcp,
            peer: None,
            outcome,
            failure: None,
            content: None,
        }
    }

    #[test]
    fn a_mistake_of_the_sender_is_an_error_of_its_span_only() {
        for code in BY_SENDER {
            let outcome = CallOutcome::Error { code };
            let server = span(SpanKind::Server, outcome);
            assert_eq!(
                (server.error_type(), server.status_code()),
                (None, Some(code))
            );
            assert!(!server.is_error());
            let client = span(SpanKind::Client, outcome);
            assert_eq!(client.error_type(), Some(code.to_string().into()));
            assert!(client.is_error());
        }
        let outcome = CallOutcome::Error { code: -32603 };
        assert!(span(SpanKind::Server, outcome).is_error());
    }

    #[test]
    fn category_trace_long_names_are_beginning() {
        let mut span = span(SpanKind::Server, CallOutcome::Success);
        let long = "é".repeat(10_000);
        span.method = Method::from(&*long);
        span.request_id = Some(Id::from(&*long));
        (span.name, span.uri) = (Some((&*long).into()), Some((&*long).into()));
        span.bound();
        assert_eq!(span.method.as_str().len(), MAX_NAME);
        let id = span.request_id.as_ref().and_then(Id::as_str);
        assert_eq!(id.map(str::len), Some(MAX_NAME));
        assert_eq!(span.name.as_deref().map(str::len), Some(MAX_NAME));
        assert_eq!(span.uri.as_deref().map(str::len), Some(MAX_URI));
    }

    #[test]
    fn a_failure_has_a_type_of_few_values() {
        let table = [
            (CallOutcome::Success, None, None),
            (CallOutcome::Cancelled, None, None),
            (CallOutcome::ToolError, None, Some("tool_error")),
            (CallOutcome::Failed, None, Some("upstream")),
            (
                CallOutcome::Failed,
                Some(("timeout", None)),
                Some("timeout"),
            ),
            (
                CallOutcome::Failed,
                Some(("timeout", Some(-32603))),
                Some("-32603"),
            ),
            (
                CallOutcome::Failed,
                Some(("unknown_tool", Some(-32602))),
                None,
            ),
        ];
        for (outcome, failure, expected) in table {
            let mut span = span(SpanKind::Server, outcome);
            span.failure = failure.map(|(reason, code)| SpanFailure { reason, code });
            assert_eq!(span.error_type().as_deref(), expected);
            assert_eq!(span.is_error(), expected.is_some());
        }
    }
}
