use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

/// The events of one stream of a session, kept so that a client whose connection broke can take it
/// up again.
#[derive(Debug, Default)]
pub(crate) struct EventLog {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    events: VecDeque<Bytes>,
    /// The number of the first event that is kept.
    first: u64,
    bytes: usize,
    closed: bool,
    /// The number of the first event that no reader has had.
    unread: u64,
    /// Which reader reads; a newer one takes the place of an older one.
    reader: u64,
}

impl EventLog {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Adds an event.
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

    /// Says that no more events come.
    pub(crate) fn close(&self) {
        self.inner().closed = true;
        self.changed.notify_waiters();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.inner().closed
    }

    /// How much memory the events take.
    pub(crate) fn bytes(&self) -> usize {
        self.inner().bytes
    }

    /// Whether somebody reads.
    pub(crate) fn is_read(self: &Arc<Self>) -> bool {
        // The log itself is held by the session, and while it is written by its writer.
        self.inner().reader > 0 && Arc::strong_count(self) > 1
    }

    /// Reads what nobody has read yet.
    pub(crate) fn read_on(self: &Arc<Self>) -> LogReader {
        let unread = self.inner().unread;
        self.read(unread)
    }

    /// Reads from the event `next` on; whoever has read until now reads no more.
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

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the events of a stream as they come.
#[derive(Debug)]
pub(crate) struct LogReader {
    log: Arc<EventLog>,
    next: u64,
    reader: u64,
}

impl LogReader {
    /// The next event and its number; `None` when no more come, or another reader took over.
    pub(crate) async fn next(&mut self) -> Option<(u64, Bytes)> {
        let log = Arc::clone(&self.log);
        loop {
            let mut changed = std::pin::pin!(log.changed.notified());
            // Registers before the log is looked at, so that no change is missed.
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

/// How much of a stream is kept for a client that may come back.
const MAX_BYTES: usize = 4 * 1024 * 1024;
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
