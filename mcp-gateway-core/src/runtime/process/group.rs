//! Process group of a running program.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Child;
use tokio::sync::watch;
use tokio::time;

use super::exit::ExitState;
use crate::task::BackgroundTask;
use crate::transport::{ProgramOutput, ServerHandle};

/// A running program and its descendants; dropping it kills them.
#[derive(Debug)]
pub(super) struct ProcessGroup {
    /// Process group to signal.
    group: Option<Pid>,
    /// `true` once the program has exited.
    exited: watch::Receiver<bool>,
    /// Grace period before each signal.
    grace: Duration,
    /// State of the exit.
    exit: ExitState,
}

impl ProcessGroup {
    /// Waits for the exit of `child` in the background, so that it is reaped in any case.
    pub(super) fn watch(
        name: Arc<str>,
        mut child: Child,
        output: Arc<ProgramOutput>,
        grace: Duration,
        exit: ExitState,
    ) -> Self {
        let group = child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let (exits, exited) = watch::channel(false);
        let state = exit.clone();
        BackgroundTask::detach(async move {
            let status = match child.wait().await {
                Ok(status) => {
                    tracing::info!(server = %name, %status, "server exited");
                    state.report(status);
                    status.to_string()
                }
                Err(error) => {
                    tracing::warn!(server = %name, %error, "failed to wait for server");
                    error.to_string()
                }
            };
            // Descendants that the program left behind end with it.
            signal(group, Signal::KILL);
            exits.send_replace(true);
            // The last lines explain the exit. A daemon that left the group may keep them open.
            let _ = time::timeout(STDERR_GRACE, output.stderr_closed()).await;
            output.set_exit_status(&status);
        });
        Self {
            group,
            exited,
            grace,
            exit,
        }
    }

    /// Waits for the exit for one grace period; returns `true` if the program has exited.
    async fn exits_in_time(&mut self) -> bool {
        let exited = self.exited.wait_for(|exited| *exited);
        time::timeout(self.grace, exited).await.is_ok()
    }
}

#[async_trait]
impl ServerHandle for ProcessGroup {
    async fn stop(mut self: Box<Self>) {
        if self.exits_in_time().await {
            return;
        }
        self.exit.request();
        signal(self.group, Signal::TERM);
        if self.exits_in_time().await {
            return;
        }
        signal(self.group, Signal::KILL);
        self.exits_in_time().await;
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if !*self.exited.borrow() {
            self.exit.kill();
            signal(self.group, Signal::KILL);
        }
    }
}

/// Sends `signal` to all processes of the group, if any is left.
fn signal(group: Option<Pid>, signal: Signal) {
    if let Some(group) = group {
        let _ = kill_process_group(group, signal);
    }
}

/// Time for the last lines of a program after its exit.
const STDERR_GRACE: Duration = Duration::from_millis(200);
