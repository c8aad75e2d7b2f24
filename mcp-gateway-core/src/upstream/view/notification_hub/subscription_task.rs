//! Task that subscribes to a server on behalf of all subscribers of a view.
//!
//! It lives as long as one connection and is started again for the next one. In each era it applies
//! the union of the filters, then forwards messages until the union changes or the connection
//! closes:
//!
//! | era | stream | change of the union |
//! |---|---|---|
//! | legacy | standalone stream of the session | `resources/subscribe` and `resources/unsubscribe` for the difference |
//! | modern | `subscriptions/listen` | a second stream with the new filter replaces the first one |

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::{FutureExt, StreamExt};
use tokio::sync::broadcast::error::RecvError;

use super::super::list_cache::ListCache;
use super::super::lock;
use super::Shared;
use crate::call::Prepared;
use crate::error::UpstreamError;
use crate::json::{object_json, string_json};
use crate::jsonrpc::{Id, Request};
use crate::protocol::{Era, Method};
use crate::reply::{self, ReplyEvent, ReplyStream};
use crate::upstream::{connection::UpstreamConnection, subscription_filter::SubscriptionFilter};
use crate::{Call, Reply};

/// Subscription to a server over one connection, on behalf of all subscribers of a view.
pub(super) struct SubscriptionTask<'a> {
    /// State that the subscribers share, with the union of their filters.
    pub(super) shared: &'a Shared,
    /// List cache to invalidate on change notifications.
    pub(super) list_cache: &'a ListCache,
    /// Call on whose behalf the subscription is made: its credential is presented, and its client's
    /// capabilities are declared.
    pub(super) call: &'a Call<Prepared>,
}

