//! Messages between a connection and an attached container.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::api::AttachedProcess;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite,
    AsyncWriteExt as _, BufReader, DuplexStream,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at};

use super::marker::{Incoming, Marker};
use crate::slot::{Activity, InUse};

/// Pump of the messages in both directions.
pub(super) struct Pump {
    process: AttachedProcess,
    connection: DuplexStream,
    marker: Marker,
    activity: Arc<Activity>,
}

/// Uses of the server by requests that it has not answered, by their identifiers.
#[derive(Default)]
struct Open(Mutex<HashMap<String, InUse>>);

impl Open {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, InUse>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pump {
    /// Creates a pump between `connection` and the streams of `process`.
    pub(super) fn new(
        process: AttachedProcess,
        connection: DuplexStream,
        marker: Marker,
        activity: Arc<Activity>,
    ) -> Self {
        Self {
            process,
            connection,
            marker,
            activity,
        }
    }

    /// Passes messages on until either side ends. Returns the reason.
    pub(super) async fn run(mut self) -> &'static str {
        let status = self.process.take_status();
        let (Some(input), Some(output), Some(status)) =
            (self.process.stdin(), self.process.stdout(), status)
        else {
            return "the container has no streams";
        };
        let (reader, writer) = tokio::io::split(self.connection);
        let open = Open::default();
        let activity = &self.activity;
        tokio::select! {
            // A broken connection shows here alone: its output neither ends nor fails.
            _ = status => "the container ended, or the connection to it broke",
            _ = send(reader, input, (&self.marker, &open, activity)) => "its input is closed",
            _ = receive(output, writer, (&self.marker, &open)) => "its output is closed",
        }
    }
}

/// Passes messages to the container.
async fn send(
    reader: impl AsyncRead + Unpin,
    mut input: impl AsyncWrite + Unpin,
    (marker, open, activity): (&Marker, &Open, &Arc<Activity>),
) -> io::Result<()> {
    // Ends what somebody else has left half-written.
    input.write_all(b"\n").await?;
    input.flush().await?;
    // A line that is read halfway when a tick comes would be lost.
    let (lines, mut queue) = mpsc::channel(QUEUE);
    let reading = read_lines(BufReader::new(reader), lines);
    let writing = async {
        let mut ticks = interval_at(Instant::now() + KEEP_ALIVE, KEEP_ALIVE);
        loop {
            tokio::select! {
                line = queue.recv() => {
                    let Some(line) = line else {
                        return Ok(());
                    };
                    let (text, id) = marker.outgoing(&line);
                    if let Some(id) = id {
                        open.lock().insert(id, activity.begin());
                    } else {
                        activity.touch();
                    }
                    input.write_all(text.as_bytes()).await?;
                    input.write_all(b"\n").await?;
                    input.flush().await?;
                }
                _ = ticks.tick() => {
                    input.write_all(PING).await?;
                    input.flush().await?;
                }
            }
        }
    };
    tokio::select! {
        read = reading => read,
        written = writing => written,
    }
}

async fn read_lines(
    mut reader: impl AsyncBufRead + Unpin,
    lines: mpsc::Sender<String>,
) -> io::Result<()> {
    let mut line = String::new();
    while reader.read_line(&mut line).await? > 0 {
        let text = line.trim_end_matches(['\r', '\n']).to_owned();
        line.clear();
        if lines.send(text).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Passes messages to the connection.
async fn receive(
    output: impl AsyncRead + Unpin,
    mut writer: impl AsyncWrite + Unpin,
    (marker, open): (&Marker, &Open),
) -> io::Result<()> {
    let mut output = BufReader::with_capacity(READ, output);
    let mut line = Vec::new();
    while (&mut output)
        .take(MAX_LINE)
        .read_until(b'\n', &mut line)
        .await?
        > 0
    {
        if line.len() as u64 >= MAX_LINE {
            return Err(io::Error::other("a line is too long"));
        }
        if let Ok(text) = std::str::from_utf8(&line) {
            match marker.incoming(text.trim_end_matches(['\r', '\n'])) {
                Incoming::Foreign => tracing::trace!("message of another attachment dropped"),
                Incoming::Other(text) => write_line(&mut writer, &text).await?,
                Incoming::Response(text, id) => {
                    open.lock().remove(&id);
                    write_line(&mut writer, &text).await?;
                }
            }
        }
        line.clear();
    }
    Ok(())
}

async fn write_line(writer: &mut (impl AsyncWrite + Unpin), text: &str) -> io::Result<()> {
    writer.write_all(text.as_bytes()).await?;
    writer.write_all(b"\n").await
}

/// Message without an effect, whose answer belongs to no caller.
const PING: &[u8] = b"{\"jsonrpc\":\"2.0\",\"id\":\"keep-alive\",\"method\":\"ping\"}\n";
/// Time between two of them: runtimes of containers close streams without traffic after hours.
const KEEP_ALIVE: Duration = Duration::from_secs(20 * 60);
/// Number of messages that wait for the container.
const QUEUE: usize = 16;
/// Size of the buffer of output.
const READ: usize = 64 * 1024;
/// Maximum size of a message of the container.
const MAX_LINE: u64 = 64 * 1024 * 1024;
