//! Signals to the process.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Receiver of the signals that the process handles.
#[derive(Debug)]
pub(crate) struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

/// Request made by a signal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SignalAction {
    /// Reload the configuration.
    Reload,
    /// Shut down.
    Stop,
}

impl Signals {
    /// Registers the signal handlers.
    ///
    /// # Errors
    ///
    /// Fails if the system does not allow it.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next signal.
    ///
    /// # Cancel safety
    ///
    /// No signal is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> SignalAction {
        tokio::select! {
            _ = self.hangup.recv() => SignalAction::Reload,
            _ = self.interrupt.recv() => SignalAction::Stop,
            _ = self.terminate.recv() => SignalAction::Stop,
        }
    }

    /// Waits for a request to shut down.
    ///
    /// # Cancel safety
    ///
    /// The same as for [`next`](Self::next).
    pub(crate) async fn stop(&mut self) {
        while self.next().await != SignalAction::Stop {}
    }
}
