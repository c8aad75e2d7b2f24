//! Messages between an attached container and the connections to it.

use std::io;
use std::time::Duration;

use kube::api::AttachedProcess;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at};

use super::addressees::Addressees;

/// Passes messages on until the attachment ends. Returns the reason.
pub(super) async fn run(
    mut process: AttachedProcess,
    addressees: &Addressees,
    (queue, answers): (mpsc::Receiver<String>, mpsc::WeakSender<String>),
) -> &'static str {
    let status = process.take_status();
    let (Some(input), Some(output), Some(status)) = (process.stdin(), process.stdout(), status)
    else {
        return "the container has no streams";
    };
    tokio::select! {
        // A broken connection shows here alone: its output neither ends nor fails.
        _ = status => "the container ended, or the connection to it broke",
        _ = send(queue, input) => "its input is closed",
        _ = receive(output, addressees, answers) => "its output is closed",
    }
}

/// Passes messages to the container.
async fn send(
    mut queue: mpsc::Receiver<String>,
    mut input: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    // Ends what somebody else has left half-written.
    input.write_all(b"\n").await?;
    input.flush().await?;
    let mut ticks = interval_at(Instant::now() + KEEP_ALIVE, KEEP_ALIVE);
    loop {
        tokio::select! {
            line = queue.recv() => {
                let Some(line) = line else {
                    return Ok(());
                };
                input.write_all(line.as_bytes()).await?;
                input.write_all(b"\n").await?;
            }
            _ = ticks.tick() => input.write_all(PING).await?,
        }
        input.flush().await?;
    }
}

/// Passes messages to the connections.
async fn receive(
    output: impl AsyncRead + Unpin,
    addressees: &Addressees,
    answers: mpsc::WeakSender<String>,
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
            let text = text.trim_end_matches(['\r', '\n']);
            let delivery = addressees.address(text);
            if delivery.to.is_empty() {
                tracing::trace!("message that is for no connection dropped");
            }
            for connection in delivery.to {
                // One that has ended receives nothing.
                let _ = connection.send(delivery.text.clone()).await;
            }
            if let (Some(answer), Some(input)) = (delivery.answer, answers.upgrade()) {
                // A server that reads nothing would stop its own output.
                let _ = input.try_send(answer);
            }
        }
        line.clear();
    }
    Ok(())
}

/// Message without an effect, whose answer belongs to no caller.
const PING: &[u8] = b"{\"jsonrpc\":\"2.0\",\"id\":\"keep-alive\",\"method\":\"ping\"}\n";
/// Time between two of them: runtimes of containers close streams without traffic after hours.
const KEEP_ALIVE: Duration = Duration::from_secs(20 * 60);
/// Size of the buffer of output.
const READ: usize = 64 * 1024;
/// Maximum size of a message of the container.
const MAX_LINE: u64 = 64 * 1024 * 1024;
