use std::fmt;
use std::future::Future;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::lines::Lines;
use crate::error::UpstreamError;
use crate::task::Task;
use crate::transport::{Pipe, Running};

/// What keeps a conversation going: the tasks that read and write, and the server at the other end.
pub(in crate::upstream) struct Channel {
    ends: Mutex<Option<Ends>>,
}

struct Ends {
    /// Reads what the server sends.
    input: Task,
    /// Sends what is to be sent. It ends when the last sender of messages is gone.
    output: Task,
    /// Handles what has been read.
    reader: Option<Task>,
    server: Option<Box<dyn Running>>,
}

/// Where what the server sends is to be put.
#[derive(Clone)]
pub(in crate::upstream) struct Incoming(mpsc::Sender<Result<Bytes, UpstreamError>>);

impl Incoming {
    pub(super) fn new() -> (Self, mpsc::Receiver<Result<Bytes, UpstreamError>>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), receiver)
    }

    /// Hands over the text of a message; `false` when nobody wants messages any more.
    pub(in crate::upstream) async fn put(&self, message: Result<Bytes, UpstreamError>) -> bool {
        self.0.send(message).await.is_ok()
    }
}

impl Channel {
    /// Reads and writes the lines of `pipe`.
    pub(in crate::upstream) fn pipe(
        pipe: Pipe,
        limit: usize,
        incoming: Incoming,
    ) -> (Self, mpsc::Sender<Bytes>) {
        let Pipe {
            reader,
            writer,
            server,
        } = pipe;
        let mut lines = Lines::new(reader, limit);
        let end = incoming.clone();
        let input = Task::spawn(async move {
            while let Some(line) = lines.next().await {
                if !incoming.put(line).await {
                    return;
                }
            }
            // A server that has died is not noticed by writing before somebody writes.
            incoming.put(Err(UpstreamError::Closed)).await;
        });
        let (outgoing, messages) = mpsc::channel(QUEUE);
        let output = Task::spawn(async move {
            write_lines(writer, messages).await;
            // Those who wait for answers to what could not be sent are told so.
            end.put(Err(UpstreamError::Closed)).await;
        });
        (Self::new(input, output, Some(server)), outgoing)
    }

    /// A channel that two tasks serve.
    pub(in crate::upstream) fn new(
        input: Task,
        output: Task,
        server: Option<Box<dyn Running>>,
    ) -> Self {
        let ends = Ends {
            input,
            output,
            reader: None,
            server,
        };
        Self {
            ends: Mutex::new(Some(ends)),
        }
    }

    pub(super) fn with_reader(self, reader: impl Future<Output = ()> + Send + 'static) -> Self {
        if let Some(ends) = &mut *self.ends.lock().unwrap_or_else(PoisonError::into_inner) {
            ends.reader = Some(Task::spawn(reader));
        }
        self
    }

    /// Closes the input of the server, and waits until it has ended.
    pub(super) async fn close(&self) {
        let ends = self
            .ends
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(Ends {
            input,
            output,
            reader,
            server,
        }) = ends
        else {
            return;
        };
        // The task that writes owns the server's input.
        drop((output, reader));
        if let Some(server) = server {
            server.stop().await;
        }
        drop(input);
    }
}

async fn write_lines(
    mut writer: Box<dyn AsyncWrite + Send + Unpin>,
    mut messages: mpsc::Receiver<Bytes>,
) {
    let mut buffer = Vec::new();
    while let Some(message) = messages.recv().await {
        push_line(&mut buffer, &message);
        // What has been queued meanwhile goes out in one write.
        while buffer.len() < MAX_WRITE
            && let Ok(message) = messages.try_recv()
        {
            push_line(&mut buffer, &message);
        }
        if let Err(error) = write(&mut writer, &buffer).await {
            tracing::debug!(%error, "writing to the server failed");
            break;
        }
        buffer.clear();
        buffer.shrink_to(MAX_WRITE);
    }
}

async fn write(writer: &mut (dyn AsyncWrite + Send + Unpin), bytes: &[u8]) -> std::io::Result<()> {
    writer.write_all(bytes).await?;
    writer.flush().await
}

/// Adds `message` as one line.
fn push_line(buffer: &mut Vec<u8>, message: &[u8]) {
    let start = buffer.len();
    buffer.extend_from_slice(message);
    // Between the tokens of a JSON text a newline is as good as a space, and inside of them there
    // is none.
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

/// How many messages wait for the other side before whoever adds another has to wait.
const QUEUE: usize = 64;

/// How much is collected for one write.
const MAX_WRITE: usize = 64 * 1024;
