//! Sessions of clients of the legacy era.
//!
//! A session ID is an encrypted record of the principal, the gateway and the parameters of
//! `initialize`. A session therefore survives a restart of the gateway (if the key does), costs
//! memory only while it is used, and is useless to any other principal. State that the client
//! cannot carry, such as its subscriptions, is kept in memory as long as it exists.
//!
//! [`Sessions`] is the registry that issues, resolves and expires them; [`Session`] is one of them.
//! Clients of the modern era have no sessions: each of their requests carries its context.
//!
//! See [MCP 2025-11-25, session management][spec].
//!
//! [spec]: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management

mod channels;
mod lease;
mod limits;
mod log;
mod record;
mod registry;
mod state;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;

pub(crate) use self::channels::{Channels, MessageChannel};
use self::lease::LeaseTerm;
pub use self::limits::SessionLimits;
pub(crate) use self::log::{EventLog, LogReader};
pub(crate) use self::record::SessionRecord;
pub use self::registry::Sessions;
pub(crate) use self::state::PendingServerRequest;
use self::state::SessionState;
pub(crate) use self::state::StreamId;
use crate::auth::Principal;
pub use crate::error::SessionError;
use crate::json::string_json;
use crate::jsonrpc::{Id, Request};
use crate::list_changes::ListChanges;
use crate::protocol::{Capabilities, ProtocolVersion};
use crate::replica::Replica;
use crate::reply::ServerRequest;
use crate::trace::SessionTimer;

/// A session of a client of the legacy era.
///
/// Layers and upstreams see it in the context of a call. All methods are synchronous and short; the
/// lock inside is never held across an `.await`.
pub struct Session {
    /// Random key of the session; see [`key`](Self::key).
    key: Arc<str>,
    /// Number that is unique in the process.
    number: u64,
    /// Decrypted content of the session ID.
    record: SessionRecord,
    /// This replica, if other replicas forward answers of clients to it.
    replica: Option<Replica>,
    /// State in memory.
    state: Mutex<SessionState>,
    /// Held while the session subscribes to the servers, so that the latest filter is in effect.
    subscribing: tokio::sync::Mutex<()>,
    /// Pace of the list-changed notifications to the client; created by the first one.
    list_changes: OnceLock<Arc<ListChanges>>,
    /// End of the credential to which the session is bound.
    lease_term: LeaseTerm,
    /// Reports the end of the session, if somebody observes sessions.
    timer: Mutex<Option<SessionTimer>>,
}

/// Session as an administrator sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionSummary {
    /// Random key, which is neither the session ID nor a secret.
    pub key: Arc<str>,
    /// Subject of the principal that has begun it.
    pub subject: Arc<str>,
    /// Name of the gateway.
    pub gateway: Arc<str>,
    /// Negotiated protocol version.
    pub version: ProtocolVersion,
    /// JSON text of the name and version of the client, as it has declared itself.
    pub client: Option<Arc<str>>,
    /// Time since the last request; `None` while a call or a stream is open.
    pub idle: Option<Duration>,
}

/// Minimum level of log messages of a session.
#[derive(Debug)]
pub(crate) struct LogSetting {
    /// `true` if the session must not share an upstream session of the legacy era.
    exclusive: bool,
    /// JSON text of the level.
    level: Option<Arc<str>>,
}

impl LogSetting {
    /// Returns `true` if the session must not share an upstream session of the legacy era.
    pub(crate) fn is_exclusive(&self) -> bool {
        self.exclusive
    }
}

/// The party that waits for a client's answer to a request.
pub(crate) enum RequestOrigin {
    /// An upstream connected to this replica.
    Here(PendingServerRequest),
    /// An upstream connected to another replica.
    There {
        replica: Replica,
        at: String,
        number: i64,
    },
}

/// A resource that belongs to a session and ends with it.
#[async_trait]
pub(crate) trait SessionListener: Send + Sync + 'static {
    /// Releases the resource, because the session has ended.
    async fn on_close(&self);
}

impl Session {
    /// Creates a session with the random `key`.
    pub(crate) fn new(key: Arc<str>, record: SessionRecord, replica: Option<Replica>) -> Arc<Self> {
        Arc::new(Self {
            key,
            number: SESSIONS.fetch_add(1, Ordering::Relaxed),
            record,
            replica,
            state: Mutex::default(),
            subscribing: tokio::sync::Mutex::new(()),
            list_changes: OnceLock::new(),
            lease_term: LeaseTerm::default(),
            timer: Mutex::default(),
        })
    }

    /// Waits until nobody else subscribes to the servers on behalf of the session.
    pub(crate) async fn subscribing(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.subscribing.lock().await
    }

    /// Returns the random key of the session.
    ///
    /// It distinguishes the session in logs and maps. It is neither the session ID nor a secret.
    #[must_use]
    pub fn key(&self) -> &Arc<str> {
        &self.key
    }

    /// Returns what an administrator sees of the session.
    pub(crate) fn summary(&self) -> SessionSummary {
        SessionSummary {
            key: Arc::clone(&self.key),
            subject: self.record.principal.subject().into(),
            gateway: Arc::clone(&self.record.gateway),
            version: self.record.version,
            client: self.record.client_info.clone(),
            idle: self.idle_for(),
        }
    }

    /// Returns a number that no other session of the process has, 1 or greater.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Returns the negotiated protocol version.
    #[must_use]
    pub fn version(&self) -> ProtocolVersion {
        self.record.version
    }

