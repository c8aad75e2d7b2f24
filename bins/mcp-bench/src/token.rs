//! `mcp-bench token`: load of a token endpoint.
//!
//! As preparation, a user logs in and authorizes clients, and their codes are obtained. Only
//! requests to the token endpoint are measured: each code is exchanged, followed by refresh tokens,
//! as by a client that runs for some hours; in between, a machine client requests tokens for
//! itself.

mod browser;
mod report;
mod script;

use std::collections::VecDeque;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::task::JoinSet;

use self::browser::{Browser, Code};
use self::report::TokenReport;
use self::script::{Kind, Script};
use crate::cli::token::TokenArguments;
use crate::http1::Connector;
use crate::load::Tally;
use crate::process::{Probe, ResourceUsage};
use crate::run::exit_code;

/// Results of the requests, by kind.
pub(crate) type Tallies = [Tally; Kind::ALL.len()];

/// Loads the token endpoint of `arguments` and prints a report.
///
/// # Errors
///
/// Fails when there is no server, or it does not let the user or the clients in.
pub(crate) async fn run(arguments: &TokenArguments) -> anyhow::Result<ExitCode> {
    let codes = prepare(arguments).await?;
    let codes = Arc::new(Mutex::new(VecDeque::from(codes)));
    let connector = Connector::new(arguments.url.parse()?)?;
    let mut workers = JoinSet::new();
    let probes = arguments.probes();
    let before = Probe::read_all(&probes)?;
    let begin = Instant::now();
    for _ in 0..arguments.connections {
        let script = Script::new(&connector, arguments)?;
        workers.spawn(work(script, Arc::clone(&codes)));
    }
    let mut tallies = empty()?;
    while let Some(done) = workers.join_next().await {
        for (sum, one) in tallies.iter_mut().zip(&done??) {
            sum.add(one)?;
        }
    }
    let elapsed = begin.elapsed();
    let usage = ResourceUsage::between(&probes, before, Probe::read_all(&probes)?);
    let report = TokenReport {
        tallies,
        elapsed,
        usage,
        connections: arguments.connections,
    };
    crate::run::write_report(false, &report, Default::default)?;
    Ok(exit_code(report.failed() > 0))
}

fn empty() -> anyhow::Result<Tallies> {
    Ok([Tally::new()?, Tally::new()?, Tally::new()?])
}

/// Obtains the codes for all requests.
async fn prepare(arguments: &TokenArguments) -> anyhow::Result<Vec<Code>> {
    let mut browser = Browser::new(&arguments.url);
    browser.log_in(&arguments.name, &arguments.password).await?;
    let mut clients = Vec::new();
    for _ in 0..arguments.clients {
        let client = browser.register().await?;
        browser.agree(&client).await?;
        clients.push(client);
    }
    let browser = Arc::new(browser);
    let mut fetching = JoinSet::new();
    let mut codes = Vec::new();
    for index in 0..arguments.grants as usize {
        if fetching.len() >= MAX_FETCHING
            && let Some(code) = fetching.join_next().await
        {
            codes.push(code??);
        }
        let browser = Arc::clone(&browser);
        let client = clients[index % clients.len()].clone();
        fetching.spawn(async move { browser.code(&client).await });
    }
    while let Some(code) = fetching.join_next().await {
        codes.push(code??);
    }
    Ok(codes)
}

/// Exchanges codes until none remain.
async fn work(mut script: Script, codes: Arc<Mutex<VecDeque<Code>>>) -> anyhow::Result<Tallies> {
    let mut tallies = empty()?;
    let next = || {
        let mut codes = codes.lock().unwrap_or_else(PoisonError::into_inner);
        codes.pop_front()
    };
    while let Some(code) = next() {
        script.grant(&code, &mut tallies).await?;
    }
    Ok(tallies)
}

/// Maximum number of concurrent requests for codes; more are not faster.
const MAX_FETCHING: usize = 16;
