//! Programs that run beside a test, and end with it.
//!
//! A [`Process`] leads a process group of its own, which is killed when it is dropped, so that a
//! test that fails leaves nothing running. What the program writes to its standard error is kept
//! for the messages of errors.

use std::{
    io,
    net::SocketAddr,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, ChildStdin, Command},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinSet,
    time::{sleep, timeout},
};

/// Size of the retained end of the standard error, which contains the reason.
const KEPT_BYTES: usize = 32 * 1024;

/// Short beside the time that any program takes to start.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Error of a program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// The program took too long.
    #[error("{program} had not {goal} after {deadline:?}; its standard error:\n{stderr}")]
    Deadline {
        /// Command.
        program: String,
        /// Awaited event.
        goal: &'static str,
        /// Timeout.
        deadline: Duration,
        /// The end of the standard error.
        stderr: String,
    },
    /// The program ended too early.
    #[error("{program} ended before it had {goal}; its standard error:\n{stderr}")]
    Ended {
        /// Command.
        program: String,
        /// Awaited event.
        goal: &'static str,
        /// The end of the standard error.
        stderr: String,
    },
    /// The program could not be started, written to or waited for.
    #[error("{program}: {source}")]
    Io {
        /// Command.
        program: String,
        /// Cause.
        source: io::Error,
    },
}

/// A program that runs beside a test.
#[derive(Debug)]
pub struct Process {
    program: String,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: UnboundedReceiver<String>,
    stderr: Arc<Mutex<Vec<u8>>>,
    readers: JoinSet<()>,
}

