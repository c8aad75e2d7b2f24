//! `mcp-bench run`.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::cli::run::{EraChoice, RunArguments, Sessions};
use crate::era::Era;
use crate::hold::{self, HoldResult};
use crate::interrupt::interrupted;
use crate::load::{self, Control, LoadResult, Plan};
use crate::process::Probe;
use crate::report::{HoldReport, LoadReport, Subject};
use crate::sample::sample;

/// Measures one endpoint; the exit code states whether all calls succeeded.
///
/// # Errors
///
/// Fails when there is nothing to measure: no connection, no session, or no such process.
pub(crate) async fn run(arguments: &RunArguments) -> anyhow::Result<ExitCode> {
    let plan = plan(arguments).await?;
    let probes = arguments.probes();
    let duration = arguments.duration;
    if let Some(count) = arguments.open_streams {
        let held = hold::streams(&plan, count, duration, &probes);
        return report_held(arguments, &plan, (count, "streams"), held).await;
    }
    if let Some(count) = arguments.idle_sessions {
        let held = hold::sessions(&plan, count, duration, &probes);
        return report_held(arguments, &plan, (count, "idle sessions"), held).await;
    }
    if let Some(count) = arguments.open_calls {
        let held = hold::calls(&plan, count, duration, &probes);
        return report_held(arguments, &plan, (count, "open calls"), held).await;
    }
    let outcome = observed_load(arguments, &plan, &probes).await?;
    let failed = outcome.tally.failed() > 0 || outcome.tally.succeeded() == 0;
    let report = LoadReport {
        subject: subject(&plan, arguments.load.title()),
        outcome,
    };
    write_report(arguments.json, &report, || report.json())?;
    Ok(exit_code(failed))
}

/// Reports the result of `held` items.
async fn report_held(
    arguments: &RunArguments,
    plan: &Plan,
    (count, what): (u64, &str),
    held: impl Future<Output = anyhow::Result<HoldResult>>,
) -> anyhow::Result<ExitCode> {
    let held = until_interrupted(held).await?;
    let failed = held.stayed < count;
    let subject = subject(plan, format!("{count} {what}"));
    let report = HoldReport { subject, held };
    write_report(arguments.json, &report, || report.json())?;
    Ok(exit_code(failed))
}

async fn plan(arguments: &RunArguments) -> anyhow::Result<Plan> {
    let endpoint = Arc::new(arguments.load.endpoint(&arguments.url)?);
    let era = match arguments.era {
        // Idle sessions exist in one era only.
        EraChoice::Auto if arguments.idle_sessions.is_some() => Era::Legacy,
        EraChoice::Auto => Era::detect(&endpoint)
            .await
            .context("cannot detect the era of the server")?,
        EraChoice::Legacy if arguments.open_calls.is_some() => {
            bail!("--open-calls requires the modern era");
        }
        EraChoice::Legacy => Era::Legacy,
        EraChoice::Modern if arguments.idle_sessions.is_some() => {
            bail!("--idle-sessions requires the legacy era");
        }
        EraChoice::Modern => Era::Modern,
    };
    Ok(Plan {
        endpoint,
        era,
        call: arguments.load.call()?,
        connections: usize::try_from(arguments.connections)?,
        warmup: arguments.warmup,
        limit: arguments.limit(),
        shared_session: arguments.sessions == Sessions::Shared,
        timeout: arguments.load.timeout,
    })
}

/// Runs `plan`, takes samples if requested, and ends early on a signal.
async fn observed_load(
    arguments: &RunArguments,
    plan: &Plan,
    probes: &[Probe],
) -> anyhow::Result<LoadResult> {
    let control = Control::default();
    let sampling = async {
        match arguments.sample {
            Some(period) => sample(probes, &control, period, sample_output(arguments)?).await,
            None => std::future::pending().await,
        }
    };
    let load = load::run(plan, probes, &control);
    tokio::pin!(load, sampling);
    loop {
        tokio::select! {
            outcome = &mut load => return outcome,
            error = &mut sampling => match error? {},
            signal = interrupted() => {
                signal?;
                // The first signal ends the load, so that its report is not lost.
                if control.stop.swap(true, Ordering::Relaxed) {
                    bail!("interrupted");
                }
            }
        }
    }
}

fn sample_output(arguments: &RunArguments) -> anyhow::Result<Box<dyn Write + Send>> {
    Ok(match &arguments.sample_to {
        Some(path) => {
            let file = File::create(path);
            Box::new(file.with_context(|| format!("cannot write to {}", path.display()))?)
        }
        None => Box::new(io::stderr()),
    })
}

async fn until_interrupted<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::select! {
        result = work => result,
        signal = interrupted() => {
            signal?;
            bail!("interrupted")
        }
    }
}

fn subject(plan: &Plan, what: String) -> Subject {
    Subject {
        url: plan.endpoint.url().to_owned(),
        era: plan.era.name(),
        what,
        connections: plan.connections,
    }
}

/// Prints a report to standard output.
///
/// # Errors
///
/// Fails when standard output is closed.
pub(crate) fn write_report(
    as_json: bool,
    report: &impl Display,
    json: impl FnOnce() -> Value,
) -> anyhow::Result<()> {
    let mut output = io::stdout().lock();
    if as_json {
        writeln!(output, "{:#}", json())?;
    } else {
        write!(output, "{report}")?;
    }
    output.flush()?;
    Ok(())
}

/// Returns the exit code for a measurement.
pub(crate) fn exit_code(failed: bool) -> ExitCode {
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
