//! The events that a watcher of a store receives.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;
use futures_util::stream::{BoxStream, StreamExt};

use crate::ListedDocument;

/// A change of the watched keys.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum WatchEvent {
    /// The key has been deleted.
    Deleted(Arc<str>),
    /// The key has been written.
    Put(ListedDocument),
    /// Earlier writes may have been missed and must be listed.
    Reset,
}

/// The stream that [`Store::watch`](crate::Store::watch) returns. Dropping it ends the
/// subscription.
///
/// # Example
///
/// ```
/// use futures_util::{StreamExt, stream};
/// use mcp_gateway_store::{WatchEvent, WatchStream};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut events = WatchStream::new(stream::iter([WatchEvent::Reset]));
/// assert_eq!(events.next().await, Some(WatchEvent::Reset));
/// assert_eq!(events.next().await, None);
/// # }
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct WatchStream(BoxStream<'static, WatchEvent>);

impl WatchStream {
    /// Wraps the events of a store.
    pub fn new(events: impl Stream<Item = WatchEvent> + Send + 'static) -> Self {
        Self(events.boxed())
    }
}

impl Stream for WatchStream {
    type Item = WatchEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<WatchEvent>> {
        self.0.poll_next_unpin(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl fmt::Debug for WatchStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchStream").finish_non_exhaustive()
    }
}
