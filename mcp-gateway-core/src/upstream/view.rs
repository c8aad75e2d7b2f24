//! View of a server: the state that callers of one class share.
//!
//! A view owns a connection, the list cache, the subscriptions and the exclusive connections of a
//! class of callers that may share them. The class is a [`ViewKey`]; callers of one class see the
//! same lists, under the same account and with the same declared capabilities.
//!
//! A view is also where the eras meet: a call is forwarded as it is if client and server are of the
//! same era, and translated by [`ModernToLegacy`] or [`LegacyToModern`] otherwise.
//!
//! | call | served by |
//! |---|---|
//! | `server/discover` | the result of the handshake |
//! | a list, or one page of it | the list cache, or the connection |
//! | `subscriptions/listen` | the notification hub |
//! | `resources/subscribe`, `resources/unsubscribe` | the server, asked by the notification hub |
//! | `logging/setLevel` for a modern server | an empty result, because there each request sets its level |
//! | any other request | the connection |

mod attempt;
mod exclusive;
mod list_cache;
mod list_fetch;
mod list_lookup;
mod list_pages;
mod notification_hub;
mod refetch_budget;
mod resource_subscription;
mod shared_connection;
mod sole_user;
mod subscription_set;
mod use_guard;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use tokio::time;

use self::attempt::Attempt;
use self::exclusive::{ExclusivePool, needs_exclusive_connection};
use self::list_cache::ListCache;
use self::notification_hub::{CONNECT_WAIT, NotificationHub};
use self::shared_connection::SharedConnection;
use self::sole_user::SoleUser;
use self::use_guard::UseGuard;
use super::client_span;
use super::connection::UpstreamConnection;
use super::connector::Connector;
use super::view_key::ViewKey;
use super::{DiscoverResult, InstanceKey, InstanceOwner};
use crate::call::Prepared;
use crate::catalog::{ListKind, Listing};
use crate::era::{self, LegacyToModern, ModernToLegacy, ParkedCalls, Resumption, RetryTarget};
use crate::error::UpstreamError;
use crate::protocol::{Era, Method, meta};
use crate::task::BackgroundTask;
use crate::{Call, Reply};

/// A server as one class of callers sees it: a connection, and the lists that it returns to them.
///
/// The connection is opened on demand, and again after a failure. While the view is idle, it can be
/// closed and dropped; the next call creates another one.
#[derive(Debug)]
pub(super) struct View {
    /// Class of callers.
    key: ViewKey,
    /// Owner of the state of its instances.
    owner: InstanceOwner,
    /// Connector of the server.
    connector: Arc<Connector>,
    /// Current connection, open or not.
    connection: ArcSwapOption<SharedConnection>,
    /// Attempt to connect, which concurrent calls share.
    connecting: Attempt<Arc<dyn UpstreamConnection>>,
    /// Cached lists.
    lists: Arc<ListCache>,
    /// Subscriptions to unsolicited messages.
    notifications: NotificationHub,
    /// Only session of a client that has used the view.
    sole_user: SoleUser,
    /// Exclusive sessions of the legacy era.
    exclusive: ExclusivePool,
    /// Store of parked calls.
    parked_calls: ParkedCalls,
    /// Time of creation.
    started: Instant,
    /// Time of the last use, in milliseconds after the creation.
    last_used: AtomicU64,
    /// Number of current uses.
    in_use: AtomicUsize,
    /// Task that closes the view of a principal once its credential is revoked.
    lease: OnceLock<BackgroundTask>,
}

impl View {
    /// Creates a view with up to `exclusive` exclusive connections. Nothing is connected.
    pub(super) fn new(
        key: ViewKey,
        owner: InstanceOwner,
        connector: Arc<Connector>,
        parked_calls: ParkedCalls,
        exclusive: usize,
    ) -> Arc<Self> {
        Arc::new(Self {
            key,
            owner,
            connector,
            connection: ArcSwapOption::empty(),
            connecting: Attempt::default(),
            lists: Arc::default(),
            notifications: NotificationHub::default(),
            sole_user: SoleUser::default(),
            exclusive: ExclusivePool::new(exclusive),
            parked_calls,
            started: Instant::now(),
            last_used: AtomicU64::new(0),
            in_use: AtomicUsize::new(0),
            lease: OnceLock::new(),
        })
    }

