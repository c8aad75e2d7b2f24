//! Servers with stdio to whose containers the gateway attaches.
//!
//! The process in the container outlives its attachments, whoever attaches receives all of its
//! output, and a lost connection shows in the status of the attachment only. So one replica is
//! attached at a time, messages have the mark of their attachment, and a status ends the connection.

mod marker;
mod pump;

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::rand;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, AttachParams, AttachedProcess};
use mcp_gateway_core::transport::{ServerHandle, StdioTransport};
use mcp_gateway_core::upstream::UpstreamError;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use self::marker::Marker;
use self::pump::Pump;
use crate::diagnosis::ReadyPod;
use crate::hold::Hold;
use crate::manifest::pod::CONTAINER;
use crate::names;
use crate::objects::{Refusal, bounded};
use crate::route::Router;
use crate::slot::Endpoint;

/// Attaches to the container of `pod`.
///
/// # Errors
///
/// [`UpstreamError`] if another replica is attached, or the cluster refuses.
pub(crate) async fn attach(
    router: &Router,
    pod: &ReadyPod,
    endpoint: &Endpoint,
) -> Result<StdioTransport, UpstreamError> {
    let kube = router.network.kube();
    let hold = match &router.holds {
        Some(holds) => Some(holds.take(router, &endpoint.namespace).await?),
        None => None,
    };
    let pods: Api<Pod> = Api::namespaced(kube.clone(), &endpoint.namespace);
    let process = open(&pods, &pod.name).await?;
    let marker = Marker::new(&mark()?);
    let (ours, theirs) = tokio::io::duplex(BUFFER);
    let pump = Pump::new(process, theirs, marker, Arc::clone(&router.slot.activity));
    let mut tasks = JoinSet::new();
    let lost = hold.as_ref().map(Hold::lost);
    let name = Arc::clone(&router.slot.name);
    tasks.spawn(async move {
        let lost = async {
            match lost {
                Some(lost) => lost.await,
                None => std::future::pending().await,
            }
        };
        let lost = pin!(lost);
        tokio::select! {
            reason = pump.run() => tracing::debug!(server = &*name, reason, "attachment ended"),
            () = lost => tracing::warn!(server = &*name, "attachment left to another replica"),
        }
    });
    let (reader, writer) = tokio::io::split(ours);
    let attachment = Attachment { tasks, hold };
    Ok(StdioTransport::new(reader, writer, attachment))
}

/// Opens the streams of the container of `pod`. A container that has just started refuses them.
async fn open(pods: &Api<Pod>, pod: &str) -> Result<AttachedProcess, UpstreamError> {
    let params = AttachParams::default()
        .container(CONTAINER)
        .stdin(true)
        .stdout(true)
        // Nobody would read it, and a full pipe stops everything. It is in the log of the pod.
        .stderr(false)
        .max_stdin_buf_size(BUFFER)
        .max_stdout_buf_size(BUFFER);
    let begun = Instant::now();
    loop {
        match bounded(pods.attach(pod, &params)).await {
            Ok(process) => return Ok(process),
            Err(refusal @ Refusal::Unavailable(_)) if begun.elapsed() < PATIENCE => {
                tracing::debug!(pod, cause = refusal.text(), "container not attached to yet");
                sleep(PAUSE).await;
            }
            Err(refusal @ Refusal::Forbidden(_)) => {
                let cause = format!(
                    "the role of the gateway must permit to get and create pods/attach: {}",
                    refusal.text()
                );
                return Err(UpstreamError::not_running("Forbidden", cause));
            }
            Err(refusal) => return Err(UpstreamError::connect(refusal.text().to_owned())),
        }
    }
}

/// Returns a text that no other attachment begins its identifiers with.
fn mark() -> Result<String, UpstreamError> {
    let mut bytes = [0; 8];
    let filled = rand::fill(&mut bytes);
    filled.map_err(|_| UpstreamError::connect("there are no random numbers"))?;
    Ok(names::hex(&bytes))
}

/// Attachment to a container. The process in it goes on without it.
struct Attachment {
    /// They end with it.
    tasks: JoinSet<()>,
    hold: Option<Hold>,
}

#[async_trait]
impl ServerHandle for Attachment {
    async fn stop(mut self: Box<Self>) {
        self.tasks.shutdown().await;
        if let Some(hold) = self.hold.take() {
            hold.release().await;
        }
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attachment").finish_non_exhaustive()
    }
}

/// Maximum number of bytes in flight in each direction. With a small one, each message takes several
/// frames.
const BUFFER: usize = 64 * 1024;
/// Time in which a container that has just started can be attached to.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(200);