    /// Returns the capabilities that the client declared.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.record.capabilities
    }

    /// Returns the JSON text of the client's name and version, if it sent them.
    #[must_use]
    pub fn client_info(&self) -> Option<&Arc<str>> {
        self.record.client_info.as_ref()
    }

    /// Returns `true` if the session cannot share an upstream session of the legacy era.
    ///
    /// That is the case if the client has changed a setting that a server keeps per session.
    pub(crate) fn needs_exclusive_connection(&self) -> bool {
        self.state().exclusive
    }

    /// Sets the minimum level of log messages; `level` is JSON text. Returns the setting before.
    ///
    /// A server of the legacy era keeps the level per session, so that its session can no longer be
    /// shared.
    pub(crate) fn set_log_level(&self, level: &str) -> LogSetting {
        let mut state = self.state();
        LogSetting {
            exclusive: std::mem::replace(&mut state.exclusive, true),
            level: state.log_level.replace(level.into()),
        }
    }

    /// Restores the setting before [`set_log_level`](Self::set_log_level).
    pub(crate) fn restore_log_level(&self, before: LogSetting) {
        let mut state = self.state();
        state.exclusive = before.exclusive;
        state.log_level = before.level;
    }

    /// Returns the JSON text of the minimum level of log messages, if the client has set one.
    pub(crate) fn log_level(&self) -> Option<Arc<str>> {
        self.state().log_level.clone()
    }

    /// Returns the pace of the list-changed notifications to the client.
    pub(crate) fn list_changes(&self) -> &Arc<ListChanges> {
        self.list_changes.get_or_init(Arc::default)
    }

    /// Returns the decrypted content of the session ID.
    pub(crate) fn record(&self) -> &SessionRecord {
        &self.record
    }

    /// Attaches a resource to the session; releases it at once if the session has ended.
    pub(crate) fn add_listener(&self, attached: Arc<dyn SessionListener>) {
        let mut state = self.state();
        if state.ended {
            drop(state);
            crate::task::BackgroundTask::detach(async move { attached.on_close().await });
        } else {
            state.attached.push(attached);
        }
    }

    /// Sets what reports the end of the session.
    fn set_timer(&self, timer: Option<SessionTimer>) {
        *self.timer.lock().unwrap_or_else(PoisonError::into_inner) = timer;
    }

    /// Ends the session: closes its streams, cancels its calls and releases its resources.
    pub(crate) fn end(&self) {
        let mut state = self.state();
        state.ended = true;
        let ended = state.take();
        drop(state);
        self.set_timer(None);
        for log in ended.logs {
            log.close();
        }
        for cancellation in ended.calls {
            cancellation.cancel();
        }
        for attached in ended.attached {
            crate::task::BackgroundTask::detach(async move { attached.on_close().await });
        }
    }

    /// Returns `true` if the session must be bound to the credential of `principal`, because that
    /// outlasts the one to which it is bound.
    pub(crate) fn needs_lease(&self, principal: &Principal) -> bool {
        self.lease_term.is_outlasted_by(principal)
    }

    /// Ends the response to the client's GET request. The client may resume the stream.
    fn interrupt_standalone(&self) {
        if let Some(log) = self.state().stream(0) {
            log.interrupt();
        }
    }

    /// Ends all responses to the client, without what it has not read yet.
    fn interrupt_streams(&self) {
        for log in self.state().logs() {
            log.interrupt();
        }
    }

    /// Cancels the subscriptions to servers, which would otherwise keep their sessions in use.
    ///
    /// A request of a server on behalf of the session keeps it alive.
    pub(crate) fn pause_subscription(&self) {
        let listening = self.state().subscription.take();
        drop(listening);
    }

    /// Returns the time since the client's last request, or `None` while a call or stream is open.
    pub(crate) fn idle_for(&self) -> Option<Duration> {
        let mut state = self.state();
        state.forget_old_streams(Instant::now());
        (!state.has_pending()).then(|| state.last_used.elapsed())
    }

    /// Registers a request of a server and returns it under an ID that is unique in the session.
    ///
    /// Returns `None` if too many requests are unanswered.
    pub(crate) fn add_server_request(&self, asked: ServerRequest) -> Option<Request> {
        let sealed = |number| self.replica.as_ref()?.seal_request_id(&self.key, number);
        let name = |number| match sealed(number) {
            Some(id) => string_json(&id),
            None => i64::to_string(&number),
        };
        self.state().add_server_request(asked, name)
    }

    /// Removes and returns the party that waits for the answer to the request `id` of the client's
    /// side.
    ///
    /// Returns `None` for an ID that this session did not issue or that has been answered.
    pub(crate) fn request_origin(&self, id: &Id) -> Option<RequestOrigin> {
        if let Some(number) = id.as_i64() {
            return self
                .state()
                .take_server_request(number)
                .map(RequestOrigin::Here);
        }
        let replica = self.replica.as_ref()?;
        let (at, number) = replica.open_request_id(&self.key, id.as_str()?)?;
        if at == replica.url() {
            return self
                .state()
                .take_server_request(number)
                .map(RequestOrigin::Here);
        }
        let replica = replica.clone();
        Some(RequestOrigin::There {
            replica,
            at,
            number,
        })
    }

    /// Returns `true` if the session ID alone restores the session without loss.
    pub(crate) fn is_carried_by_client(&self) -> bool {
        self.state().is_carried_by_client()
    }

    /// Records that the client has used the session.
    pub(crate) fn touch(&self) {
        self.state().last_used = Instant::now();
    }

    /// Locks the state.
    pub(crate) fn state(&self) -> MutexGuard<'_, SessionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Number of the next session.
static SESSIONS: AtomicU64 = AtomicU64::new(1);

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
