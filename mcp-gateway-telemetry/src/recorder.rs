//! Recorder of the spans of calls.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mcp_gateway_core::trace::{Span, SpanCounts, SpanObserver, TraceContext};
use tokio::task::JoinHandle;
use tokio::time;

use crate::collector::Collector;
use crate::exporter::Exporter;
use crate::queue::Queue;
use crate::sampler::Sampler;
use crate::settings::Settings;
use crate::start_error::StartError;

/// Observer that samples calls and sends their spans to a collector.
///
/// Dropping it ends the task that sends. [`close`](Self::close) sends what is left before.
pub struct TraceRecorder {
    sampler: Sampler,
    queue: Arc<Queue>,
    content_limit: Option<usize>,
    sending: Mutex<Option<JoinHandle<()>>>,
}

impl TraceRecorder {
    /// Starts the task that sends spans as `settings` describe.
    ///
    /// # Errors
    ///
    /// [`StartError`] if certificates cannot be read.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime.
    pub fn start(settings: Settings) -> Result<Self, StartError> {
        let collector = Collector::new(&settings)?;
        let queue = Arc::new(Queue::new(settings.max_queue, settings.max_batch));
        let sampler = Sampler::new(settings.ratio, settings.caller_rate);
        let content_limit = settings.content_limit;
        let exporter = Exporter::new(Arc::clone(&queue), collector, settings);
        #[expect(clippy::disallowed_methods, reason = "the recorder owns the task")]
        let sending = tokio::spawn(exporter.run());
        Ok(Self {
            sampler,
            queue,
            content_limit,
            sending: Mutex::new(Some(sending)),
        })
    }

    /// Sends the spans that are left, at most for 5 seconds, and ends the task.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the spans that are left.
    pub async fn close(&self) {
        // The lock must not be held while the task ends.
        let sending = {
            let mut sending = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
            sending.take()
        };
        let Some(mut sending) = sending else {
            return;
        };
        self.queue.close();
        if time::timeout(FLUSH, &mut sending).await.is_err() {
            sending.abort();
            self.queue.abandon();
            tracing::warn!("the collector of traces is too slow; the last spans are lost");
        }
    }
}

impl SpanObserver for TraceRecorder {
    fn begin(&self, parent: Option<&TraceContext>) -> Option<TraceContext> {
        Some(self.sampler.begin(parent))
    }

    fn on_end(&self, _: &Span) {}

    fn record(&self, spans: Vec<Span>) {
        self.queue.add(spans);
    }

    fn content_limit(&self) -> Option<usize> {
        self.content_limit
    }

    fn counts(&self) -> SpanCounts {
        let (exported, dropped) = self.queue.counts();
        SpanCounts::new(exported, dropped)
    }
}

impl Drop for TraceRecorder {
    fn drop(&mut self) {
        let sending = self
            .sending
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(sending) = sending.take() {
            sending.abort();
        }
    }
}

impl fmt::Debug for TraceRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceRecorder")
            .field("sampler", &self.sampler)
            .finish_non_exhaustive()
    }
}

/// Maximum time to send what is left.
const FLUSH: Duration = Duration::from_secs(5);
