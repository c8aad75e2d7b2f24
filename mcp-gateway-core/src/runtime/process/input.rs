//! Standard input of a program, and the time at which the program begins to read it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::AsyncWrite;
use tokio::process::ChildStdin;
use tokio::time;

use super::exit::ExitState;
use crate::task::BackgroundTask;
use crate::transport::ProgramOutput;

/// Standard input of a program.
///
/// A program that is starting leaves its input in the pipe; one that has started reads it. This is
/// the only evidence of the start of a program that does not answer.
pub(super) struct ProgramInput {
    stdin: ChildStdin,
    /// Observer, until the first message is written.
    observer: Option<Observer>,
    /// Task that observes the pipe.
    _observing: Option<BackgroundTask>,
    /// Second descriptor of the pipe, closed with the first.
    _pipe: Option<Arc<OwnedFd>>,
    /// State of the exit of the program.
    exit: ExitState,
}

/// Observer of a pipe.
struct Observer {
    pipe: Weak<OwnedFd>,
    output: Arc<ProgramOutput>,
}

impl ProgramInput {
    /// Wraps the input of a program, and records in the returned `output` when the program has read
    /// the first message, where the system supports that.
    pub(super) fn new(
        stdin: ChildStdin,
        output: ProgramOutput,
        exit: ExitState,
    ) -> (Self, Arc<ProgramOutput>) {
        let pipe = stdin.as_fd().try_clone_to_owned().ok();
        let pipe = pipe.filter(|pipe| unread(pipe).is_some()).map(Arc::new);
        let output = Arc::new(match pipe {
            Some(_) => output.with_observed_input(),
            None => output,
        });
        let observer = pipe.as_ref().map(|pipe| Observer {
            pipe: Arc::downgrade(pipe),
            output: Arc::clone(&output),
        });
        let input = Self {
            stdin,
            observer,
            _observing: None,
            _pipe: pipe,
            exit,
        };
        (input, output)
    }
}

impl Drop for ProgramInput {
    /// Closing the input of a running program asks it to exit.
    fn drop(&mut self) {
        if is_open(&self.stdin) {
            self.exit.request();
        }
    }
}

impl Observer {
    /// Waits until the program has read everything that was written.
    async fn observe(self) {
        let mut pause = MIN_PAUSE;
        loop {
            time::sleep(pause).await;
            let Some(pipe) = self.pipe.upgrade() else {
                return;
            };
            if unread(&pipe).is_none_or(|bytes| bytes == 0) {
                self.output.set_reading();
                return;
            }
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }
}

impl AsyncWrite for ProgramInput {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stdin).poll_write(cx, bytes);
        if matches!(written, Poll::Ready(Ok(1..)))
            && let Some(observer) = self.observer.take()
        {
            self._observing = Some(BackgroundTask::spawn(observer.observe()));
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdin).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdin).poll_shutdown(cx)
    }
}

/// Returns the number of bytes in `pipe` that have not been read; `None` if it is unknown.
///
/// Other systems than Linux report the number for the end that reads only.
fn unread(pipe: &OwnedFd) -> Option<u64> {
    match cfg!(target_os = "linux") {
        true => rustix::io::ioctl_fionread(pipe).ok(),
        false => None,
    }
}

/// Returns `true` if a process has the other end of `pipe` open.
///
/// A program that exits closes its input before its output, so this is `false` by the time that its
/// output ends.
fn is_open(pipe: &impl AsFd) -> bool {
    let mut polled = [PollFd::new(pipe, PollFlags::empty())];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let closed = PollFlags::ERR | PollFlags::HUP;
    poll(&mut polled, Some(&now)).is_ok() && !polled[0].revents().intersects(closed)
}

/// Initial interval between observations.
const MIN_PAUSE: Duration = Duration::from_millis(2);

/// Maximum interval between observations.
const MAX_PAUSE: Duration = Duration::from_millis(100);

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::Stdio;

    use tokio::io::AsyncWriteExt;
    use tokio::process::Command;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_program_is_alive_once_it_reads() {
        let mut command = Command::new("sh");
        command
            .args(["-c", "sleep 0.4; read first; read second"])
            .stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (mut input, output) = ProgramInput::new(
            child.stdin.take().unwrap(),
            ProgramOutput::default(),
            ExitState::default(),
        );
        assert!(output.observes_input());
        input.write_all(b"one\n").await.unwrap();
        output.set_alive();
        let early = timeout(Duration::from_millis(100), output.alive()).await;
        assert!(early.is_err(), "output alone is no evidence");
        timeout(Duration::from_secs(20), output.alive())
            .await
            .unwrap();
        assert!(output.start_time() >= Duration::from_millis(300));
        // The end of the input is not delayed.
        drop(input);
        let ended = timeout(Duration::from_secs(20), child.wait()).await;
        ended.unwrap().unwrap();
    }
}
