use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::Full;
use serde::{Deserialize, Serialize};
use tokio::time;

use crate::clock::unix_now;
use crate::error::UpstreamError;
use crate::jsonrpc::Message;
use crate::reply::{Event, Events};
use crate::seal::Sealer;
use crate::transport::{EventStream, HttpBody, HttpClient};

/// This process as one of several that serve the same gateways.
///
/// What waits for a client waits in the process that the client happened to reach. With a replica,
/// what the client sends to another one is passed on to where it is waited for; see [`Errands`] for
/// the other end. All replicas have the same seal, by which they know each other.
///
/// [`Errands`]: crate::endpoint::Errands
#[derive(Clone)]
pub struct Replica(Arc<Inner>);

struct Inner {
    url: String,
    client: Arc<dyn HttpClient>,
    sealer: Arc<Sealer>,
}

/// What one replica asks another to do. It is done there, and never passed on again.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum Errand {
    /// Take up a parked call.
    Call {
        /// Which of the parked calls it is.
        key: String,
        /// The request by which its client repeats it.
        request: String,
    },
    /// Take the answer of a client to what a server asked.
    Answer {
        /// The identifier of the session.
        session: String,
        principal: String,
        gateway: String,
        /// Which question of the session it answers.
        number: i64,
        response: String,
    },
}

#[derive(Deserialize, Serialize)]
struct Sealed {
    /// The second, since 1970, at which it expires.
    expires: u64,
    errand: Errand,
}

/// How the question of a server is known to a client, so that the answer finds its way back.
#[derive(Deserialize, Serialize)]
struct QuestionId {
    #[serde(rename = "r")]
    replica: String,
    #[serde(rename = "s")]
    session: String,
    #[serde(rename = "n")]
    number: i64,
}

impl Replica {
    /// Where a replica takes [`Errands`](crate::endpoint::Errands), below its URL.
    pub const PATH: &str = "/internal/replica";

    /// The replica that the others reach at `url`, such as `http://10.0.0.7:8080`, through
    /// `client`.
    #[must_use]
    pub fn new(url: &Uri, client: Arc<dyn HttpClient>, sealer: Arc<Sealer>) -> Self {
        let url = url.to_string().trim_end_matches('/').to_owned();
        Self(Arc::new(Inner {
            url,
            client,
            sealer,
        }))
    }

    /// Where the others reach it.
    pub(crate) fn url(&self) -> &str {
        &self.0.url
    }

    /// How a client is to know the question `number` of `session`.
    pub(crate) fn question_id(&self, session: &str, number: i64) -> Option<String> {
        let id = QuestionId {
            replica: self.0.url.clone(),
            session: session.to_owned(),
            number,
        };
        let text = serde_json::to_vec(&id).ok()?;
        self.0.sealer.seal(QUESTION, &text).ok()
    }

    /// The replica that waits for the answer to the question `id` of `session`, and the number of
    /// the question there.
    pub(crate) fn asked_by(&self, session: &str, id: &str) -> Option<(String, i64)> {
        let text = self.0.sealer.open(QUESTION, id)?;
        let id: QuestionId = serde_json::from_slice(&text).ok()?;
        (id.session == session).then_some((id.replica, id.number))
    }

    /// Hands an answer to the replica that waits for it.
    pub(crate) async fn hand_answer(
        &self,
        at: &str,
        number: i64,
        answer: &HandedAnswer<'_>,
    ) -> Result<(), UpstreamError> {
        let errand = Errand::Answer {
            session: answer.session.to_owned(),
            principal: answer.principal.to_owned(),
            gateway: answer.gateway.to_owned(),
            number,
            response: answer.response.to_owned(),
        };
        self.send(at, errand).await.map(|_| ())
    }

    /// Takes up the call that is parked at the replica `at`.
    pub(crate) async fn take_up(
        &self,
        at: &str,
        key: String,
        request: &str,
    ) -> Result<Events, UpstreamError> {
        let request = request.to_owned();
        let response = self.send(at, Errand::Call { key, request }).await?;
        Ok(messages(response))
    }

    async fn send(&self, at: &str, errand: Errand) -> Result<Response<HttpBody>, UpstreamError> {
        let sealed = Sealed {
            expires: unix_now().saturating_add(LIFETIME.as_secs()),
            errand,
        };
        let text = serde_json::to_vec(&sealed).map_err(UpstreamError::connect)?;
        let sealed = self.0.sealer.seal(ERRAND, &text);
        let sealed = sealed.map_err(UpstreamError::connect)?;
        let mut request = Request::new(Full::from(sealed));
        *request.method_mut() = Method::POST;
        let uri = format!("{at}{}", Self::PATH).parse();
        *request.uri_mut() = uri.map_err(UpstreamError::connect)?;
        let text = HeaderValue::from_static("text/plain");
        request.headers_mut().insert(header::CONTENT_TYPE, text);
        match time::timeout(LIFETIME, self.0.client.request(request)).await {
            Ok(Ok(response)) if response.status() == StatusCode::OK => Ok(response),
            Ok(Ok(response)) => {
                tracing::warn!(replica = at, status = %response.status(), "a replica refuses");
                Err(UpstreamError::ReplicaGone)
            }
            Ok(Err(error)) => {
                tracing::warn!(replica = at, %error, "a replica cannot be reached");
                Err(UpstreamError::ReplicaGone)
            }
            Err(_) => Err(UpstreamError::ReplicaGone),
        }
    }

    /// Opens what another replica sends.
    pub(crate) fn open(&self, text: &str) -> Option<Errand> {
        let text = self.0.sealer.open(ERRAND, text)?;
        let sealed: Sealed = serde_json::from_slice(&text).ok()?;
        (sealed.expires > unix_now()).then_some(sealed.errand)
    }
}

/// An answer of a client of the legacy era that has reached another replica.
pub(crate) struct HandedAnswer<'a> {
    pub(crate) session: &'a str,
    pub(crate) principal: &'a str,
    pub(crate) gateway: &'a str,
    pub(crate) response: &'a str,
}

/// What a replica sends back: messages for the client, of which the last is the response.
fn messages(response: Response<HttpBody>) -> Events {
    let events = EventStream::new(response.into_body(), MAX_MESSAGE);
    Events::new(stream::unfold(Some(events), |events| async move {
        let mut events = events?;
        loop {
            let text: Bytes = match events.next().await {
                Some(Ok(event)) if event.data.is_empty() => continue,
                Some(Ok(event)) => event.data,
                Some(Err(error)) => return Some((Err(error), None)),
                None => return Some((Err(UpstreamError::ReplicaGone), None)),
            };
            return Some(match Message::parse(text) {
                Ok(Message::Notification(n)) => (Ok(Event::Notification(n)), Some(events)),
                Ok(Message::Response(response)) => (Ok(Event::Response(response)), None),
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

const ERRAND: &str = "errand";
const QUESTION: &str = "question";

/// How long an errand may be under way; clocks may differ by less.
const LIFETIME: Duration = Duration::from_secs(30);

/// The largest message that is taken from another replica, in bytes.
const MAX_MESSAGE: usize = 64 * 1024 * 1024;
