//! End of a reply, and the hooks that observe it.

use std::fmt;
use std::mem;

/// The end of a reply.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Ending {
    /// Outcome of the call.
    pub outcome: Outcome,
    /// Number of bytes of messages that the server sent.
    pub bytes: u64,
}

/// Outcome of a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// The client disconnected or cancelled before the end.
    Cancelled,
    /// The server responded with a JSON-RPC error.
    Error {
        /// Code of the error; 0 if it has no valid one.
        code: i64,
    },
    /// The server did not send a valid response: a broken connection, a timeout or a malformed
    /// message.
    Failed,
    /// The server responded with a result.
    Success,
    /// The server responded with a result whose `isError` is `true`.
    ToolError,
}

impl Ending {
    /// Creates the end of a reply.
    pub(crate) fn new(outcome: Outcome, bytes: u64) -> Self {
        Self { outcome, bytes }
    }
}

/// A hook for the end of a reply.
type Hook = Box<dyn FnOnce(&Ending) + Send>;

/// Hooks for the end of a reply. They run once, at the latest when the reply is dropped.
#[derive(Default)]
pub(super) struct Watchers {
    hooks: Vec<Hook>,
    bytes: u64,
    ending: Option<Ending>,
}

impl Watchers {
    /// Creates the hooks of a reply whose end is known.
    pub(super) fn ended(outcome: Outcome, bytes: u64) -> Self {
        Self {
            hooks: Vec::new(),
            bytes,
            ending: Some(Ending::new(outcome, bytes)),
        }
    }

    /// Adds a hook, or runs it at once if the end is known.
    pub(super) fn add(&mut self, hook: impl FnOnce(&Ending) + Send + 'static) {
        match &self.ending {
            Some(ending) => hook(ending),
            None => self.hooks.push(Box::new(hook)),
        }
    }

    /// Returns the outcome if it is known.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        self.ending.map(|ending| ending.outcome)
    }

    /// Counts bytes of messages.
    pub(super) fn count(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Records the end and runs the hooks; later calls have no effect.
    pub(super) fn end(&mut self, outcome: Outcome) {
        if self.ending.is_none() {
            let ending = Ending::new(outcome, self.bytes);
            self.ending = Some(ending);
            for hook in mem::take(&mut self.hooks) {
                hook(&ending);
            }
        }
    }
}

impl Drop for Watchers {
    fn drop(&mut self) {
        self.end(Outcome::Cancelled);
    }
}

impl fmt::Debug for Watchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watchers")
            .field("hooks", &self.hooks.len())
            .field("ending", &self.ending)
            .finish_non_exhaustive()
    }
}