    /// Makes the view the owner of the task that closes it. A second one is dropped.
    pub(super) fn set_lease(&self, lease: BackgroundTask) {
        let _ = self.lease.set(lease);
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
        let using = UseGuard::new(self);
        self.sole_user.record(call.client().session());
        let mut reply = match call.request().method() {
            _ if call.notification().is_some() => {
                Box::pin(self.notify(&call)).await;
                Reply::result(call.request().id(), "{}")
            }
            Method::LoggingSetLevel if self.is_modern(&call).await? => {
                // In the modern era each request sets its level.
                Reply::result(call.request().id(), "{}")
            }
            Method::ServerDiscover => {
                let info = self.server_info(&call).await?;
                Reply::result(call.request().id(), &info.to_json())
            }
            // Rare branches are boxed to keep the future of the frequent ones small.
            Method::ResourcesSubscribe | Method::ResourcesUnsubscribe => {
                Box::pin(self.change_subscription(call)).await?
            }
            Method::SubscriptionsListen => Box::pin(self.listen(call)).await?,
            method => match ListKind::from_method(method) {
                Some(kind) => Box::pin(self.page(kind, &call)).await?,
                None => self.forward(call).await?,
            },
        };
        reply.on_complete(move |_| drop(using));
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
        let _using = UseGuard::new(self);
        self.sole_user.record(call.client().session());
        self.listing(kind, call).await
    }

    /// Forwards a call, translated if client and server are of different eras.
    ///
    /// After `tools/call` all lists are marked as stale, because a tool may change them.
    async fn forward(self: &Arc<Self>, mut call: Call<Prepared>) -> Result<Reply, UpstreamError> {
        let connection = self.connection(&call).await?;
        let era = connection.server_info().version.era();
        let calls_tool = call.request().method() == &Method::ToolsCall;
        if calls_tool {
            let mirrored = self.mirror_arguments(&call, era).await?;
            call.set_param_headers(mirrored);
        }
        let reply = match (call.client().era(), era) {
            (Era::Legacy, Era::Modern) => Box::pin(self.to_modern(call, connection)).await,
            (Era::Modern, Era::Legacy) => Box::pin(self.to_legacy(call, connection)).await,
            (Era::Legacy, Era::Legacy) | (Era::Modern, Era::Modern) => {
                self.converse_in(connection, &call).await
            }
        };
        if calls_tool {
            self.lists.mark_stale();
        }
        reply
    }

    /// Forwards a call of a legacy client to a modern server.
    ///
    /// Input that the server requires is requested from the client, within the reply.
    async fn to_modern(
        self: &Arc<Self>,
        call: Call<Prepared>,
        connection: Arc<dyn UpstreamConnection>,
    ) -> Result<Reply, UpstreamError> {
        let call = Arc::new(call);
        let reply = self.converse_in(connection, &call).await?;
        ModernToLegacy::new(Arc::new(Arc::clone(self)), call)
            .translate(reply)
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
        connection: Arc<dyn UpstreamConnection>,
    ) -> Result<Reply, UpstreamError> {
        let mut call = Arc::new(call);
        if era::has_request_state(&call) {
            let translation = LegacyToModern::new(call, self.parked_calls.clone());
            match translation.resume().await? {
                Resumption::Resumed(reply) => return Ok(reply),
                Resumption::Retry(again) => call = Arc::new(again),
            }
        }
        let translation = LegacyToModern::new(Arc::clone(&call), self.parked_calls.clone());
        match needs_exclusive_connection(&call) {
            true => {
                translation
                    .into_reply(self.send_exclusively(call).await?)
                    .await
            }
            false => {
                let reply = self.converse_in(connection, &call).await?;
                translation.translate(reply).await
            }
        }
    }

