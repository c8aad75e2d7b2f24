//! What a server says without being asked.
//!
//! All who listen to a view share one stream of the server, which asks for what any of them wants.
//! In the modern era that is `subscriptions/listen`, in the legacy era the stream of a session and
//! `resources/subscribe`.

mod attending;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, broadcast, watch};
use tokio::time;

use self::attending::Attending;
use super::wishes::Wishes;
use super::{View, lock};
use crate::call::Prepared;
use crate::error::UpstreamError;
use crate::json::object;
use crate::jsonrpc::{Id, Notification, Request};
use crate::protocol::Method;
use crate::reply::{Event, Events};
use crate::task::Task;
use crate::upstream::{Instance, filter::Filter};
use crate::{Call, Reply};

/// What a server says without being asked, and who listens.
#[derive(Debug)]
pub(super) struct Feed {
    shared: Arc<Shared>,
    task: Mutex<Option<Task>>,
}

#[derive(Debug)]
struct Shared {
    events: broadcast::Sender<Arc<Event>>,
    wishes: Mutex<Wishes>,
    /// Told when what is wished for has changed.
    changed: Notify,
    /// The state of the wishes that the server has been told of.
    told: watch::Sender<u64>,
    /// Whether the server has not been heard since somebody wanted to listen.
    down: AtomicBool,
    /// On whose behalf the server is asked.
    call: Mutex<Option<Arc<Call<Prepared>>>>,
}

impl Default for Feed {
    fn default() -> Self {
        let shared = Shared {
            events: broadcast::channel(EVENTS).0,
            wishes: Mutex::default(),
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

impl Feed {
    pub(super) fn has_listeners(&self) -> bool {
        lock(&self.shared.wishes).listeners > 0
    }

    /// Stops listening to the server. Those who listen here hear nothing until it is taken up.
    pub(super) fn stop(&self) {
        lock(&self.task).take();
    }
}

impl View {
    /// Answers `subscriptions/listen`: first with what of it the server can tell, then with that.
    pub(super) async fn listen(
        self: &Arc<Self>,
        call: &Call<Prepared>,
    ) -> Result<Reply, UpstreamError> {
        let filter = call
            .request()
            .param("notifications")
            .and_then(Filter::parse);
        let filter = filter.unwrap_or_default();
        let facts = time::timeout(TELL_TIMEOUT, self.facts(call)).await;
        let honored = match &facts {
            Ok(Ok(facts)) => filter.honored_by(facts),
            // Once the server is there, it lists what it did not list before.
            Ok(Err(_)) | Err(_) => filter.lists_only(),
        };
        let listener = Listener::new(self, honored.clone());
        let is_there = matches!(facts, Ok(Ok(_)));
        if !is_there {
            self.feed.shared.down.store(true, Ordering::Release);
        }
        self.attend(call);
        if is_there {
            listener.wait_until_told().await;
        }
        let params = object(&[("notifications", honored.to_json().into())]);
        let first = Notification::new(&Method::SubscriptionsAcknowledged, Some(&params));
        let first = stream::iter([Ok(Event::Notification(first))]);
        Ok(Reply::Events(Events::new(
            first.chain(listener.into_stream()),
        )))
    }

    /// Begins to listen to the server, on behalf of the caller of `call`, unless that goes on.
    pub(super) fn attend(self: &Arc<Self>, call: &Call<Prepared>) {
        let request = Request::new(&Id::from("listen"), &Method::SubscriptionsListen, "{}");
        let call = call.derive_for_server(request);
        *lock(&self.feed.shared.call) = Some(Arc::new(call));
        lock(&self.feed.task).get_or_insert_with(|| {
            let view = Arc::downgrade(self);
            let shared = Arc::clone(&self.feed.shared);
            Task::spawn(attend(view, shared))
        });
    }
}

/// Listens to the server for as long as the view exists.
async fn attend(view: Weak<View>, shared: Arc<Shared>) {
    let mut pause = MIN_PAUSE;
    loop {
        let Some(call) = lock(&shared.call).clone() else {
            return;
        };
        let connected = match view.upgrade() {
            Some(view) => {
                let conversation = view.conversation(&call).await;
                conversation.map(|conversation| (conversation, Arc::clone(&view.lists)))
            }
            None => return,
        };
        if let Ok((conversation, lists)) = connected {
            let instance = view.upgrade().map(|view| view.key.instance.clone());
            let dedicated = matches!(instance, Some(Instance::Session(_)));
            let attending = Attending {
                shared: &shared,
                lists: &lists,
                call: &call,
                dedicated,
            };
            if attending.run(&*conversation).await.is_ok() {
                pause = MIN_PAUSE;
            }
            lists.forget();
        }
        shared.down.store(true, Ordering::Release);
        shared.told.send_replace(NOBODY_TO_TELL);
        time::sleep(pause).await;
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

/// Somebody who listens.
struct Listener {
    view: Arc<View>,
    filter: Filter,
    /// Whether it hears everything, not only what can be asked for.
    everything: bool,
    state: u64,
    events: broadcast::Receiver<Arc<Event>>,
}

impl Listener {
    fn new(view: &Arc<View>, filter: Filter) -> Self {
        let shared = &view.feed.shared;
        let events = shared.events.subscribe();
        let state = lock(&shared.wishes).add(&filter);
        shared.changed.notify_one();
        Self {
            view: Arc::clone(view),
            everything: matches!(view.key.instance, Instance::Session(_)),
            filter,
            state,
            events,
        }
    }

    /// Waits until the server has been told what is wanted, or takes too long for it.
    async fn wait_until_told(&self) {
        let mut told = self.view.feed.shared.told.subscribe();
        let told = told.wait_for(|told| *told >= self.state);
        let _ = time::timeout(TELL_TIMEOUT, told).await;
    }

    fn into_stream(self) -> impl Stream<Item = Result<Event, UpstreamError>> + Send {
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

    fn wants(&self, event: &Event) -> bool {
        self.everything || matches!(event, Event::Notification(told) if self.filter.wants(told))
    }

    async fn next(&mut self, missed: &mut Vec<Event>) -> Option<Event> {
        loop {
            match self.events.recv().await {
                Ok(event) if self.wants(&event) => return Some(Arc::unwrap_or_clone(event)),
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => {
                    missed.extend(self.filter.everything_changed().map(Event::Notification));
                    if let Some(event) = missed.pop() {
                        return Some(event);
                    }
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        lock(&self.view.feed.shared.wishes).remove(&self.filter);
        self.view.feed.shared.changed.notify_one();
    }
}

/// How many events may wait for a listener that is slow.
const EVENTS: usize = 256;

/// The longest pause before a server that broke off is listened to again.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// The first pause.
const MIN_PAUSE: Duration = Duration::from_millis(500);

/// More than any state: nothing comes of waiting for a server that is down.
const NOBODY_TO_TELL: u64 = u64::MAX;

/// How long a listener waits for the server to be told what it wants.
const TELL_TIMEOUT: Duration = Duration::from_secs(5);