impl Process {
    /// Starts `command`, with a standard input that [`say`](Self::say) writes to.
    ///
    /// # Errors
    ///
    /// Fails if there is no such program.
    pub fn start(mut command: Command) -> Result<Self, ProcessError> {
        let program = command
            .as_std()
            .get_program()
            .to_string_lossy()
            .into_owned();
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(source) => return Err(ProcessError::Io { program, source }),
        };
        let (sender, lines) = unbounded_channel();
        let stderr = Arc::default();
        let mut readers = JoinSet::new();
        if let Some(output) = child.stdout.take() {
            readers.spawn(forward_lines(output, sender));
        }
        if let Some(errors) = child.stderr.take() {
            readers.spawn(keep_end(errors, Arc::clone(&stderr)));
        }
        Ok(Self {
            program,
            stdin: child.stdin.take(),
            child,
            lines,
            stderr,
            readers,
        })
    }

    /// The next line of the standard output, without its end.
    ///
    /// # Errors
    ///
    /// Fails if there is none before the program ends, or before `deadline`.
    ///
    /// # Cancel safety
    ///
    /// No line is lost when the future is dropped.
    pub async fn line(&mut self, deadline: Duration) -> Result<String, ProcessError> {
        let goal = "written another line";
        match timeout(deadline, self.lines.recv()).await {
            Ok(Some(line)) => Ok(line),
            Ok(None) => Err(self.ended(goal).await),
            Err(_) => Err(self.late(goal, deadline)),
        }
    }

    /// The first URL in the standard output, which servers write there when they are ready.
    ///
    /// # Errors
    ///
    /// Fails if there is none before the program ends, or before `deadline`.
    pub async fn url(&mut self, deadline: Duration) -> Result<String, ProcessError> {
        let goal = "written its URL";
        let search = async {
            while let Some(line) = self.lines.recv().await {
                if let Some(url) = url_in(&line) {
                    return Some(url.to_owned());
                }
            }
            None
        };
        match timeout(deadline, search).await {
            Ok(Some(url)) => Ok(url),
            Ok(None) => Err(self.ended(goal).await),
            Err(_) => Err(self.late(goal, deadline)),
        }
    }

    /// Waits until something accepts connections at `address`.
    ///
    /// # Errors
    ///
    /// Fails if nothing does before the program ends, or before `deadline`.
    pub async fn listening(
        &mut self,
        address: SocketAddr,
        deadline: Duration,
    ) -> Result<(), ProcessError> {
        let goal = "begun to listen";
        let child = &mut self.child;
        let attempts = async {
            while TcpStream::connect(address).await.is_err() {
                if !matches!(child.try_wait(), Ok(None)) {
                    return false;
                }
                sleep(POLL_INTERVAL).await;
            }
            true
        };
        match timeout(deadline, attempts).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.ended(goal).await),
            Err(_) => Err(self.late(goal, deadline)),
        }
    }

    /// Writes `line` and its end to the standard input.
    ///
    /// # Errors
    ///
    /// Fails if the program does not read any more.
    pub async fn say(&mut self, line: &str) -> Result<(), ProcessError> {
        let Some(stdin) = &mut self.stdin else {
            return Err(self.io(io::ErrorKind::BrokenPipe.into()));
        };
        let written = async {
            stdin.write_all(line.as_bytes()).await?;
            stdin.write_all(b"\n").await?;
            stdin.flush().await
        };
        written.await.map_err(|source| ProcessError::Io {
            program: self.program.clone(),
            source,
        })
    }

    /// Closes the standard input.
    pub fn hang_up(&mut self) {
        self.stdin = None;
    }

    /// Waits for the end of the program.
    ///
    /// # Errors
    ///
    /// Fails if it does not end before `deadline`.
    pub async fn finish(&mut self, deadline: Duration) -> Result<ExitStatus, ProcessError> {
        let group = self.group();
        let status = match timeout(deadline, self.child.wait()).await {
            Ok(Ok(status)) => status,
            Ok(Err(source)) => return Err(self.io(source)),
            Err(_) => return Err(self.late("ended", deadline)),
        };
        // What the program has left running holds its output open.
        if let Some(group) = group {
            let _ = kill_process_group(group, Signal::KILL);
        }
        while self.readers.join_next().await.is_some() {}
        Ok(status)
    }

    /// The lines of the standard output that nobody has asked for yet.
    pub fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.lines.try_recv().ok()).collect()
    }

    /// The end of the standard error, so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        let kept = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&kept).into_owned()
    }

    /// The number of the process, until its end was waited for.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Asks the program to end, as a service manager does.
    pub fn terminate(&self) {
        if let Some(process) = self.group() {
            let _ = kill_process(process, Signal::TERM);
        }
    }

    /// Interrupts the program, as Ctrl+C does.
    ///
    /// # Errors
    ///
    /// If the end of the program was waited for, or the signal cannot be sent.
    pub fn interrupt(&self) -> io::Result<()> {
        let process = self.group().ok_or(io::ErrorKind::NotFound)?;
        Ok(kill_process(process, Signal::INT)?)
    }

    /// Kills the program and everything that it has started.
    pub fn kill(&mut self) {
        if let Some(group) = self.group() {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    /// The process group, which has the number of its leader; none once that may be in use again.
    fn group(&self) -> Option<Pid> {
        Pid::from_raw(self.child.id()?.try_into().ok()?)
    }

    /// The error of a program that ended, with all that it wrote.
    async fn ended(&mut self, goal: &'static str) -> ProcessError {
        self.kill();
        while self.readers.join_next().await.is_some() {}
        ProcessError::Ended {
            program: self.program.clone(),
            goal,
            stderr: self.stderr(),
        }
    }

    fn late(&self, goal: &'static str, deadline: Duration) -> ProcessError {
        ProcessError::Deadline {
            program: self.program.clone(),
            goal,
            deadline,
            stderr: self.stderr(),
        }
    }

    fn io(&self, source: io::Error) -> ProcessError {
        ProcessError::Io {
            program: self.program.clone(),
            source,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn url_in(line: &str) -> Option<&str> {
    let start = line.find("http://").or_else(|| line.find("https://"))?;
    line[start..].split_whitespace().next()
}

async fn forward_lines(output: impl AsyncRead + Unpin, lines: UnboundedSender<String>) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while output
        .read_until(b'\n', &mut line)
        .await
        .is_ok_and(|length| length > 0)
    {
        let text = String::from_utf8_lossy(&line);
        if lines
            .send(text.trim_end_matches(['\r', '\n']).to_owned())
            .is_err()
        {
            return;
        }
        line.clear();
    }
}

async fn keep_end(mut errors: impl AsyncRead + Unpin, kept: Arc<Mutex<Vec<u8>>>) {
    let mut chunk = vec![0; 4096];
    while let Ok(length @ 1..) = errors.read(&mut chunk).await {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(&chunk[..length]);
        let excess = kept.len().saturating_sub(KEPT_BYTES);
        kept.drain(..excess);
    }
}

#[cfg(test)]
mod tests;
