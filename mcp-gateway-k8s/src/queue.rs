//! Queue of servers to look at.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::observed::Key;

/// Queue in which each key has one place, and is taken by one worker at a time.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    changed: Notify,
}

/// Time at which a key is due. Those for which callers wait come first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Due {
    /// At once.
    Urgently,
    /// At this time.
    At(Instant),
}

#[derive(Debug, Default)]
struct Inner {
    order: BTreeSet<(Due, Key)>,
    due: HashMap<Key, Due>,
    /// Keys that workers have, and the time at which they are due again.
    taken: HashMap<Key, Option<Due>>,
    /// Ends of the delays of keys that failed.
    delayed: HashMap<Key, Instant>,
}

impl Queue {
    /// Adds `key`, due after `delay`, unless it is due earlier. It is never due before the end of
    /// its own delay.
    pub(crate) fn add(&self, key: &Key, delay: Duration) {
        self.lock().add(key, Due::At(Instant::now() + delay));
        self.changed.notify_one();
    }

    /// Adds `key` before all others, because a caller waits for it.
    pub(crate) fn hurry(&self, key: &Key) {
        self.lock().add(key, Due::Urgently);
        self.changed.notify_one();
    }

    /// Returns the time at which the next key is due.
    pub(crate) fn next(&self) -> Option<Due> {
        self.lock().order.first().map(|(due, _)| *due)
    }

    /// Takes the key that is due first, if one is.
    pub(crate) fn take(&self) -> Option<Key> {
        let mut inner = self.lock();
        let first = inner
            .order
            .first()
            .filter(|(due, _)| *due <= Due::At(Instant::now()))?;
        let key = first.1.clone();
        inner.order.pop_first();
        inner.due.remove(&key);
        inner.taken.insert(key.clone(), None);
        Some(key)
    }

    /// Gives `key` back. It is due after `again`; before that, only if it is added.
    pub(crate) fn give_back(&self, key: &Key, again: Option<Duration>) {
        let mut inner = self.lock();
        inner.delayed.remove(key);
        let earlier = inner.taken.remove(key).flatten();
        let again = again.map(|delay| Due::At(Instant::now() + delay));
        if let Some(due) = earlier.into_iter().chain(again).min() {
            inner.add(key, due);
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// Gives `key` back after a failure. It is due after `delay`, whoever adds it.
    pub(crate) fn delay(&self, key: &Key, delay: Duration) {
        let mut inner = self.lock();
        let end = Instant::now() + delay;
        inner.delayed.insert(key.clone(), end);
        inner.taken.remove(key);
        inner.add(key, Due::At(end));
        drop(inner);
        self.changed.notify_one();
    }

    /// Ends the delays of `keys`, whose declarations have changed.
    pub(crate) fn end_delays(&self, keys: &HashSet<Key>) {
        self.lock().delayed.retain(|key, _| !keys.contains(key));
    }

    /// Waits until a key has been added or given back.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn add(&mut self, key: &Key, due: Due) {
        let due = self
            .delayed
            .get(key)
            .map_or(due, |end| due.max(Due::At(*end)));
        if let Some(again) = self.taken.get_mut(key) {
            *again = Some(again.map_or(due, |earlier| earlier.min(due)));
            return;
        }
        match self.due.get_mut(key) {
            Some(earlier) if *earlier <= due => {}
            Some(later) => {
                self.order.remove(&(*later, key.clone()));
                *later = due;
                self.order.insert((due, key.clone()));
            }
            None => {
                self.due.insert(key.clone(), due);
                self.order.insert((due, key.clone()));
            }
        }
    }
}

/// Bound on the number of requests in time.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Time between two requests in the long run.
    interval: Duration,
    /// Requests that may be made at once after a pause.
    burst: u32,
    /// Time at which all requests so far will have been made at the interval.
    paid: Instant,
}

impl Pace {
    /// Creates a bound of `per_second` requests, and of `burst` at once.
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        Self {
            interval: Duration::from_secs(1) / per_second.max(1),
            burst,
            paid: Instant::now(),
        }
    }

    /// Returns the time from which the next request may be made.
    pub(crate) fn ready(&self) -> Instant {
        self.paid
            .checked_sub(self.interval * self.burst)
            .unwrap_or(self.paid)
    }

    /// Records a request.
    pub(crate) fn spend(&mut self) {
        self.paid = self.paid.max(Instant::now()) + self.interval;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn key(name: &str) -> Key {
        Key::new("n", name)
    }

    #[tokio::test(start_paused = true)]
    async fn the_earliest_time_wins() {
        let queue = Queue::default();
        queue.add(&key("a"), 5 * SECOND);
        queue.add(&key("b"), 2 * SECOND);
        queue.add(&key("a"), SECOND);
        queue.add(&key("a"), 9 * SECOND);
        assert_eq!(queue.take(), None);
        tokio::time::advance(3 * SECOND).await;
        assert_eq!(queue.take(), Some(key("a")));
        assert_eq!(queue.take(), Some(key("b")));
        assert_eq!(queue.next(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_taken_key_comes_back_once() {
        let queue = Queue::default();
        queue.add(&key("a"), Duration::ZERO);
        assert_eq!(queue.take(), Some(key("a")));
        queue.add(&key("a"), Duration::ZERO);
        assert_eq!(queue.take(), None);
        queue.give_back(&key("a"), Some(60 * SECOND));
        assert_eq!(queue.take(), Some(key("a")));
        queue.give_back(&key("a"), None);
        assert_eq!(queue.next(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn callers_do_not_wait_for_others() {
        let queue = Queue::default();
        for name in ["a", "b", "c"] {
            queue.add(&key(name), Duration::ZERO);
        }
        queue.hurry(&key("c"));
        queue.add(&key("c"), Duration::ZERO);
        assert_eq!(queue.next(), Some(Due::Urgently));
        assert_eq!(queue.take(), Some(key("c")));
        assert_eq!(queue.take(), Some(key("a")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_delay_ends_early_for_a_new_declaration_only() {
        let queue = Queue::default();
        queue.add(&key("a"), Duration::ZERO);
        queue.take().unwrap();
        queue.delay(&key("a"), 60 * SECOND);
        queue.add(&key("a"), Duration::ZERO);
        assert_eq!(queue.take(), None);
        queue.end_delays(&HashSet::from([key("a")]));
        queue.add(&key("a"), Duration::ZERO);
        assert_eq!(queue.take(), Some(key("a")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pace_bounds_requests() {
        let mut pace = Pace::new(10, 5);
        let start = Instant::now();
        for _ in 0..105 {
            tokio::time::sleep_until(pace.ready()).await;
            pace.spend();
        }
        let elapsed = start.elapsed();
        assert!((9 * SECOND..11 * SECOND).contains(&elapsed), "{elapsed:?}");
    }
}
