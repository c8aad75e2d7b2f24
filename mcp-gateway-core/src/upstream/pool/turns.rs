//! Calls that a server receives one at a time.
//!
//! Some programs acknowledge calls that arrive before the previous one has been answered, and lose
//! their effects. Their calls wait for a turn, which lasts until the response has arrived. The
//! turn of a call whose client has gone does not end earlier: the program is still working on it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use futures_util::{StreamExt as _, stream};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::PooledServer;
use crate::call::Prepared;
use crate::error::UpstreamError;
use crate::limit::{Concurrency, Limits};
use crate::protocol::Method;
use crate::reply::ReplyStream;
use crate::task::BackgroundTask;
use crate::{Call, Reply};

/// Callers whose calls a server receives one at a time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Turns {
    /// Calls of one principal wait for each other.
    PerPrincipal,
    /// All calls wait for each other.
    Shared,
}

/// Queues for the turns of a server.
#[derive(Debug)]
pub(super) struct TurnQueues {
    turns: Turns,
    /// Limits of a queue.
    limits: Limits,
    /// Queue of each principal with calls; that of all callers has no name.
    queues: Mutex<HashMap<Arc<str>, Weak<Concurrency>>>,
}

/// Turn of a call.
struct Turn {
    _permit: OwnedSemaphorePermit,
    /// Keeps the queue of the principal.
    _queue: Arc<Concurrency>,
}

impl TurnQueues {
    /// Creates queues as long as that of `limits`.
    pub(super) fn new(turns: Turns, limits: &Limits) -> Self {
        Self {
            turns,
            limits: limits.clone().with_concurrency(1, limits.waiting()),
            queues: Mutex::default(),
        }
    }

    /// Waits for the turn of `call`.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Overloaded`] if the queue is full, or the wait exceeds the timeout of the
    /// server.
    async fn wait(&self, call: &Call<Prepared>) -> Result<Turn, UpstreamError> {
        let queue = self.queue(match self.turns {
            Turns::PerPrincipal => call.principal().subject(),
            Turns::Shared => "",
        });
        Ok(Turn {
            _permit: queue.acquire().await?,
            _queue: queue,
        })
    }

    /// Returns the queue `name`, creating it if necessary.
    fn queue(&self, name: &str) -> Arc<Concurrency> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get(name).and_then(Weak::upgrade) {
            return queue;
        }
        queues.retain(|_, queue| queue.strong_count() > 0);
        let queue = self.limits.concurrency();
        queues.insert(name.into(), Arc::downgrade(&queue));
        queue
    }
}

impl PooledServer {
    /// Sends `call` in its turn, if it is one that needs a turn.
    pub(super) async fn send_in_turn(
        self: Arc<Self>,
        call: Call<Prepared>,
    ) -> Result<Reply, UpstreamError> {
        let queues = self.turns.as_ref().filter(|_| needs_turn(&call));
        let Some(queues) = queues else {
            return self.send_budgeted(call).await;
        };
        let turn = queues.wait(&call).await?;
        let (sender, receiver) = oneshot::channel();
        BackgroundTask::detach(async move {
            let reply = self.send_budgeted(call).await;
            deliver(reply, turn, sender).await;
        });
        receiver.await.map_err(|_| UpstreamError::Closed)?
    }
}

/// Returns `true` for calls that a program executes. Lists and notifications never wait.
fn needs_turn(call: &Call<Prepared>) -> bool {
    let method = call.request().method();
    let executes = matches!(
        method,
        Method::ToolsCall | Method::ResourcesRead | Method::PromptsGet | Method::CompletionComplete
    );
    executes && call.notification().is_none()
}

/// Passes `reply` on. A stream is read to its end, even if the caller has gone.
async fn deliver(
    reply: Result<Reply, UpstreamError>,
    turn: Turn,
    caller: oneshot::Sender<Result<Reply, UpstreamError>>,
) {
    let mut events = match reply {
        Ok(Reply::Events(events)) => events,
        Ok(mut document) => {
            // A document over stdio is complete, and one over HTTP is read by the caller.
            document.on_complete(move |_| drop(turn));
            let _ = caller.send(Ok(document));
            return;
        }
        Err(error) => {
            let _ = caller.send(Err(error));
            return;
        }
    };
    let (sender, receiver) = mpsc::channel(1);
    let passed_on = stream::unfold(receiver, |mut receiver| async {
        Some((receiver.recv().await?, receiver))
    });
    let _ = caller.send(Ok(Reply::Events(ReplyStream::new(passed_on))));
    while let Some(event) = events.next().await {
        let _ = sender.send(event).await;
    }
}
