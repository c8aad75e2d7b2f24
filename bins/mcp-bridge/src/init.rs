//! The first process of a container.
//!
//! The system hands it every process whose parent has exited, and expects it to collect their exit
//! statuses. It ignores signals without a handler, and all others end with it. A bridge that is
//! such a process runs itself once more, as its child, and does nothing else: neither process can
//! take exit statuses that the other one waits for.

use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitCode, ExitStatus};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// Returns `true` if this is the first process of a container.
pub(crate) fn is_first() -> bool {
    std::process::id() == 1
}

/// Runs this program with the same arguments as a child, forwards signals to it, and collects the
/// exit statuses of all processes until it exits. Returns its exit code.
///
/// # Errors
///
/// Fails if the child cannot be started.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(supervise())
}

async fn supervise() -> anyhow::Result<ExitCode> {
    let register = |kind| signal(kind).context("cannot register signal handlers");
    let mut exits = register(SignalKind::child())?;
    let mut terminate = register(SignalKind::terminate())?;
    let mut interrupt = register(SignalKind::interrupt())?;
    let child = start().context("cannot start the bridge")?;
    loop {
        if let Some(code) = collect(child) {
            return Ok(code);
        }
        tokio::select! {
            _ = exits.recv() => {}
            _ = terminate.recv() => forward(child, Signal::TERM),
            _ = interrupt.recv() => forward(child, Signal::INT),
        }
    }
}

/// Starts this program again.
fn start() -> anyhow::Result<Pid> {
    let mut command = Command::new(std::env::current_exe()?);
    // An interrupt at a terminal arrives once, from here.
    command.args(std::env::args_os().skip(1)).process_group(0);
    let id = command.spawn()?.id();
    let id = i32::try_from(id).ok().and_then(Pid::from_raw);
    id.context("no process identifier")
}

fn forward(child: Pid, signal: Signal) {
    // It may just have exited.
    let _ = kill_process(child, signal);
}

/// Collects exit statuses; returns the exit code of `child` if it has exited.
fn collect(child: Pid) -> Option<ExitCode> {
    let mut code = None;
    while let Ok(Some((process, status))) = wait(WaitOptions::NOHANG) {
        if process == child {
            code = Some(code_for(ExitStatus::from_raw(status.as_raw())));
        }
    }
    code
}

/// Returns the exit code for a program that has exited with `status`, as shells number it.
pub(crate) fn code_for(status: ExitStatus) -> ExitCode {
    let signal = || status.signal().map(|signal| 128 + signal);
    let code = status.code().or_else(signal).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_of_shells() {
        let code = |raw| format!("{:?}", code_for(ExitStatus::from_raw(raw)));
        assert_eq!(code(3 << 8), format!("{:?}", ExitCode::from(3)));
        assert_eq!(code(9), format!("{:?}", ExitCode::from(137)));
        assert_eq!(code(0), format!("{:?}", ExitCode::SUCCESS));
    }
}
