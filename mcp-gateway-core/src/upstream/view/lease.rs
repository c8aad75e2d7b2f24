//! Conversations with a server of the legacy era that one call at a time has for itself.
//!
//! Such a server asks its session, and not a call: what it sends outside of the answer to a call
//! could be meant for anybody who shares the session. So a client of the modern era that can be
//! asked, or that wants to see log messages, gets a session of its own for as long as a call
//! lasts. Afterwards the next call gets it; as a rule calls follow each other, and then see the
//! same session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use tokio::time;

use super::{Using, View, lock};
use crate::call::Prepared;
use crate::error::UpstreamError;
use crate::json::object;
use crate::jsonrpc::{Id, Request};
use crate::protocol::{Method, meta};
use crate::reply::{Event, Events};
use crate::task::Task;
use crate::upstream::conversation::{Conversation, SendError};
use crate::{Call, Reply, bridge};

/// The conversations of a view that one call at a time has for itself.
#[derive(Debug)]
pub(super) struct Leases {
    max: usize,
    room: Arc<Semaphore>,
    spare: Mutex<Vec<Spare>>,
    /// Those that calls have, by their addresses.
    lent: Mutex<HashMap<usize, Arc<dyn Conversation>>>,
}

/// A conversation that no call has.
#[derive(Debug)]
struct Spare {
    conversation: Arc<dyn Conversation>,
    /// The JSON text of the level from which on the server logs, as far as it has been told.
    level: Option<String>,
    /// Whether log messages are known to come in their order with the answers.
    in_order: bool,
}

/// A conversation that a call has for itself.
struct Lease {
    spare: Option<Spare>,
    events: broadcast::Receiver<Arc<Event>>,
    /// Asked after the answer, where log messages may still be under way then.
    ping: Option<Arc<Call<Prepared>>>,
    using: Using,
    _room: OwnedSemaphorePermit,
}

impl Leases {
    /// Up to `max` conversations at a time.
    pub(super) fn new(max: usize) -> Self {
        let max = max.min(Semaphore::MAX_PERMITS);
        Self {
            max,
            room: Arc::new(Semaphore::new(max)),
            spare: Mutex::default(),
            lent: Mutex::default(),
        }
    }

    fn taken(&self) -> usize {
        self.max - self.room.available_permits()
    }

    /// Ends the conversations, also those of calls that wait for their clients.
    pub(super) async fn close(&self) {
        let spare = std::mem::take(&mut *lock(&self.spare));
        let lent = std::mem::take(&mut *lock(&self.lent));
        let spare = spare.into_iter().map(|spare| spare.conversation);
        let ending: Vec<_> = spare.chain(lent.into_values()).collect();
        let closing = ending.iter().map(|conversation| conversation.close());
        futures_util::future::join_all(closing).await;
    }

    fn lend(&self, conversation: &Arc<dyn Conversation>) {
        lock(&self.lent).insert(address(conversation), Arc::clone(conversation));
    }

    fn take_back(&self, conversation: &Arc<dyn Conversation>) {
        lock(&self.lent).remove(&address(conversation));
    }
}

fn address(conversation: &Arc<dyn Conversation>) -> usize {
    Arc::as_ptr(conversation).addr()
}

/// Whether a server of the legacy era has to have a session for `call` alone.
pub(super) fn needs_lease(call: &Call<Prepared>) -> bool {
    call.client().capabilities().interactive() || call.request().meta(meta::LOG_LEVEL).is_some()
}

impl View {
    /// Sends `call` in a conversation that it has for itself.
    pub(super) async fn lease(
        self: &Arc<Self>,
        call: Arc<Call<Prepared>>,
    ) -> Result<Events, UpstreamError> {
        let mut lease = self.take_lease(&call).await?;
        lease.set_level(&call).await;
        Ok(lease.converse(call))
    }

    async fn take_lease(self: &Arc<Self>, call: &Call<Prepared>) -> Result<Lease, UpstreamError> {
        let room = Arc::clone(&self.leases.room).acquire_owned().await;
        let room = room.map_err(|_| UpstreamError::Closed)?;
        let open = |spare: &Spare| spare.conversation.is_open();
        let spare = loop {
            match lock(&self.leases.spare).pop() {
                Some(spare) if !open(&spare) => {}
                found => break found,
            }
        };
        let spare = match spare {
            Some(spare) => spare,
            None if self.dialer.is_pipe() && self.leases.taken() > MAX_PROCESSES => {
                return Err(UpstreamError::Overloaded {
                    retry_after: PROCESS_RETRY,
                });
            }
            None => self.dial_spare(call).await?,
        };
        self.leases.lend(&spare.conversation);
        let (events, conversation) = (spare.conversation.events(), Arc::clone(&spare.conversation));
        let lease = Lease {
            spare: Some(spare),
            events,
            ping: None,
            using: Using::of(self),
            _room: room,
        };
        conversation.attended().await;
        Ok(lease)
    }

    async fn dial_spare(&self, call: &Call<Prepared>) -> Result<Spare, UpstreamError> {
        let credential = call.credential();
        let conversation = Box::pin(self.dialer.open_own(&self.key, credential)).await?;
        Ok(Spare {
            conversation,
            level: None,
            in_order: self.dialer.is_pipe(),
        })
    }
}

impl Lease {
    /// Tells the server from which level on it is to log, if the caller wants to see that.
    async fn set_level(&mut self, call: &Call<Prepared>) {
        let (Some(level), Some(spare)) = (call.request().meta(meta::LOG_LEVEL), &mut self.spare)
        else {
            return;
        };
        let supported = spare
            .conversation
            .facts()
            .supports(&Method::LoggingSetLevel);
        if !supported {
            return;
        }
        if !spare.in_order {
            let ping = Request::new(&Id::from("ping"), &Method::Ping, "{}");
            self.ping = Some(Arc::new(call.derive_for_server(ping)));
        }
        if spare.level.as_deref() == Some(level) {
            return;
        }
        let params = object(&[("level", level.into())]);
        let request = Request::new(&Id::from("level"), &Method::LoggingSetLevel, &params);
        let request = call.derive_for_server(request);
        if spare.conversation.send(&request).await.is_ok() {
            spare.level = Some(level.to_owned());
        }
    }

