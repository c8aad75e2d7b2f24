use std::fmt;
use std::mem;

/// How a reply ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Ending {
    /// What came out.
    pub outcome: Outcome,
    /// How many bytes of messages the server sent.
    pub bytes: u64,
}

/// What came out of a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// The client went away before the end.
    Cancelled,
    /// The server answered with an error.
    Error {
        /// The code of the error.
        code: i64,
    },
    /// The server did not answer as it should.
    Failed,
    /// The server answered with a result.
    Success,
    /// The server answered that the tool failed.
    ToolError,
}

impl Ending {
    pub(crate) fn new(outcome: Outcome, bytes: u64) -> Self {
        Self { outcome, bytes }
    }
}

type Hook = Box<dyn FnOnce(&Ending) + Send>;

/// Those who want to know how a reply ends; told once, at the latest when it is dropped.
#[derive(Default)]
pub(super) struct Watchers {
    hooks: Vec<Hook>,
    bytes: u64,
    ending: Option<Ending>,
}

impl Watchers {
    pub(super) fn ended(outcome: Outcome, bytes: u64) -> Self {
        Self {
            hooks: Vec::new(),
            bytes,
            ending: Some(Ending::new(outcome, bytes)),
        }
    }

    pub(super) fn add(&mut self, hook: impl FnOnce(&Ending) + Send + 'static) {
        match &self.ending {
            Some(ending) => hook(ending),
            None => self.hooks.push(Box::new(hook)),
        }
    }

    pub(super) fn outcome(&self) -> Option<Outcome> {
        self.ending.map(|ending| ending.outcome)
    }

    pub(super) fn count(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

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
