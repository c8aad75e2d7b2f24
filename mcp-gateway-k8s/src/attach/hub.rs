//! Attachment to one container, which all connections of this process share.

use std::pin::pin;
use std::sync::Arc;

use aws_lc_rs::rand;
use kube::api::AttachedProcess;
use mcp_gateway_core::upstream::UpstreamError;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader, DuplexStream,
};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::addressees::Addressees;
use super::marker::Marker;
use super::pump;
use crate::hold::Hold;
use crate::names;
use crate::slot::Slot;

/// Attachment, and the connections that use it.
pub(crate) struct Hub {
    /// Name of the pod.
    pod: String,
    addressees: Arc<Addressees>,
    /// Lines to the container.
    input: mpsc::Sender<String>,
    /// They end with it.
    _tasks: JoinSet<()>,
}

impl Hub {
    /// Starts to pass messages between `process`, the container of a pod, and connections.
    pub(super) fn start(
        process: AttachedProcess,
        pod: &str,
        slot: &Slot,
        hold: Option<&Hold>,
    ) -> Self {
        let addressees = Arc::new(Addressees::new(Arc::clone(&slot.activity)));
        let (input, queue) = mpsc::channel(QUEUE);
        let lost = hold.map(Hold::lost);
        let lost = async move {
            match lost {
                Some(lost) => lost.await,
                None => std::future::pending().await,
            }
        };
        let mut tasks = JoinSet::new();
        let (name, shared) = (Arc::clone(&slot.name), Arc::clone(&addressees));
        // It must not keep the queue open that it reads.
        let answers = input.downgrade();
        tasks.spawn(async move {
            let lost = pin!(lost);
            tokio::select! {
                reason = pump::run(process, &shared, (queue, answers)) => {
                    tracing::debug!(server = &*name, reason, "attachment ended");
                }
                () = lost => tracing::warn!(server = &*name, "attachment left to another replica"),
            }
            shared.close();
        });
        Self {
            pod: pod.to_owned(),
            addressees,
            input,
            _tasks: tasks,
        }
    }

    /// Returns `true` if it is attached to the pod of the name.
    pub(super) fn serves(&self, pod: &str) -> bool {
        self.pod == pod && self.addressees.is_open()
    }

    /// Connects `stream`, until the tasks end.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] if the attachment has ended.
    pub(super) fn connect(&self, stream: DuplexStream) -> Result<JoinSet<()>, UpstreamError> {
        let marker = Marker::new(&mark()?);
        let (sender, messages) = mpsc::channel(QUEUE);
        if !self.addressees.add(&marker, sender) {
            return Err(UpstreamError::connect("the attachment has ended"));
        }
        let guard = Entry(Arc::clone(&self.addressees), marker);
        let input = self.input.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let Entry(addressees, marker) = &guard;
            let (reader, writer) = tokio::io::split(stream);
            let sending = send(BufReader::new(reader), (addressees, marker), input);
            tokio::select! {
                () = sending => {}
                () = deliver(writer, messages) => {}
            }
        });
        Ok(tasks)
    }
}

/// Connection among the addressees, removed when it is dropped.
struct Entry(Arc<Addressees>, Marker);

impl Drop for Entry {
    fn drop(&mut self) {
        self.0.remove(&self.1);
    }
}

/// Passes the messages of a connection on, until it or the attachment ends.
async fn send(
    mut reader: impl AsyncBufRead + Unpin,
    (addressees, marker): (&Addressees, &Marker),
    input: mpsc::Sender<String>,
) {
    let mut line = String::new();
    while reader.read_line(&mut line).await.is_ok_and(|read| read > 0) {
        let (text, sent) = marker.outgoing(line.trim_end_matches(['\r', '\n']));
        addressees.sent(marker, sent);
        if input.send(text.into_owned()).await.is_err() {
            break;
        }
        line.clear();
    }
}

/// Passes messages to a connection, until it or the attachment ends.
async fn deliver(mut writer: impl AsyncWrite + Unpin, mut messages: mpsc::Receiver<String>) {
    while let Some(mut text) = messages.recv().await {
        text.push('\n');
        if writer.write_all(text.as_bytes()).await.is_err() {
            break;
        }
    }
}

/// Returns a text that no other connection begins its identifiers with.
fn mark() -> Result<String, UpstreamError> {
    let mut bytes = [0; 8];
    let filled = rand::fill(&mut bytes);
    filled.map_err(|_| UpstreamError::connect("there are no random numbers"))?;
    Ok(names::hex(&bytes))
}

/// Number of messages that wait for the container, and for each connection.
const QUEUE: usize = 16;
