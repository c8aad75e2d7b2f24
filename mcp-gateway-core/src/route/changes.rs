//! Streams of changes of a router.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_util::stream::{self, BoxStream, StreamExt};

/// Stream with an item for each change of the servers of a router, or of their names.
///
/// # Example
///
/// ```
/// use futures_util::{StreamExt, stream};
/// use mcp_gateway_core::route::RouterChanges;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut changes = RouterChanges::new(stream::iter([()]));
/// assert_eq!(changes.next().await, Some(()));
/// assert_eq!(changes.next().await, None);
/// # }
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct RouterChanges(BoxStream<'static, ()>);

impl RouterChanges {
    /// Wraps the changes of a router.
    pub fn new(changes: impl Stream<Item = ()> + Send + 'static) -> Self {
        Self(changes.boxed())
    }

    /// Creates a stream that has no item, and does not end.
    pub(crate) fn pending() -> Self {
        Self::new(stream::pending())
    }
}

impl Stream for RouterChanges {
    type Item = ();

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
        self.0.poll_next_unpin(cx)
    }
}

impl fmt::Debug for RouterChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouterChanges").finish_non_exhaustive()
    }
}
