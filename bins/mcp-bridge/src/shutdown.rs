//! Signals that terminate the process.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Receiver of SIGINT and SIGTERM.
#[derive(Debug)]
pub(crate) struct ShutdownSignal {
    interrupt: Signal,
    terminate: Signal,
}

impl ShutdownSignal {
    /// Registers the signal handlers.
    ///
    /// # Errors
    ///
    /// Fails if the system does not allow it.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for a signal.
    ///
    /// # Cancel safety
    ///
    /// No signal is lost when the future is dropped.
    pub(crate) async fn requested(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
