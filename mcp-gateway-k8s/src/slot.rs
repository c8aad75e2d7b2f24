//! State of one server that callers wait for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use mcp_gateway_platform::orchestrator::DeploymentStatus;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::diagnosis::ReadyPod;

/// Server as its backends see it, whether it is declared or not yet.
#[derive(Debug)]
pub(crate) struct Slot {
    /// Name.
    pub(crate) name: Arc<str>,
    /// Latest state.
    pub(crate) view: watch::Sender<View>,
    /// Use by the callers of this process.
    pub(crate) activity: Arc<Activity>,
    /// Set while a caller waits for a pod.
    pub(crate) wanted: AtomicBool,
}

/// State of a server at one time.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    /// State; `None` if the server is not declared.
    pub(crate) status: Option<DeploymentStatus>,
    /// Place of the endpoint; `None` if the server is not declared, or its definition invalid.
    pub(crate) endpoint: Option<Arc<Endpoint>>,
    /// Pods that answer, newest first.
    pub(crate) ready: Arc<[ReadyPod]>,
    /// Names of all pods that are not being deleted.
    pub(crate) current: Arc<[String]>,
}

/// Place of the endpoint of a server in each of its pods.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Endpoint {
    /// Namespace.
    pub(crate) namespace: String,
    /// Set if the gateway attaches to the container, which has no port then.
    pub(crate) is_attached: bool,
    /// Name of the Secret with the token; `None` if callers require none.
    pub(crate) secret: Option<String>,
    /// Port.
    pub(crate) port: u16,
    /// Path.
    pub(crate) path: String,
}

impl Slot {
    pub(crate) fn new(name: &Arc<str>) -> Self {
        Self {
            name: Arc::clone(name),
            view: watch::Sender::new(View::default()),
            activity: Arc::new(Activity::new()),
            wanted: AtomicBool::new(false),
        }
    }
}

/// Use of a server by the callers of this process.
#[derive(Debug)]
pub(crate) struct Activity {
    start: Instant,
    /// Time of the last use, in milliseconds since the start; 0 for none.
    last: AtomicU64,
    /// Number of responses that are open.
    open: AtomicU32,
}

impl Activity {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            last: AtomicU64::new(0),
            open: AtomicU32::new(0),
        }
    }

    /// Records a use.
    pub(crate) fn touch(&self) {
        let elapsed = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(elapsed.max(1), Ordering::Relaxed);
    }

    /// Records a use that lasts until the guard is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> InUse {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.touch();
        InUse(Arc::clone(self))
    }

    /// Returns the time of the last use; now if one lasts, `None` if there was none.
    pub(crate) fn last(&self) -> Option<Instant> {
        if self.open.load(Ordering::Relaxed) > 0 {
            return Some(Instant::now());
        }
        let last = self.last.load(Ordering::Relaxed);
        (last > 0).then(|| self.start + Duration::from_millis(last))
    }
}

/// Use of a server that lasts.
#[derive(Debug)]
pub(crate) struct InUse(Arc<Activity>);

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.touch();
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_open_response_is_a_use() {
        let activity = Arc::new(Activity::new());
        assert_eq!(activity.last(), None);
        let begun = Instant::now();
        let guard = activity.begin();
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(activity.last(), Some(Instant::now()));
        drop(guard);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(activity.last().unwrap() - begun, Duration::from_secs(60));
    }
}
