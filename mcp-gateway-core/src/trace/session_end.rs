//! Ends of sessions of the legacy era.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{SpanKind, SpanObserver, SpanTransport};
use crate::protocol::ProtocolVersion;

/// A session that has ended.
///
/// The modern era has none.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SessionEnd {
    /// Side: [`Server`](SpanKind::Server) for the session of a caller.
    pub kind: SpanKind,
    /// Protocol version of the session.
    pub version: ProtocolVersion,
    /// Transport of the session.
    pub transport: SpanTransport,
    /// Time for which this process has had the session.
    pub duration: Duration,
}

/// Reports the end of a session when it is dropped.
pub(crate) struct SessionTimer {
    observer: Arc<dyn SpanObserver>,
    kind: SpanKind,
    version: ProtocolVersion,
    transport: SpanTransport,
    begun: Instant,
}

impl SessionTimer {
    /// Starts the timer of a session.
    pub(crate) fn start(
        observer: &Arc<dyn SpanObserver>,
        kind: SpanKind,
        version: ProtocolVersion,
        transport: SpanTransport,
    ) -> Self {
        Self {
            observer: Arc::clone(observer),
            kind,
            version,
            transport,
            begun: Instant::now(),
        }
    }
}

impl Drop for SessionTimer {
    fn drop(&mut self) {
        self.observer.on_session_end(&SessionEnd {
            kind: self.kind,
            version: self.version,
            transport: self.transport,
            duration: self.begun.elapsed(),
        });
    }
}

impl fmt::Debug for SessionTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionTimer").finish_non_exhaustive()
    }
}
