//! Forwarding between replicas of a gateway.
//!
//! Parked calls and unanswered requests of servers live in the memory of one replica. A client's
//! answer that reaches another replica is forwarded over HTTP, sealed with the shared key.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Limited};
use serde::{Deserialize, Serialize};
use tokio::time;

use crate::clock::unix_now;
use crate::error::UpstreamError;
use crate::jsonrpc::Message;
use crate::reply::{ReplyEvent, ReplyStream};
use crate::seal::Sealer;
use crate::transport::{EventStream, HttpBody, HttpClient};

/// This process as one of several replicas that serve the same gateways.
///
/// A call that waits for its client is held by the replica that the client happened to reach. What
/// the client sends to another replica is forwarded to it; [`ReplicaService`] is the receiving end. All
/// replicas must have the same seal key, by which they authenticate each other.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "client")]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
///
/// use http::Uri;
/// use mcp_gateway_core::era::ParkedCalls;
/// use mcp_gateway_core::runtime::PooledHttpClient;
/// use mcp_gateway_core::session::Sessions;
/// use mcp_gateway_core::{Replica, Sealer};
///
/// let sealer = Arc::new(Sealer::new(&[7; 32])?);
/// let url = Uri::from_static("http://10.0.0.7:8080");
/// let replica = Replica::new(&url, PooledHttpClient::new()?, Arc::clone(&sealer));
///
/// let sessions = Sessions::new(Arc::clone(&sealer)).with_replica(replica.clone());
/// let parked_calls = ParkedCalls::new(sealer).with_replica(replica);
/// assert_eq!((sessions.count(), parked_calls.count()), (0, 0));
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "client"))]
/// # fn main() {}
/// ```
///
/// [`ReplicaService`]: crate::endpoint::ReplicaService
#[derive(Clone)]
pub struct Replica(Arc<Inner>);

struct Inner {
    /// URL of this replica, without a trailing slash.
    url: String,
    /// Client for requests to other replicas.
    client: Arc<dyn HttpClient>,
    /// Shared cipher.
    sealer: Arc<Sealer>,
}

/// A request from one replica to another. It is served there and never forwarded again.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum ReplicaRequest {
    /// Resume a parked call.
    ResumeCall {
        /// Key of the parked call.
        key: String,
        /// The client's retry.
        request: String,
    },
    /// Return a part of a kept result.
    ReadResult {
        /// Identifier of the result at the replica.
        id: String,
        /// The part.
        part: ResultPart,
    },
    /// Deliver the answer of a client to the request of a server.
    DeliverResponse {
        /// Random key of the session.
        session: String,
        /// Principal of the session.
        principal: String,
        /// Gateway of the session.
        gateway: String,
        /// Number of the request within the session.
        number: i64,
        /// JSON text of the answer.
        response: String,
    },
}

/// Principal, gateway and server of a call.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct ResultOwner {
    pub(crate) principal: Box<str>,
    pub(crate) gateway: Box<str>,
    pub(crate) server: Box<str>,
}

/// Part of a kept result that a client reads.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct ResultPart {
    /// Owner that the result must have.
    pub(crate) owner: ResultOwner,
    /// URI of the whole.
    pub(crate) uri: String,
    /// Position of the first byte.
    pub(crate) offset: usize,
    /// `true` for a client of the modern era.
    pub(crate) is_modern: bool,
}

/// Plaintext of a request between replicas.
#[derive(Deserialize, Serialize)]
struct SealedReplicaRequest {
    /// Expiry, in seconds since 1970.
    expires: u64,
    request: ReplicaRequest,
}

/// Content of the identifier of a kept result, so that any replica can return it.
#[derive(Deserialize, Serialize)]
struct KeptResultId {
    #[serde(rename = "r")]
    replica: String,
    #[serde(rename = "i")]
    id: String,
}

