//! Sessions of clients of the legacy era.
//!
//! The identifier of a session is the session, sealed: whose it is, for which gateway, and what
//! the client said when it began. So a session outlives a restart of the gateway (where the key
//! does), costs memory only while it is used, and is of no use to anybody but its own principal.
//! What cannot be carried by the client, such as its subscriptions, is kept while there is any.
//!
//! See [session management][spec].
//!
//! [spec]: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management

mod claims;
mod log;
mod registry;
mod state;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;

pub(crate) use self::claims::Claims;
pub(crate) use self::log::{EventLog, LogReader};
pub use self::registry::Sessions;
pub(crate) use self::state::Asked;
use self::state::State;
pub(crate) use self::state::StreamId;
pub use crate::error::SessionError;
use crate::json::quoted;
use crate::jsonrpc::{Id, Notification, Request};
use crate::protocol::{Capabilities, Version};
use crate::replica::Replica;
use crate::reply::ServerRequest;

/// A session of a client of the legacy era.
pub struct Session {
    key: Arc<str>,
    claims: Claims,
    replica: Option<Replica>,
    state: Mutex<State>,
}

/// Who waits for an answer of the client.
pub(crate) enum Waiting {
    /// A server that has asked here.
    Here(Asked),
    /// A server that has asked at another replica, where the question has the number.
    There {
        replica: Replica,
        at: String,
        number: i64,
    },
}

/// Something that belongs to a session: it hears what the client notifies, and ends with it.
#[async_trait]
pub(crate) trait Attached: Send + Sync + 'static {
    /// The client sends a notification that may concern any server.
    async fn notify(&self, notification: &Notification);

    /// The session has ended.
    async fn end(&self);
}

impl Session {
    pub(crate) fn new(key: Arc<str>, claims: Claims, replica: Option<Replica>) -> Arc<Self> {
        Arc::new(Self {
            key,
            claims,
            replica,
            state: Mutex::default(),
        })
    }

    /// What tells the session from others. It is not its identifier, and no secret.
    #[must_use]
    pub fn key(&self) -> &Arc<str> {
        &self.key
    }

    /// The revision that was agreed on when it began.
    #[must_use]
    pub fn version(&self) -> Version {
        self.claims.version
    }

    /// What the client can do.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.claims.capabilities
    }

    /// The JSON text of the name and version of the client.
    #[must_use]
    pub fn client_info(&self) -> Option<&Arc<str>> {
        self.claims.client_info.as_ref()
    }

    /// Whether it can share no session with a server of the legacy era, because its client has
    /// changed something that a server keeps for a session as a whole.
    pub(crate) fn needs_own(&self) -> bool {
        self.state().own
    }

    /// Notes from which level on the client wants to see log messages.
    ///
    /// A server of the legacy era keeps that for a session as a whole, which then can be shared
    /// with nobody.
    pub(crate) fn set_log_level(&self, level: &str) {
        let mut state = self.state();
        state.own = true;
        state.log_level = Some(level.into());
    }

    /// The JSON text of the level from which on the client wants to see log messages.
    pub(crate) fn log_level(&self) -> Option<Arc<str>> {
        self.state().log_level.clone()
    }

    pub(crate) fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Adds something that belongs to the session; ends it at once if the session has ended.
    pub(crate) fn attach(&self, attached: Arc<dyn Attached>) {
        let mut state = self.state();
        if state.ended {
            drop(state);
            crate::task::Task::detach(async move { attached.end().await });
        } else {
            state.attached.push(attached);
        }
    }

    pub(crate) fn attached(&self) -> Vec<Arc<dyn Attached>> {
        self.state().attached.clone()
    }

    /// Ends everything that belongs to the session.
    pub(crate) fn end(&self) {
        let mut state = self.state();
        state.ended = true;
        let ended = state.take();
        drop(state);
        for log in ended.logs {
            log.close();
        }
        for cancellation in ended.calls {
            cancellation.cancel();
        }
        for attached in ended.attached {
            crate::task::Task::detach(async move { attached.end().await });
        }
    }

    /// Stops listening to servers, to which it would otherwise seem to be used.
    ///
    /// What they are asked on behalf of a session holds the session.
    pub(crate) fn rest(&self) {
        let listening = self.state().listening.take();
        drop(listening);
    }

    /// For how long the client has not been heard of; `None` while it waits for something.
    pub(crate) fn idle(&self) -> Option<Duration> {
        let mut state = self.state();
        state.forget_old_streams(Instant::now());
        (!state.is_waited_for()).then(|| state.last_used.elapsed())
    }

    /// Notes a request of a server; returns it as the client is to see it.
    pub(crate) fn ask(&self, asked: ServerRequest) -> Option<Request> {
        let sealed = |number| self.replica.as_ref()?.question_id(&self.key, number);
        let name = |number| match sealed(number) {
            Some(id) => quoted(&id),
            None => i64::to_string(&number),
        };
        self.state().ask(asked, name)
    }

    /// Who waits for the answer to the question that the client knows as `id`.
    pub(crate) fn waiting(&self, id: &Id) -> Option<Waiting> {
        if let Some(number) = id.as_i64() {
            return self.state().answered(number).map(Waiting::Here);
        }
        let replica = self.replica.as_ref()?;
        let (at, number) = replica.asked_by(&self.key, id.as_str()?)?;
        if at == replica.url() {
            return self.state().answered(number).map(Waiting::Here);
        }
        let replica = replica.clone();
        Some(Waiting::There {
            replica,
            at,
            number,
        })
    }

    /// Whether nothing would be lost if only the client remembered the session.
    pub(crate) fn is_carried_by_client(&self) -> bool {
        self.state().is_carried_by_client()
    }

    pub(crate) fn touch(&self) {
        self.state().last_used = Instant::now();
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
