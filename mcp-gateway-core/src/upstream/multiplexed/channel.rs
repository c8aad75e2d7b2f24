//! Tasks that read and write a bidirectional channel.
//!
//! Three tasks serve a channel: one reads messages from the server, one handles them, and one
//! writes. Bounded queues between them slow down whichever side is faster. If reading or writing
//! fails, the handler receives the error and closes the connection.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::Uri;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::lines::LineReader;
use crate::error::UpstreamError;
use crate::task::BackgroundTask;
use crate::transport::{ProgramOutput, ServerHandle, StdioTransport};

/// The running side of a connection: the tasks that read and write, and the server.
///
/// Dropping it aborts the tasks; [`close`](Self::close) stops the server gracefully.
pub(in crate::upstream) struct Channel {
    /// `None` once the channel is closed.
    ends: Mutex<Option<ChannelTasks>>,
    /// Output of the program behind the channel.
    pub(super) program: Option<Arc<ProgramOutput>>,
    /// URL of the server, if the channel is one over HTTP.
    pub(super) peer: Option<Uri>,
}

/// Parts of an open channel, which end in this order when it is closed: writer and handler, server,
/// reader.
struct ChannelTasks {
    /// Task that reads from the server.
    input: BackgroundTask,
    /// Task that writes to the server. It ends when the last sender of messages is dropped.
    output: BackgroundTask,
    /// Task that handles received messages.
    reader: Option<BackgroundTask>,
    /// Handle of the server, if it ends with the channel.
    server: Option<Box<dyn ServerHandle>>,
}

/// Sender for the messages of the server, and for the error that ends the channel.
#[derive(Clone)]
pub(in crate::upstream) struct Incoming(mpsc::Sender<Result<Bytes, UpstreamError>>);

impl Incoming {
    /// Creates a bounded queue of [`QUEUE`] messages.
    pub(super) fn new() -> (Self, mpsc::Receiver<Result<Bytes, UpstreamError>>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), receiver)
    }

    /// Queues the text of a message, or an error that ends the channel.
    ///
    /// Waits while the queue is full. Returns `false` if the receiver is gone, so that no further
    /// message is needed.
    pub(in crate::upstream) async fn put(&self, message: Result<Bytes, UpstreamError>) -> bool {
        self.0.send(message).await.is_ok()
    }
}

impl Channel {
    /// Opens a channel over the lines of `stdio`, of at most `limit` bytes each.
    ///
    /// Returns the channel and the sender for messages to the server. The channel ends if either
    /// stream does.
    pub(in crate::upstream) fn stdio(
        stdio: StdioTransport,
        limit: usize,
        incoming: Incoming,
    ) -> (Self, mpsc::Sender<Bytes>) {
        let StdioTransport {
            reader,
            writer,
            handle: server,
            output: program,
        } = stdio;
        let mut lines = LineReader::new(reader, limit).with_output(program.clone());
        let end = incoming.clone();
        let input = BackgroundTask::spawn(async move {
            while let Some(line) = lines.next().await {
                if !incoming.put(line).await {
                    return;
                }
            }
            // Without it, the death of a server would be noticed on the next write only.
            incoming.put(Err(UpstreamError::Closed)).await;
        });
        let (outgoing, messages) = mpsc::channel(QUEUE);
        let output = BackgroundTask::spawn(async move {
            write_lines(writer, messages).await;
            // Fails the calls whose requests could not be written.
            end.put(Err(UpstreamError::Closed)).await;
        });
        let channel = Self {
            program,
            ..Self::new(input, output, Some(server))
        };
        (channel, outgoing)
    }

    /// Creates a channel from the task that reads, the task that writes, and the handle of the
    /// server if it ends with the channel.
    pub(in crate::upstream) fn new(
        input: BackgroundTask,
        output: BackgroundTask,
        server: Option<Box<dyn ServerHandle>>,
    ) -> Self {
        let ends = ChannelTasks {
            input,
            output,
            reader: None,
            server,
        };
        Self {
            ends: Mutex::new(Some(ends)),
            program: None,
            peer: None,
        }
    }

    /// Sets the URL of the server.
    pub(in crate::upstream) fn with_peer(self, peer: Uri) -> Self {
        Self {
            peer: Some(peer),
            ..self
        }
    }

    /// Spawns the task that handles received messages, and returns the channel that owns it.
    pub(super) fn with_reader(self, reader: impl Future<Output = ()> + Send + 'static) -> Self {
        if let Some(ends) = &mut *self.ends.lock().unwrap_or_else(PoisonError::into_inner) {
            ends.reader = Some(BackgroundTask::spawn(reader));
        }
        self
    }

    /// Closes the input of the server and waits until the server has ended.
    ///
    /// Over stdio this is the shutdown that the specification describes: the server is expected to
    /// exit when its input is closed, and is terminated otherwise. See [MCP 2026-07-28,
    /// stdio](https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/stdio#shutdown).
    /// Later calls do nothing.
    pub(super) async fn close(&self) {
        let ends = self
            .ends
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(ChannelTasks {
            input,
            output,
            reader,
            server,
        }) = ends
        else {
            return;
        };
        // The writing task owns the server's input.
        drop((output, reader));
        if let Some(server) = server {
            server.stop().await;
        }
        drop(input);
    }
}

/// Writes messages as lines until the last sender is dropped or a write fails.
///
/// Messages that have queued up are combined into writes of up to about [`MAX_WRITE`] bytes.
async fn write_lines(
    mut writer: Box<dyn AsyncWrite + Send + Unpin>,
    mut messages: mpsc::Receiver<Bytes>,
) {
    let mut buffer = Vec::new();
    while let Some(message) = messages.recv().await {
        push_line(&mut buffer, &message);
        // Messages that were queued meanwhile are sent in one write.
        while buffer.len() < MAX_WRITE
            && let Ok(message) = messages.try_recv()
        {
            push_line(&mut buffer, &message);
        }
        if let Err(error) = write(&mut writer, &buffer).await {
            tracing::debug!(%error, "upstream write failed");
            break;
        }
        buffer.clear();
        buffer.shrink_to(MAX_WRITE);
    }
}

/// Writes and flushes `bytes`.
async fn write(writer: &mut (dyn AsyncWrite + Send + Unpin), bytes: &[u8]) -> std::io::Result<()> {
    writer.write_all(bytes).await?;
    writer.flush().await
}

/// Appends `message` as one line.
///
/// Line breaks in it are replaced by spaces: a message must not contain any, and one from a client
/// over HTTP may.
fn push_line(buffer: &mut Vec<u8>, message: &[u8]) {
    let start = buffer.len();
    buffer.extend_from_slice(message);
    // Between the tokens of a JSON text a newline is equivalent to a space, and no token contains
    // one.
    for byte in &mut buffer[start..] {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    buffer.push(b'\n');
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").finish_non_exhaustive()
    }
}

/// Capacity, in messages, of the queues between callers and server.
const QUEUE: usize = 64;

/// Maximum number of bytes that are collected for one write.
const MAX_WRITE: usize = 64 * 1024;
