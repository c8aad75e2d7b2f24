//! The stream of a merged subscription.

use std::sync::Arc;

use futures_util::{Stream, StreamExt, stream};

use super::MergedEvents;
use crate::Call;
use crate::error::UpstreamError;
use crate::jsonrpc::Notification;
use crate::layer::dispatch::{RoutedService, Shared};
use crate::list_changes::{ChangedList, ListChanges};
use crate::reply::ReplyEvent;
use crate::route::RouterChanges;
use crate::upstream::SubscriptionFilter;

/// A subscription to all servers of a gateway, including those that are added later.
pub(super) struct MergedSubscription<S> {
    pub(super) shared: Arc<Shared>,
    pub(super) inner: S,
    pub(super) call: Call,
    pub(super) filter: SubscriptionFilter,
    pub(super) said: MergedEvents,
    /// Changes of the set of servers.
    pub(super) changes: RouterChanges,
    /// Pace of the list-changed notifications.
    pub(super) list_changes: Arc<ListChanges>,
    /// First message, unless it has been returned.
    pub(super) acknowledgement: Option<Notification>,
    /// End of the stream of the only server.
    pub(super) ending: Option<Result<ReplyEvent, UpstreamError>>,
}

impl<S: RoutedService> MergedSubscription<S> {
    /// Converts the subscription into a stream of messages.
    pub(super) fn into_stream(
        self,
    ) -> impl Stream<Item = Result<ReplyEvent, UpstreamError>> + Send + 'static {
        stream::unfold(self, |mut listening| async move {
            let event = listening.next().await?;
            Some((event, listening))
        })
    }

    /// Waits for the next message.
    async fn next(&mut self) -> Option<Result<ReplyEvent, UpstreamError>> {
        loop {
            if let Some(first) = self.acknowledgement.take() {
                return Some(Ok(ReplyEvent::Notification(first)));
            }
            if self.ending.is_some() {
                // What the server has notified of before is not lost.
                let due = self.list_changes.take_any();
                let due = due.map(|due| Ok(ReplyEvent::Notification(due)));
                return due.or_else(|| self.ending.take());
            }
            tokio::select! {
                event = self.said.next() => match event {
                    Some(Ok(ReplyEvent::Notification(notification))) => {
                        let Some(list) = ChangedList::of(notification.method()) else {
                            return Some(Ok(ReplyEvent::Notification(notification)));
                        };
                        self.list_changes.record(list, notification);
                    }
                    Some(Ok(event @ ReplyEvent::Request(_))) => return Some(Ok(event)),
                    end => self.ending = Some(end.unwrap_or(Err(UpstreamError::Closed))),
                },
                due = self.list_changes.next() => {
                    return Some(Ok(ReplyEvent::Notification(due)));
                }
                Some(()) = self.changes.next() => self.listen_anew().await,
            }
        }
    }

    /// Subscribes to the current servers, and reports that any list may have changed.
    async fn listen_anew(&mut self) {
        let call = self.call.lasting();
        let listening = self.shared.listen_once(&self.inner, &call, &self.filter);
        match listening.await {
            Ok((_, said)) => self.said = said,
            Err(error) => tracing::debug!(%error, "subscription to servers failed"),
        }
        for notification in self.filter.lists_only().everything_changed() {
            if let Some(list) = ChangedList::of(notification.method()) {
                self.list_changes.record(list, notification);
            }
        }
    }
}
