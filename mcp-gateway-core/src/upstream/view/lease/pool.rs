//! Pool of exclusive connections.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;

use crate::upstream::conversation::Conversation;
use crate::upstream::view::lock;

/// Pool of the exclusive connections of a view.
///
/// It opens connections on demand and never exceeds its maximum: further calls wait.
#[derive(Debug)]
pub(in crate::upstream::view) struct Leases {
    /// Maximum number of connections.
    max: usize,
    /// Permits for connections in use, in the order of the calls that wait for them.
    pub(super) room: Arc<Semaphore>,
    /// Idle connections, of which the last one used is reused first.
    pub(super) spare: Mutex<Vec<Spare>>,
    /// Connections in use by their address, so that they can be closed with the view.
    lent: Mutex<HashMap<usize, Arc<dyn Conversation>>>,
}

/// An idle connection.
#[derive(Debug)]
pub(super) struct Spare {
    /// Open connection.
    pub(super) conversation: Arc<dyn Conversation>,
    /// JSON text of the log level that was set on the server.
    pub(super) level: Option<String>,
    /// `true` if log messages are known to precede the response to which they belong.
    pub(super) in_order: bool,
}

impl Leases {
    /// Creates a pool of at most `max` connections.
    pub(in crate::upstream::view) fn new(max: usize) -> Self {
        let max = max.min(Semaphore::MAX_PERMITS);
        Self {
            max,
            room: Arc::new(Semaphore::new(max)),
            spare: Mutex::default(),
            lent: Mutex::default(),
        }
    }

    /// Returns the number of connections in use.
    pub(super) fn taken(&self) -> usize {
        self.max - self.room.available_permits()
    }

    /// Closes all connections, including those of calls that wait for their clients.
    ///
    /// The pool stays usable: later calls open new connections.
    pub(in crate::upstream::view) async fn close(&self) {
        let spare = std::mem::take(&mut *lock(&self.spare));
        let lent = std::mem::take(&mut *lock(&self.lent));
        let spare = spare.into_iter().map(|spare| spare.conversation);
        let ending: Vec<_> = spare.chain(lent.into_values()).collect();
        let closing = ending.iter().map(|conversation| conversation.close());
        futures_util::future::join_all(closing).await;
    }

    /// Marks a connection as in use.
    pub(super) fn lend(&self, conversation: &Arc<dyn Conversation>) {
        lock(&self.lent).insert(address(conversation), Arc::clone(conversation));
    }

    /// Marks a connection as no longer in use.
    pub(super) fn take_back(&self, conversation: &Arc<dyn Conversation>) {
        lock(&self.lent).remove(&address(conversation));
    }
}

/// Returns the address of a connection as its key.
fn address(conversation: &Arc<dyn Conversation>) -> usize {
    Arc::as_ptr(conversation).addr()
}
