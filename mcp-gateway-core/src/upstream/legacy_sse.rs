//! Client side of the HTTP+SSE transport of MCP 2024-11-05.
//!
//! One GET opens an event stream, whose first event names the URL for messages. Requests are POSTs
//! to that URL, and all responses arrive on the stream. Both directions together are a channel like
//! stdio, so the rest is done by the [`multiplexed`](super::multiplexed) module.
//!
//! See [MCP 2024-11-05, HTTP with
//! SSE](https://modelcontextprotocol.io/specification/2024-11-05/basic/transports#http-with-sse).

use bytes::Bytes;
use http::Uri;
use http::uri::PathAndQuery;
use tokio::sync::mpsc;

use super::http_endpoint::HttpEndpoint;
use super::multiplexed::{Channel, Incoming};
use super::post_response::{PostResponse, no_message};
use crate::error::UpstreamError;
use crate::jsonrpc::Message;
use crate::task::BackgroundTask;
use crate::transport::{EventStream, HttpTransport};

/// An open event stream, and the endpoint for messages.
pub(super) struct SseStream {
    /// Events of the server.
    events: EventStream,
    /// Client of the URL for messages.
    endpoint: HttpEndpoint,
}

impl SseStream {
    /// Opens the stream of `server` and waits for its `endpoint` event.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Invalid`] if the first event is another one, or names a URL of another
    /// origin; [`UpstreamError::Status`] if there is no event stream.
    pub(super) async fn open(
        server: &HttpEndpoint,
        transport: &HttpTransport,
    ) -> Result<Self, UpstreamError> {
        let body = match PostResponse::from_http(server.get(None).await?)? {
            PostResponse::Events(body) => body,
            PostResponse::Json(response) => return Err(no_message(response.status())),
            PostResponse::Other(status) => return Err(no_message(status)),
        };
        let mut events = EventStream::new(body, server.limit());
        let first = events.next().await.unwrap_or(Err(UpstreamError::Closed))?;
        if first.name.as_deref() != Some("endpoint") {
            return Err(UpstreamError::invalid("the first event must be `endpoint`"));
        }
        let reference = std::str::from_utf8(&first.data).map_err(UpstreamError::invalid)?;
        let uri = resolve(transport.uri(), reference).ok_or_else(|| {
            UpstreamError::invalid("the endpoint must have the origin of the server")
        })?;
        let endpoint = server.clone().with_uri(uri);
        Ok(Self { events, endpoint })
    }

    /// Combines the stream and the endpoint into a bidirectional channel.
    ///
    /// The channel fails if either direction does: without the stream no response arrives, and
    /// after a failed POST a response would be missing.
    pub(super) fn channel(self, incoming: Incoming) -> (Channel, mpsc::Sender<Bytes>) {
        let Self {
            mut events,
            endpoint,
        } = self;
        let (end, peer) = (incoming.clone(), endpoint.transport.uri().clone());
        let input = BackgroundTask::spawn(async move {
            while let Some(event) = events.next().await {
                let wanted = match event {
                    Ok(event) if event.name.is_some() || event.data.is_empty() => true,
                    Ok(event) => incoming.put(Ok(event.data)).await,
                    Err(error) => incoming.put(Err(error)).await,
                };
                if !wanted {
                    return;
                }
            }
            // Without it, the end of the stream would be noticed on the next post only.
            incoming.put(Err(UpstreamError::Closed)).await;
        });
        let (outgoing, messages) = mpsc::channel(QUEUE);
        let output = BackgroundTask::spawn(async move {
            post_all(endpoint, messages).await;
            end.put(Err(UpstreamError::Closed)).await;
        });
        (Channel::new(input, output, None).with_peer(peer), outgoing)
    }
}

/// Posts messages in their order, until one fails or the channel is closed.
///
/// A rejected notification is logged only: no response would be missing.
async fn post_all(endpoint: HttpEndpoint, mut messages: mpsc::Receiver<Bytes>) {
    while let Some(message) = messages.recv().await {
        match endpoint
            .post(|| Ok(endpoint.headers()), message.clone())
            .await
        {
            Ok(response) if response.status().is_success() => {}
            Ok(response) => {
                tracing::warn!(status = %response.status(), "upstream rejected a message");
                if !matches!(Message::parse(message), Ok(Message::Notification(_))) {
                    break;
                }
            }
            Err(error) => {
                tracing::debug!(%error, "upstream post failed");
                break;
            }
        }
    }
}

/// Resolves `reference` against `base`; returns `None` if it leads to another origin.
///
/// The server must not be able to redirect the gateway, and the credential that it carries, to
/// another server. Scheme and authority must match exactly.
pub(super) fn resolve(base: &Uri, reference: &str) -> Option<Uri> {
    let reference: Uri = match reference.starts_with(['/', '?']) || reference.contains("://") {
        true => reference.parse().ok()?,
        false if reference.is_empty() => return None,
        false => {
            let (folder, _) = base.path().rsplit_once('/')?;
            format!("{folder}/{reference}").parse().ok()?
        }
    };
    let same = |part: fn(&Uri) -> Option<&str>| {
        part(&reference).is_none_or(|_| part(&reference) == part(base))
    };
    let same_server =
        same(|uri| uri.scheme_str()) && same(|uri| uri.authority().map(|a| a.as_str()));
    let mut parts = base.clone().into_parts();
    parts.path_and_query = reference
        .path_and_query()
        .cloned()
        .or(Some(PathAndQuery::from_static("/")));
    same_server.then(|| Uri::from_parts(parts).ok()).flatten()
}

/// Capacity of the queue of outgoing messages.
const QUEUE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_is_at_the_same_server() {
        let base = Uri::from_static("http://a:1/x/sse?y=1");
        let table = [
            (
                "/messages?sessionId=1",
                Some("http://a:1/messages?sessionId=1"),
            ),
            ("messages?s=1", Some("http://a:1/x/messages?s=1")),
            ("http://a:1/m", Some("http://a:1/m")),
            ("http://b:1/m", None),
            ("https://a:1/m", None),
            ("http://a:2/m", None),
            ("//b/m", Some("http://a:1//b/m")),
            ("", None),
        ];
        for (reference, expected) in table {
            let uri = resolve(&base, reference).map(|uri| uri.to_string());
            assert_eq!(uri.as_deref(), expected, "{reference}");
        }
    }
}
