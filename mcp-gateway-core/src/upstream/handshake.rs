//! Handshake with a server, and detection of its era.
//!
//! As the specification requires, the modern era is tried first, and anything that is not a
//! response of the modern era leads to the legacy era:
//!
//! | transport | 1st attempt | 2nd | 3rd |
//! |---|---|---|---|
//! | Streamable HTTP | `server/discover` | `initialize` | HTTP+SSE, on status 400, 404 or 405 |
//! | stdio | `server/discover`, up to 10 seconds | `initialize` | |
//!
//! A protocol that was detected earlier, or that is configured, skips the attempts before it.
//! Server errors (5xx), rejected credentials and broken connections are no evidence of an era, so
//! they fail the handshake.
//!
//! See [MCP 2026-07-28, versioning][versioning], and for each transport [stdio][stdio] and
//! [Streamable HTTP][http].
//!
//! [versioning]: https://modelcontextprotocol.io/specification/2026-07-28/basic/versioning#backward-compatibility-with-initialization-based-versions
//! [stdio]: https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/stdio#backward-compatibility
//! [http]: https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http#backward-compatibility

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, StatusCode};
use tokio::time;

use super::connection::UpstreamConnection;
use super::http_endpoint::{self as over_http, HttpEndpoint, PostResponse};
use super::legacy_http::LegacyHttpConnection;
use super::legacy_sse::SseStream;
use super::modern_http::ModernHttpConnection;
use super::multiplexed::{Channel, UnnegotiatedConnection};
use super::roots::Askable;
use super::{DiscoverResult, RootsPolicy};
use crate::credential::Credential;
use crate::error::UpstreamError;
use crate::json::{object_json, string_json};
use crate::jsonrpc::{Id, Message, Notification, Request, Response, code};
use crate::protocol::{
    Capabilities, Method, ProtocolVersion,
    header::MCP_SESSION_ID,
    meta::{self, GATEWAY_INFO},
};
use crate::transport::{EventStream, HttpBody, HttpTransport, StdioTransport, Transport};

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
    /// Protocol that is configured or was detected by an earlier handshake.
    pub(super) detected: Option<UpstreamProtocol>,
    /// Protocol version of the client, which is requested from a legacy server.
    pub(super) version: ProtocolVersion,
    /// Capabilities to declare: those of the class of callers.
    pub(super) capabilities: Capabilities,
    /// Credential to present, in HTTP headers.
    pub(super) credential: Credential,
    /// `true` if one session of a client uses the connection exclusively.
    pub(super) dedicated: bool,
    /// Maximum size of a message from the server in bytes.
    pub(super) limit: usize,
    /// Policy for the roots of callers.
    pub(super) roots: Arc<RootsPolicy>,
}

/// Detected protocol and the connection.
type Negotiated = (UpstreamProtocol, Arc<dyn UpstreamConnection>);

impl Handshake {
    /// Performs the handshake over `transport`.
    ///
    /// The caller limits the time. If the future is dropped, the transport is closed.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] if the server cannot be reached, rejects the credential, or shares no
    /// protocol version with the gateway.
    pub(super) async fn perform(&self, transport: Transport) -> Result<Negotiated, UpstreamError> {
        match transport {
            Transport::Http(transport) => self.over_http(transport).await,
            Transport::Stdio(stdio) => self.over_stdio(stdio).await,
        }
    }

    /// Performs the handshake over HTTP.
    ///
    /// A modern server that has been replaced by a legacy one is detected again, because `discover`
    /// fails then.
    async fn over_http(&self, transport: HttpTransport) -> Result<Negotiated, UpstreamError> {
        let server = HttpEndpoint::new(transport.clone(), self.limit)
            .with_headers(self.credential.headers());
        match self.detected {
            Some(UpstreamProtocol::Modern) | None => {
                if let Some(info) = self.discover(&server).await? {
                    return Ok((
                        UpstreamProtocol::Modern,
                        Arc::new(ModernHttpConnection::new(server, info)),
                    ));
                }
            }
            Some(UpstreamProtocol::Legacy) => {}
            Some(UpstreamProtocol::Sse) => return self.over_sse(&server, &transport).await,
        }
        match self.initialize_http(&server).await? {
            Some(connection) => Ok((UpstreamProtocol::Legacy, Arc::new(connection))),
            None => self.over_sse(&server, &transport).await,
        }
    }

