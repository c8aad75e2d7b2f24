//! Pace of the list-changed notifications to one client.
//!
//! A server may change its lists all the time, and a client requests the whole list upon each
//! notification. So each stream to a client, or the session if there is one, owns a
//! [`ListChanges`]: the first notification passes at once, and those that follow within
//! [`INTERVAL`] are combined into one at its end. The last change is always told.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{self, Instant};

use crate::jsonrpc::Notification;
use crate::protocol::Method;

/// List whose change a notification announces. Resources and their templates share one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ChangedList {
    Prompts,
    Resources,
    Tools,
}

impl ChangedList {
    /// Number of lists.
    pub(crate) const COUNT: usize = 3;

    /// Returns the list whose change `method` announces; `None` for any other method.
    pub(crate) fn of(method: &Method) -> Option<Self> {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "no other method announces a change of a list"
        )]
        match method {
            Method::PromptsListChanged => Some(Self::Prompts),
            Method::ResourcesListChanged => Some(Self::Resources),
            Method::ToolsListChanged => Some(Self::Tools),
            _ => None,
        }
    }

    /// Returns the position of the list in arrays of [`COUNT`](Self::COUNT) elements.
    pub(crate) fn index(self) -> usize {
        match self {
            Self::Prompts => 0,
            Self::Resources => 1,
            Self::Tools => 2,
        }
    }
}

/// List-changed notifications to one client: at most one of each list per [`INTERVAL`].
#[derive(Debug, Default)]
pub(crate) struct ListChanges {
    /// State by list.
    lists: Mutex<[ListChange; ChangedList::COUNT]>,
    /// Notified when a notification has become pending.
    recorded: Notify,
}

/// Pace of the list-changed notifications in the reply to one request.
///
/// Costs nothing until the first one.
#[derive(Debug, Default)]
pub(crate) struct ReplyListChanges(Option<Box<ListChanges>>);

impl ReplyListChanges {
    /// Returns `notification` if it may be sent now. A list-changed notification that follows
    /// another too soon is recorded, to be returned by [`take_any`](Self::take_any).
    pub(crate) fn admit(&mut self, notification: Notification) -> Option<Notification> {
        match ChangedList::of(notification.method()) {
            Some(list) => self.0.get_or_insert_default().admit(list, notification),
            None => Some(notification),
        }
    }

    /// Removes and returns a recorded notification, because the reply ends.
    pub(crate) fn take_any(&mut self) -> Option<Notification> {
        self.0.as_ref()?.take_any()
    }
}

/// State of one list.
#[derive(Debug, Default)]
struct ListChange {
    /// Time of the last notification.
    last: Option<Instant>,
    /// Last notification that has not been sent.
    pending: Option<Notification>,
}

impl ListChange {
    /// Returns the earliest time of the next notification.
    fn earliest(&self) -> Option<Instant> {
        self.last.map(|last| last + INTERVAL)
    }
}

impl ListChanges {
    /// Records a notification, to be returned by [`next`](Self::next). It replaces an earlier one
    /// of the same list.
    pub(crate) fn record(&self, list: ChangedList, notification: Notification) {
        self.lists()[list.index()].pending = Some(notification);
        self.recorded.notify_waiters();
    }

    /// Returns `notification` if it may be sent at once; records it otherwise.
    pub(crate) fn admit(
        &self,
        list: ChangedList,
        notification: Notification,
    ) -> Option<Notification> {
        let now = Instant::now();
        let mut lists = self.lists();
        let change = &mut lists[list.index()];
        if change.earliest().is_none_or(|earliest| earliest <= now) {
            *change = ListChange {
                last: Some(now),
                pending: None,
            };
            return Some(notification);
        }
        drop(lists);
        self.record(list, notification);
        None
    }

    /// Begins a new interval for `list`, because an earlier notification is being sent now.
    pub(crate) fn restart(&self, list: ChangedList) {
        self.lists()[list.index()].last = Some(Instant::now());
    }

