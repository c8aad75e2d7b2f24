//! End of a reply, and the hooks that observe it.

use std::fmt;
use std::mem;
use std::sync::Arc;

/// The end of a reply.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Completion {
    /// Outcome of the call.
    pub outcome: CallOutcome,
    /// Number of bytes of messages that the server sent.
    pub bytes: u64,
    /// Account whose credential was presented to the server, if there is one.
    pub account: Option<Arc<str>>,
}

/// Outcome of a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum CallOutcome {
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

impl Completion {
    /// Creates the end of a reply.
    pub(crate) fn new(outcome: CallOutcome, bytes: u64) -> Self {
        Self {
            outcome,
            bytes,
            account: None,
        }
    }
}

/// A hook for the end of a reply.
type CompletionHook = Box<dyn FnOnce(&Completion) + Send>;

/// Hooks for the end of a reply. They run once, at the latest when the reply is dropped.
#[derive(Default)]
pub(super) struct CompletionHooks {
    hooks: Vec<CompletionHook>,
    bytes: u64,
    account: Option<Arc<str>>,
    outcome: Option<CallOutcome>,
}

impl CompletionHooks {
    /// Creates the hooks of a reply whose end is known.
    pub(super) fn completed(outcome: CallOutcome, bytes: u64) -> Self {
        Self {
            hooks: Vec::new(),
            bytes,
            account: None,
            outcome: Some(outcome),
        }
    }

    /// Adds a hook, or runs it at once if the end is known.
    pub(super) fn add(&mut self, hook: impl FnOnce(&Completion) + Send + 'static) {
        match self.outcome {
            Some(outcome) => hook(&self.completion(outcome)),
            None => self.hooks.push(Box::new(hook)),
        }
    }

    /// Returns the outcome if it is known.
    pub(super) fn outcome(&self) -> Option<CallOutcome> {
        self.outcome
    }

    /// Sets the account whose credential was presented.
    pub(super) fn set_account(&mut self, account: Arc<str>) {
        self.account = Some(account);
    }

    /// Counts bytes of messages.
    pub(super) fn add_bytes(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Records the end and runs the hooks; later calls have no effect.
    pub(super) fn complete(&mut self, outcome: CallOutcome) {
        if self.outcome.is_none() {
            self.outcome = Some(outcome);
            let completion = self.completion(outcome);
            for hook in mem::take(&mut self.hooks) {
                hook(&completion);
            }
        }
    }

    /// Returns the end with `outcome`.
    fn completion(&self, outcome: CallOutcome) -> Completion {
        Completion {
            account: self.account.clone(),
            ..Completion::new(outcome, self.bytes)
        }
    }
}

impl Drop for CompletionHooks {
    fn drop(&mut self) {
        self.complete(CallOutcome::Cancelled);
    }
}

impl fmt::Debug for CompletionHooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompletionHooks")
            .field("hooks", &self.hooks.len())
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}
