//! Receiving end of requests between replicas.

use std::convert::Infallible;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream::iter;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use tower_service::Service;

use super::{Body, response, stream};
use crate::auth::{AuthenticationWatch, Principal};
use crate::era::{LegacyToModern, ParkedCalls};
use crate::jsonrpc::Message;
use crate::replica::{Replica, ReplicaRequest};
use crate::reply::{self, ReplyEvent, ReplyStream};
use crate::results::KeptResults;
use crate::session::{Session, Sessions};
use crate::{BoxError, BoxFuture, Reply};

/// Service for requests of other replicas; must be mounted at [`Replica::PATH`].
///
/// A request that is not sealed by a replica is rejected with `403 Forbidden`. Requests are never
/// forwarded from here, so that they cannot loop.
#[derive(Clone, Debug)]
pub struct ReplicaService {
    /// This replica.
    replica: Replica,
    /// Parked calls.
    parked_calls: ParkedCalls,
    /// Sessions.
    sessions: Sessions,
    /// Kept results.
    kept_results: KeptResults,
}

impl ReplicaService {
    /// Creates the service of `replica`, whose calls wait in `parked_calls` and `sessions`.
    #[must_use]
    pub fn new(replica: Replica, parked_calls: ParkedCalls, sessions: Sessions) -> Self {
        Self {
            replica,
            parked_calls,
            sessions,
            kept_results: KeptResults::default(),
        }
    }

    /// Sets the store of the results that other replicas may read. Default: an empty one.
    #[must_use]
    pub fn with_kept_results(mut self, kept_results: KeptResults) -> Self {
        self.kept_results = kept_results;
        self
    }

    /// Serves one decoded body.
    async fn run(self, text: &str) -> Response<Body> {
        match self.replica.open(text) {
            Some(ReplicaRequest::ReadResult { id, part }) => {
                let piece = self.kept_results.piece(&id, &part);
                Response::new(Body::full(piece.unwrap_or_default()))
            }
            Some(ReplicaRequest::ResumeCall { key, request }) => self.take_up(&key, &request).await,
            Some(ReplicaRequest::DeliverResponse {
                session,
                principal,
                gateway,
                number,
                response,
            }) => {
                let found = self
                    .sessions
                    .find(&session, &Principal::new(principal), &gateway);
                let status = match found {
                    Ok(found) => deliver_response(&found, number, &response).await,
                    Err(_) => StatusCode::NOT_FOUND,
                };
                status_only(status)
            }
            None => status_only(StatusCode::FORBIDDEN),
        }
    }

    /// Resumes a parked call.
    async fn take_up(&self, key: &str, request: &str) -> Response<Body> {
        let Ok(Message::Request(request)) =
            Message::parse(Bytes::copy_from_slice(request.as_bytes()))
        else {
            return status_only(StatusCode::BAD_REQUEST);
        };
        let id = request.id().clone();
        let events =
            match LegacyToModern::resume_parked(self.parked_calls.clone(), key, request).await {
                Ok(Reply::Events(events)) => events,
                Ok(reply) => {
                    let response = reply::response(reply).await.map(ReplyEvent::Response);
                    ReplyStream::new(iter([response]))
                }
                Err(error) => ReplyStream::new(iter([Err(error)])),
            };
        // The other replica watches over the authentication of the client.
        let watch = AuthenticationWatch::default();
        response::event_stream(stream::modern(events, id, watch))
    }
}

/// Delivers the answer of a client to the request `number` of a server.
async fn deliver_response(session: &Session, number: i64, response: &str) -> StatusCode {
    let asked = session.state().take_server_request(number);
    let response = Message::parse(Bytes::copy_from_slice(response.as_bytes()));
    match (asked, response) {
        (Some(asked), Ok(Message::Response(response))) => {
            // A server that is gone needs no answer.
            let _ = asked.server.respond(response.with_id(&asked.id)).await;
            StatusCode::OK
        }
        _ => StatusCode::NOT_FOUND,
    }
}

/// Returns a response without a body.
fn status_only(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

impl<B> Service<Request<B>> for ReplicaService
where
    B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let replica_service = self.clone();
        Box::pin(async move {
            if request.method() != Method::POST {
                return Ok(status_only(StatusCode::METHOD_NOT_ALLOWED));
            }
            let body = Limited::new(request.into_body(), MAX_BODY).collect().await;
            let Ok(body) = body.map(|body| body.to_bytes()) else {
                return Ok(status_only(StatusCode::BAD_REQUEST));
            };
            Ok(match std::str::from_utf8(&body) {
                Ok(text) => replica_service.run(text).await,
                Err(_) => status_only(StatusCode::FORBIDDEN),
            })
        })
    }
}

/// Maximum size of a body in bytes: a client's body, 16 MiB by default, in sealed form.
const MAX_BODY: usize = 64 * 1024 * 1024;
