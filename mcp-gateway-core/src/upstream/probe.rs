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

use super::conversation::Conversation;
use super::exchange::{Channel, Opening};
use super::http::{self as over_http, Answer, HttpServer};
use super::legacy_http::LegacyHttp;
use super::legacy_sse::SseStream;
use super::modern_http::ModernHttp;
use super::roots::Askable;
use super::{Facts, RootsPolicy};
use crate::credential::Credential;
use crate::error::UpstreamError;
use crate::json::{object, quoted};
use crate::jsonrpc::{Id, Message, Notification, Request, Response, code};
use crate::protocol::{
    Capabilities, Method, Version,
    header::MCP_SESSION_ID,
    meta::{self, GATEWAY_INFO},
};
use crate::transport::{EventStream, HttpBody, HttpLink, Link, Pipe};

/// Protocol of a server: the era, and for HTTP the transport.
///
/// Usually detected. [`ServerBuilder::with_protocol`](super::ServerBuilder::with_protocol) sets it
/// for servers on which the detection is slow or has side effects.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Protocol {
    /// Legacy era: a session that begins with `initialize`. MCP 2024-11-05 to 2025-11-25.
    Legacy,
    /// Modern era: every request carries its context. MCP 2026-07-28.
    Modern,
    /// Legacy era over the HTTP+SSE transport of MCP 2024-11-05.
    Sse,
}

/// Parameters of a handshake.
///
/// One value serves one attempt; the [`Dialer`](super::dialer::Dialer) creates it.
#[derive(Clone, Debug)]
pub(super) struct Opener {
    /// Protocol that is configured or was detected by an earlier handshake.
    pub(super) known: Option<Protocol>,
    /// Protocol version of the client, which is requested from a legacy server.
    pub(super) version: Version,
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
type Conversed = (Protocol, Arc<dyn Conversation>);

impl Opener {
    /// Performs the handshake over `link`.
    ///
    /// The caller limits the time. If the future is dropped, the link is closed.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] if the server cannot be reached, rejects the credential, or shares no
    /// protocol version with the gateway.
    pub(super) async fn converse(&self, link: Link) -> Result<Conversed, UpstreamError> {
        match link {
            Link::Http(link) => self.over_http(link).await,
            Link::Pipe(pipe) => self.over_pipe(pipe).await,
        }
    }

    /// Performs the handshake over HTTP.
    ///
    /// A modern server that has been replaced by a legacy one is detected again, because `discover`
    /// fails then.
    async fn over_http(&self, link: HttpLink) -> Result<Conversed, UpstreamError> {
        let server =
            HttpServer::new(link.clone(), self.limit).with_headers(self.credential.headers());
        match self.known {
            Some(Protocol::Modern) | None => {
                if let Some(facts) = self.discover(&server).await? {
                    return Ok((Protocol::Modern, Arc::new(ModernHttp::new(server, facts))));
                }
            }
            Some(Protocol::Legacy) => {}
            Some(Protocol::Sse) => return self.over_sse(&server, &link).await,
        }
        match self.initialize_http(&server).await? {
            Some(conversation) => Ok((Protocol::Legacy, Arc::new(conversation))),
            None => self.over_sse(&server, &link).await,
        }
    }

