//! Task that sends queued spans to the collector.

use std::sync::Arc;
use std::time::Duration;

use mcp_gateway_core::error_chain;
use tokio::time::{self, Instant};

use crate::collector::{Collector, ExportError};
use crate::otlp::{Encoder, rejected};
use crate::queue::Queue;
use crate::settings::Settings;

/// Sender of queued spans.
#[derive(Debug)]
pub(crate) struct Exporter {
    queue: Arc<Queue>,
    collector: Collector,
    encoder: Encoder,
    /// Time to wait for a full batch.
    delay: Duration,
    /// `true` after a failure that has been logged.
    is_failing: bool,
}

impl Exporter {
    pub(crate) fn new(queue: Arc<Queue>, collector: Collector, settings: Settings) -> Self {
        Self {
            queue,
            collector,
            delay: settings.delay,
            encoder: Encoder::new(settings.resource),
            is_failing: false,
        }
    }

    /// Sends spans until the queue is closed and empty.
    pub(crate) async fn run(mut self) {
        while let Some(spans) = self.queue.next(self.delay).await {
            let count = spans.len();
            let message = self.encoder.encode(&spans);
            match self.send(message).await {
                Ok(rejected) => self.succeeded(count, rejected),
                Err(error) => self.failed(count, &error),
            }
        }
    }

    /// Sends a message, again after failures that may pass, at most for [`PATIENCE`].
    ///
    /// Meanwhile the queue fills, and drops what does not fit.
    async fn send(&mut self, message: bytes::Bytes) -> Result<usize, ExportError> {
        let (begun, mut pause) = (Instant::now(), FIRST_PAUSE);
        loop {
            let error = match self.collector.export(message.clone()).await {
                Ok(response) => return Ok(rejected(&response)),
                Err(error) => error,
            };
            let wait = error.retry_after().unwrap_or(pause).min(MAX_PAUSE);
            let is_last = !error.may_pass() || begun.elapsed() + wait > PATIENCE;
            if is_last || self.queue.is_closing() {
                return Err(error);
            }
            self.report(&error);
            time::sleep(wait).await;
            pause *= 2;
        }
    }

    fn succeeded(&mut self, count: usize, rejected: usize) {
        let rejected = rejected.min(count);
        self.queue.count_exported(count - rejected);
        self.queue.count_dropped(rejected);
        if rejected > 0 {
            tracing::warn!(
                spans = rejected,
                "the collector of traces has rejected spans"
            );
        }
        if self.is_failing {
            self.is_failing = false;
            tracing::info!("the collector of traces accepts spans again");
        }
    }

    fn failed(&mut self, count: usize, error: &ExportError) {
        self.queue.count_dropped(count);
        self.report(error);
    }

    /// Logs the first of several failures.
    fn report(&mut self, error: &ExportError) {
        if !self.is_failing {
            self.is_failing = true;
            let error = error_chain(error);
            tracing::warn!(%error, "cannot send spans to the collector of traces; they are dropped when the queue is full");
        }
    }
}

/// Maximum time for which a message is sent again: longer than the restart of a collector.
const PATIENCE: Duration = Duration::from_secs(60);

/// Pause before a message is sent for the second time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Longest pause before a message is sent again.
const MAX_PAUSE: Duration = Duration::from_secs(10);
