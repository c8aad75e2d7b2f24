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
pub use self::registry::{SessionError, Sessions};
use self::state::State;
pub(crate) use self::state::StreamId;
use crate::jsonrpc::Notification;
use crate::protocol::{Capabilities, Version};

/// A session of a client of the legacy era.
pub struct Session {
    key: Arc<str>,
    claims: Claims,
    state: Mutex<State>,
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
    pub(crate) fn new(key: Arc<str>, claims: Claims) -> Arc<Self> {
        Arc::new(Self {
            key,
            claims,
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

    /// Whether it can share no session with a server of the legacy era.
    ///
    /// That is so when the client can be asked things, or has changed something that a server keeps
    /// for a session as a whole.
    pub(crate) fn needs_own(&self) -> bool {
        self.claims.capabilities.interactive() || self.state().own
    }

    /// Notes that the client has changed something that a server keeps for a session as a whole.
    pub(crate) fn separate(&self) {
        self.state().own = true;
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

    /// For how long the client has not been heard of; `None` while it waits for something.
    pub(crate) fn idle(&self) -> Option<Duration> {
        let mut state = self.state();
        state.forget_old_streams(Instant::now());
        (!state.is_waited_for()).then(|| state.last_used.elapsed())
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