    /// Sends `call`. What the server sends meanwhile, in whatever way, belongs to it.
    fn converse(self, call: Arc<Call<Prepared>>) -> Events {
        let stage = match &self.spare {
            Some(spare) => Stage::sending(Arc::clone(&spare.conversation), call),
            None => Stage::Ended,
        };
        Events::new(stream::unfold(
            (self, stage),
            |(mut lease, stage)| async move {
                let (item, stage) = lease.next(stage).await?;
                Some((item, (lease, stage)))
            },
        ))
    }

    /// The next event, and how far the call is then; `None` after the end.
    async fn next(&mut self, mut stage: Stage) -> Option<(Result<Event, UpstreamError>, Stage)> {
        loop {
            let step = tokio::select! {
                biased;
                aside = self.events.recv() => Step::Aside(aside.ok().map(Arc::unwrap_or_clone)),
                step = stage.step() => step?,
            };
            match step {
                Step::Aside(Some(event)) if belongs_to_call(&event) => {
                    return Some((Ok(event), stage));
                }
                Step::Aside(_) => {}
                Step::Replied(reply) => match reply {
                    Ok(Reply::Events(events)) => stage = Stage::Receiving(events),
                    Ok(reply) => {
                        let response = bridge::response(reply).await.map(Event::Response);
                        stage = self.settle(response);
                    }
                    Err(SendError::Ended(error) | SendError::Failed(error)) => {
                        return Some((self.end(Err(error)), Stage::Ended));
                    }
                },
                Step::Received(item) => match item {
                    Ok(event @ (Event::Notification(_) | Event::Request(_))) => {
                        self.note(&event);
                        return Some((Ok(event), stage));
                    }
                    item => stage = self.settle(item),
                },
                Step::Settled(item) => return Some((self.end(item), Stage::Ended)),
            }
        }
    }

    /// Notes what the server sends with an answer.
    fn note(&mut self, event: &Event) {
        if let (Event::Notification(notification), Some(spare)) = (event, &mut self.spare)
            && notification.method() == &Method::LogMessage
        {
            spare.in_order = true;
            self.ping = None;
        }
    }

    /// Lets what the server sent aside before its answer come before it too.
    ///
    /// There is no order between two streams, but what was written earlier comes before the answer
    /// to something that is asked later, or soon after it.
    fn settle(&mut self, answer: Result<Event, UpstreamError>) -> Stage {
        let ping = match (&answer, &self.spare, self.ping.take()) {
            (Ok(_), Some(spare), Some(call)) => Some((Arc::clone(&spare.conversation), call)),
            _ => None,
        };
        Stage::Settling(
            async move {
                if let Some((conversation, call)) = ping {
                    let _ = time::timeout(SETTLE_TIMEOUT, conversation.send(&call)).await;
                    time::sleep(SETTLE_GRACE).await;
                }
                answer
            }
            .boxed(),
        )
    }

    /// Hands the conversation on, if the call has ended well in it.
    fn end(&mut self, item: Result<Event, UpstreamError>) -> Result<Event, UpstreamError> {
        if item.is_ok()
            && let Some(spare) = self.spare.take()
        {
            let leases = &self.using.0.leases;
            leases.take_back(&spare.conversation);
            lock(&leases.spare).push(spare);
        }
        item
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // A call that was given up may still be going on there.
        if let Some(spare) = self.spare.take() {
            self.using.0.leases.take_back(&spare.conversation);
            Task::detach(async move { spare.conversation.close().await });
        }
    }
}

/// How far a call is.
enum Stage {
    Sending(BoxFuture<'static, Result<Reply, SendError>>),
    Receiving(Events),
    /// The answer is there.
    Settling(BoxFuture<'static, Result<Event, UpstreamError>>),
    Ended,
}

enum Step {
    /// Something that came outside of the answer.
    Aside(Option<Event>),
    Replied(Result<Reply, SendError>),
    Received(Result<Event, UpstreamError>),
    Settled(Result<Event, UpstreamError>),
}

impl Stage {
    fn sending(conversation: Arc<dyn Conversation>, call: Arc<Call<Prepared>>) -> Self {
        Self::Sending(async move { conversation.send(&call).await }.boxed())
    }

    async fn step(&mut self) -> Option<Step> {
        match self {
            Self::Sending(reply) => Some(Step::Replied(reply.await)),
            Self::Receiving(events) => {
                let item = events.next().await.unwrap_or(Err(UpstreamError::Closed));
                Some(Step::Received(item))
            }
            Self::Settling(answer) => Some(Step::Settled(answer.await)),
            Self::Ended => None,
        }
    }
}

/// Whether what came outside of the answer is about the call.
fn belongs_to_call(event: &Event) -> bool {
    match event {
        Event::Notification(notification) => notification.method() == &Method::LogMessage,
        Event::Request(_) => true,
        Event::Response(_) => false,
    }
}

/// How many processes of a server a class of callers can have at a time.
const MAX_PROCESSES: usize = 32;

/// How long what was sent before may come after the answer to a later request: as long as a busy
/// machine lets a task wait.
const SETTLE_GRACE: Duration = Duration::from_millis(50);

/// The longest that an answer waits for what was sent before it.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(1);

/// When to try again if there are so many.
const PROCESS_RETRY: Duration = Duration::from_secs(1);
