//! Event logs of resumable streams.
//!
//! See [MCP 2025-11-25, resumability and
//! redelivery](https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#resumability-and-redelivery).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::list_changes::ChangedList;

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
    /// Retained events; `None` for one that a later event has replaced.
    events: VecDeque<Option<Bytes>>,
    /// Number of the first retained event.
    first: u64,
    /// Total size of the retained events.
    bytes: usize,
    /// Numbers of the last notifications of changed lists.
    list_changes: [Option<u64>; ChangedList::COUNT],
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
        self.inner().push(event);
        self.changed.notify_waiters();
    }

    /// Appends the notification that `list` has changed. It replaces an earlier one, so that a
    /// client that resumes the stream receives only the last.
    pub(crate) fn push_list_change(&self, list: ChangedList, event: Bytes) {
        let mut inner = self.inner();
        if let Some(earlier) = inner.list_changes[list.index()] {
            inner.replace(earlier);
        }
        inner.list_changes[list.index()] = Some(inner.push(event));
        drop(inner);
        self.changed.notify_waiters();
    }

    /// Returns the lists whose change no reader of the events from `next` on has received.
    pub(crate) fn unread_list_changes(&self, next: Option<u64>) -> Vec<ChangedList> {
        let inner = self.inner();
        let next = next.unwrap_or(inner.unread);
        let is_unread =
            |list: &ChangedList| inner.list_changes[list.index()].is_some_and(|last| last >= next);
        let all = [
            ChangedList::Prompts,
            ChangedList::Resources,
            ChangedList::Tools,
        ];
        all.into_iter().filter(is_unread).collect()
    }

    /// Ends the active reader. Unread events are retained for the next one.
    pub(crate) fn interrupt(&self) {
        self.inner().reader += 1;
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

impl Inner {
    /// Appends an event, dropping the oldest ones beyond the limits; returns its number.
    fn push(&mut self, event: Bytes) -> u64 {
        self.bytes += event.len();
        self.events.push_back(Some(event));
        while self.events.len() > MAX_EVENTS || (self.bytes > MAX_BYTES && self.events.len() > 1) {
            let Some(oldest) = self.events.pop_front() else {
                break;
            };
            self.bytes -= oldest.map_or(0, |oldest| oldest.len());
            self.first += 1;
        }
        self.first + self.events.len() as u64 - 1
    }

    /// Removes the content of the event `number`, which keeps its number.
    fn replace(&mut self, number: u64) {
        let Some(at) = number.checked_sub(self.first) else {
            return;
        };
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        if let Some(replaced) = self.events.get_mut(at).and_then(Option::take) {
            self.bytes -= replaced.len();
        }
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
                let replaced = inner.events.iter().skip(at).take_while(|it| it.is_none());
                self.next += replaced.count() as u64;
                let at = usize::try_from(self.next - inner.first).unwrap_or(usize::MAX);
                if let Some(event) = inner.events.get(at).cloned().flatten() {
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
    async fn only_the_last_change_of_a_list_is_kept() {
        let log = EventLog::new();
        log.push("a".into());
        log.push_list_change(ChangedList::Tools, "tools 1".into());
        log.push_list_change(ChangedList::Prompts, "prompts 1".into());
        log.push("b".into());
        log.push_list_change(ChangedList::Tools, "tools 2".into());
        let unread = [ChangedList::Prompts, ChangedList::Tools];
        assert_eq!(log.unread_list_changes(None), unread);
        let mut reader = log.read_on();
        for expected in [(0, "a"), (2, "prompts 1"), (3, "b"), (4, "tools 2")] {
            let (number, event) = reader.next().await.unwrap();
            assert_eq!((number, &*event), (expected.0, expected.1.as_bytes()));
        }
        assert_eq!(log.unread_list_changes(None), []);
        assert_eq!(log.unread_list_changes(Some(4)), [ChangedList::Tools]);
        // One that is replaced while it is the next one is skipped.
        log.push_list_change(ChangedList::Tools, "tools 3".into());
        log.push_list_change(ChangedList::Tools, "tools 4".into());
        assert_eq!(reader.next().await, Some((6, "tools 4".into())));
        assert_eq!(log.bytes(), "abprompts 1tools 4".len());
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