    /// Serves `subscriptions/listen`.
    ///
    /// A request with the context of its client is forwarded to a modern server, whose stream is
    /// the client's own. Any other one is a subscriber of the notification hub, and so is a client
    /// of a server that cannot be reached for the moment.
    async fn listen(self: &Arc<Self>, call: Call<Prepared>) -> Result<Reply, UpstreamError> {
        let is_own = call.request().meta(meta::PROTOCOL_VERSION).is_some();
        if is_own
            && let Ok(Ok(connection)) = time::timeout(CONNECT_WAIT, self.connection(&call)).await
            && connection.server_info().version.era() == Era::Modern
        {
            match self.converse_in(connection, &call).await {
                Err(
                    UpstreamError::Closed
                    | UpstreamError::Connect(_)
                    | UpstreamError::NotRunning { .. },
                ) => {}
                reply => return reply,
            }
        }
        self.subscribe(&call).await
    }

    /// Returns `true` if the server is of the modern era.
    async fn is_modern(self: &Arc<Self>, call: &Call<Prepared>) -> Result<bool, UpstreamError> {
        let connection = self.connection(call).await?;
        Ok(connection.server_info().version.era() == Era::Modern)
    }

    /// Forwards the notification that `call` carries.
    ///
    /// One that may be meant for another server, or that concerns the roots of the client, is for
    /// an open connection of the client's session only. A modern server receives no notification
    /// that its protocol version has removed.
    ///
    /// Errors are logged only: a notification has no response that could report them, and a server
    /// may ignore what it does not know.
    async fn notify(self: &Arc<Self>, call: &Call<Prepared>) {
        let Some(notification) = call.notification() else {
            return;
        };
        let roots = self.connector.roots();
        if !roots.forwards(notification, &self.key.capabilities) {
            return;
        }
        let of_session = matches!(self.key.instance, InstanceKey::Session(_));
        let changes_roots = notification.method() == &Method::RootsListChanged;
        let connection = match call.is_broadcast() || changes_roots {
            true => self.open_connection().filter(|_| of_session),
            false => self.connection(call).await.ok(),
        };
        let is_known = |connection: &Arc<dyn UpstreamConnection>| {
            connection.server_info().version.era() == Era::Legacy
                || matches!(notification.method(), Method::Other(_))
        };
        if let Some(connection) = connection.filter(is_known)
            && let Err(error) = client_span::notify(&*connection, call, notification).await
        {
            tracing::debug!(%error, "upstream rejected a notification");
        }
    }

    /// Returns the self-description of the server, connecting if necessary.
    pub(super) async fn server_info(
        self: &Arc<Self>,
        call: &Call<Prepared>,
    ) -> Result<DiscoverResult, UpstreamError> {
        Ok(self.connection(call).await?.server_info().clone())
    }

    /// Returns the time since the last use, or `None` while calls or subscribers use the view.
    pub(super) fn idle(&self) -> Option<Duration> {
        if self.is_in_use() || self.notifications.has_subscribers() {
            return None;
        }
        let last_used = Duration::from_millis(self.last_used.load(Ordering::Relaxed));
        Some(self.started.elapsed().saturating_sub(last_used))
    }

    /// Returns `true` while calls use the view.
    pub(super) fn is_in_use(&self) -> bool {
        self.in_use.load(Ordering::Acquire) > 0
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
impl RetryTarget for Arc<View> {
    async fn retry(&self, call: &Call<Prepared>) -> Result<Reply, UpstreamError> {
        let request = self.connector.roots().confined_request(call).await?;
        self.send_with_reconnect(&call.with_request(request)).await
    }
}

/// Time for an operation on behalf of an answer that is merged with those of other servers; less
/// than they wait for each other.
const MERGED_WAIT: Duration = Duration::from_millis(1_200);

/// Locks `mutex`.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
