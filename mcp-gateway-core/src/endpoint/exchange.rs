//! One HTTP request of an authenticated caller, from its head to the answer.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use http::request::Parts;
use http::{HeaderMap, Method, Response, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time;
use tower::ServiceExt;

use super::headers::{forwarded, names_events, takes_events};
use super::incoming::forward_notification;
use super::legacy::LegacyHandler;
use super::legacy_sse::{self, channel_name};
use super::modern::{self, HeaderVersion};
use super::response::{self, event_stream};
use super::{Body, CallService, Shared, stream};
use crate::auth::{AuthVerifier, Authentication, Principal, VerifiedHead};
use crate::error::{BODY_TIMEOUT, RequestError};
use crate::jsonrpc::{Message, Notification, Request as Rpc};
use crate::protocol::header::{MCP_SESSION_ID, without_parameters};
use crate::protocol::{Era, Method as RpcMethod, meta};
use crate::{BoxError, Call, Caller, ClientInfo, Error, Reply};

/// One HTTP request of an authenticated caller.
pub(super) struct HttpExchange<S> {
    pub(super) inner: S,
    pub(super) shared: Arc<Shared>,
    pub(super) principal: Principal,
    /// Verifier that has accepted the caller, if any.
    pub(super) verifier: Option<Arc<dyn AuthVerifier>>,
    /// Protocol version in the header.
    pub(super) version: HeaderVersion,
    pub(super) parts: Arc<Parts>,
}

impl<S: CallService> HttpExchange<S> {
    /// Answers the request.
    pub(super) async fn answer<B>(self, body: B) -> Response<Body>
    where
        B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send,
    {
        let has_session = || self.parts.headers.contains_key(MCP_SESSION_ID);
        let era = self.probable_era();
        let answered = match self.parts.method {
            Method::POST => {
                match read_body(body, &self.parts.headers, self.shared.max_body).await {
                    Ok(body) => return self.post(body).await,
                    Err(error) => Err(error.into()),
                }
            }
            Method::GET if has_session() => {
                Box::pin(self.legacy().get(&self.parts, &self.version)).await
            }
            Method::GET => self.open_channel(),
            Method::DELETE if has_session() => self.legacy().delete(&self.parts, &self.version),
            Method::DELETE => Err(RequestError::MissingSession.into()),
            _ => Err(RequestError::HttpMethod.into()),
        };
        answered.unwrap_or_else(|error| response::error(&error, None, era))
    }

    /// Returns the era in which to report an error before the body has been read.
    fn probable_era(&self) -> Era {
        self.version.era().unwrap_or(Era::Legacy)
    }

    /// Answers a `POST` request.
    async fn post(self, body: Bytes) -> Response<Body> {
        let era = self.probable_era();
        let message = match Message::parse(body) {
            Ok(message) => message,
            Err(error) => return response::error(&error.into(), None, era),
        };
        if let Some(name) = channel_name(self.parts.uri.query()) {
            let channels = self.shared.sessions.channels();
            let taken = match channels.find(name, &self.shared.gateway) {
                Ok(channel) => channel.handle(message, self.authentication()).await,
                Err(unknown) => Err(unknown),
            };
            return match taken {
                Ok(()) => response::status(StatusCode::ACCEPTED),
                Err(error) => response::error(&error.into(), None, Era::Legacy),
            };
        }
        match message {
            Message::Request(request)
                if self.is_modern(request.meta(meta::PROTOCOL_VERSION), request.method()) =>
            {
                self.modern(request).await
            }
            Message::Notification(notification)
                if self.is_modern(
                    notification.meta(meta::PROTOCOL_VERSION),
                    notification.method(),
                ) =>
            {
                self.modern_notification(notification).await
            }
            Message::Response(_) if era == Era::Modern => reject_message("a response"),
            message => {
                let (id, method) = match &message {
                    Message::Request(request) => {
                        (Some(request.id().clone()), Some(request.method().clone()))
                    }
                    Message::Notification(_) | Message::Response(_) => (None, None),
                };
                let answered =
                    Box::pin(self.legacy().post(&self.parts, &self.version, message)).await;
                answered.unwrap_or_else(|error| {
                    response::error_of(&error, id.as_ref(), method.as_ref(), Era::Legacy)
                })
            }
        }
    }

    /// Answers a request of the modern era.
    async fn modern(self, request: Rpc) -> Response<Body> {
        let id = request.id().clone();
        let takes_events = takes_events(&self.parts.headers);
        let method = request.method().clone();
        let listens = method == RpcMethod::SubscriptionsListen;
        let reply = match modern::validate(
            &self.parts,
            &self.version,
            &request,
            self.shared.compatibility,
        ) {
            Ok(client) => {
                let call = Call::trusted(request, self.caller(client));
                self.inner.clone().oneshot(call).await
            }
            Err(error) => Err(error),
        };
        match reply {
            Ok(Reply::Json { status, body }) => response::json(status, body),
            Ok(Reply::Events(events)) if listens => {
                let drain = self.shared.drain.clone();
                let watch = self.authentication().watch();
                event_stream(stream::subscription(events, id, drain, watch))
            }
            Ok(Reply::Events(events)) if takes_events => {
                let watch = self.authentication().watch();
                event_stream(stream::modern(events, id, watch))
            }
            Ok(Reply::Events(events)) => {
                response::document(Box::pin(response::without_events(events, &id)).await)
            }
            Err(error) => response::error_of(&error, Some(&id), Some(&method), Era::Modern),
        }
    }

    /// Answers a notification of the modern era.
    ///
    /// The protocol version defines none over HTTP: what it defines for other transports and
    /// directions is not expected. All others are forwarded.
    async fn modern_notification(self, notification: Notification) -> Response<Body> {
        #[expect(clippy::wildcard_enum_match_arm, reason = "no other one is expected")]
        match notification.method() {
            // "... no `notifications/cancelled` message is expected."
            RpcMethod::Cancelled | RpcMethod::Initialized => {}
            RpcMethod::Other(_) => {
                let compatibility = self.shared.compatibility;
                let client =
                    match modern::check_notification(&self.version, &notification, compatibility) {
                        Ok(client) => client,
                        Err(error) => return response::error(&error, None, Era::Modern),
                    };
                let caller = self.caller(client);
                Box::pin(forward_notification(&self.inner, notification, caller)).await;
            }
            method => return reject_message(format!("notification {method}")),
        }
        response::status(StatusCode::ACCEPTED)
    }

    /// Returns the caller of a message of the modern era.
    fn caller(&self, client: ClientInfo) -> Arc<Caller> {
        let headers = forwarded(&self.parts.headers, &self.shared.headers);
        let gateway = Arc::clone(&self.shared.gateway);
        let caller = Caller::new(self.principal.clone(), gateway, client);
        Arc::new(caller.with_headers(headers).with_verified(self.verified()))
    }

    /// Returns `true` if a message is one of the modern era, from the protocol version in its
    /// `_meta` and its method.
    ///
    /// "A request carrying modern per-request `_meta` is served statelessly according to this
    /// revision. An `initialize` request selects legacy semantics."
    fn is_modern(&self, version: Option<&str>, method: &RpcMethod) -> bool {
        if version.is_some() {
            return true;
        }
        match self.version {
            HeaderVersion::Known(version) => version.era() == Era::Modern,
            HeaderVersion::Missing => false,
            // Without a session it may be of a future protocol version.
            HeaderVersion::Unknown(_) => {
                !self.parts.headers.contains_key(MCP_SESSION_ID) && method != &RpcMethod::Initialize
            }
        }
    }

    /// Returns the server of legacy requests of this caller.
    fn legacy(&self) -> LegacyHandler<S> {
        let headers = forwarded(&self.parts.headers, &self.shared.headers);
        LegacyHandler {
            inner: self.inner.clone(),
            sessions: self.shared.sessions.clone(),
            gateway: Arc::clone(&self.shared.gateway),
            principal: self.principal.clone(),
            verified: self.verified(),
            drain: self.shared.drain.clone(),
            headers: Some(headers),
        }
    }

    /// Returns the head of the request, if a verifier has accepted it.
    fn verified(&self) -> Option<VerifiedHead> {
        let verifier = self.verifier.as_ref()?;
        Some(VerifiedHead::new(
            Arc::clone(verifier),
            Arc::clone(&self.parts),
        ))
    }

    /// Returns the authentication of the request.
    fn authentication(self) -> Authentication {
        let verified = self.verified();
        Authentication::new(self.principal, verified)
    }

    /// Opens a stream of HTTP+SSE.
    fn open_channel(self) -> Result<Response<Body>, Error> {
        if !names_events(&self.parts.headers) {
            return Err(RequestError::MissingSession.into());
        }
        let path = match self.shared.absolute_endpoint {
            true => messages_path(self.parts.uri.path()),
            // Relative to the URL of this stream: a nested service does not see all of it.
            false => String::new(),
        };
        let mut legacy = self.legacy();
        legacy.verified = legacy.verified.map(VerifiedHead::lasting);
        Ok(legacy_sse::open(&path, legacy, self.authentication()))
    }
}

/// Returns the path for messages of the stream at `path`.
fn messages_path(path: &str) -> String {
    let path = path.trim_end_matches('/');
    format!("{}/messages", path.strip_suffix("/sse").unwrap_or(path))
}

/// Returns the response to a message that is not allowed.
fn reject_message(what: impl Into<std::borrow::Cow<'static, str>>) -> Response<Body> {
    let error = RequestError::UnexpectedMessage { what: what.into() };
    response::error(&error.into(), None, Era::Modern)
}

/// Reads a JSON body of at most `limit` bytes within [`BODY_TIMEOUT`].
async fn read_body<B>(body: B, headers: &HeaderMap, limit: usize) -> Result<Bytes, RequestError>
where
    B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send,
{
    let content_type = headers.get(header::CONTENT_TYPE);
    let essence = content_type.map(|value| without_parameters(value.as_bytes()));
    if !essence.is_some_and(|essence| essence.eq_ignore_ascii_case(b"application/json")) {
        return Err(RequestError::ContentType);
    }
    let mut collected = pin!(Limited::new(body, limit).collect());
    // Most bodies have arrived with the head of their request, and need no timer.
    let read = match collected.as_mut().now_or_never() {
        Some(read) => Ok(read),
        None => Box::pin(time::timeout(BODY_TIMEOUT, collected)).await,
    };
    match read {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(RequestError::TooLarge { limit }),
        Ok(Err(error)) => Err(RequestError::Body(error)),
        Err(_) => Err(RequestError::BodyTimeout),
    }
}