/// Content of the ID under which a client receives the request of a server, so that the answer can
/// be routed.
#[derive(Deserialize, Serialize)]
struct ServerRequestId {
    #[serde(rename = "r")]
    replica: String,
    #[serde(rename = "s")]
    session: String,
    #[serde(rename = "n")]
    number: i64,
}

impl Replica {
    /// Path of [`ReplicaService`](crate::endpoint::ReplicaService) below the URL of a replica.
    pub const PATH: &str = "/internal/replica";

    /// Creates the replica that others reach at `url`, such as `http://10.0.0.7:8080`, and that
    /// reaches them through `client`.
    #[must_use]
    pub fn new(url: &Uri, client: impl HttpClient, sealer: Arc<Sealer>) -> Self {
        let url = url.to_string().trim_end_matches('/').to_owned();
        Self(Arc::new(Inner {
            url,
            client: Arc::new(client),
            sealer,
        }))
    }

    /// Returns the URL of this replica.
    pub(crate) fn url(&self) -> &str {
        &self.0.url
    }

    /// Returns the sealed ID of the request `number` of `session`.
    pub(crate) fn seal_request_id(&self, session: &str, number: i64) -> Option<String> {
        let id = ServerRequestId {
            replica: self.0.url.clone(),
            session: session.to_owned(),
            number,
        };
        let text = serde_json::to_vec(&id).ok()?;
        self.0.sealer.seal(QUESTION, &text).ok()
    }

    /// Returns the URL of the replica that issued the ID of a request of `session`, and the number
    /// of the request there.
    pub(crate) fn open_request_id(&self, session: &str, id: &str) -> Option<(String, i64)> {
        let text = self.0.sealer.open(QUESTION, id)?;
        let id: ServerRequestId = serde_json::from_slice(&text).ok()?;
        (id.session == session).then_some((id.replica, id.number))
    }

    /// Returns the sealed identifier of the kept result `id` of this replica.
    pub(crate) fn seal_result_id(&self, id: &str) -> Option<String> {
        let id = KeptResultId {
            replica: self.0.url.clone(),
            id: id.to_owned(),
        };
        let text = serde_json::to_vec(&id).ok()?;
        self.0.sealer.seal(RESULT, &text).ok()
    }

    /// Returns the URL of the replica that keeps a result, and the identifier there.
    pub(crate) fn open_result_id(&self, id: &str) -> Option<(String, String)> {
        let text = self.0.sealer.open(RESULT, id)?;
        let id: KeptResultId = serde_json::from_slice(&text).ok()?;
        Some((id.replica, id.id))
    }

    /// Reads a part of the result `id` that the replica `at` keeps; returns the JSON text of the result of
    /// `resources/read`, or `None` if it is not kept.
    pub(crate) async fn read_result(
        &self,
        at: &str,
        id: String,
        part: ResultPart,
    ) -> Result<Option<Bytes>, UpstreamError> {
        let request = ReplicaRequest::ReadResult { id, part };
        let body = self.send(at, request).await?.into_body();
        let body = Limited::new(body, MAX_MESSAGE).collect();
        let text = body.await.map_err(UpstreamError::of_body)?.to_bytes();
        Ok((!text.is_empty()).then_some(text))
    }

    /// Forwards an answer to the replica that waits for it.
    pub(crate) async fn forward_response(
        &self,
        at: &str,
        number: i64,
        answer: &ForwardedResponse<'_>,
    ) -> Result<(), UpstreamError> {
        let request = ReplicaRequest::DeliverResponse {
            session: answer.session.to_owned(),
            principal: answer.principal.to_owned(),
            gateway: answer.gateway.to_owned(),
            number,
            response: answer.response.to_owned(),
        };
        self.send(at, request).await.map(|_| ())
    }

    /// Resumes the call that is parked at the replica `at`.
    pub(crate) async fn resume_call(
        &self,
        at: &str,
        key: String,
        request: &str,
    ) -> Result<ReplyStream, UpstreamError> {
        let request = request.to_owned();
        let response = self
            .send(at, ReplicaRequest::ResumeCall { key, request })
            .await?;
        Ok(messages(response))
    }

