//! Closed-loop load: each client sends the next call as soon as it receives a response.

mod tally;
mod window;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::JoinSet;

pub(crate) use self::tally::Tally;
use self::window::MeasurementWindow;
use crate::client::LoadClient;
use crate::endpoint::Endpoint;
use crate::era::Era;
use crate::failure::Failure;
use crate::process::{Probe, ResourceUsage, busy_time};
use crate::session::Session;
use crate::wire::Call;

/// Amount of load.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    /// Calls that begin within this time.
    Duration(Duration),
    /// Number of calls.
    Requests(u64),
}

/// Parameters of a load.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Target of the calls.
    pub(crate) endpoint: Arc<Endpoint>,
    /// Era of the clients.
    pub(crate) era: Era,
    /// Call to make.
    pub(crate) call: Call,
    /// Number of clients.
    pub(crate) connections: usize,
    /// Warm-up time.
    pub(crate) warmup: Duration,
    /// Amount of load after the warm-up.
    pub(crate) limit: Limit,
    /// Set if legacy clients share one session.
    pub(crate) shared_session: bool,
    /// Time limit of a call.
    pub(crate) timeout: Duration,
}

/// Handle to observe and control a load.
#[derive(Clone, Debug, Default)]
pub(crate) struct Control {
    /// Number of completed calls.
    pub(crate) calls: Arc<AtomicU64>,
    /// Flag that ends the load early.
    pub(crate) stop: Arc<AtomicBool>,
}

/// Result of a load.
#[derive(Debug)]
pub(crate) struct LoadResult {
    /// Duration of the load.
    pub(crate) elapsed: Duration,
    /// Counts and latencies of the calls.
    pub(crate) tally: Tally,
    /// Resource usage of the observed processes.
    pub(crate) usage: Vec<ResourceUsage>,
    /// CPU time of all processes of the machine.
    pub(crate) machine: Duration,
    /// Resource usage of the load generator.
    pub(crate) generator: ResourceUsage,
}

/// Runs `plan` while observing the processes of `probes`.
///
/// # Errors
///
/// Fails when a client cannot connect, or a process cannot be observed. Failed calls are counted.
pub(crate) async fn run(
    plan: &Plan,
    probes: &[Probe],
    control: &Control,
) -> anyhow::Result<LoadResult> {
    let shared = open_shared_session(plan).await?;
    let callers = open_callers(plan, shared.as_ref()).await?;
    let warmup = MeasurementWindow::new(plan, Limit::Duration(plan.warmup), control)?;
    let (callers, _, _) = warmup.work(callers).await?;
    let probes = [probes, &[Probe::own()]].concat();
    let before = (Probe::read_all(&probes)?, busy_time()?);
    let measured = MeasurementWindow::new(plan, plan.limit, control)?;
    let (callers, elapsed, tally) = measured.work(callers).await?;
    let mut usage = ResourceUsage::between(&probes, before.0, Probe::read_all(&probes)?);
    let machine = busy_time()?.saturating_sub(before.1);
    close(plan, callers, shared).await;
    let generator = usage.pop().context("missing usage of the load generator")?;
    Ok(LoadResult {
        machine,
        elapsed,
        tally,
        usage,
        generator,
    })
}

async fn open_shared_session(plan: &Plan) -> Result<Option<Session>, Failure> {
    if plan.era == Era::Modern || !plan.shared_session {
        return Ok(None);
    }
    let mut connection = plan.endpoint.connect().await?;
    Session::open(&mut connection, &plan.endpoint)
        .await
        .map(Some)
}

async fn open_callers(plan: &Plan, shared: Option<&Session>) -> anyhow::Result<Vec<LoadClient>> {
    let mut opening = JoinSet::new();
    for index in 0..plan.connections {
        let (plan, shared) = (plan.clone(), shared.cloned());
        opening.spawn(async move {
            LoadClient::open(&plan.endpoint, plan.era, &plan.call, index, shared.as_ref()).await
        });
    }
    let mut callers = Vec::with_capacity(plan.connections);
    while let Some(caller) = opening.join_next().await {
        callers.push(caller??);
    }
    Ok(callers)
}

/// Ends the sessions. Failures are ignored, because the figures are complete.
async fn close(plan: &Plan, callers: Vec<LoadClient>, shared: Option<Session>) {
    for caller in callers {
        let _ = tokio::time::timeout(plan.timeout, caller.close()).await;
    }
    if let Some(session) = shared
        && let Ok(mut connection) = plan.endpoint.connect().await
    {
        let _ = session.close(&mut connection, &plan.endpoint).await;
    }
}
