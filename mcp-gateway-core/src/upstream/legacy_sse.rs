//! The HTTP+SSE transport of revision 2024-11-05, seen from a client.
//!
//! See [its specification](https://modelcontextprotocol.io/specification/2024-11-05/basic/transports#http-with-sse).

use bytes::Bytes;
use http::Uri;
use http::uri::PathAndQuery;
use tokio::sync::mpsc;

use super::exchange::{Channel, Incoming};
use super::http::{Answer, HttpServer, no_message};
use crate::error::UpstreamError;
use crate::task::Task;
use crate::transport::{EventStream, HttpLink};

/// A stream that has been opened, and where messages are to be posted.
pub(super) struct SseStream {
    events: EventStream,
    endpoint: HttpServer,
}

impl SseStream {
    /// Opens the stream of `server`, and waits for the event that says where to post.
    pub(super) async fn open(server: &HttpServer, link: &HttpLink) -> Result<Self, UpstreamError> {
        let body = match Answer::of(server.get(None).await?)? {
            Answer::Events(body) => body,
            Answer::Json(response) => return Err(no_message(response.status())),
            Answer::Other(status) => return Err(no_message(status)),
        };
        let mut events = EventStream::new(body, server.limit());
        let first = events.next().await.unwrap_or(Err(UpstreamError::Closed))?;
        if first.name.as_deref() != Some("endpoint") {
            return Err(UpstreamError::invalid(
                "the first event does not name the endpoint",
            ));
        }
        let reference = std::str::from_utf8(&first.data).map_err(UpstreamError::invalid)?;
        let uri = resolve(link.uri(), reference)
            .ok_or_else(|| UpstreamError::invalid("the endpoint is not at the server's address"))?;
        let endpoint = server.clone().with_uri(uri);
        Ok(Self { events, endpoint })
    }

    /// Makes the stream and the posts the two directions of a channel.
    pub(super) fn channel(self, incoming: Incoming) -> (Channel, mpsc::Sender<Bytes>) {
        let Self {
            mut events,
            endpoint,
        } = self;
        let end = incoming.clone();
        let input = Task::spawn(async move {
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
            // A stream that has ended is not noticed by posting before somebody posts.
            incoming.put(Err(UpstreamError::Closed)).await;
        });
        let (outgoing, messages) = mpsc::channel(QUEUE);
        let output = Task::spawn(async move {
            post_all(endpoint, messages).await;
            end.put(Err(UpstreamError::Closed)).await;
        });
        (Channel::new(input, output, None), outgoing)
    }
}

async fn post_all(endpoint: HttpServer, mut messages: mpsc::Receiver<Bytes>) {
    while let Some(message) = messages.recv().await {
        match endpoint.post(endpoint.headers(), message).await {
            Ok(response) if response.status().is_success() => {}
            Ok(response) => {
                tracing::warn!(status = %response.status(), "the server refuses a message");
                break;
            }
            Err(error) => {
                tracing::debug!(%error, "posting to the server failed");
                break;
            }
        }
    }
}

/// The address that `reference` means, if it is one of the same server.
///
/// A server must not be able to point the gateway, and the credential that it carries, elsewhere.
fn resolve(base: &Uri, reference: &str) -> Option<Uri> {
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

/// How many messages wait for the server before whoever adds another has to wait.
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
