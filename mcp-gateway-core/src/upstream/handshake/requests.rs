//! Requests of the steps, over each transport.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;

use futures_util::FutureExt;

use super::Handshake;
use super::answer::{self, Answer, Payload};
use super::run::{Run, Wire};
use crate::Mask;
use crate::error::UpstreamError;
use crate::json::{object_json, string_json};
use crate::jsonrpc::{Id, Notification, Request as Message};
use crate::protocol::{
    Method, ProtocolVersion,
    meta::{self, GATEWAY_INFO},
};
use crate::upstream::detection::Request;
use crate::upstream::http_endpoint::{self, HttpEndpoint};
use crate::upstream::legacy_sse::SseStream;
use crate::upstream::multiplexed::UnnegotiatedConnection;

impl Run<'_> {
    /// Sends `server/discover`.
    pub(super) fn discover(&mut self) {
        let params = self.handshake.discover_params();
        match &self.wire {
            Wire::Http { endpoint, .. } => {
                let endpoint = HttpEndpoint::clone(endpoint);
                let endpoint = endpoint.with_version(ProtocolVersion::LATEST);
                let mask = Arc::clone(&self.mask);
                self.start(Request::Discover, discover_http(endpoint, params, mask));
            }
            Wire::Stdio { channel, .. } => {
                let request = ask(Arc::clone(channel), Method::ServerDiscover, params);
                self.start(Request::Discover, request);
            }
        }
    }

    /// Sends `initialize`.
    pub(super) fn initialize(&mut self, version: ProtocolVersion) {
        let params = self.handshake.initialize_params(version);
        match &self.wire {
            Wire::Http { endpoint, .. } => {
                let endpoint = HttpEndpoint::clone(endpoint);
                let mask = Arc::clone(&self.mask);
                self.start(Request::Initialize, initialize_http(endpoint, params, mask));
            }
            Wire::Stdio { channel, .. } => {
                let request = ask(Arc::clone(channel), Method::Initialize, params);
                self.start(Request::Initialize, request);
            }
        }
    }

    /// Opens the event stream of HTTP+SSE.
    ///
    /// The transport's URL is that of the event stream; the server names the one for messages.
    pub(super) fn open_event_stream(&mut self) {
        if let Wire::Http {
            endpoint,
            transport,
            ..
        } = &self.wire
        {
            let (endpoint, transport) = (HttpEndpoint::clone(endpoint), transport.clone());
            self.start(Request::EventStream, async move {
                let stream = SseStream::open(&endpoint, &transport).await;
                let stream = stream.map_err(answer::failed)?;
                Ok(Payload::EventStream(Box::new(stream)))
            });
        }
    }

    /// Sends `initialize` over the event stream of HTTP+SSE.
    pub(super) fn initialize_sse(&mut self, version: ProtocolVersion) {
        let params = self.handshake.initialize_params(version);
        if let Wire::Http { sse: Some(sse), .. } = &self.wire {
            let request = ask(Arc::clone(sse), Method::Initialize, params);
            self.start(Request::InitializeSse, request);
        }
    }

    /// Sends `notifications/initialized`. Other requests are abandoned.
    pub(super) fn notify(&mut self) {
        self.pending.clear();
        let notification = Notification::new(&Method::Initialized, None);
        let endpoint = self.session.as_ref().and_then(|it| it.endpoint.clone());
        let channel = match &self.wire {
            Wire::Http { sse, .. } => sse.clone(),
            Wire::Stdio { channel, .. } => Some(Arc::clone(channel)),
        };
        let mask = Arc::clone(&self.mask);
        match (endpoint, channel) {
            (Some(endpoint), _) => self.start(Request::Initialized, async move {
                let headers = || Ok(endpoint.headers());
                let http = endpoint.post(headers, notification.bytes()).await;
                answer::notification(http.map_err(answer::failed)?, &mask).await
            }),
            (None, Some(channel)) => self.start(Request::Initialized, async move {
                let sent = channel.notify(&notification).await;
                sent.map(|()| Payload::Accepted).map_err(answer::failed)
            }),
            (None, None) => {}
        }
    }

    /// Starts to wait for the answer to `request`.
    fn start(&self, request: Request, answer: impl Future<Output = Answer> + Send + 'static) {
        self.pending
            .push(answer.map(move |it| (request, it)).boxed());
    }
}

impl Handshake {
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

    /// Returns the JSON text of the name and version that a legacy server receives.
    fn client_info(&self) -> &str {
        let info = self.client_info.as_deref();
        info.filter(|info| is_implementation(info))
            .unwrap_or(GATEWAY_INFO)
    }

    /// Returns the parameters of `initialize` as JSON text.
    fn initialize_params(&self, version: ProtocolVersion) -> String {
        object_json(&[
            ("protocolVersion", Cow::from(string_json(version.as_str()))),
            ("capabilities", self.capabilities.as_json().into()),
            ("clientInfo", self.client_info().into()),
        ])
    }
}

/// Returns `true` if the JSON text `info` is a name and a version, which servers require.
fn is_implementation(info: &str) -> bool {
    let info: serde_json::Value = serde_json::from_str(info).unwrap_or_default();
    info["name"].is_string() && info["version"].is_string()
}

/// Sends `server/discover` over HTTP.
async fn discover_http(endpoint: HttpEndpoint, params: String, mask: Arc<Mask>) -> Answer {
    let id = Id::from("discover");
    let request = Message::new(&id, &Method::ServerDiscover, &params);
    let mut headers = endpoint.headers();
    http_endpoint::mirror_headers(&mut headers, Method::ServerDiscover.as_str(), None)
        .map_err(answer::failed)?;
    let http = endpoint.post(|| Ok(headers.clone()), request.bytes()).await;
    let http = http.map_err(answer::failed)?;
    answer::read(http, &id, endpoint.limit(), &mask).await
}

/// Sends `initialize` over HTTP.
async fn initialize_http(endpoint: HttpEndpoint, params: String, mask: Arc<Mask>) -> Answer {
    let id = Id::from(0);
    let request = Message::new(&id, &Method::Initialize, &params);
    let http = endpoint
        .post(|| Ok(endpoint.headers()), request.bytes())
        .await;
    let http = http.map_err(answer::failed)?;
    answer::read(http, &id, endpoint.limit(), &mask).await
}

/// Sends a request over a channel.
async fn ask(channel: Arc<UnnegotiatedConnection>, method: Method, params: String) -> Answer {
    let response: Result<_, UpstreamError> = channel.request(&method, &params).await;
    response.map(Payload::from).map_err(answer::failed)
}
