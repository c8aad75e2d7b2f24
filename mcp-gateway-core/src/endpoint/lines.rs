//! Clients over byte streams with newline-delimited messages, as on stdio.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, mpsc};

use super::CallService;
use super::duplex::{DuplexSession, MAX_MESSAGE};
use super::legacy::LegacyHandler;
use crate::auth::Principal;
use crate::error::RequestError;
use crate::jsonrpc::Message;
use crate::session::Sessions;
use crate::task::BackgroundTask;
use crate::{Call, Drain, Error, Problem, Reply};

/// Serves one client over byte streams with newline-delimited messages, as [stdio] defines.
///
/// Reads messages of the client from `reader` and writes those for it to `writer`. Returns when the
/// client closes its side and all of its requests have been answered, or when a write fails.
///
/// `principal` must have been authenticated by other means.
///
/// # Errors
///
/// The error of reading or writing.
///
/// # Cancel safety
///
/// Dropping the future ends the session and cancels its in-flight requests.
///
/// [stdio]: https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/stdio
pub async fn serve_lines<S>(
    calls: S,
    principal: Principal,
    sessions: Sessions,
    reader: impl AsyncRead + Send + Unpin,
    writer: impl AsyncWrite + Send + Unpin,
) -> std::io::Result<()>
where
    S: tower_service::Service<Call, Response = Reply, Error = Error>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
{
    let legacy = LegacyHandler {
        inner: calls,
        sessions,
        gateway: "stdio".into(),
        principal,
        verified: None,
        drain: Drain::new(),
        headers: None,
    };
    let (out, messages) = mpsc::channel(QUEUE);
    let duplex = DuplexSession::new(legacy, out);
    let ending = CloseOnDrop(Arc::clone(&duplex));
    tokio::select! {
        read = read_lines(reader, duplex) => {
            drop(ending);
            read
        }
        written = write_lines(writer, messages) => written,
    }
}

/// Guard that ends the session of a channel when it is dropped.
struct CloseOnDrop<S: CallService>(Arc<DuplexSession<S>>);

impl<S: CallService> Drop for CloseOnDrop<S> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Reads and handles messages until the end of the stream.
async fn read_lines<S: CallService>(
    mut reader: impl AsyncRead + Send + Unpin,
    duplex: Arc<DuplexSession<S>>,
) -> std::io::Result<()> {
    let open = Arc::new(Notify::new());
    let mut buffer = BytesMut::new();
    let working = Arc::new(());
    loop {
        while let Some(end) = memchr::memchr(b'\n', &buffer) {
            let line = buffer.split_to(end + 1).freeze();
            let line = line.slice_ref(line.trim_ascii());
            if line.is_empty() {
                continue;
            }
            match Message::parse(line) {
                Ok(message) => {
                    let (duplex, guard) = (Arc::clone(&duplex), Arc::clone(&working));
                    let open = Arc::clone(&open);
                    let work = async move {
                        duplex.handle(message).await;
                        drop(guard);
                        open.notify_one();
                    };
                    BackgroundTask::detach(work);
                }
                Err(error) => {
                    let problem = Problem::from(&Error::from(error));
                    duplex
                        .send(problem.error.to_response(problem.id.as_ref()))
                        .await;
                }
            }
        }
        if buffer.len() > MAX_MESSAGE {
            let limit = MAX_MESSAGE;
            let problem = Problem::from(&Error::from(RequestError::TooLarge { limit }));
            duplex.send(problem.error.to_response(None)).await;
            return Ok(());
        }
        if reader.read_buf(&mut buffer).await? == 0 {
            break;
        }
    }
    while Arc::strong_count(&working) > 1 {
        open.notified().await;
    }
    Ok(())
}

/// Writes messages until the last sender is dropped.
async fn write_lines(
    mut writer: impl AsyncWrite + Send + Unpin,
    mut messages: mpsc::Receiver<Bytes>,
) -> std::io::Result<()> {
    while let Some(message) = messages.recv().await {
        let line: Vec<u8> = message
            .iter()
            // Between the tokens of a JSON text a newline is equivalent to a space.
            .map(|byte| {
                if matches!(byte, b'\n' | b'\r') {
                    b' '
                } else {
                    *byte
                }
            })
            .chain([b'\n'])
            .collect();
        writer.write_all(&line).await?;
        writer.flush().await?;
    }
    Ok(())
}

/// Maximum number of queued messages for a client that reads slowly.
const QUEUE: usize = 64;
