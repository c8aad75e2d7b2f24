//! Settings of the process that serves a platform.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use super::network::DEFAULT_LISTEN;
use super::{Log, Traces};

/// Settings of the process that serves a platform. A change requires a restart.
///
/// # Example
///
/// ```
/// use mcp_gateway_config::file::parse;
///
/// let before = parse("limits: { workers: 2 }\n").unwrap().serving;
/// assert_eq!(before.listen, "127.0.0.1:8080".parse().unwrap());
/// let after = parse("limits: { workers: 4 }\n").unwrap().serving;
/// assert!(before.restart_keys(&after).eq(["limits.workers"]));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Serving {
    /// Listen address.
    pub listen: SocketAddr,
    /// Separate listen address of the metrics.
    pub metrics: Option<SocketAddr>,
    /// Maximum number of connections.
    pub connections: Option<usize>,
    /// Idle timeout of connections.
    pub idle_timeout: Option<Duration>,
    /// Number of worker threads; one for each processor if `None`.
    pub workers: Option<NonZeroUsize>,
    /// Time for in-flight calls to finish during a shutdown.
    pub shutdown_timeout: Duration,
    /// Log level and format.
    pub log: Log,
    /// Export of spans, if it is configured.
    pub traces: Option<Traces>,
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
            traces: None,
        }
    }
}

impl Serving {
    /// Returns the keys of the settings that differ in `after`. All of them require a restart.
    pub fn restart_keys(&self, after: &Self) -> impl Iterator<Item = &'static str> + use<> {
        // Destructured, so that a new setting does not compile without a key here.
        let Self {
            listen,
            metrics,
            connections,
            idle_timeout,
            workers,
            shutdown_timeout,
            log,
            traces,
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
            ("traces", *traces != after.traces),
        ];
        let changes = changes.into_iter().filter(|(_, changed)| *changed);
        changes.map(|(key, _)| key)
    }
}

/// Default shutdown timeout: Kubernetes and service managers kill a process after 30 s by default.
pub(super) const DEFAULT_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);
