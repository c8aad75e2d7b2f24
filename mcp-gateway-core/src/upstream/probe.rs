//! Find out how a server is to be talked to, as the specification wants it: try the modern era
//! first, and fall back on anything that is not a modern answer.
//!
//! See [versioning][versioning], and for each transport [stdio][stdio] and [Streamable HTTP][http].
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

/// How a server is to be talked to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Protocol {
    /// Sessions that begin with `initialize`.
    Legacy,
    /// Every request carries its context.
    Modern,
    /// The HTTP+SSE transport of 2024-11-05.
    Sse,
}

/// Those for whom a conversation is begun, and what is known of the server.
#[derive(Clone, Debug)]
pub(super) struct Opener {
    /// What earlier conversations have shown.
    pub(super) known: Option<Protocol>,
    /// The revision that the client speaks; a server of the legacy era is asked for it.
    pub(super) version: Version,
    pub(super) capabilities: Capabilities,
    pub(super) credential: Credential,
    /// Whether one session of a client has the conversation for itself.
    pub(super) dedicated: bool,
    /// The largest message that is taken from the server, in bytes.
    pub(super) limit: usize,
    /// Which roots of callers reach the server.
    pub(super) roots: Arc<RootsPolicy>,
}

type Conversed = (Protocol, Arc<dyn Conversation>);

impl Opener {
    /// Begins a conversation.
    pub(super) async fn converse(&self, link: Link) -> Result<Conversed, UpstreamError> {
        match link {
            Link::Http(link) => self.over_http(link).await,
            Link::Pipe(pipe) => self.over_pipe(pipe).await,
        }
    }

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

    /// What the server says about itself, if it is of the modern era.
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

    /// Begins a session; `None` when the server may speak HTTP+SSE instead.
    async fn initialize_http(
        &self,
        server: &HttpServer,
    ) -> Result<Option<LegacyHttp>, UpstreamError> {
        let id = Id::from(0);
        let request = Request::new(&id, &Method::Initialize, &self.initialize_params());
        let http = server.post(server.headers(), request.bytes()).await?;
        // A copy, because a part of the head would hold all of it for as long as the session lasts.
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

    async fn over_sse(
        &self,
        server: &HttpServer,
        link: &HttpLink,
    ) -> Result<Conversed, UpstreamError> {
        let stream = SseStream::open(server, link).await?;
        let opening = Opening::new(self.askable(), |incoming| stream.channel(incoming));
        Ok((Protocol::Sse, self.initialize(opening).await?))
    }

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

    fn askable(&self) -> Askable {
        Askable::new(self.dedicated, Arc::clone(&self.roots))
    }

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

    fn initialize_params(&self) -> String {
        let version = self.version.min(Version::LATEST_LEGACY);
        object(&[
            ("protocolVersion", Cow::from(quoted(version.as_str()))),
            ("capabilities", self.capabilities.as_json().into()),
            ("clientInfo", GATEWAY_INFO.into()),
        ])
    }
}

/// What a response to `server/discover` says; `None` when it is not that of a modern server.
fn discovered(response: &Response) -> Result<Option<Facts>, UpstreamError> {
    let error = match response.result() {
        Ok(result) => {
            let facts = Facts::from_discover(result).ok();
            return Ok(facts.filter(|_| speaks_latest(result)));
        }
        Err(error) => error,
    };
    match crate::jsonrpc::ErrorObject::code_of(error) {
        // A modern server that speaks no modern revision known here may still speak a legacy one.
        code::UNSUPPORTED_VERSION if !names_legacy_version(error) => Err(UpstreamError::invalid(
            format_args!("the server speaks no revision that is known here: {error}"),
        )),
        _ => Ok(None),
    }
}

fn speaks_latest(result: &str) -> bool {
    result.contains(Version::LATEST.as_str())
}

fn names_legacy_version(error: &str) -> bool {
    Version::ALL[1..]
        .iter()
        .any(|version| error.contains(version.as_str()))
}

fn initialized(response: &Response) -> Result<Facts, UpstreamError> {
    match response.result() {
        Ok(result) => Facts::from_initialize(result),
        Err(error) => Err(UpstreamError::invalid(format_args!(
            "initialize failed: {error}"
        ))),
    }
}

/// The response that an answer holds.
async fn response(answer: Answer, id: &Id, limit: usize) -> Result<Response, UpstreamError> {
    match answer {
        Answer::Json(http) => {
            let status = http.status();
            let text = over_http::text(http.into_body(), limit).await?;
            match Message::parse(text) {
                Ok(Message::Response(response)) => Ok(response),
                Ok(_) => Err(UpstreamError::invalid("a request is not an answer")),
                Err(_) if !status.is_success() => Err(UpstreamError::Status(status)),
                Err(error) => Err(error.into()),
            }
        }
        Answer::Events(body) => last_response(body, id, limit).await,
        Answer::Other(status) => Err(over_http::no_message(status)),
    }
}

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

/// How long a server on a pipe may take to answer `server/discover`.
///
/// Servers of the legacy era answer with an error at once, or not at all; modern ones written in
/// Python have been seen to need four seconds to start on a busy machine.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);
