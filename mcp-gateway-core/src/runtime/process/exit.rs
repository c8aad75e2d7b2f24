//! Exits of programs, and whether somebody asked for them.

use std::fmt;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;

/// Exit of a program that a [`Process`](super::Process) had started.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ProcessExit {
    /// Status with which it has exited.
    pub status: ExitStatus,
    /// `true` if its connection was closed, or it was terminated, before it exited.
    pub was_requested: bool,
}

/// Function that is called with each exit.
pub(super) type ExitListener = Arc<dyn Fn(ProcessExit) + Send + Sync>;

/// State of the exit of one program, shared by its input and its process group.
#[derive(Clone, Default)]
pub(super) struct ExitState {
    /// `true` once the program has been asked to exit.
    requested: Arc<AtomicBool>,
    /// `true` once the program has been killed.
    killed: Arc<AtomicBool>,
    listener: Option<ExitListener>,
}

impl ExitState {
    pub(super) fn new(listener: Option<ExitListener>) -> Self {
        Self {
            listener,
            ..Self::default()
        }
    }

    /// Records that the program is asked to exit.
    pub(super) fn request(&self) {
        self.requested.store(true, Ordering::Release);
    }

    /// Records that the program is killed, if it has not exited yet.
    pub(super) fn kill(&self) {
        self.killed.store(true, Ordering::Release);
    }

    /// Reports the exit to the listener.
    pub(super) fn report(&self, status: ExitStatus) {
        if let Some(listener) = &self.listener {
            // A program may have exited by itself just before it was to be killed.
            let killed = self.killed.load(Ordering::Acquire)
                && status.signal() == Some(Signal::KILL.as_raw());
            listener(ProcessExit {
                status,
                was_requested: killed || self.requested.load(Ordering::Acquire),
            });
        }
    }
}

impl fmt::Debug for ExitState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExitState")
            .field("requested", &self.requested)
            .field("killed", &self.killed)
            .finish_non_exhaustive()
    }
}
