//! The settings of the process that serves a platform.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use super::Log;
use super::network::DEFAULT_LISTEN;

/// The settings of the process that serves a platform, all of which are fixed when it starts.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Serving {
    /// The address to listen at.
    pub listen: SocketAddr,
    /// The address at which metrics are served, if they have one of their own.
    pub metrics: Option<SocketAddr>,
    /// How many connections there may be.
    pub connections: Option<usize>,
    /// How long a connection lasts without a request.
    pub idle_timeout: Option<Duration>,
    /// How many threads serve connections, if not as many as there are processors.
    pub workers: Option<NonZeroUsize>,
    /// How long calls may take to finish when the process ends.
    pub shutdown_timeout: Duration,
    /// What is logged, and how.
    pub log: Log,
}

impl Default for Serving {
    fn default() -> Self {
        Self {
            listen: DEFAULT_LISTEN,
            metrics: None,
            connections: None,
            idle_timeout: None,
            workers: None,
            shutdown_timeout: DEFAULT_SHUTDOWN_TIMEOUT,
            log: Log::default(),
        }
    }
}

impl Serving {
    /// Returns the keys of the settings that differ in `after`, and take effect only after a
    /// restart.
    pub fn restart_keys(&self, after: &Self) -> impl Iterator<Item = &'static str> + use<> {
        // Taken apart, so that a new setting does not compile before it has a key here.
        let Self {
            listen,
            metrics,
            connections,
            idle_timeout,
            workers,
            shutdown_timeout,
            log,
        } = self;
        let changes = [
            ("listen", *listen != after.listen),
            ("limits.connections", *connections != after.connections),
            ("limits.idleTimeout", *idle_timeout != after.idle_timeout),
            ("limits.workers", *workers != after.workers),
            ("log", *log != after.log),
            ("metrics.listen", *metrics != after.metrics),
            (
                "shutdownTimeout",
                *shutdown_timeout != after.shutdown_timeout,
            ),
        ];
        let changes = changes.into_iter().filter(|(_, changed)| *changed);
        changes.map(|(key, _)| key)
    }
}

/// Half a minute: what service managers and Kubernetes wait by default before they kill.
pub(super) const DEFAULT_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);
