//! View of a server: the state that callers of one class share.
//!
//! A view owns a connection, the list cache, the subscriptions and the exclusive connections of a
//! class of callers that may share them. The class is a [`ViewKey`]; callers of one class see the
//! same lists, under the same account and with the same declared capabilities.
//!
//! A view is also where the eras meet: a call is forwarded as it is if client and server are of the
//! same era, and translated by [`Asking`] or [`Passage`] otherwise.
//!
//! | call | served by |
//! |---|---|
//! | `server/discover` | the result of the handshake |
//! | a list | the list cache |
//! | `subscriptions/listen` | the notification hub |
//! | `logging/setLevel` for a modern server | an empty result, because there each request sets its level |
//! | any other request | the connection |

mod connection;
mod feed;
mod lease;
mod lists;
mod using;
mod wishes;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use tokio::sync::Mutex;

use self::connection::Conversing;
use self::feed::Feed;
use self::lease::{Leases, needs_lease};
use self::lists::Lists;
use self::using::Using;
use super::Facts;
use super::conversation::Conversation;
use super::dialer::Dialer;
use super::view_key::ViewKey;
use crate::bridge::{self, Asking, Parking, Passage, Resend, TakenUp};
use crate::call::Prepared;
use crate::catalog::{ListKind, Listing};
use crate::error::UpstreamError;
use crate::jsonrpc::Notification;
use crate::protocol::{Era, Method};
use crate::{Call, Reply};

/// A server as one class of callers sees it: a connection, and the lists that it returns to them.
///
/// The connection is opened on demand, and again after a failure. While the view is idle, it can be
/// closed and dropped; the next call creates another one.
#[derive(Debug)]
pub(super) struct View {
    /// Class of callers.
    key: ViewKey,
    /// Connector of the server.
    dialer: Arc<Dialer>,
    /// Current connection, open or not.
    conversation: ArcSwapOption<Conversing>,
    /// Held while connecting, so that concurrent calls share one attempt.
    connecting: Mutex<()>,
    /// Cached lists.
    lists: Arc<Lists>,
    /// Subscriptions to unsolicited messages.
    feed: Feed,
    /// Exclusive sessions of the legacy era.
    leases: Leases,
    /// Store of parked calls.
    parking: Parking,
    /// Time of creation.
    started: Instant,
    /// Time of the last use, in milliseconds after the creation.
    last_used: AtomicU64,
    /// Number of current uses.
    in_use: AtomicUsize,
}

impl View {
    /// Creates a view with up to `leases` exclusive connections. Nothing is connected.
    pub(super) fn new(
        key: ViewKey,
        dialer: Arc<Dialer>,
        parking: Parking,
        leases: usize,
    ) -> Arc<Self> {
        Arc::new(Self {
            key,
            dialer,
            conversation: ArcSwapOption::empty(),
            connecting: Mutex::new(()),
            lists: Arc::default(),
            feed: Feed::default(),
            leases: Leases::new(leases),
            parking,
            started: Instant::now(),
            last_used: AtomicU64::new(0),
            in_use: AtomicUsize::new(0),
        })
    }

    /// Sends a call and returns the reply as soon as its first message has arrived.
    ///
    /// The view counts as in use until the reply has ended.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] if the server cannot be reached or its response is invalid. Errors that
    /// the server reports are replies.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the call. A connection that several calls share stays open; the
    /// server is notified of the cancellation where its transport has a message for it.
    pub(super) async fn send(
        self: &Arc<Self>,
        call: Call<Prepared>,
    ) -> Result<Reply, UpstreamError> {
        let using = Using::of(self);
        let mut reply = match call.request().method() {
            Method::LoggingSetLevel if self.is_modern(&call).await? => {
                // In the modern era each request sets its level.
                Reply::result(call.request().id(), "{}")
            }
            Method::ServerDiscover => {
                let facts = self.facts(&call).await?;
                Reply::result(call.request().id(), &facts.to_discover())
            }
            // Rare branches are boxed to keep the future of the frequent ones small.
            Method::SubscriptionsListen => Box::pin(self.listen(&call)).await?,
            _ => self.forward(call).await?,
        };
        reply.on_end(move |_| drop(using));
        Ok(reply)
    }

    /// Returns the complete list `kind` of the server, from the cache if it is fresh.
    ///
    /// The view counts as in use meanwhile. Errors are those of the connection and of the list
    /// request.
    pub(super) async fn list(
        self: &Arc<Self>,
        kind: ListKind,
        call: &Call<Prepared>,
    ) -> Result<Arc<Listing>, UpstreamError> {
        let _using = Using::of(self);
        self.listing(kind, call).await
    }