    /// Waits until a recorded notification may be sent, and returns it.
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses no notification.
    pub(crate) async fn next(&self) -> Notification {
        loop {
            let mut recorded = std::pin::pin!(self.recorded.notified());
            // Registers before the state is inspected, so that no notification is missed.
            recorded.as_mut().enable();
            let due = match self.take_due() {
                Ok(notification) => return notification,
                Err(due) => due,
            };
            let interval = async {
                match due {
                    Some(due) => time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = recorded => {}
                () = interval => {}
            }
        }
    }

    /// Removes and returns a recorded notification, because no other one will follow.
    pub(crate) fn take_any(&self) -> Option<Notification> {
        let mut lists = self.lists();
        lists.iter_mut().find_map(|change| change.pending.take())
    }

    /// Removes and returns a recorded notification that may be sent now; otherwise returns the
    /// time of the next one.
    fn take_due(&self) -> Result<Notification, Option<Instant>> {
        let now = Instant::now();
        let mut next = None;
        for change in &mut *self.lists() {
            if change.pending.is_none() {
                continue;
            }
            let due = change.earliest().unwrap_or(now);
            if due <= now
                && let Some(notification) = change.pending.take()
            {
                change.last = Some(now);
                return Ok(notification);
            }
            next = Some(next.map_or(due, |next: Instant| next.min(due)));
        }
        Err(next)
    }

    /// Locks the state.
    fn lists(&self) -> MutexGuard<'_, [ListChange; ChangedList::COUNT]> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Minimum time between two notifications of one list: a second, with a margin for the delays of
/// the network.
const INTERVAL: Duration = Duration::from_millis(1_200);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn changed(number: usize) -> Notification {
        let params = format!("{{\"n\":{number}}}");
        Notification::new(&Method::ToolsListChanged, Some(&params))
    }

    #[tokio::test(start_paused = true)]
    async fn a_storm_is_one_notification_per_interval_and_the_last_one_is_told() {
        let changes = Arc::new(ListChanges::default());
        let storm = async {
            for number in 0..=500 {
                changes.record(ChangedList::Tools, changed(number));
                time::sleep(Duration::from_millis(10)).await;
            }
            time::sleep(2 * INTERVAL).await;
        };
        let mut told = Vec::new();
        let listen = async {
            loop {
                let notification = changes.next().await;
                let number: usize = notification.param("n").unwrap().parse().unwrap();
                told.push((Instant::now(), number));
            }
        };
        tokio::select! {
            () = storm => {}
            () = listen => {}
        }
        assert_eq!(told.first().unwrap().1, 0, "the first one is not delayed");
        assert_eq!(told.last().unwrap().1, 500, "the last one is not lost");
        assert!(told.len() <= 6, "{told:?}");
        let gaps = told.windows(2).map(|pair| pair[1].0 - pair[0].0);
        assert!(gaps.min().unwrap() >= INTERVAL, "{told:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn lists_do_not_delay_each_other() {
        let changes = ListChanges::default();
        changes.record(ChangedList::Tools, changed(1));
        let prompts = Notification::new(&Method::PromptsListChanged, None);
        changes.record(ChangedList::Prompts, prompts);
        let began = Instant::now();
        let told = [changes.next().await, changes.next().await];
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(told[0].method(), &Method::PromptsListChanged);
        assert_eq!(told[1].method(), &Method::ToolsListChanged);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_admitted_is_told_later() {
        let changes = ListChanges::default();
        assert!(changes.admit(ChangedList::Tools, changed(1)).is_some());
        assert!(changes.admit(ChangedList::Tools, changed(2)).is_none());
        let began = Instant::now();
        assert_eq!(changes.next().await.param("n"), Some("2"));
        assert!(began.elapsed() >= INTERVAL);
        changes.restart(ChangedList::Tools);
        assert!(changes.admit(ChangedList::Tools, changed(3)).is_none());
    }
}