impl SubscriptionTask<'_> {
    /// Forwards messages until the connection is closed.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] if the server rejects the subscription or breaks the stream; the caller
    /// reconnects after a delay.
    pub(super) async fn run(
        &self,
        connection: &dyn UpstreamConnection,
    ) -> Result<(), UpstreamError> {
        match connection.server_info().version.era() {
            Era::Legacy => self.run_legacy(connection).await,
            Era::Modern => self.run_modern(connection).await,
        }
    }

    /// Forwards messages of a legacy session.
    ///
    /// Resources that the server does not offer subscriptions for are left out of the union.
    async fn run_legacy(&self, connection: &dyn UpstreamConnection) -> Result<(), UpstreamError> {
        let mut events = connection.subscribe();
        // Messages that the server sends before the stream is open are lost.
        connection.ready().await;
        let mut subscribed = BTreeSet::new();
        loop {
            let (state, wanted) = lock(&self.shared.subscriptions).filter();
            let wanted = wanted
                .honored_by(connection.server_info())
                .resource_subscriptions;
            for uri in wanted.difference(&subscribed) {
                self.subscribe(connection, &Method::ResourcesSubscribe, uri)
                    .await;
            }
            for uri in subscribed.difference(&wanted) {
                self.subscribe(connection, &Method::ResourcesUnsubscribe, uri)
                    .await;
            }
            subscribed = wanted;
            self.acknowledge(state);
            loop {
                tokio::select! {
                    event = events.recv() => match event {
                        Ok(event) => self.broadcast(Arc::unwrap_or_clone(event)),
                        Err(RecvError::Lagged(_)) => self.broadcast_all_changed(),
                        Err(RecvError::Closed) => return Ok(()),
                    },
                    () = self.changed_since(state) => break,
                    () = connection.closed() => return Ok(()),
                }
            }
        }
    }

    /// Sends `method`, a subscribe or unsubscribe request, for the resource `uri`.
    ///
    /// The answer is recorded for the client that caused it; other subscriptions do not depend on
    /// it.
    async fn subscribe(&self, connection: &dyn UpstreamConnection, method: &Method, uri: &str) {
        let params = object_json(&[("uri", string_json(uri).into())]);
        let request = Request::new(&Id::from("subscribe"), method, &params);
        let call = self.call.derive_for_server(request);
        let reply = match connection.send(&call).await {
            Ok(reply) => reply::response(reply).await.ok(),
            Err(_) => None,
        };
        if reply.as_ref().is_none_or(|reply| reply.result().is_err()) {
            tracing::debug!(%method, "upstream rejected a subscription");
        }
        if let Some(reply) = reply {
            let subscribed = method == &Method::ResourcesSubscribe;
            lock(&self.shared.outcomes).record(uri, subscribed, reply);
        }
    }

    /// Forwards messages of `subscriptions/listen`, which is reopened whenever the union changes.
    ///
    /// No stream is open while the union is empty. Only notifications are valid in it; any other
    /// message ends the subscription.
    async fn run_modern(&self, connection: &dyn UpstreamConnection) -> Result<(), UpstreamError> {
        let mut events = None;
        loop {
            let (state, wanted) = lock(&self.shared.subscriptions).filter();
            let wanted = wanted.honored_by(connection.server_info());
            events = match wanted.is_empty() {
                true => None,
                false => Some(self.reopen(connection, &wanted, events).await?),
            };
            self.acknowledge(state);
            loop {
                tokio::select! {
                    event = next(&mut events) => match event {
                        Some(Ok(event @ ReplyEvent::Notification(_))) => self.broadcast(event),
                        Some(Ok(_)) | None => return Ok(()),
                        Some(Err(error)) => return Err(error),
                    },
                    () = self.changed_since(state) => break,
                    () = connection.closed() => return Ok(()),
                }
            }
        }
    }

    /// Waits until the union has another version than `state`.
    async fn changed_since(&self, state: u64) {
        while lock(&self.shared.subscriptions).generation() == state {
            self.shared.changed.notified().await;
        }
    }

    /// Opens a stream for `wanted` that replaces `old` without losing messages of it.
    ///
    /// `old` is read until the server has acknowledged the new stream, and once more for messages
    /// that had arrived by then. A message can therefore be delivered twice, which is harmless for
    /// change notifications.
    async fn reopen(
        &self,
        connection: &dyn UpstreamConnection,
        wanted: &SubscriptionFilter,
        mut old: Option<ReplyStream>,
    ) -> Result<ReplyStream, UpstreamError> {
        let mut opening = pin!(self.open(connection, wanted));
        let opened = loop {
            tokio::select! {
                biased;
                Some(Ok(event)) = next(&mut old) => self.broadcast(event),
                opened = &mut opening => break opened?,
            }
        };
        while let Some(Some(Ok(event))) = next(&mut old).now_or_never() {
            self.broadcast(event);
        }
        Ok(opened)
    }

    /// Opens a stream for `wanted` and waits until the server has acknowledged it.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Closed`] if the request cannot be sent, [`UpstreamError::Invalid`] if the
    /// response is no stream or does not begin with the acknowledgement.
    async fn open(
        &self,
        connection: &dyn UpstreamConnection,
        wanted: &SubscriptionFilter,
    ) -> Result<ReplyStream, UpstreamError> {
        let context = self.call.client().request_context();
        let params = object_json(&[
            ("_meta", context.into()),
            ("notifications", wanted.to_json().into()),
        ]);
        let request = Request::new(&Id::from("listen"), &Method::SubscriptionsListen, &params);
        let call = self.call.derive_for_server(request);
        let mut events = match connection.send(&call).await {
            Ok(Reply::Events(events)) => events,
            Ok(_) => {
                return Err(UpstreamError::invalid(
                    "subscriptions/listen returned no stream",
                ));
            }
            Err(_) => return Err(UpstreamError::Closed),
        };
        match events.next().await {
            Some(Ok(ReplyEvent::Notification(first)))
                if first.method() == &Method::SubscriptionsAcknowledged =>
            {
                Ok(events)
            }
            Some(Err(error)) => Err(error),
            _ => Err(UpstreamError::invalid("subscription not acknowledged")),
        }
    }

    /// Records that the server has acknowledged the version `state`, and wakes subscribers that
    /// wait for it.
    fn acknowledge(&self, state: u64) {
        self.shared.told.send_replace(state);
        // It is unknown which messages were missed during the interruption.
        if self.shared.down.swap(false, Ordering::AcqRel) {
            self.broadcast_all_changed();
        }
    }

    /// Forwards a message to the subscribers, after invalidating the list that it announces a
    /// change of.
    ///
    /// A request that no subscriber accepts is rejected.
    fn broadcast(&self, event: ReplyEvent) {
        match event {
            ReplyEvent::Notification(notification) => {
                self.list_cache.invalidate(notification.method());
                self.shared.notify(notification);
            }
            ReplyEvent::Request(_) => self.shared.events.send(event),
            ReplyEvent::Response(_) => {}
        }
    }

    /// Notifies the subscribers that anything may have changed, and clears the list cache.
    fn broadcast_all_changed(&self) {
        self.list_cache.clear();
        let (_, filter) = lock(&self.shared.subscriptions).filter();
        for notification in filter.everything_changed() {
            self.shared.notify(notification);
        }
    }
}

/// Waits for the next message; forever if there is no stream.
async fn next(events: &mut Option<ReplyStream>) -> Option<Result<ReplyEvent, UpstreamError>> {
    match events {
        Some(events) => events.next().await,
        None => std::future::pending().await,
    }
}