    /// Sends a sealed request to the replica `at`.
    async fn send(
        &self,
        at: &str,
        request: ReplicaRequest,
    ) -> Result<Response<HttpBody>, UpstreamError> {
        let sealed = SealedReplicaRequest {
            expires: unix_now().saturating_add(LIFETIME.as_secs()),
            request,
        };
        let text = serde_json::to_vec(&sealed).map_err(UpstreamError::connect)?;
        let sealed = self.0.sealer.seal(PURPOSE, &text);
        let sealed = sealed.map_err(UpstreamError::connect)?;
        let mut request = Request::new(Bytes::from(sealed));
        *request.method_mut() = Method::POST;
        let uri = format!("{at}{}", Self::PATH).parse();
        *request.uri_mut() = uri.map_err(UpstreamError::connect)?;
        let text = HeaderValue::from_static("text/plain");
        request.headers_mut().insert(header::CONTENT_TYPE, text);
        match time::timeout(LIFETIME, self.0.client.request(request)).await {
            Ok(Ok(response)) if response.status() == StatusCode::OK => Ok(response),
            Ok(Ok(response)) => {
                tracing::warn!(replica = at, status = %response.status(), "replica rejected the request");
                Err(UpstreamError::ReplicaUnavailable)
            }
            Ok(Err(error)) => {
                tracing::warn!(replica = at, %error, "replica unreachable");
                Err(UpstreamError::ReplicaUnavailable)
            }
            Err(_) => Err(UpstreamError::ReplicaUnavailable),
        }
    }

    /// Decrypts a request from another replica; returns `None` if it is invalid or expired.
    pub(crate) fn open(&self, text: &str) -> Option<ReplicaRequest> {
        let text = self.0.sealer.open(PURPOSE, text)?;
        let sealed: SealedReplicaRequest = serde_json::from_slice(&text).ok()?;
        (sealed.expires > unix_now()).then_some(sealed.request)
    }
}

/// An answer of a legacy client that has reached another replica.
pub(crate) struct ForwardedResponse<'a> {
    pub(crate) session: &'a str,
    pub(crate) principal: &'a str,
    pub(crate) gateway: &'a str,
    pub(crate) response: &'a str,
}

/// Returns the messages of another replica's response; the last is the client's response.
fn messages(response: Response<HttpBody>) -> ReplyStream {
    let events = EventStream::new(response.into_body(), MAX_MESSAGE);
    ReplyStream::new(stream::unfold(Some(events), |events| async move {
        let mut events = events?;
        loop {
            let text: Bytes = match events.next().await {
                Some(Ok(event)) if event.data.is_empty() => continue,
                Some(Ok(event)) => event.data,
                Some(Err(error)) => return Some((Err(error), None)),
                None => return Some((Err(UpstreamError::ReplicaUnavailable), None)),
            };
            return Some(match Message::parse(text) {
                Ok(Message::Notification(n)) => (Ok(ReplyEvent::Notification(n)), Some(events)),
                Ok(Message::Response(response)) => (Ok(ReplyEvent::Response(response)), None),
                Ok(Message::Request(_)) => continue,
                Err(error) => (Err(error.into()), None),
            });
        }
    }))
}

impl fmt::Debug for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Replica").field(&self.0.url).finish()
    }
}

/// Purpose to which the cipher binds requests between replicas.
const PURPOSE: &str = "replica-request";
/// Purpose to which the cipher binds identifiers of kept results.
const RESULT: &str = "result";
/// Purpose to which the cipher binds IDs of requests.
const QUESTION: &str = "question";

/// Maximum age of a request between replicas; clocks may differ by less.
const LIFETIME: Duration = Duration::from_secs(30);

/// Maximum size of a message from another replica in bytes.
const MAX_MESSAGE: usize = 64 * 1024 * 1024;