    /// Forwards a call, translated if client and server are of different eras.
    ///
    /// After `tools/call` all lists are marked as stale, because a tool may change them.
    async fn forward(self: &Arc<Self>, mut call: Call<Prepared>) -> Result<Reply, UpstreamError> {
        let conversation = self.conversation(&call).await?;
        let era = conversation.facts().version.era();
        let calls_tool = call.request().method() == &Method::ToolsCall;
        if calls_tool {
            let mirrored = self.mirror_arguments(&call, era).await?;
            call.set_param_headers(mirrored);
        }
        let reply = match (call.client().era(), era) {
            (Era::Legacy, Era::Modern) => Box::pin(self.to_modern(call, conversation)).await,
            (Era::Modern, Era::Legacy) => Box::pin(self.to_legacy(call, conversation)).await,
            (Era::Legacy, Era::Legacy) | (Era::Modern, Era::Modern) => {
                self.converse_in(conversation, &call).await
            }
        };
        if calls_tool {
            self.lists.suspect();
        }
        reply
    }

    /// Forwards a call of a legacy client to a modern server.
    ///
    /// Input that the server requires is requested from the client, within the reply.
    async fn to_modern(
        self: &Arc<Self>,
        call: Call<Prepared>,
        conversation: Arc<dyn Conversation>,
    ) -> Result<Reply, UpstreamError> {
        let call = Arc::new(call);
        let reply = self.converse_in(conversation, &call).await?;
        Asking::new(Arc::new(Arc::clone(self)), call)
            .carry(reply)
            .await
    }

    /// Forwards a call of a modern client to a legacy server.
    ///
    /// A retry that carries `requestState` resumes its parked call. Any other call is sent on an
    /// exclusive connection if the server may send requests or log messages for it, and otherwise
    /// on the shared one.
    async fn to_legacy(
        self: &Arc<Self>,
        call: Call<Prepared>,
        conversation: Arc<dyn Conversation>,
    ) -> Result<Reply, UpstreamError> {
        let mut call = Arc::new(call);
        if bridge::carries_state(&call) {
            let passage = Passage::new(call, self.parking.clone());
            match passage.take_up().await? {
                TakenUp::GoesOn(reply) => return Ok(reply),
                TakenUp::Again(again) => call = Arc::new(again),
            }
        }
        let passage = Passage::new(Arc::clone(&call), self.parking.clone());
        match needs_lease(&call) {
            true => passage.settle(self.lease(call).await?).await,
            false => {
                let reply = self.converse_in(conversation, &call).await?;
                passage.carry(reply).await
            }
        }
    }

    /// Returns `true` if the server is of the modern era.
    async fn is_modern(&self, call: &Call<Prepared>) -> Result<bool, UpstreamError> {
        let conversation = self.conversation(call).await?;
        Ok(conversation.facts().version.era() == Era::Modern)
    }

    /// Forwards a notification of the client if a connection is open.
    ///
    /// Errors are logged only: a notification has no response that could report them.
    pub(super) async fn notify(&self, notification: &Notification) {
        let roots = self.dialer.roots();
        if roots.forwards(notification, &self.key.capabilities)
            && let Some(conversation) = self.present()
            && let Err(error) = conversation.notify(notification).await
        {
            tracing::debug!(%error, "upstream rejected a notification");
        }
    }

    /// Returns the self-description of the server, connecting if necessary.
    pub(super) async fn facts(&self, call: &Call<Prepared>) -> Result<Facts, UpstreamError> {
        Ok(self.conversation(call).await?.facts().clone())
    }

    /// Returns the time since the last use, or `None` while calls or subscribers use the view.
    pub(super) fn idle(&self) -> Option<Duration> {
        if self.in_use.load(Ordering::Acquire) > 0 || self.feed.has_listeners() {
            return None;
        }
        let last_used = Duration::from_millis(self.last_used.load(Ordering::Relaxed));
        Some(self.started.elapsed().saturating_sub(last_used))
    }

    /// Returns the class of callers.
    pub(super) fn key(&self) -> &ViewKey {
        &self.key
    }

    /// Records a use.
    fn touch(&self) {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_used.store(now, Ordering::Relaxed);
    }
}

#[async_trait]
impl Resend for Arc<View> {
    async fn resend(&self, call: &Call<Prepared>) -> Result<Reply, UpstreamError> {
        let request = self.dialer.roots().confined_request(call).await?;
        self.converse(&call.repeat(request)).await
    }
}

/// Locks `mutex`.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
