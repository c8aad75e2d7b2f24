//! Notification hub: subscriptions to the unsolicited messages of a server.
//!
//! All subscribers of a view share one stream of the server, whose filter is the union of theirs.
//! In the modern era it is `subscriptions/listen`; in the legacy era it is the standalone stream of
//! a session together with `resources/subscribe`.
//!
//! A background task reads the stream for as long as the view exists, and reconnects with
//! exponential backoff. Messages that are lost in between, or because a subscriber is slow, are
//! replaced by notifications that everything has changed: a subscriber may be notified too often,
//! but never too rarely.
//!
//! See
//! [subscriptions](https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/subscriptions)
//! in MCP 2026-07-28.

mod outcomes;
mod subscription_task;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, broadcast, watch};
use tokio::time;

use self::outcomes::SubscriptionOutcomes;
use self::subscription_task::SubscriptionTask;
use super::subscription_set::SubscriptionSet;
use super::{View, lock};
use crate::call::Prepared;
use crate::error::UpstreamError;
use crate::json::object_json;
use crate::jsonrpc::{Id, Notification, Request};
use crate::protocol::{ListKind, Method};
use crate::reply::{ReplyEvent, ReplyStream};
use crate::task::BackgroundTask;
use crate::upstream::unsolicited::UnsolicitedMessages;
use crate::upstream::{InstanceKey, subscription_filter::SubscriptionFilter};
use crate::{Call, ClientInfo, Reply};

/// Hub of the unsolicited messages of a server.
///
/// It is passive until [`View::subscribe`] or [`View::start_subscription`] starts its task.
#[derive(Debug)]
pub(super) struct NotificationHub {
    /// State that subscribers and the task share.
    pub(super) shared: Arc<Shared>,
    /// Task that reads from the server; started by the first subscriber.
    task: Mutex<Option<BackgroundTask>>,
}

/// State that subscribers and the task share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Messages of the server. Each subscriber filters by itself.
    events: UnsolicitedMessages,
    /// Union of the filters.
    pub(super) subscriptions: Mutex<SubscriptionSet>,
    /// Answers of a legacy server to the subscriptions.
    pub(super) outcomes: Mutex<SubscriptionOutcomes>,
    /// Notified when the union has changed.
    changed: Notify,
    /// Version of the union that the server has acknowledged.
    pub(super) told: watch::Sender<u64>,
    /// `true` if the stream was interrupted since a subscriber appeared, so that messages may have
    /// been missed.
    down: AtomicBool,
    /// Call on whose behalf the subscription is made: the one that started it last.
    call: Mutex<Option<Arc<Call<Prepared>>>>,
}

impl Default for NotificationHub {
    fn default() -> Self {
        let shared = Shared {
            events: UnsolicitedMessages::new(EVENTS),
            subscriptions: Mutex::default(),
            outcomes: Mutex::default(),
            changed: Notify::new(),
            told: watch::channel(0).0,
            down: AtomicBool::new(false),
            call: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
            task: Mutex::default(),
        }
    }
}

impl Shared {
    /// Sends a notification to the subscribers. What is known before the first of them is not held
    /// for it.
    fn notify(&self, notification: Notification) {
        if self.events.has_subscribers() {
            self.events.send(ReplyEvent::Notification(notification));
        }
    }
}

impl NotificationHub {
    /// Returns `true` if there are subscribers, which keep the view in use.
    pub(super) fn has_subscribers(&self) -> bool {
        lock(&self.shared.subscriptions).subscribers > 0
    }

    /// Returns `true` if the task is running.
    pub(super) fn is_running(&self) -> bool {
        lock(&self.task).is_some()
    }

    /// Notifies the subscribers that the list `kind` has changed.
    pub(super) fn broadcast_changed(&self, kind: ListKind) {
        let changed = Notification::new(&kind.list_changed_method(), None);
        self.shared.notify(changed);
    }

