//! Holding of calls that require input.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::HoldResult;
use crate::failure::Failure;
use crate::http1::{Connection, Head};
use crate::load::Plan;
use crate::process::{Probe, ResourceUsage};
use crate::response::{self, Events};
use crate::wire::{Call, first_id, modern};

/// Makes the plan's call `count` times until the server requires input, holds the calls for a time,
/// and then declines.
///
/// # Errors
///
/// Fails when a process cannot be observed. Calls that do not get there are counted.
pub(crate) async fn calls(
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
    let begun = Arc::new(AtomicU64::new(0));
    let mut opening = JoinSet::new();
    for _ in 0..plan.connections {
        let client = Client::new(plan);
        opening.spawn(client.open(Arc::clone(&begun), count));
    }
    let mut clients = Vec::with_capacity(plan.connections);
    while let Some(client) = opening.join_next().await {
        let (client, failures) = client?;
        held.opened += client.open.len() as u64;
        failures.iter().for_each(|failure| held.fail(failure));
        clients.push(client);
    }
    held.opening = begin.elapsed();
    sleep(hold).await;
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

/// Client with many open calls.
#[derive(Debug)]
struct Client {
    plan: Plan,
    connection: Option<Connection>,
    /// Calls to make next.
    open: Vec<Call>,
    body: Vec<u8>,
}

impl Client {
    fn new(plan: &Plan) -> Self {
        Self {
            plan: plan.clone(),
            connection: None,
            open: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Makes calls until all clients together have opened `count`, or have failed.
    async fn open(mut self, begun: Arc<AtomicU64>, count: u64) -> (Self, Vec<Failure>) {
        let mut failures = Vec::new();
        while begun.fetch_add(1, Ordering::Relaxed) < count {
            let first = self.plan.call.clone();
            match self.exchange(&first).await {
                Err(Failure::Incomplete(_)) => match self.retry() {
                    Some(retry) => self.open.push(retry),
                    None => failures.push(Failure::NoResponse),
                },
                Err(failure) => failures.push(failure),
                Ok(()) => failures.push(Failure::NoQuestion),
            }
        }
        (self, failures)
    }

    /// Declines to provide input; returns the number of calls that completed.
    async fn close(mut self) -> (u64, Vec<Failure>) {
        let mut ended = 0;
        let mut failures = Vec::new();
        for call in std::mem::take(&mut self.open) {
            match self.exchange(&call).await {
                Ok(()) => ended += 1,
                Err(failure) => failures.push(failure),
            }
        }
        (ended, failures)
    }

    async fn exchange(&mut self, call: &Call) -> Result<(), Failure> {
        let limit = self.plan.timeout;
        let exchange = timeout(limit, self.send(call)).await;
        let (head, id) = exchange.unwrap_or(Err(Failure::Timeout))?;
        response::check(&head, &self.body, &id)
    }

    async fn send(&mut self, call: &Call) -> Result<(Head, Vec<u8>), Failure> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.plan.endpoint.connect().await?,
        };
        let mut request = modern::call(&self.plan.endpoint, call);
        let bytes = request.with_id(first_id(0));
        let head = connection.exchange(bytes, &mut self.body).await?;
        if head.keep_alive {
            self.connection = Some(connection);
        }
        Ok((head, request.id().to_vec()))
    }

    /// Returns the retry of the call that declines all input requests.
    fn retry(&self) -> Option<Call> {
        let asks = |text: &[u8]| serde_json::from_slice(text).ok().filter(is_question);
        let answer: Value = Events::new(&self.body)
            .find_map(|event| asks(&event))
            .or_else(|| asks(&self.body))?;
        let asked = answer.pointer("/result/inputRequests");
        let asked = asked.and_then(Value::as_object).into_iter().flatten();
        let declined = asked.map(|(key, _)| (key.clone(), json!({ "action": "decline" })));
        let declined: Map<_, _> = declined.collect();
        let mut call = self.plan.call.clone();
        call.params
            .insert("inputResponses".to_owned(), declined.into());
        if let Some(state) = answer.pointer("/result/requestState") {
            call.params.insert("requestState".to_owned(), state.clone());
        }
        Some(call)
    }
}

fn is_question(message: &Value) -> bool {
    message.pointer("/result/resultType").is_some()
}
