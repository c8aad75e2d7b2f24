//! Detected protocols that outlive the process.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::OnceCell;
use tokio::time;

use super::UpstreamProtocol;
use crate::BoxError;
use crate::task::BackgroundTask;

/// Store of the protocols that were detected of one server.
///
/// With a store, a restarted gateway does not probe the server again, and replicas share the
/// result. A stored protocol is only tried first: if it no longer fits, the detection begins anew.
#[async_trait]
pub trait ProtocolStore: fmt::Debug + Send + Sync + 'static {
    /// Returns the protocols that were saved last; `None` if there are none.
    ///
    /// Called once, before the first connection, which waits for at most two seconds.
    ///
    /// # Errors
    ///
    /// If the store is unavailable. The error is logged: the server is usable without the store.
    async fn load(&self) -> Result<Option<DetectedProtocols>, BoxError>;

    /// Saves protocols, replacing earlier ones.
    ///
    /// # Errors
    ///
    /// If the store is unavailable. The error is logged.
    async fn save(&self, detected: DetectedProtocols) -> Result<(), BoxError>;
}

/// Protocols that were detected of a server.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::upstream::{DetectedProtocols, UpstreamProtocol};
///
/// let mut detected = DetectedProtocols::default();
/// detected.modern = Some(UpstreamProtocol::Modern);
/// assert_eq!(detected.legacy, None);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct DetectedProtocols {
    /// Protocol for clients of the modern era.
    pub modern: Option<UpstreamProtocol>,
    /// Protocol for clients of the legacy era.
    pub legacy: Option<UpstreamProtocol>,
}

/// A store, and what is known of its content.
#[derive(Debug)]
pub(super) struct StoredProtocols {
    store: Arc<dyn ProtocolStore>,
    /// Set once the content has been loaded.
    loaded: OnceCell<()>,
    /// Content that this process has saved last.
    saved: Mutex<Option<DetectedProtocols>>,
}

impl StoredProtocols {
    /// Uses `store`.
    pub(super) fn new(store: Arc<dyn ProtocolStore>) -> Self {
        Self {
            store,
            loaded: OnceCell::new(),
            saved: Mutex::default(),
        }
    }

    /// Passes the content of the store to `accept`, once. Concurrent callers wait for that.
    pub(super) async fn load(&self, accept: impl FnMut(DetectedProtocols)) {
        let load = async {
            match time::timeout(LOAD_TIMEOUT, self.store.load()).await {
                Ok(Ok(detected)) => detected.into_iter().for_each(accept),
                Ok(Err(error)) => tracing::warn!(error, "detected protocol not loaded"),
                Err(_) => tracing::warn!("detected protocol not loaded in time"),
            }
        };
        self.loaded.get_or_init(|| load).await;
    }

    /// Saves `detected` in the background, unless this process has done so before. The first time
    /// prolongs the life of what has been loaded.
    pub(super) fn save(&self, detected: DetectedProtocols) {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        if saved.replace(detected) == Some(detected) {
            return;
        }
        let store = Arc::clone(&self.store);
        BackgroundTask::detach(async move {
            match time::timeout(SAVE_TIMEOUT, store.save(detected)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(error, "detected protocol not saved"),
                Err(_) => tracing::warn!("detected protocol not saved in time"),
            }
        });
    }
}

/// Maximum time for loading: a connection does not depend on the store.
const LOAD_TIMEOUT: Duration = Duration::from_secs(2);

/// Maximum time for saving.
const SAVE_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    /// A store that answers never, or at once, and counts what is saved.
    #[derive(Debug, Default)]
    struct Recorder {
        is_mute: bool,
        saved: Mutex<Vec<DetectedProtocols>>,
    }

    #[async_trait]
    impl ProtocolStore for Recorder {
        async fn load(&self) -> Result<Option<DetectedProtocols>, BoxError> {
            match self.is_mute {
                true => std::future::pending().await,
                false => Ok(Some(legacy())),
            }
        }

        async fn save(&self, detected: DetectedProtocols) -> Result<(), BoxError> {
            self.saved.lock().unwrap().push(detected);
            Ok(())
        }
    }

    fn legacy() -> DetectedProtocols {
        DetectedProtocols {
            legacy: Some(UpstreamProtocol::Legacy),
            ..DetectedProtocols::default()
        }
    }

    #[tokio::test]
    async fn the_content_is_loaded_once_and_saved_when_it_changes() {
        let store = Arc::new(Recorder::default());
        let stored = StoredProtocols::new(Arc::clone(&store) as _);
        let mut loaded = Vec::new();
        for _ in 0..2 {
            stored.load(|detected| loaded.push(detected)).await;
        }
        assert_eq!(loaded, [legacy()]);
        let modern = DetectedProtocols {
            modern: Some(UpstreamProtocol::Modern),
            ..legacy()
        };
        for detected in [legacy(), legacy(), modern, modern] {
            stored.save(detected);
            tokio::task::yield_now().await;
        }
        assert_eq!(*store.saved.lock().unwrap(), [legacy(), modern]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_does_not_answer_is_awaited_once() {
        let store = Recorder {
            is_mute: true,
            ..Recorder::default()
        };
        let stored = StoredProtocols::new(Arc::new(store));
        let started = time::Instant::now();
        for _ in 0..2 {
            stored.load(|_| panic!("nothing is loaded")).await;
        }
        assert_eq!(started.elapsed(), LOAD_TIMEOUT);
    }
}
