//! Handshake with a server: execution of the steps of the [`detection`](super::detection).
//!
//! | file | part |
//! |---|---|
//! | `run` | loop of steps and events, with the limits |
//! | `requests` | requests of the steps over each transport |
//! | `limits` | time for each step |
//! | `answer` | classification of what the server answers |
//!
//! See [MCP 2026-07-28, versioning][versioning], and for each transport [stdio][stdio] and
//! [Streamable HTTP][http].
//!
//! [versioning]: https://modelcontextprotocol.io/specification/2026-07-28/basic/versioning#backward-compatibility-with-initialization-based-versions
//! [stdio]: https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/stdio#backward-compatibility
//! [http]: https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http#backward-compatibility

mod answer;
mod limits;
mod requests;
mod run;

use std::fmt;
use std::sync::Arc;

use tokio::time::Instant;

use self::run::Run;
use super::connection::UpstreamConnection;
use super::detection::{Answers, Memory};
use super::legacy_http::Attendance;
use super::roots::Askable;
use super::{Instance, RootsPolicy, RuntimeBackend};
use crate::credential::Credential;
use crate::error::UpstreamError;
use crate::protocol::{Capabilities, Era, ProtocolVersion};
use crate::transport::ExitReport;

/// Protocol of a server: the era, and for HTTP the transport.
///
/// Usually detected. [`UpstreamServerBuilder::with_protocol`](super::UpstreamServerBuilder::with_protocol) sets it
/// for servers on which the detection is slow or has side effects.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum UpstreamProtocol {
    /// Legacy era: a session that begins with `initialize`. MCP 2024-11-05 to 2025-11-25.
    Legacy,
    /// Modern era: every request carries its context. MCP 2026-07-28.
    Modern,
    /// Legacy era over the HTTP+SSE transport of MCP 2024-11-05.
    Sse,
}

/// Parameters of a handshake.
///
/// One value serves one attempt; the [`Connector`](super::connector::Connector) creates it.
#[derive(Clone, Debug)]
pub(super) struct Handshake {
    /// Protocol from the configuration, which disables the detection.
    pub(super) configured: Option<UpstreamProtocol>,
    /// Result of earlier handshakes.
    pub(super) memory: Memory,
    /// Era that is tried first if the protocol is unknown.
    pub(super) era: Era,
    /// Protocol version of the client, which is requested from a legacy server.
    pub(super) version: ProtocolVersion,
    /// Capabilities to declare: those of the class of callers.
    pub(super) capabilities: Capabilities,
    /// JSON text of the name and version of the client; `None` for those of the gateway.
    pub(super) client_info: Option<Arc<str>>,
    /// Credential to present, in HTTP headers.
    pub(super) credential: Credential,
    /// Maximum size of a message from the server in bytes.
    pub(super) limit: usize,
    /// Policy for the roots of callers.
    pub(super) roots: Arc<RootsPolicy>,
    /// Time that the server takes to open a standalone stream, as far as is known.
    pub(super) attendance: Arc<Attendance>,
    /// End of the time for the whole handshake, starts of the server included.
    pub(super) deadline: Instant,
}

/// Result of a handshake.
#[derive(Debug)]
pub(super) struct Negotiated {
    /// Detected protocol.
    pub(super) protocol: UpstreamProtocol,
    /// `true` if the server is reached over byte streams.
    pub(super) is_stdio: bool,
    /// Connection on which the protocol version has been negotiated.
    pub(super) connection: Arc<dyn UpstreamConnection>,
    /// Requests that the server did not accept on the way.
    pub(super) answers: Answers,
}

/// Failure of a handshake.
#[derive(Debug)]
pub(super) struct HandshakeError {
    /// Most significant error.
    pub(super) error: UpstreamError,
    /// Result to remember instead of the one before; `None` to keep it.
    pub(super) memory: Option<Memory>,
    /// `true` if the server was reached over byte streams; `None` if it was not reached.
    pub(super) is_stdio: Option<bool>,
    /// Answers of the server and last output of a program.
    pub(super) details: HandshakeDetails,
}

/// Answers of a server to a failed handshake, and the last output of a program.
///
/// Displayed as `server/discover: no answer; initialize: connection closed; exit status: 1;
/// stderr: "missing API key"`.
#[derive(Clone, Debug, Default)]
pub(super) struct HandshakeDetails {
    /// Requests that the server did not accept.
    pub(super) answers: Answers,
    /// Exit status and last lines of a program.
    pub(super) program: ExitReport,
}

impl Handshake {
    /// Connects to `instance` through `backend` and performs the handshake.
    ///
    /// If the future is dropped, the connection is closed.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`] if the server cannot be reached, rejects the credential, shares no
    /// protocol version with the gateway, or does not answer before the deadline.
    pub(super) async fn perform(
        &self,
        backend: &dyn RuntimeBackend,
        instance: &Instance,
    ) -> Result<Negotiated, HandshakeError> {
        Run::begin(self, backend, instance).await?.complete().await
    }

    /// Returns the rules for requests of the server to clients.
    fn askable(&self) -> Askable {
        Askable::new(Arc::clone(&self.roots))
    }
}

impl HandshakeError {
    /// Creates the error of a server that was not reached.
    fn unreached(error: UpstreamError) -> Self {
        Self {
            error,
            memory: None,
            is_stdio: None,
            details: HandshakeDetails::default(),
        }
    }
}

impl HandshakeDetails {
    /// Returns `true` if nothing is known about the failure beyond its error.
    pub(super) fn is_empty(&self) -> bool {
        self.answers.is_empty() && self.program.is_empty()
    }
}

impl fmt::Display for HandshakeDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { answers, program } = self;
        match (answers.is_empty(), program.is_empty()) {
            (false, false) => write!(f, "{answers}; {program}"),
            (true, _) => write!(f, "{program}"),
            (false, true) => write!(f, "{answers}"),
        }
    }
}
