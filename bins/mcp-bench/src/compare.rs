//! `mcp-bench compare`: cost of gateways, relative to a bare reverse proxy.
//!
//! All gateways forward to the same server and are measured in turns, so that other load on the
//! machine affects all alike. Ratios are computed within a round, and then summarized.

mod child;
mod figures;
mod report;
mod route;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;

use self::child::Children;
use self::figures::{Figures, Measurement};
use self::report::Report;
use self::route::Route;
use crate::cli::compare::CompareArguments;
use crate::interrupt::interrupted;
use crate::load::{self, Control, Limit, Plan};
use crate::process::{Probe, core_count};
use crate::run::{exit_code, write_report};

/// Compares the gateways; the exit code states whether all calls succeeded.
///
/// # Errors
///
/// Fails when a process does not start, or a signal arrives. No process is left behind then.
pub(crate) async fn run(arguments: &CompareArguments) -> anyhow::Result<ExitCode> {
    let mut children = Children::new()?;
    let result = tokio::select! {
        result = compare(arguments, &mut children) => result,
        signal = interrupted() => match signal {
            Ok(()) => Err(anyhow::anyhow!("interrupted")),
            Err(error) => Err(error.into()),
        },
    };
    children.stop().await;
    let report = result?;
    let failed = report.has_failures();
    write_report(arguments.json, &report, || report.json())?;
    Ok(exit_code(failed))
}

async fn compare(arguments: &CompareArguments, children: &mut Children) -> anyhow::Result<Report> {
    if arguments.gateway_pids.len() > arguments.gateway_urls.len() {
        bail!("each --gateway-pid requires a --gateway-url in the same position");
    }
    let routes = route::routes(arguments, children).await?;
    let mut figures = Figures::new(routes.iter().map(|route| route.name.clone()).collect());
    for &connections in &arguments.connections {
        for round in 0..arguments.rounds {
            for turn in 0..routes.len() {
                // Each round begins with another one, so that none always follows the same.
                let index = (turn + round as usize) % routes.len();
                let plan = plan(arguments, &routes[index], connections);
                let measurement = measure(&plan, &routes, index).await?;
                note(connections, round, &routes[index].name, &measurement);
                figures.push(connections, index, measurement);
            }
        }
    }
    Ok(Report::new(arguments, &figures))
}

fn plan(arguments: &CompareArguments, route: &Route, connections: u32) -> Plan {
    Plan {
        endpoint: Arc::clone(&route.endpoint),
        era: arguments.era,
        call: route.call.clone(),
        connections: connections as usize,
        warmup: arguments.warmup,
        limit: Limit::Duration(arguments.duration),
        shared_session: false,
        timeout: arguments.load.timeout,
    }
}

/// Loads the route `index` and observes all processes.
async fn measure(plan: &Plan, routes: &[Route], index: usize) -> anyhow::Result<Measurement> {
    let route = &routes[index];
    if let (Some(probe), true) = (&route.probe, route.is_ours) {
        probe.reset_peak();
    }
    let probes: Vec<Probe> = routes
        .iter()
        .filter_map(|route| route.probe.clone())
        .collect();
    let outcome = load::run(plan, &probes, &Control::default()).await?;
    let tested = route.probe.as_ref().map(|probe| probe.pid);
    Ok(Measurement::new(&outcome, tested, core_count()?))
}

/// Reports the progress of the comparison on standard error.
fn note(connections: u32, round: u32, name: &str, measurement: &Measurement) {
    let round = round + 1;
    let rate = measurement.calls_per_second;
    let text = format!("{connections} connections, round {round}, {name}: {rate:.0} calls/s");
    let _ = writeln!(std::io::stderr(), "{text}");
}