    /// Requests the self-description of the server; returns `None` if it is not modern.
    ///
    /// An invalid response and any status below 500 count as evidence of a legacy server.
    async fn discover(
        &self,
        server: &HttpEndpoint,
    ) -> Result<Option<DiscoverResult>, UpstreamError> {
        let id = Id::from("discover");
        let request = Request::new(&id, &Method::ServerDiscover, &self.discover_params());
        let mut headers = server
            .clone()
            .with_version(ProtocolVersion::LATEST)
            .headers();
        over_http::mirror_headers(&mut headers, Method::ServerDiscover.as_str(), None)?;
        let answer = PostResponse::from_http(server.post(headers, request.bytes()).await?)?;
        match response_of(answer, &id, self.limit).await {
            Ok(response) => parse_discover(&response),
            Err(UpstreamError::Status(status)) if status.is_server_error() => {
                Err(UpstreamError::Status(status))
            }
            Err(UpstreamError::Invalid { .. } | UpstreamError::Status(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Starts a session; returns `None` if the server may use HTTP+SSE instead, as the statuses
    /// 400, 404 and 405 indicate.
    async fn initialize_http(
        &self,
        server: &HttpEndpoint,
    ) -> Result<Option<LegacyHttpConnection>, UpstreamError> {
        let id = Id::from(0);
        let request = Request::new(&id, &Method::Initialize, &self.initialize_params());
        let http = server.post(server.headers(), request.bytes()).await?;
        // Copied, because a slice of the head would keep all of it allocated for the life of the
        // session.
        let copied = |session: &HeaderValue| HeaderValue::from_bytes(session.as_bytes()).ok();
        let session = http.headers().get(MCP_SESSION_ID).and_then(copied);
        let info = match response_of(PostResponse::from_http(http)?, &id, self.limit).await {
            Ok(response) => parse_initialize(&response)?,
            Err(UpstreamError::Status(
                StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED,
            )) => return Ok(None),
            Err(error) => return Err(error),
        };
        let server = server
            .clone()
            .with_version(info.version)
            .with_session(session);
        let initialized = Notification::new(&Method::Initialized, None);
        let status = server
            .post(server.headers(), initialized.bytes())
            .await?
            .status();
        if !status.is_success() {
            return Err(UpstreamError::Status(status));
        }
        Ok(Some(LegacyHttpConnection::new(
            server,
            info,
            self.askable(),
        )))
    }

    /// Performs the handshake over HTTP+SSE.
    ///
    /// The transport's URL is that of the event stream; the server names the one for messages.
    async fn over_sse(
        &self,
        server: &HttpEndpoint,
        transport: &HttpTransport,
    ) -> Result<Negotiated, UpstreamError> {
        let stream = SseStream::open(server, transport).await?;
        let opening =
            UnnegotiatedConnection::new(self.askable(), |incoming| stream.channel(incoming));
        Ok((UpstreamProtocol::Sse, self.initialize(opening).await?))
    }

    /// Performs the handshake over byte streams.
    ///
    /// Both attempts use the same stream, so a late response to the first one is ignored.
    async fn over_stdio(&self, stdio: StdioTransport) -> Result<Negotiated, UpstreamError> {
        let limit = self.limit;
        let opening = UnnegotiatedConnection::new(self.askable(), |incoming| {
            Channel::stdio(stdio, limit, incoming)
        });
        if self
            .detected
            .is_none_or(|known| known == UpstreamProtocol::Modern)
        {
            let params = self.discover_params();
            let discover = opening.request(&Method::ServerDiscover, &params);
            let info = match time::timeout(PROBE_TIMEOUT, discover).await {
                Ok(response) => parse_discover(&response?)?,
                // "... or does not respond within a reasonable timeout: the server is legacy."
                Err(_) => None,
            };
            if let Some(info) = info {
                return Ok((
                    UpstreamProtocol::Modern,
                    Arc::new(opening.into_connection(info)),
                ));
            }
        }
        Ok((UpstreamProtocol::Legacy, self.initialize(opening).await?))
    }

    /// Performs the legacy handshake over a channel: `initialize`, then
    /// `notifications/initialized`.
    async fn initialize(
        &self,
        opening: UnnegotiatedConnection,
    ) -> Result<Arc<dyn UpstreamConnection>, UpstreamError> {
        let response = opening
            .request(&Method::Initialize, &self.initialize_params())
            .await?;
        let info = parse_initialize(&response)?;
        opening
            .notify(&Notification::new(&Method::Initialized, None))
            .await?;
        Ok(Arc::new(opening.into_connection(info)))
    }

    /// Returns the rules for requests of the server to clients.
    fn askable(&self) -> Askable {
        Askable::new(self.dedicated, Arc::clone(&self.roots))
    }

    /// Returns the parameters of `server/discover` as JSON text.
    fn discover_params(&self) -> String {
        let context = object_json(&[
            (
                meta::PROTOCOL_VERSION,
                string_json(ProtocolVersion::LATEST.as_str()).into(),
            ),
            (meta::CLIENT_INFO, GATEWAY_INFO.into()),
            (
                meta::CLIENT_CAPABILITIES,
                self.capabilities.as_json().into(),
            ),
        ]);
        object_json(&[("_meta", context.into())])
    }

    /// Returns the parameters of `initialize` as JSON text, with the newest legacy version that the
    /// client supports.
    fn initialize_params(&self) -> String {
        let version = self.version.min(ProtocolVersion::LATEST_LEGACY);
        object_json(&[
            ("protocolVersion", Cow::from(string_json(version.as_str()))),
            ("capabilities", self.capabilities.as_json().into()),
            ("clientInfo", GATEWAY_INFO.into()),
        ])
    }
}

/// Parses the response to `server/discover`; returns `None` if it is not that of a modern server.
///
/// # Errors
///
/// [`UpstreamError::Invalid`] if the server is modern, but supports none of our protocol versions.
fn parse_discover(response: &Response) -> Result<Option<DiscoverResult>, UpstreamError> {
    let error = match response.result() {
        Ok(result) => {
            let info = DiscoverResult::from_discover(result).ok();
            return Ok(info.filter(|_| speaks_latest(result)));
        }
        Err(error) => error,
    };
    match crate::jsonrpc::ErrorObject::code_of(error) {
        // A modern server without a common modern version may still support a legacy one.
        code::UNSUPPORTED_VERSION if !names_legacy_version(error) => Err(UpstreamError::invalid(
            format_args!("no common protocol version: {error}"),
        )),
        _ => Ok(None),
    }
}

/// Returns `true` if the result lists the latest protocol version.
///
/// A text search suffices: a false positive would need that date elsewhere in the result.
fn speaks_latest(result: &str) -> bool {
    result.contains(ProtocolVersion::LATEST.as_str())
}

/// Returns `true` if the error lists a legacy protocol version.
fn names_legacy_version(error: &str) -> bool {
    ProtocolVersion::ALL[1..]
        .iter()
        .any(|version| error.contains(version.as_str()))
}

/// Parses the response to `initialize`; an error of the server fails the handshake.
fn parse_initialize(response: &Response) -> Result<DiscoverResult, UpstreamError> {
    match response.result() {
        Ok(result) => DiscoverResult::from_initialize(result),
        Err(error) => Err(UpstreamError::invalid(format_args!(
            "initialize failed: {error}"
        ))),
    }
}

/// Extracts the response to the request `id`, from a document or a stream of at most `limit` bytes
/// per message.
async fn response_of(
    answer: PostResponse,
    id: &Id,
    limit: usize,
) -> Result<Response, UpstreamError> {
    match answer {
        PostResponse::Json(http) => {
            let status = http.status();
            let text = over_http::read_text(http.into_body(), limit).await?;
            match Message::parse(text) {
                Ok(Message::Response(response)) => Ok(response),
                Ok(_) => Err(UpstreamError::invalid("expected a response")),
                Err(_) if !status.is_success() => Err(UpstreamError::Status(status)),
                Err(error) => Err(error.into()),
            }
        }
        PostResponse::Events(body) => last_response(body, id, limit).await,
        PostResponse::Other(status) => Err(over_http::no_message(status)),
    }
}

/// Reads an event stream up to the response to the request `id`. Other messages are ignored.
async fn last_response(body: HttpBody, id: &Id, limit: usize) -> Result<Response, UpstreamError> {
    let mut events = EventStream::new(body, limit);
    loop {
        let event = events.next().await.unwrap_or(Err(UpstreamError::Closed))?;
        if event.data.is_empty() {
            continue;
        }
        if let Message::Response(response) = Message::parse(event.data)? {
            return match response.id() == Some(id) {
                true => Ok(response),
                false => Err(super::modern_http::wrong_id()),
            };
        }
    }
}

/// Maximum time for a server on byte streams to respond to `server/discover`.
///
/// Servers of the legacy era respond with an error at once, or never. Modern servers in Python have
/// been observed to need four seconds to start on a busy machine.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);