    /// Stops the task. Subscribers receive nothing until it is started again; their streams stay
    /// open.
    pub(super) fn stop(&self) {
        lock(&self.task).take();
    }
}

impl View {
    /// Serves `subscriptions/listen`: first the acknowledgement with the honored part of the
    /// filter, then the notifications that match it.
    ///
    /// The acknowledgement waits until the server has accepted the union of the filters, so that a
    /// change right after it is not missed, but at most for [`TELL_TIMEOUT`]. If the server cannot
    /// be reached, the subscription is accepted for the lists alone, and starts once the server can
    /// be.
    ///
    /// The reply has no end of its own: it lasts until it is dropped.
    pub(super) async fn subscribe(
        self: &Arc<Self>,
        call: &Call<Prepared>,
    ) -> Result<Reply, UpstreamError> {
        let filter = call
            .request()
            .param("notifications")
            .and_then(SubscriptionFilter::parse);
        let filter = filter.unwrap_or_default();
        let info = time::timeout(CONNECT_WAIT, self.server_info(call)).await;
        let honored = match &info {
            Ok(Ok(info)) => filter.honored_by(info),
            // Once the server is reachable, its lists differ from the empty ones before.
            Ok(Err(_)) | Err(_) => filter.lists_only(),
        };
        let listener = Subscriber::new(self, honored.clone(), call.client());
        let is_there = matches!(info, Ok(Ok(_)));
        if !is_there {
            self.notifications
                .shared
                .down
                .store(true, Ordering::Release);
        }
        self.start_subscription(call);
        if is_there {
            listener.wait_until_told().await;
        }
        let params = object_json(&[("notifications", honored.to_json().into())]);
        let first = Notification::new(&Method::SubscriptionsAcknowledged, Some(&params));
        let first = stream::iter([Ok(ReplyEvent::Notification(first))]);
        Ok(Reply::Events(ReplyStream::new(
            first.chain(listener.into_stream()),
        )))
    }

    /// Starts the task on behalf of the caller of `call`, unless it is running.
    pub(super) fn start_subscription(self: &Arc<Self>, call: &Call<Prepared>) {
        let request = Request::new(&Id::from("listen"), &Method::SubscriptionsListen, "{}");
        let call = call.derive_for_server(request);
        *lock(&self.notifications.shared.call) = Some(Arc::new(call));
        lock(&self.notifications.task).get_or_insert_with(|| {
            let view = Arc::downgrade(self);
            let shared = Arc::clone(&self.notifications.shared);
            BackgroundTask::spawn(run_subscription(view, shared))
        });
    }
}

