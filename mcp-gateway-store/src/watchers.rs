//! Those who watch a store.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt};
use tokio::sync::broadcast::{self, error::RecvError};

use crate::{Event, Events};

/// Those who watch a store: what implementations of [`Store::watch`](crate::Store::watch) need.
///
/// # Example
///
/// ```
/// use futures_util::StreamExt;
/// use mcp_gateway_store::{Event, Watchers};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let watchers = Watchers::new();
/// let mut events = watchers.watch("auth/");
/// watchers.tell(Event::Deleted("other/1".into()));
/// watchers.tell(Event::Deleted("auth/1".into()));
///
/// assert_eq!(events.next().await, Some(Event::Reset));
/// assert_eq!(events.next().await, Some(Event::Deleted("auth/1".into())));
///
/// drop(watchers);
/// assert_eq!(events.next().await, None);
/// # }
/// ```
#[derive(Debug)]
pub struct Watchers(broadcast::Sender<Event>);

impl Watchers {
    /// Nobody watches yet.
    #[must_use]
    pub fn new() -> Self {
        Self(broadcast::Sender::new(MAX_BEHIND))
    }

    /// Tells those of `event` who watch its key, without waiting for them. Whoever is too far
    /// behind is told [`Event::Reset`] instead.
    pub fn tell(&self, event: Event) {
        // It fails if nobody watches.
        drop(self.0.send(event));
    }

    /// [`Event::Reset`], and what is [told](Self::tell) from now on of keys that begin with
    /// `prefix`; ends with `self`.
    #[must_use]
    pub fn watch(&self, prefix: &str) -> Events {
        let prefix: Arc<str> = prefix.into();
        let later = stream::unfold(self.0.subscribe(), |mut events| async move {
            let event = match events.recv().await {
                Ok(event) => event,
                Err(RecvError::Lagged(_)) => Event::Reset,
                Err(RecvError::Closed) => return None,
            };
            Some((event, events))
        });
        let is_meant = move |event: &Event| match event {
            Event::Deleted(key) => key.starts_with(&*prefix),
            Event::Put(entry) => entry.key.starts_with(&*prefix),
            Event::Reset => true,
        };
        let later = later.filter(move |event| std::future::ready(is_meant(event)));
        Events::new(stream::once(async { Event::Reset }).chain(later))
    }

    /// Whether anybody watches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.receiver_count() == 0
    }
}

impl Default for Watchers {
    fn default() -> Self {
        Self::new()
    }
}

/// Whoever is further behind has to list what there is.
const MAX_BEHIND: usize = 1024;
