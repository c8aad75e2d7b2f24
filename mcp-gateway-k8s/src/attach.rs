//! Servers with stdio to whose containers the gateway attaches.
//!
//! The process in the container outlives its attachments, whoever attaches receives all of its
//! output, and a lost connection shows in the status of the attachment only. So one replica is
//! attached at a time, once for all of its connections: the identifiers of each have a mark of their
//! own, a message without one is given to one of them or to nobody, and a status ends them all.

mod addressees;
mod hub;
mod marker;
mod pump;

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, AttachParams, AttachedProcess};
use mcp_gateway_core::transport::{ServerHandle, StdioTransport};
use mcp_gateway_core::upstream::UpstreamError;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use self::hub::Hub;
use crate::diagnosis::ReadyPod;
use crate::hold::Hold;
use crate::lease::Seen;
use crate::manifest::pod::CONTAINER;
use crate::objects::{Refusal, UNAUTHORIZED, bounded, unauthorized};
use crate::route::Router;
use crate::slot::Endpoint;

/// Container of one server, as this process has attached to it.
#[derive(Default)]
pub(crate) struct Container {
    /// The attachment that all connections share.
    hub: Weak<Hub>,
    /// The hold on it, of the replica that is attached.
    hold: Weak<Hold>,
    /// Last state of the Lease.
    lease: Seen,
}

/// Connects to the container of `pod`, to which this process attaches once.
///
/// # Errors
///
/// [`UpstreamError`] if another replica is attached, or the cluster refuses.
pub(crate) async fn attach(
    router: &Router,
    shared: &Arc<Mutex<Container>>,
    pod: &ReadyPod,
    endpoint: &Endpoint,
) -> Result<StdioTransport, UpstreamError> {
    let mut container = shared.lock().await;
    let hold = hold(router, &mut container, endpoint).await?;
    let known = container.hub.upgrade();
    let hub = match known.filter(|hub| hub.serves(&pod.name)) {
        Some(hub) => hub,
        None => {
            let pods = Api::namespaced(router.network.kube().clone(), &endpoint.namespace);
            let process = open(&pods, &pod.name, router).await?;
            let hub = Arc::new(Hub::start(
                process,
                &pod.name,
                &router.slot,
                hold.as_deref(),
            ));
            container.hub = Arc::downgrade(&hub);
            hub
        }
    };
    drop(container);
    let (ours, theirs) = tokio::io::duplex(BUFFER);
    let tasks = hub.connect(theirs)?;
    let (reader, writer) = tokio::io::split(ours);
    let attachment = Attachment {
        tasks,
        hub,
        hold,
        container: Arc::clone(shared),
    };
    Ok(StdioTransport::new(reader, writer, attachment))
}

/// Returns the hold of this replica; `None` if there is one replica.
async fn hold(
    router: &Router,
    container: &mut Container,
    endpoint: &Endpoint,
) -> Result<Option<Arc<Hold>>, UpstreamError> {
    let Some(holds) = &router.holds else {
        return Ok(None);
    };
    let known = container.hold.upgrade().filter(|hold| hold.is_held());
    if known.is_some() {
        return Ok(known);
    }
    let taken = holds.take(router, &endpoint.namespace, &mut container.lease);
    let hold = Arc::new(taken.await?);
    container.hold = Arc::downgrade(&hold);
    Ok(Some(hold))
}

/// Opens the streams of the container of `pod`. A container that has just started refuses them, and so
/// does a cluster of which a part is down, which callers are told soon.
async fn open(
    pods: &Api<Pod>,
    pod: &str,
    router: &Router,
) -> Result<AttachedProcess, UpstreamError> {
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
        let refusal = match bounded(pods.attach(pod, &params)).await {
            Ok(process) => return Ok(process),
            Err(refusal) => refusal,
        };
        let patience = match &refusal {
            Refusal::Forbidden(text) => {
                let cause = format!(
                    "the role of the gateway must permit to get and create pods/attach: {text}"
                );
                return Err(UpstreamError::not_running("Forbidden", cause));
            }
            Refusal::Unauthorized(text) => {
                return Err(UpstreamError::not_running(UNAUTHORIZED, unauthorized(text)));
            }
            // A kubelet that has just started, or has just been told of the pod, does not know it yet.
            Refusal::NotFound if router.has(pod) => PATIENCE,
            Refusal::Unavailable(text) if text.contains(NO_CONTAINER) => PATIENCE,
            Refusal::Unavailable(_) => BRIEFLY,
            _ => return Err(UpstreamError::connect(refusal.text().to_owned())),
        };
        if begun.elapsed() >= patience {
            return Err(refusal.unreachable());
        }
        tracing::debug!(pod, cause = refusal.text(), "container not attached to yet");
        sleep(PAUSE).await;
    }
}

/// Connection to an attached container. The process in it goes on without it.
struct Attachment {
    /// They end with it.
    tasks: JoinSet<()>,
    hub: Arc<Hub>,
    hold: Option<Arc<Hold>>,
    container: Arc<Mutex<Container>>,
}

#[async_trait]
impl ServerHandle for Attachment {
    async fn stop(self: Box<Self>) {
        let Self {
            mut tasks,
            hub,
            hold,
            container,
        } = *self;
        tasks.shutdown().await;
        drop(hub);
        let Some(hold) = hold.and_then(Arc::into_inner) else {
            return;
        };
        // Nobody takes it meanwhile. A connection that was faster has it by now.
        let container = container.lock().await;
        if container.hold.strong_count() == 0 {
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
/// Time in which an API server or a kubelet that does not respond may do so.
const BRIEFLY: Duration = Duration::from_secs(1);
/// Part of the text of a kubelet whose container has not started.
const NO_CONTAINER: &str = "not found in pod";
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(200);
