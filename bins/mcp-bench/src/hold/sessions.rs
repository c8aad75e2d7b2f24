//! Holding of idle sessions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::HoldResult;
use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::http1::Connection;
use crate::load::Plan;
use crate::process::{Probe, ResourceUsage};
use crate::session::Session;

/// Opens `count` legacy sessions over the plan's connections, holds them for a time, and ends them.
///
/// # Errors
///
/// Fails when a process cannot be observed. Sessions that cannot be opened are counted.
pub(crate) async fn sessions(
    plan: &Plan,
    count: u64,
    hold: Duration,
    probes: &[Probe],
) -> anyhow::Result<HoldResult> {
    let mut held = HoldResult {
        asked: count,
        ..HoldResult::default()
    };
    let before = Probe::read_all(probes)?;
    let begin = Instant::now();
    let opened = Arc::new(AtomicU64::new(0));
    let mut opening = JoinSet::new();
    for _ in 0..plan.connections {
        let client = Client::new(&plan.endpoint, plan.timeout);
        opening.spawn(client.open(Arc::clone(&opened), count));
    }
    let mut clients = Vec::with_capacity(plan.connections);
    while let Some(client) = opening.join_next().await {
        let (client, failures) = client?;
        held.opened += client.sessions.len() as u64;
        failures.iter().for_each(|failure| held.fail(failure));
        clients.push(client);
    }
    held.opening = begin.elapsed();
    tokio::time::sleep(hold).await;
    held.holding = hold;
    held.usage = ResourceUsage::between(probes, before, Probe::read_all(probes)?);
    let mut closing: JoinSet<_> = clients.into_iter().map(Client::close).collect();
    while let Some(outcome) = closing.join_next().await {
        let (ended, failures) = outcome?;
        held.stayed += ended;
        failures.iter().for_each(|failure| held.fail(failure));
    }
    Ok(held)
}

/// Client with many sessions.
#[derive(Debug)]
struct Client {
    endpoint: Arc<Endpoint>,
    timeout: Duration,
    connection: Option<Connection>,
    sessions: Vec<Session>,
}

impl Client {
    fn new(endpoint: &Arc<Endpoint>, timeout: Duration) -> Self {
        let endpoint = Arc::clone(endpoint);
        Self {
            endpoint,
            timeout,
            connection: None,
            sessions: Vec::new(),
        }
    }

    /// Opens sessions until all clients together have `count`, or have failed.
    async fn open(mut self, opened: Arc<AtomicU64>, count: u64) -> (Self, Vec<Failure>) {
        let mut failures = Vec::new();
        while opened.fetch_add(1, Ordering::Relaxed) < count {
            let session = tokio::time::timeout(self.timeout, self.open_one()).await;
            match session.unwrap_or(Err(Failure::Timeout)) {
                Ok(session) => self.sessions.push(session),
                Err(failure) => failures.push(failure),
            }
        }
        (self, failures)
    }

    async fn open_one(&mut self) -> Result<Session, Failure> {
        let mut connection = self.connect().await?;
        let session = Session::open(&mut connection, &self.endpoint).await?;
        self.connection = Some(connection);
        Ok(session)
    }

    /// Ends all sessions; returns the number that the server ended.
    async fn close(mut self) -> (u64, Vec<Failure>) {
        let mut ended = 0;
        let mut failures = Vec::new();
        for session in std::mem::take(&mut self.sessions) {
            let outcome = tokio::time::timeout(self.timeout, self.close_one(&session)).await;
            match outcome.unwrap_or(Err(Failure::Timeout)) {
                Ok(()) => ended += 1,
                Err(failure) => failures.push(failure),
            }
        }
        (ended, failures)
    }

    async fn close_one(&mut self, session: &Session) -> Result<(), Failure> {
        let mut connection = self.connect().await?;
        session.close(&mut connection, &self.endpoint).await?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Returns the connection of the last exchange if it succeeded, otherwise a new one.
    async fn connect(&mut self) -> Result<Connection, Failure> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => self.endpoint.connect().await,
        }
    }
}
