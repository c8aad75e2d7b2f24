//! Server side of the HTTP+SSE transport of revision 2024-11-05.
//!
//! See [MCP 2024-11-05, HTTP with
//! SSE](https://modelcontextprotocol.io/specification/2024-11-05/basic/transports#http-with-sse).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Response, StatusCode};
use tokio::sync::mpsc;

use super::duplex::DuplexSession;
use super::legacy::LegacyHandler;
use super::{Body, CallService, response};
use crate::Error;
use crate::auth::{Authentication, AuthenticationWatch};
use crate::error::SessionError;
use crate::jsonrpc::Message;
use crate::sse;
use crate::task::BackgroundTask;

/// Open streams by their random name.
#[derive(Clone, Default)]
pub(super) struct SseSessions(Arc<Mutex<HashMap<String, Arc<dyn SseSession>>>>);

/// An open stream, to whose client messages are posted.
#[async_trait]
pub(super) trait SseSession: Send + Sync {
    /// Handles a message that the client posts.
    async fn handle(
        &self,
        message: Message,
        authentication: Authentication,
    ) -> Result<Response<Body>, Error>;

    /// Ends the stream, because the client has disconnected.
    fn close(&self);
}

/// An open stream of a client, and its latest authentication.
struct SseChannel<S> {
    duplex: Arc<DuplexSession<S>>,
    latest: Arc<LatestAuthentication>,
}

/// Authentication of the last message that the client has posted since the last
/// [`take`](Self::take).
#[derive(Default)]
struct LatestAuthentication(Mutex<Option<Authentication>>);

impl LatestAuthentication {
    /// Records the authentication of a message.
    fn record(&self, authentication: Authentication) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(authentication);
    }

    /// Removes and returns the authentication.
    fn take(&self) -> Option<Authentication> {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        latest.take()
    }
}

#[async_trait]
impl<S: CallService> SseSession for SseChannel<S> {
    async fn handle(
        &self,
        message: Message,
        authentication: Authentication,
    ) -> Result<Response<Body>, Error> {
        if self.duplex.principal() != authentication.principal() {
            return Err(SessionError::Unknown.into());
        }
        self.latest.record(authentication);
        let duplex = Arc::clone(&self.duplex);
        BackgroundTask::detach(duplex.handle(message));
        Ok(response::status(StatusCode::ACCEPTED))
    }

    fn close(&self) {
        self.duplex.close();
    }
}

/// Waits until `watch` ends, and with it all authentications of later messages.
async fn unauthenticated(watch: &mut AuthenticationWatch, latest: &LatestAuthentication) {
    loop {
        watch.ended().await;
        match latest.take() {
            Some(authentication) => *watch = authentication.watch(),
            None => return,
        }
    }
}

impl SseSessions {
    /// Returns the stream that the query names; for an unknown name, one that rejects every
    /// message.
    pub(super) fn find(&self, query: Option<&str>) -> Option<Arc<dyn SseSession>> {
        let name = query?
            .split('&')
            .find_map(|pair| pair.strip_prefix("sessionId="))?;
        let known = self.channels().get(name).cloned();
        Some(known.unwrap_or_else(|| Arc::new(UnknownSession)))
    }

    /// Opens a stream whose first event is the endpoint for messages, at `path`.
    ///
    /// It ends with its authentication, unless the client has posted a message with another one
    /// that lasts.
    pub(super) fn open<S: CallService>(
        &self,
        path: &str,
        legacy: LegacyHandler<S>,
        authentication: Authentication,
    ) -> Response<Body> {
        let mut random = [0; 32];
        if aws_lc_rs::rand::fill(&mut random).is_err() {
            return response::status(StatusCode::INTERNAL_SERVER_ERROR);
        }
        let name: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut first = Vec::new();
        let endpoint = format!("{path}?sessionId={name}");
        sse::write_named_event(&mut first, "endpoint", endpoint.as_bytes());

        let drain = legacy.drain.clone();
        let (out, messages) = mpsc::channel(QUEUE);
        let latest = Arc::<LatestAuthentication>::default();
        let channel: Arc<dyn SseSession> = Arc::new(SseChannel {
            duplex: DuplexSession::new(legacy, out),
            latest: Arc::clone(&latest),
        });
        self.channels().insert(name.clone(), Arc::clone(&channel));
        let closing = SessionGuard {
            sse_sessions: self.clone(),
            name,
            channel,
        };
        let first = stream::iter([Bytes::from(first)]);
        let state = (messages, closing, drain, authentication.watch());
        let rest = stream::unfold(state, move |(mut messages, closing, drain, mut watch)| {
            let latest = Arc::clone(&latest);
            async move {
                let message = tokio::select! {
                    biased;
                    () = unauthenticated(&mut watch, &latest) => return None,
                    () = drain.started() => return None,
                    message = messages.recv() => message?,
                };
                let mut event = Vec::new();
                sse::write_event(&mut event, None, &message);
                Some((Bytes::from(event), (messages, closing, drain, watch)))
            }
        });
        response::event_stream(first.chain(rest))
    }

    /// Locks the streams.
    fn channels(&self) -> MutexGuard<'_, HashMap<String, Arc<dyn SseSession>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SseSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SseSessions")
            .field("open", &self.channels().len())
            .finish()
    }
}

/// An unknown or closed stream.
struct UnknownSession;

#[async_trait]
impl SseSession for UnknownSession {
    async fn handle(&self, _: Message, _: Authentication) -> Result<Response<Body>, Error> {
        Err(SessionError::Unknown.into())
    }

    fn close(&self) {}
}

/// Guard that ends a stream when its client disconnects.
struct SessionGuard {
    sse_sessions: SseSessions,
    name: String,
    channel: Arc<dyn SseSession>,
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        self.sse_sessions.channels().remove(&self.name);
        self.channel.close();
    }
}

/// Maximum number of queued messages for a client that reads slowly.
const QUEUE: usize = 256;
