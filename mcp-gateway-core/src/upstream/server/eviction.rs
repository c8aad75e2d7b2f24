//! Closing of the views of a server: idle, evicted, or of an ended session.

use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use foldhash::HashMap;
use tokio::time;

use super::UpstreamServer;
use crate::Call;
use crate::call::Prepared;
use crate::task::BackgroundTask;
use crate::upstream::view::View;
use crate::upstream::view_key::ViewKey;

impl UpstreamServer {
    /// Closes the view `key`, because its session has ended. A view that is closed already is
    /// ignored.
    pub(super) async fn close_view(&self, key: &ViewKey) {
        let view = self
            .views
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(key);
        if let Some(view) = view {
            self.release_view(&view).await;
        }
    }

    /// Closes `view` once the credential of `call` is revoked, and nothing uses it.
    ///
    /// With another credential, its principal gets another view. Its streams have ended.
    pub(super) fn end_with_credential(&self, view: &Arc<View>, call: &Call<Prepared>) {
        let mut watch = call.caller().watch();
        if !watch.can_be_revoked() {
            return;
        }
        // Both own the task indirectly.
        let (server, weak) = (self.this.clone(), Arc::downgrade(view));
        view.set_lease(BackgroundTask::spawn(async move {
            watch.revoked().await;
            while let (Some(server), Some(view)) = (server.upgrade(), weak.upgrade())
                && !server.close_unused(&view).await
            {
                drop((server, view));
                time::sleep(MIN_SWEEP).await;
            }
        }));
    }

    /// Closes `view`, whose credential is not used any more, unless it is in use; returns `true` if it
    /// is closed.
    pub(super) async fn close_unused(&self, view: &Arc<View>) -> bool {
        {
            let mut views = self.views.write().unwrap_or_else(PoisonError::into_inner);
            if views
                .get(view.key())
                .is_none_or(|known| !Arc::ptr_eq(known, view))
            {
                return true;
            }
            if view.idle().is_none() {
                return false;
            }
            views.remove(view.key());
        }
        tracing::info!(server = %self.name, instance = ?view.key().instance, "credential ended, view closed");
        self.release_view(view).await;
        true
    }

    /// Ends all views whose credentials have an account that `is_outdated`, with the programs that run
    /// for them. Calls in flight finish first, for at most half a minute.
    ///
    /// # Cancel safety
    ///
    /// Programs whose views have been removed end when they are idle.
    pub async fn end_accounts(&self, is_outdated: impl Fn(&str) -> bool + Send) {
        let mut ended = self.remove_views(&is_outdated);
        let began = time::Instant::now();
        // Calls that have resolved their credential before arrive a little later.
        while began.elapsed() < SETTLED
            || (began.elapsed() < END_GRACE && ended.iter().any(|view| view.is_in_use()))
        {
            time::sleep(POLL).await;
            ended.extend(self.remove_views(&is_outdated));
        }
        for view in ended {
            tracing::info!(server = %self.name, instance = ?view.key().instance, "connection replaced, view closed");
            self.release_view(&view).await;
        }
    }

    /// Removes all views whose credentials have an account that `is_outdated`.
    fn remove_views(&self, is_outdated: &(impl Fn(&str) -> bool + Send)) -> Vec<Arc<View>> {
        let mut views = self.views.write().unwrap_or_else(PoisonError::into_inner);
        let outdated = views
            .values()
            .filter(|view| is_outdated(&view.key().account));
        let outdated: Vec<_> = outdated.cloned().collect();
        for view in &outdated {
            views.remove(view.key());
        }
        outdated
    }

    /// Closes idle views.
    ///
    /// They are removed first and closed without the lock, so that a new call gets a new view
    /// instead of one that is being closed.
    async fn close_idle(&self) {
        let idle: Vec<_> = {
            let mut views = self.views.write().unwrap_or_else(PoisonError::into_inner);
            let is_idle = |view: &&Arc<View>| view.idle().is_some_and(|idle| idle >= self.idle);
            let idle = views.values().filter(is_idle).map(Arc::clone);
            let idle: Vec<_> = idle.collect();
            for view in &idle {
                views.remove(view.key());
            }
            idle
        };
        for view in idle {
            tracing::debug!(server = %self.name, instance = ?view.key().instance, "idle view closed");
            self.release_view(&view).await;
        }
    }

    /// Closes a removed view; its connection stays open if other views share it.
    async fn release_view(&self, view: &View) {
        let shared = {
            let views = self.views.read().unwrap_or_else(PoisonError::into_inner);
            views.values().any(|other| other.shares_connection(view))
        };
        match shared {
            true => view.detach().await,
            false => view.close().await,
        }
    }
}

/// Time for calls in flight before a program ends.
const END_GRACE: Duration = Duration::from_secs(30);

/// Time in which calls that have resolved their credential reach their view.
const SETTLED: Duration = Duration::from_secs(1);

/// Interval of the look at calls in flight.
const POLL: Duration = Duration::from_millis(50);

/// Evicts the view with the longest idle time; returns `false` if all views are in use.
///
/// The view is closed in the background, because the caller must not wait for that.
#[expect(
    clippy::mutable_key_type,
    reason = "what capabilities cache takes no part in Eq and Hash"
)]
pub(super) fn evict(views: &mut HashMap<ViewKey, Arc<View>>) -> bool {
    let idle = views
        .values()
        .filter_map(|view| Some((view.idle()?, view.key().clone())));
    let Some((_, key)) = idle.max_by_key(|(idle, _)| *idle) else {
        return false;
    };
    if let Some(view) = views.remove(&key) {
        let shared = views.values().any(|other| other.shares_connection(&view));
        BackgroundTask::detach(async move {
            match shared {
                true => view.detach().await,
                false => view.close().await,
            }
        });
    }
    true
}

/// Closes idle views until the server is dropped, which the weak reference detects.
pub(super) async fn sweep(server: Weak<UpstreamServer>, idle: Duration) {
    loop {
        time::sleep((idle / 4).clamp(MIN_SWEEP, MAX_SWEEP)).await;
        match server.upgrade() {
            Some(server) => server.close_idle().await,
            None => return,
        }
    }
}

/// Longest interval between idle sweeps.
const MAX_SWEEP: Duration = Duration::from_secs(30);
/// Shortest interval between idle sweeps.
const MIN_SWEEP: Duration = Duration::from_millis(100);
