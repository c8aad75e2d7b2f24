//! Loading an endpoint: some clients, each of which calls again as soon as it has its answer.

mod shift;
mod tally;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::JoinSet;

use self::shift::Shift;
pub(crate) use self::tally::Tally;
use crate::caller::Caller;
use crate::endpoint::Endpoint;
use crate::era::Era;
use crate::failure::Failure;
use crate::process::{Probe, Usage, busy_time};
use crate::session::Session;
use crate::wire::Call;

/// How much is called.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    /// As many calls as begin within this time.
    Duration(Duration),
    /// So many calls.
    Requests(u64),
}

/// What is called, and how.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Where the calls go to.
    pub(crate) endpoint: Arc<Endpoint>,
    /// The era that the clients speak.
    pub(crate) era: Era,
    /// What they call.
    pub(crate) call: Call,
    /// How many clients there are.
    pub(crate) connections: usize,
    /// How long they call before anything counts.
    pub(crate) warmup: Duration,
    /// How much they call then.
    pub(crate) limit: Limit,
    /// Whether legacy clients use one session together.
    pub(crate) shared_session: bool,
    /// How long one call may take.
    pub(crate) timeout: Duration,
}

/// What those who watch a load can see and do while it lasts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Control {
    /// The number of calls that ended.
    pub(crate) calls: Arc<AtomicU64>,
    /// Set to end the load early.
    pub(crate) stop: Arc<AtomicBool>,
}

/// What a load came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// How long it lasted.
    pub(crate) elapsed: Duration,
    /// What became of the calls.
    pub(crate) tally: Tally,
    /// What the observed processes used meanwhile.
    pub(crate) usage: Vec<Usage>,
    /// The CPU time of all processes of the machine together.
    pub(crate) machine: Duration,
    /// What the load generator itself used.
    pub(crate) generator: Usage,
}

/// Carries out `plan` while observing the processes of `probes`.
///
/// # Errors
///
/// Fails when a client cannot connect, or a process cannot be observed. Failed calls are counted.
pub(crate) async fn run(
    plan: &Plan,
    probes: &[Probe],
    control: &Control,
) -> anyhow::Result<Outcome> {
    let shared = open_shared_session(plan).await?;
    let callers = open_callers(plan, shared.as_ref()).await?;
    let warmup = Shift::new(plan, Limit::Duration(plan.warmup), control)?;
    let (callers, _, _) = warmup.work(callers).await?;
    let probes = [probes, &[Probe::own()]].concat();
    let before = (Probe::read_all(&probes)?, busy_time()?);
    let measured = Shift::new(plan, plan.limit, control)?;
    let (callers, elapsed, tally) = measured.work(callers).await?;
    let mut usage = Usage::between(&probes, before.0, Probe::read_all(&probes)?);
    let machine = busy_time()?.saturating_sub(before.1);
    close(plan, callers, shared).await;
    let generator = usage.pop().context("the load generator was not observed")?;
    Ok(Outcome {
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

async fn open_callers(plan: &Plan, shared: Option<&Session>) -> anyhow::Result<Vec<Caller>> {
    let mut opening = JoinSet::new();
    for index in 0..plan.connections {
        let (plan, shared) = (plan.clone(), shared.cloned());
        opening.spawn(async move {
            Caller::open(&plan.endpoint, plan.era, &plan.call, index, shared.as_ref()).await
        });
    }
    let mut callers = Vec::with_capacity(plan.connections);
    while let Some(caller) = opening.join_next().await {
        callers.push(caller??);
    }
    Ok(callers)
}

/// Ends the sessions. The figures are complete by now, so that failures here change nothing.
async fn close(plan: &Plan, callers: Vec<Caller>, shared: Option<Session>) {
    for caller in callers {
        let _ = tokio::time::timeout(plan.timeout, caller.close()).await;
    }
    if let Some(session) = shared
        && let Ok(mut connection) = plan.endpoint.connect().await
    {
        let _ = session.close(&mut connection, &plan.endpoint).await;
    }
}
