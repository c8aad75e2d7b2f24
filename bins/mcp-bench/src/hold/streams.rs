//! Holding of streams for unsolicited messages.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::HoldResult;
use crate::endpoint::Endpoint;
use crate::era::Era;
use crate::failure::Failure;
use crate::http1::{Connection, Head};
use crate::load::Plan;
use crate::process::{Probe, ResourceUsage};
use crate::response::{self, Events};
use crate::session::Session;
use crate::wire::{first_id, legacy, modern};

/// First message of a modern stream.
const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";

/// Opens `count` streams, each on its own connection, and holds them for a time.
///
/// As many are opened at the same time as the plan has connections.
///
/// # Errors
///
/// Fails when a process cannot be observed. Streams that cannot be opened are counted.
pub(crate) async fn streams(
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
    let gate = Arc::new(Semaphore::new(plan.connections));
    let (opened, mut openings) = mpsc::unbounded_channel();
    let end = CancellationToken::new();
    let mut holders = JoinSet::new();
    for _ in 0..count {
        let holder = Holder {
            gate: Arc::clone(&gate),
            opened: opened.clone(),
            end: end.clone(),
        };
        holders.spawn(holder.hold(Arc::clone(&plan.endpoint), plan.era, plan.timeout));
    }
    // The channel ends with the last holder that has something to say.
    drop(opened);
    while let Some(opening) = openings.recv().await {
        match opening {
            Ok(()) => held.opened += 1,
            Err(failure) => held.fail(&failure),
        }
    }
    held.opening = begin.elapsed();
    tokio::time::sleep(hold).await;
    held.holding = hold;
    held.usage = ResourceUsage::between(probes, before, Probe::read_all(probes)?);
    end.cancel();
    while let Some(stayed) = holders.join_next().await {
        held.stayed += u64::from(stayed?);
    }
    Ok(held)
}

/// Task that holds one stream.
#[derive(Debug)]
struct Holder {
    gate: Arc<Semaphore>,
    opened: mpsc::UnboundedSender<Result<(), Failure>>,
    end: CancellationToken,
}

impl Holder {
    /// Holds a stream to the end, and returns `true` if it remained open until then.
    async fn hold(self, endpoint: Arc<Endpoint>, era: Era, limit: Duration) -> bool {
        let Self { gate, opened, end } = self;
        let permit = gate.acquire().await;
        let stream = tokio::time::timeout(limit, Stream::open(&endpoint, era)).await;
        drop(permit);
        match stream.unwrap_or(Err(Failure::Timeout)) {
            Err(failure) => {
                let _ = opened.send(Err(failure));
                false
            }
            Ok(mut stream) => {
                let _ = opened.send(Ok(()));
                drop(opened);
                let stayed = tokio::select! {
                    () = end.cancelled() => true,
                    () = stream.drain() => false,
                };
                stream.close(&endpoint).await;
                stayed
            }
        }
    }
}

/// Stream.
#[derive(Debug)]
struct Stream {
    connection: Connection,
    head: Head,
    session: Option<Session>,
}

/// Part of a message that identifies its subject.
#[derive(Debug, Deserialize)]
struct Notification {
    method: String,
}

impl Stream {
    async fn open(endpoint: &Endpoint, era: Era) -> Result<Self, Failure> {
        let mut connection = endpoint.connect().await?;
        match era {
            Era::Legacy => {
                let session = Session::open(&mut connection, endpoint).await?;
                let head = connection.send(&legacy::listen(endpoint, &session)).await?;
                let mut stream = Self {
                    connection,
                    head,
                    session: Some(session),
                };
                stream.check(b"").await?;
                Ok(stream)
            }
            Era::Modern => {
                let mut request = modern::listen(endpoint);
                let head = connection.send(request.with_id(first_id(0))).await?;
                let mut stream = Self {
                    connection,
                    head,
                    session: None,
                };
                stream.check(request.id()).await?;
                stream.acknowledged().await?;
                Ok(stream)
            }
        }
    }

    /// Validates the response to the request `id` as a stream.
    async fn check(&mut self, id: &[u8]) -> Result<(), Failure> {
        if self.head.status == 200 && self.head.event_stream {
            return Ok(());
        }
        let mut body = Vec::new();
        while !self
            .connection
            .piece(&mut self.head.framing, &mut body)
            .await?
        {}
        response::check(&self.head, &body, id)?;
        Err(Failure::WrongType)
    }

    /// Waits for the message that acknowledges the subscription.
    async fn acknowledged(&mut self) -> Result<(), Failure> {
        let mut body = Vec::new();
        loop {
            let ended = self
                .connection
                .piece(&mut self.head.framing, &mut body)
                .await?;
            if let Some(event) = Events::new(&body).find(|event| !event.is_empty()) {
                let first = serde_json::from_slice::<Notification>(&event);
                let known = first.is_ok_and(|message| message.method == ACKNOWLEDGED);
                return known.then_some(()).ok_or(Failure::NoResponse);
            }
            if ended {
                return Err(Failure::NoResponse);
            }
        }
    }

    /// Reads until the stream ends.
    async fn drain(&mut self) {
        let mut body = Vec::new();
        while let Ok(false) = self
            .connection
            .piece(&mut self.head.framing, &mut body)
            .await
        {
            body.clear();
        }
    }

    /// Ends the stream, and its session on a separate connection.
    async fn close(self, endpoint: &Endpoint) {
        drop(self.connection);
        if let Some(session) = self.session
            && let Ok(mut connection) = endpoint.connect().await
        {
            let _ = session.close(&mut connection, endpoint).await;
        }
    }
}
