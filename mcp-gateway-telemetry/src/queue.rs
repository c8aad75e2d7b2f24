//! Bounded queue of spans between the calls and the task that sends them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mcp_gateway_core::trace::Span;
use tokio::sync::Notify;
use tokio::time;

/// Queue of spans.
#[derive(Debug)]
pub(crate) struct Queue {
    spans: Mutex<VecDeque<Span>>,
    /// Maximum number of spans.
    max: usize,
    /// Number of spans that are sent at once.
    batch: usize,
    /// Signals the first span, and a full batch.
    added: Notify,
    /// Set when the task is to end.
    closing: Mutex<bool>,
    dropped: AtomicU64,
    exported: AtomicU64,
}

impl Queue {
    /// Creates a queue of at most `max` spans, which are sent `batch` at a time.
    pub(crate) fn new(max: usize, batch: usize) -> Self {
        Self {
            spans: Mutex::default(),
            max,
            batch: batch.clamp(1, max.max(1)),
            added: Notify::new(),
            closing: Mutex::default(),
            dropped: AtomicU64::new(0),
            exported: AtomicU64::new(0),
        }
    }

    /// Adds `spans`, and drops those that do not fit.
    pub(crate) fn add(&self, added: Vec<Span>) {
        let mut spans = self.spans();
        let room = self.max - spans.len();
        let excess = added.len().saturating_sub(room);
        let before = spans.len();
        spans.extend(added.into_iter().take(room));
        let is_news = before == 0 || (before < self.batch && spans.len() >= self.batch);
        drop(spans);
        self.count_dropped(excess);
        if is_news {
            self.added.notify_one();
        }
    }

    /// Waits for spans, and then for a full batch, at most for `delay`. Returns `None` once the queue is
    /// closed and empty.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn next(&self, delay: Duration) -> Option<Vec<Span>> {
        while self.spans().is_empty() {
            if self.is_closing() {
                return None;
            }
            self.added.notified().await;
        }
        let full = async {
            while self.spans().len() < self.batch && !self.is_closing() {
                self.added.notified().await;
            }
        };
        // What has arrived is sent after the delay, full or not.
        let _ = time::timeout(delay, full).await;
        let mut spans = self.spans();
        let size = self.batch.min(spans.len());
        Some(spans.drain(..size).collect())
    }

    /// Lets the task send what is left, and end.
    pub(crate) fn close(&self) {
        *self.closing.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.added.notify_one();
    }

    /// Returns `true` once the queue is closed.
    pub(crate) fn is_closing(&self) -> bool {
        *self.closing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops all spans that are left.
    pub(crate) fn abandon(&self) {
        let left = std::mem::take(&mut *self.spans());
        self.count_dropped(left.len());
    }

    /// Counts spans that were dropped.
    pub(crate) fn count_dropped(&self, spans: usize) {
        self.dropped.fetch_add(spans as u64, Ordering::Relaxed);
    }

    /// Counts spans that the collector has accepted.
    pub(crate) fn count_exported(&self, spans: usize) {
        self.exported.fetch_add(spans as u64, Ordering::Relaxed);
    }

    /// Returns the number of exported and of dropped spans.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (load(&self.exported), load(&self.dropped))
    }

    /// Locks the spans.
    fn spans(&self) -> MutexGuard<'_, VecDeque<Span>> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
