//! Distribution of events to the watchers of a store.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt};
use tokio::sync::broadcast::{self, error::RecvError};

use crate::{WatchEvent, WatchStream};

/// The watchers of a store, for implementations of [`Store::watch`](crate::Store::watch).
///
/// # Example
///
/// ```
/// use futures_util::StreamExt;
/// use mcp_gateway_store::{WatchEvent, WatcherRegistry};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let watchers = WatcherRegistry::new();
/// let mut events = watchers.watch("auth/");
/// watchers.notify(WatchEvent::Deleted("other/1".into()));
/// watchers.notify(WatchEvent::Deleted("auth/1".into()));
///
/// assert_eq!(events.next().await, Some(WatchEvent::Reset));
/// assert_eq!(events.next().await, Some(WatchEvent::Deleted("auth/1".into())));
///
/// drop(watchers);
/// assert_eq!(events.next().await, None);
/// # }
/// ```
#[derive(Debug)]
pub struct WatcherRegistry(broadcast::Sender<WatchEvent>);

impl WatcherRegistry {
    /// Creates an empty set.
    #[must_use]
    pub fn new() -> Self {
        Self(broadcast::Sender::new(MAX_BEHIND))
    }

    /// Sends `event` to all watchers of its key, without blocking. A watcher that lags too far
    /// behind receives [`WatchEvent::Reset`] instead.
    pub fn notify(&self, event: WatchEvent) {
        // Sending fails if there is no watcher.
        drop(self.0.send(event));
    }

    /// Returns [`WatchEvent::Reset`], followed by the events that are [sent](Self::notify) from now on for
    /// keys with the prefix `prefix`. The stream ends when `self` is dropped.
    pub fn watch(&self, prefix: &str) -> WatchStream {
        let prefix: Arc<str> = prefix.into();
        let later = stream::unfold(self.0.subscribe(), |mut events| async move {
            let event = match events.recv().await {
                Ok(event) => event,
                Err(RecvError::Lagged(_)) => WatchEvent::Reset,
                Err(RecvError::Closed) => return None,
            };
            Some((event, events))
        });
        let is_meant = move |event: &WatchEvent| match event {
            WatchEvent::Deleted(key) => key.starts_with(&*prefix),
            WatchEvent::Put(entry) => entry.key.starts_with(&*prefix),
            WatchEvent::Reset => true,
        };
        let later = later.filter(move |event| std::future::ready(is_meant(event)));
        WatchStream::new(stream::once(async { WatchEvent::Reset }).chain(later))
    }

    /// Returns `true` if there is no watcher.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.receiver_count() == 0
    }
}

impl Default for WatcherRegistry {
    fn default() -> Self {
        Self::new()
    }
}

/// Maximum lag of a watcher, in events. Beyond that, it must list the documents again.
const MAX_BEHIND: usize = 1024;