    /// Requests the self-description of the server; returns `None` if it is not modern.
    ///
    /// An invalid response and any status below 500 count as evidence of a legacy server.
    async fn discover(&self, server: &HttpServer) -> Result<Option<Facts>, UpstreamError> {
        let id = Id::from("discover");
        let request = Request::new(&id, &Method::ServerDiscover, &self.discover_params());
        let mut headers = server.clone().with_version(Version::LATEST).headers();
        over_http::mirror(&mut headers, Method::ServerDiscover.as_str(), None)?;
        let answer = Answer::of(server.post(headers, request.bytes()).await?)?;
        match response(answer, &id, self.limit).await {
            Ok(response) => discovered(&response),
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
        server: &HttpServer,
    ) -> Result<Option<LegacyHttp>, UpstreamError> {
        let id = Id::from(0);
        let request = Request::new(&id, &Method::Initialize, &self.initialize_params());
        let http = server.post(server.headers(), request.bytes()).await?;
        // Copied, because a slice of the head would keep all of it allocated for the life of the
        // session.
        let copied = |session: &HeaderValue| HeaderValue::from_bytes(session.as_bytes()).ok();
        let session = http.headers().get(MCP_SESSION_ID).and_then(copied);
        let facts = match response(Answer::of(http)?, &id, self.limit).await {
            Ok(response) => initialized(&response)?,
            Err(UpstreamError::Status(
                StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED,
            )) => return Ok(None),
            Err(error) => return Err(error),
        };
        let server = server
            .clone()
            .with_version(facts.version)
            .with_session(session);
        let initialized = Notification::new(&Method::Initialized, None);
        let status = server
            .post(server.headers(), initialized.bytes())
            .await?
            .status();
        if !status.is_success() {
            return Err(UpstreamError::Status(status));
        }
        Ok(Some(LegacyHttp::new(server, facts, self.askable())))
    }

    /// Performs the handshake over HTTP+SSE.
    ///
    /// The link's URL is that of the event stream; the server names the one for messages.
    async fn over_sse(
        &self,
        server: &HttpServer,
        link: &HttpLink,
    ) -> Result<Conversed, UpstreamError> {
        let stream = SseStream::open(server, link).await?;
        let opening = Opening::new(self.askable(), |incoming| stream.channel(incoming));
        Ok((Protocol::Sse, self.initialize(opening).await?))
    }

    /// Performs the handshake over byte streams.
    ///
    /// Both attempts use the same stream, so a late response to the first one is ignored.
    async fn over_pipe(&self, pipe: Pipe) -> Result<Conversed, UpstreamError> {
        let limit = self.limit;
        let opening = Opening::new(self.askable(), |incoming| {
            Channel::pipe(pipe, limit, incoming)
        });
        if self.known.is_none_or(|known| known == Protocol::Modern) {
            let params = self.discover_params();
            let discover = opening.request(&Method::ServerDiscover, &params);
            let facts = match time::timeout(PROBE_TIMEOUT, discover).await {
                Ok(response) => discovered(&response?)?,
                // "... or does not respond within a reasonable timeout: the server is legacy."
                Err(_) => None,
            };
            if let Some(facts) = facts {
                return Ok((Protocol::Modern, Arc::new(opening.agreed(facts))));
            }
        }
        Ok((Protocol::Legacy, self.initialize(opening).await?))
    }

    /// Performs the legacy handshake over a channel: `initialize`, then
    /// `notifications/initialized`.
    async fn initialize(&self, opening: Opening) -> Result<Arc<dyn Conversation>, UpstreamError> {
        let response = opening
            .request(&Method::Initialize, &self.initialize_params())
            .await?;
        let facts = initialized(&response)?;
        opening
            .notify(&Notification::new(&Method::Initialized, None))
            .await?;
        Ok(Arc::new(opening.agreed(facts)))
    }

    /// Returns the rules for requests of the server to clients.
    fn askable(&self) -> Askable {
        Askable::new(self.dedicated, Arc::clone(&self.roots))
    }

    /// Returns the parameters of `server/discover` as JSON text.
    fn discover_params(&self) -> String {
        let context = object(&[
            (
                meta::PROTOCOL_VERSION,
                quoted(Version::LATEST.as_str()).into(),
            ),
            (meta::CLIENT_INFO, GATEWAY_INFO.into()),
            (
                meta::CLIENT_CAPABILITIES,
                self.capabilities.as_json().into(),
            ),
        ]);
        object(&[("_meta", context.into())])
    }

    /// Returns the parameters of `initialize` as JSON text, with the newest legacy version that the
    /// client supports.
    fn initialize_params(&self) -> String {
        let version = self.version.min(Version::LATEST_LEGACY);
        object(&[
            ("protocolVersion", Cow::from(quoted(version.as_str()))),
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
fn discovered(response: &Response) -> Result<Option<Facts>, UpstreamError> {
    let error = match response.result() {
        Ok(result) => {
            let facts = Facts::from_discover(result).ok();
            return Ok(facts.filter(|_| speaks_latest(result)));
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
    result.contains(Version::LATEST.as_str())
}

/// Returns `true` if the error lists a legacy protocol version.
fn names_legacy_version(error: &str) -> bool {
    Version::ALL[1..]
        .iter()
        .any(|version| error.contains(version.as_str()))
}

/// Parses the response to `initialize`; an error of the server fails the handshake.
fn initialized(response: &Response) -> Result<Facts, UpstreamError> {
    match response.result() {
        Ok(result) => Facts::from_initialize(result),
        Err(error) => Err(UpstreamError::invalid(format_args!(
            "initialize failed: {error}"
        ))),
    }
}

/// Extracts the response to the request `id`, from a document or a stream of at most `limit` bytes
/// per message.
async fn response(answer: Answer, id: &Id, limit: usize) -> Result<Response, UpstreamError> {
    match answer {
        Answer::Json(http) => {
            let status = http.status();
            let text = over_http::text(http.into_body(), limit).await?;
            match Message::parse(text) {
                Ok(Message::Response(response)) => Ok(response),
                Ok(_) => Err(UpstreamError::invalid("expected a response")),
                Err(_) if !status.is_success() => Err(UpstreamError::Status(status)),
                Err(error) => Err(error.into()),
            }
        }
        Answer::Events(body) => last_response(body, id, limit).await,
        Answer::Other(status) => Err(over_http::no_message(status)),
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
