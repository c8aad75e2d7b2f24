//! Lease of a session: the authentication of its client, with which it ends.
//!
//! A session is used by many requests, each with a credential. Its lease is the one that expires
//! last: a client that refreshes its token keeps its streams.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use super::{Session, Sessions};
use crate::auth::{Authentication, AuthenticationEnd, Principal};
use crate::task::BackgroundTask;

/// End of the lease of a session.
#[derive(Debug, Default)]
pub(super) struct LeaseTerm(AtomicU64);

impl LeaseTerm {
    /// Returns `true` if the credential of `principal` outlasts the lease, or there is no lease.
    pub(super) fn is_outlasted_by(&self, principal: &Principal) -> bool {
        self.0.load(Ordering::Relaxed) < end_of(principal)
    }

    /// Extends the lease to the end of the credential of `principal`; returns `false` if the lease
    /// lasts as long.
    fn extend(&self, principal: &Principal) -> bool {
        let end = end_of(principal);
        self.0.fetch_max(end, Ordering::Relaxed) < end
    }
}

/// Returns the end of the credential of `principal` in seconds since the Unix epoch, 1 or greater.
fn end_of(principal: &Principal) -> u64 {
    let end = principal.expires_at();
    end.map_or(u64::MAX, |end| {
        let since = end.duration_since(UNIX_EPOCH).unwrap_or_default();
        since.as_secs().max(1)
    })
}

impl Sessions {
    /// Binds the session `id` to `authentication`, if that outlasts the one that it is bound to.
    ///
    /// The standalone stream ends when the credential expires, and the whole session when the
    /// credential is revoked.
    pub(crate) fn extend_lease(
        &self,
        id: &str,
        session: &Arc<Session>,
        authentication: Authentication,
    ) {
        if !session.lease_term.extend(authentication.principal()) {
            return;
        }
        let mut watch = authentication.watch();
        if !watch.can_end() {
            return;
        }
        // Both own the task indirectly.
        let (sessions, weak) = (self.downgrade(), Arc::downgrade(session));
        let id = id.to_owned();
        let lease = BackgroundTask::spawn(async move {
            loop {
                let end = watch.ended().await;
                let (Some(sessions), Some(session)) = (sessions.upgrade(), weak.upgrade()) else {
                    return;
                };
                match end {
                    AuthenticationEnd::Expired => session.interrupt_standalone(),
                    AuthenticationEnd::Revoked => {
                        tracing::info!(session = %session.key(), "credential revoked, session ended");
                        return Self(sessions).revoke(&id, &session);
                    }
                }
            }
        });
        let before = session.state().lease.replace(lease);
        drop(before);
    }
}
