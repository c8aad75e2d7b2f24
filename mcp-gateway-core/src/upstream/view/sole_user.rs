//! The only session of a client that uses a view.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::session::Session;

/// Record of who has used a view: nobody, one session of a client, or several parties.
///
/// A server addresses unsolicited messages to its session. As long as one client alone has used
/// that session, they are meant for it; afterwards they could concern another party, also one that
/// has left.
#[derive(Debug, Default)]
pub(super) struct SoleUser(AtomicU64);

impl SoleUser {
    /// Records a use on behalf of `session`; `None` for a client without a session.
    pub(super) fn record(&self, session: Option<&Arc<Session>>) {
        let user = session.map_or(SEVERAL, |session| session.number());
        let known = self.0.load(Ordering::Relaxed);
        if known == user || known == SEVERAL {
            return;
        }
        let first = self
            .0
            .compare_exchange(NOBODY, user, Ordering::AcqRel, Ordering::Acquire);
        if first.is_err_and(|other| other != user) {
            self.0.store(SEVERAL, Ordering::Release);
        }
    }

    /// Returns `true` if nobody but the session with this number has used the view.
    pub(super) fn is(&self, number: u64) -> bool {
        self.0.load(Ordering::Acquire) == number
    }
}

/// No use yet. Sessions are numbered from 1.
const NOBODY: u64 = 0;

/// Several sessions, or a client without a session.
const SEVERAL: u64 = u64::MAX;