/// Reads messages of the server for as long as the view exists, reconnecting with a growing delay.
///
/// The view is referenced weakly, so that the task does not keep it alive. The list cache is
/// invalidated whenever a connection ends, because its change notifications are lost from then on.
/// A connection or stream that ends at once counts as a failure: each subscriber is notified of
/// possible changes after it.
async fn run_subscription(view: Weak<View>, shared: Arc<Shared>) {
    let mut pause = MIN_PAUSE;
    loop {
        let Some(call) = lock(&shared.call).clone() else {
            return;
        };
        let connected = match view.upgrade() {
            Some(view) => {
                let connection = view.connection(&call).await;
                connection.map(|connection| (connection, Arc::clone(&view.lists)))
            }
            None => return,
        };
        if let Ok((connection, lists)) = connected {
            let attending = SubscriptionTask {
                shared: &shared,
                list_cache: &lists,
                call: &call,
            };
            let began = time::Instant::now();
            let ended = attending.run(&*connection).await;
            if ended.is_ok() && began.elapsed() >= MIN_DURATION {
                pause = MIN_PAUSE;
            }
            lists.clear();
        }
        shared.down.store(true, Ordering::Release);
        shared.told.send_replace(NOBODY_TO_TELL);
        time::sleep(pause).await;
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

/// A subscriber, registered until it is dropped.
struct Subscriber {
    /// View that the subscriber keeps alive.
    view: Arc<View>,
    /// Notifications that the subscriber receives.
    filter: SubscriptionFilter,
    /// `true` if the subscriber receives all messages, requests included, because the session of
    /// its client uses the connection exclusively.
    everything: bool,
    /// Number of the session of the client, which receives all messages while nobody else uses the
    /// view.
    session: Option<u64>,
    /// Version of the union that includes its filter.
    state: u64,
    /// Queue of at most [`EVENTS`] messages.
    events: broadcast::Receiver<Arc<ReplyEvent>>,
}

impl Subscriber {
    /// Registers a subscriber and requests the new union from the server.
    ///
    /// The queue is created first, so that no message is lost after the registration.
    fn new(view: &Arc<View>, filter: SubscriptionFilter, client: &ClientInfo) -> Self {
        let shared = &view.notifications.shared;
        let events = shared.events.subscribe();
        let state = lock(&shared.subscriptions).add(&filter);
        shared.changed.notify_one();
        Self {
            view: Arc::clone(view),
            everything: matches!(view.key.instance, InstanceKey::Session(_)),
            session: client.session().map(|session| session.number()),
            filter,
            state,
            events,
        }
    }

    /// Waits until the server has acknowledged the filter, at most for [`TELL_TIMEOUT`].
    async fn wait_until_told(&self) {
        let mut told = self.view.notifications.shared.told.subscribe();
        let told = told.wait_for(|told| *told >= self.state);
        let _ = time::timeout(TELL_TIMEOUT, told).await;
    }

    /// Converts the subscriber into its stream of messages.
    fn into_stream(self) -> impl Stream<Item = Result<ReplyEvent, UpstreamError>> + Send {
        stream::unfold(
            (self, Vec::new()),
            |(mut listener, mut missed)| async move {
                let event = match missed.pop() {
                    Some(event) => event,
                    None => listener.next(&mut missed).await?,
                };
                Some((Ok(event), (listener, missed)))
            },
        )
    }

    /// Returns `true` if `event` is meant for the subscriber.
    fn matches(&self, event: &ReplyEvent) -> bool {
        let alone = |session| self.view.sole_user.is(session);
        let wanted = matches!(event, ReplyEvent::Notification(told) if self.filter.matches(told));
        wanted || self.everything || self.session.is_some_and(alone)
    }

    /// Waits for the next message that matches; `None` if the hub is closed.
    ///
    /// After an overflow, `missed` receives a notification for everything that the filter covers.
    async fn next(&mut self, missed: &mut Vec<ReplyEvent>) -> Option<ReplyEvent> {
        loop {
            match self.events.recv().await {
                Ok(event) if self.matches(&event) => return Some(Arc::unwrap_or_clone(event)),
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => {
                    missed.extend(
                        self.filter
                            .everything_changed()
                            .map(ReplyEvent::Notification),
                    );
                    if let Some(event) = missed.pop() {
                        return Some(event);
                    }
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        lock(&self.view.notifications.shared.subscriptions).remove(&self.filter);
        self.view.notifications.shared.changed.notify_one();
    }
}

/// Maximum number of queued messages per subscriber.
///
/// A slower one loses the oldest messages, and is notified that everything may have changed.
const EVENTS: usize = 256;

/// Maximum delay before a reconnection.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// Duration of a subscription after which the next reconnection is not delayed further.
const MIN_DURATION: Duration = Duration::from_secs(10);

/// Initial delay before a reconnection.
const MIN_PAUSE: Duration = Duration::from_millis(500);

/// Greater than any version, so that no subscriber waits for a server that is down.
const NOBODY_TO_TELL: u64 = u64::MAX;

/// Time for the connection to the server, which continues in the background.
pub(super) const CONNECT_WAIT: Duration = Duration::from_secs(2);

/// Maximum time for the acknowledgement of the server.
pub(super) const TELL_TIMEOUT: Duration = Duration::from_secs(5);
