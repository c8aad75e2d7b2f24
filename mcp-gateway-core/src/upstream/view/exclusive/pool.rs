//! Pool of exclusive connections.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;

use crate::auth::Principal;
use crate::upstream::connection::UpstreamConnection;
use crate::upstream::view::lock;

/// Pool of the exclusive connections of a view.
///
/// It opens connections on demand and never exceeds its maximum: further calls wait.
#[derive(Debug)]
pub(in crate::upstream::view) struct ExclusivePool {
    /// Maximum number of connections.
    max: usize,
    /// Permits for connections in use, in the order of the calls that wait for them.
    pub(super) permits: Arc<Semaphore>,
    /// Idle connections, of which the last one used is reused first.
    pub(super) spare: Mutex<Vec<IdleConnection>>,
    /// Connections in use by their address, so that they can be closed with the view.
    checked_out: Mutex<HashMap<usize, Arc<dyn UpstreamConnection>>>,
}

/// An idle connection.
#[derive(Debug)]
pub(super) struct IdleConnection {
    /// Open connection.
    pub(super) connection: Arc<dyn UpstreamConnection>,
    /// Principal of all calls on it: the server may still work on a job that one has started.
    pub(super) user: Principal,
    /// JSON text of the log level that was set on the server.
    pub(super) level: Option<String>,
    /// `true` if log messages are known to precede the response to which they belong.
    pub(super) in_order: bool,
}

impl ExclusivePool {
    /// Creates a pool of at most `max` connections.
    pub(in crate::upstream::view) fn new(max: usize) -> Self {
        let max = max.min(Semaphore::MAX_PERMITS);
        Self {
            max,
            permits: Arc::new(Semaphore::new(max)),
            spare: Mutex::default(),
            checked_out: Mutex::default(),
        }
    }

    /// Returns the number of connections in use.
    pub(super) fn in_use(&self) -> usize {
        self.max - self.permits.available_permits()
    }

    /// Closes all connections, including those of calls that wait for their clients.
    ///
    /// The pool stays usable: later calls open new connections.
    pub(in crate::upstream::view) async fn close(&self) {
        let spare = std::mem::take(&mut *lock(&self.spare));
        let lent = std::mem::take(&mut *lock(&self.checked_out));
        let spare = spare.into_iter().map(|spare| spare.connection);
        let ending: Vec<_> = spare.chain(lent.into_values()).collect();
        let closing = ending.iter().map(|connection| connection.close());
        futures_util::future::join_all(closing).await;
    }

    /// Takes the open connection that `user` has used last.
    pub(super) fn take(&self, user: &Principal) -> Option<IdleConnection> {
        let mut spare = lock(&self.spare);
        spare.retain(|spare| spare.connection.is_open());
        let at = spare.iter().rposition(|spare| spare.user == *user)?;
        Some(spare.remove(at))
    }

    /// Takes the connection that has been idle for the longest time, if `max` are open.
    pub(super) fn evict(&self, max: usize) -> Option<IdleConnection> {
        let mut spare = lock(&self.spare);
        let is_full = spare.len() + lock(&self.checked_out).len() >= max;
        (is_full && !spare.is_empty()).then(|| spare.remove(0))
    }

    /// Marks a connection as in use.
    pub(super) fn check_out(&self, connection: &Arc<dyn UpstreamConnection>) {
        lock(&self.checked_out).insert(address(connection), Arc::clone(connection));
    }

    /// Marks a connection as no longer in use.
    pub(super) fn check_in(&self, connection: &Arc<dyn UpstreamConnection>) {
        lock(&self.checked_out).remove(&address(connection));
    }
}

/// Returns the address of a connection as its key.
fn address(connection: &Arc<dyn UpstreamConnection>) -> usize {
    Arc::as_ptr(connection).addr()
}
