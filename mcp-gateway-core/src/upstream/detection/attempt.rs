//! State of one kind of request during a detection, and of the connection.

use super::step::Cause;

/// State of one kind of request.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    /// Number of times that it was sent.
    tries: u8,
    /// `true` if the server may still answer.
    pending: bool,
    /// `true` if a limit has passed while it was pending.
    overdue: bool,
    /// `true` if it was once the first message on its connection, so that no other message can
    /// have confused the server.
    clean: bool,
    /// Failure of the last try that was answered.
    failure: Option<Cause>,
}

impl Attempt {
    /// Records that the request is sent.
    pub(super) fn start(&mut self, clean: bool) {
        self.tries += 1;
        self.pending = true;
        self.overdue = false;
        self.clean |= clean;
    }

    /// Records the failure of the request.
    pub(super) fn fail(&mut self, cause: &Cause) {
        self.pending = false;
        self.failure = Some(cause.clone());
    }

    /// Records that no answer can arrive any more; returns `true` if one was due.
    pub(super) fn abandon(&mut self) -> bool {
        std::mem::take(&mut self.pending)
    }

    /// Records that a limit has passed; returns `true` if the request became overdue thereby.
    pub(super) fn expire(&mut self) -> bool {
        let becomes = self.pending && !self.overdue;
        self.overdue |= self.pending;
        becomes
    }

    /// Returns the number of times that the request was sent.
    pub(super) fn tries(&self) -> u8 {
        self.tries
    }

    /// Returns `true` if the request was never sent.
    pub(super) fn is_untried(&self) -> bool {
        self.tries == 0
    }

    /// Returns `true` if the request was sent exactly once.
    pub(super) fn is_first_try(&self) -> bool {
        self.tries == 1
    }

    /// Returns `true` if the server may still answer.
    pub(super) fn is_pending(&self) -> bool {
        self.pending
    }

    /// Returns `true` if the server may still answer, and its time is not over.
    pub(super) fn is_due(&self) -> bool {
        self.pending && !self.overdue
    }

    /// Returns `true` if another message preceded it whenever it was sent.
    pub(super) fn is_unclean(&self) -> bool {
        self.tries > 0 && !self.clean
    }

    /// Returns the failure of the last try that was answered.
    pub(super) fn failure(&self) -> Option<&Cause> {
        self.failure.as_ref()
    }

    /// Returns `true` if the server has shown that it has the method, although the request failed.
    pub(super) fn shows_legacy(&self) -> bool {
        self.failure().is_some_and(Cause::is_legacy)
    }

    /// Returns `true` if the same answer is to be expected for any other request.
    pub(super) fn concerned_all(&self) -> bool {
        self.failure().is_some_and(Cause::concerns_all)
    }
}

/// State of a connection over byte streams.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Connection {
    /// Closed: the next request needs another one.
    Closed,
    /// Open, without a message yet.
    New,
    /// Open, and the server has received a request.
    Used,
}
