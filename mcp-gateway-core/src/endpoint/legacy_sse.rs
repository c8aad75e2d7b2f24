//! Server side of the HTTP+SSE transport of revision 2024-11-05.
//!
//! See [MCP 2024-11-05, HTTP with
//! SSE](https://modelcontextprotocol.io/specification/2024-11-05/basic/transports#http-with-sse).

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Response, StatusCode};
use tokio::sync::mpsc;

use super::duplex::DuplexSession;
use super::legacy::LegacyHandler;
use super::{Body, CallService, response};
use crate::auth::{Authentication, AuthenticationWatch};
use crate::error::SessionError;
use crate::jsonrpc::Message;
use crate::session::MessageChannel;
use crate::sse;
use crate::task::BackgroundTask;

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
impl<S: CallService> MessageChannel for SseChannel<S> {
    fn gateway(&self) -> &str {
        self.duplex.gateway()
    }

    async fn handle(
        &self,
        message: Message,
        authentication: Authentication,
    ) -> Result<(), SessionError> {
        if self.duplex.principal() != authentication.principal() {
            return Err(SessionError::Unknown);
        }
        self.latest.record(authentication);
        BackgroundTask::detach(Arc::clone(&self.duplex).handle(message));
        Ok(())
    }

    fn close(&self) {
        self.duplex.close();
    }
}

/// Returns the name of the channel in the query of a message.
pub(super) fn channel_name(query: Option<&str>) -> Option<&str> {
    query?
        .split('&')
        .find_map(|pair| pair.strip_prefix("sessionId="))
}

/// Opens a stream whose first event is the endpoint for messages, at `path`.
///
/// It ends with its authentication, unless the client has posted a message with another one that
/// lasts.
pub(super) fn open<S: CallService>(
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

    let (drain, channels) = (legacy.drain.clone(), legacy.sessions.channels().clone());
    let (out, messages) = mpsc::channel(QUEUE);
    let latest = Arc::<LatestAuthentication>::default();
    let channel = Arc::new(SseChannel {
        duplex: DuplexSession::new(legacy, out),
        latest: Arc::clone(&latest),
    });
    let closing = channels.open(name, channel);
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

/// Maximum number of queued messages for a client that reads slowly.
const QUEUE: usize = 256;
