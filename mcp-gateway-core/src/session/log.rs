//! Event logs of resumable streams.
//!
//! See [MCP 2025-11-25, resumability and
//! redelivery](https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#resumability-and-redelivery).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

/// Bounded log of the events of one stream, from which a client with a broken connection resumes.
///
/// Events are numbered from 0. When the log is full, the oldest events are dropped. At most one
/// reader is active: a new one supersedes the previous one.
#[derive(Debug, Default)]
pub(crate) struct EventLog {
    inner: Mutex<Inner>,
    /// Wakes the reader on a new event, on the end, and when it is superseded.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    /// Retained events.
    events: VecDeque<Bytes>,
    /// Number of the first retained event.
    first: u64,
    /// Total size of the retained events.
    bytes: usize,
    /// `true` if no more events follow.
    closed: bool,
    /// Number of the first event that no reader has received.
    unread: u64,
    /// Number of the active reader; a newer one supersedes an older one.
    reader: u64,
}

impl EventLog {
    /// Creates an empty log.
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Appends an event, dropping the oldest ones beyond the limits.
    pub(crate) fn push(&self, event: Bytes) {
        let mut inner = self.inner();
        inner.bytes += event.len();
        inner.events.push_back(event);
        while inner.events.len() > MAX_EVENTS || (inner.bytes > MAX_BYTES && inner.events.len() > 1)
        {
            let Some(oldest) = inner.events.pop_front() else {
                break;
            };
            inner.bytes -= oldest.len();
            inner.first += 1;
        }
        drop(inner);
        self.changed.notify_waiters();
    }

    /// Marks the end of the stream.
    pub(crate) fn close(&self) {
        self.inner().closed = true;
        self.changed.notify_waiters();
    }

    /// Returns `true` if no more events follow.
    pub(crate) fn is_closed(&self) -> bool {
        self.inner().closed
    }

    /// Returns the total size of the retained events in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.inner().bytes
    }

    /// Returns `true` if a reader is active.
    pub(crate) fn is_read(self: &Arc<Self>) -> bool {
        // The session holds one reference, and the writer one while it writes.
        self.inner().reader > 0 && Arc::strong_count(self) > 1
    }

    /// Returns a reader from the first undelivered event on.
    pub(crate) fn read_on(self: &Arc<Self>) -> LogReader {
        let unread = self.inner().unread;
        self.read(unread)
    }

    /// Returns a reader from the event `next` on and supersedes the active one.
    pub(crate) fn read(self: &Arc<Self>, next: u64) -> LogReader {
        let mut inner = self.inner();
        inner.reader += 1;
        let reader = LogReader {
            log: Arc::clone(self),
            next: next.max(inner.first),
            reader: inner.reader,
        };
        drop(inner);
        self.changed.notify_waiters();
        reader
    }

    /// Locks the log.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reader of the events of a stream.
#[derive(Debug)]
pub(crate) struct LogReader {
    log: Arc<EventLog>,
    next: u64,
    reader: u64,
}

impl LogReader {
    /// Waits for the next event and returns it with its number.
    ///
    /// Returns `None` at the end of the stream, or when another reader supersedes this one. Cancel
    /// safe: a dropped call loses no event.
    pub(crate) async fn next(&mut self) -> Option<(u64, Bytes)> {
        let log = Arc::clone(&self.log);
        loop {
            let mut changed = std::pin::pin!(log.changed.notified());
            // Registers before the log is inspected, so that no change is missed.
            changed.as_mut().enable();
            {
                let mut inner = log.inner();
                if inner.reader != self.reader {
                    return None;
                }
                self.next = self.next.max(inner.first);
                let at = usize::try_from(self.next - inner.first).unwrap_or(usize::MAX);
                if let Some(event) = inner.events.get(at).cloned() {
                    self.next += 1;
                    inner.unread = inner.unread.max(self.next);
                    return Some((self.next - 1, event));
                }
                if inner.closed {
                    return None;
                }
            }
            changed.await;
        }
    }
}

/// Maximum size of a log in bytes; a single larger event is retained nevertheless.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Maximum number of events of a log.
const MAX_EVENTS: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reader_that_comes_back_goes_on_where_it_was() {
        let log = EventLog::new();
        for event in ["a", "b", "c"] {
            log.push(event.into());
        }
        let mut first = log.read(0);
        assert_eq!(first.next().await, Some((0, "a".into())));
        let mut second = log.read(1);
        assert_eq!(first.next().await, None, "another took over");
        assert_eq!(second.next().await, Some((1, "b".into())));
        log.close();
        assert_eq!(second.next().await, Some((2, "c".into())));
        assert_eq!(second.next().await, None);
    }

    #[tokio::test]
    async fn a_reader_waits_for_what_comes() {
        let log = EventLog::new();
        let mut reader = log.read(0);
        let (event, ()) = tokio::join!(reader.next(), async { log.push("a".into()) });
        assert_eq!(event, Some((0, "a".into())));
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded() {
        let log = EventLog::new();
        let large = Bytes::from(vec![0; MAX_BYTES / 4]);
        for _ in 0..10 {
            log.push(large.clone());
        }
        assert!(log.bytes() <= MAX_BYTES);
        assert_eq!(log.read(0).next().await.unwrap().0, 6);
        log.push(vec![0; MAX_BYTES * 2].into());
        assert_eq!(
            log.read(0).next().await.unwrap().0,
            10,
            "the newest is always kept"
        );
        for _ in 0..2 * MAX_EVENTS {
            log.push(Bytes::new());
        }
        assert!(log.inner().events.len() <= MAX_EVENTS);
    }
}
