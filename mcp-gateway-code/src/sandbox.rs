//! The gateway's side of a script.

mod lines;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::FuturesUnordered;
use mcp_gateway_core::script::{Script, ScriptCall, ScriptError, ScriptOutcome, ScriptRunner};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::time::timeout;

use self::lines::Lines;
use crate::SandboxLimits;
use crate::limits::{
    MAX_ARGUMENTS, MAX_CALLS, MAX_CONSOLE, MAX_ERROR, MAX_RESULT, MAX_SCRIPTS, MAX_SOURCE,
};
use crate::message::{Answer, Line, Start};

/// Runs each script in a process of its own.
#[derive(Clone, Debug)]
pub struct Sandbox {
    program: PathBuf,
    arguments: Vec<OsString>,
    limits: SandboxLimits,
    /// Places of scripts that run at the same time. Further ones wait.
    places: Arc<Semaphore>,
}

impl Sandbox {
    /// Creates a sandbox whose processes run `program`, which must call
    /// [`run_child`](crate::run_child) when it gets `arguments`.
    #[must_use]
    pub fn new<A: Into<OsString>>(
        program: impl Into<PathBuf>,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            limits: SandboxLimits::default(),
            places: Arc::new(Semaphore::new(MAX_SCRIPTS)),
        }
    }

    /// Creates a sandbox whose processes run the program of this process.
    ///
    /// # Errors
    ///
    /// The system does not tell which one it is.
    pub fn of_this_program<A: Into<OsString>>(
        arguments: impl IntoIterator<Item = A>,
    ) -> io::Result<Self> {
        // This link also names a program whose file has been replaced.
        let link = PathBuf::from("/proc/self/exe");
        let program = match link.exists() {
            true => link,
            false => std::env::current_exe()?,
        };
        Ok(Self::new(program, arguments))
    }

    /// Sets the limits of scripts.
    #[must_use]
    pub fn with_limits(mut self, limits: SandboxLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Starts a process without environment and descriptors but two pipes.
    fn spawn(&self) -> io::Result<Child> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        command.spawn()
    }

    /// Runs a script to its end.
    async fn run_process(
        &self,
        script: Script,
        calls: UnboundedSender<ScriptCall>,
        console: &mut String,
    ) -> Result<String, ScriptError> {
        if script.source.len() > MAX_SOURCE {
            return Err(ScriptError::TooLarge(MAX_SOURCE));
        }
        let _place = self.places.acquire().await.map_err(unavailable)?;
        let start = serde_json::to_string(&self.start(script)).map_err(unavailable)?;
        let mut child = self.spawn().map_err(unavailable)?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(unavailable("a process without pipes"));
        };
        let (answers, lines) = mpsc::unbounded_channel();
        let _ = answers.send(start);
        let running = Running {
            lines: Lines::new(output),
            pending: FuturesUnordered::new(),
            calls,
            answers,
            issued: 0,
        };
        // Answers are written while lines are read: the process could otherwise wait for its
        // reader while the gateway waits for that of an answer.
        let result = tokio::select! {
            result = running.result(console) => result?,
            () = write(input, lines) => None,
        };
        match result {
            Some(result) => Ok(result),
            None => Err(self.cause(child.wait().await.map_err(unavailable)?)),
        }
    }

    fn start(&self, script: Script) -> Start {
        Start {
            source: script.source,
            tools: script.tools,
            memory: self.limits.memory(),
            processor: self.limits.processor().as_secs().max(1),
            max_result: MAX_RESULT,
            max_console: MAX_CONSOLE,
            max_error: MAX_ERROR,
        }
    }

    /// Returns the error of a process that has ended without a result.
    fn cause(&self, status: ExitStatus) -> ScriptError {
        #[cfg(unix)]
        {
            use std::os::unix::process::ExitStatusExt as _;

            if status.signal() == Some(rustix::process::Signal::XCPU.as_raw()) {
                return ScriptError::Processor(self.limits.processor());
            }
        }
        tracing::debug!(%status, "sandbox ended without a result");
        ScriptError::Ended
    }
}

#[async_trait]
impl ScriptRunner for Sandbox {
    async fn run(&self, script: Script, calls: UnboundedSender<ScriptCall>) -> ScriptOutcome {
        let mut console = String::new();
        let time = self.limits.time();
        let running = self.run_process(script, calls, &mut console);
        let result = timeout(time, running).await;
        ScriptOutcome::new(result.unwrap_or(Err(ScriptError::Time(time))), console)
    }
}

/// A script that runs.
struct Running {
    lines: Lines,
    pending: FuturesUnordered<BoxFuture<'static, Answer>>,
    calls: UnboundedSender<ScriptCall>,
    answers: UnboundedSender<String>,
    issued: u64,
}

impl Running {
    /// Serves the process until it sends the result; `None` if it ends before.
    async fn result(mut self, console: &mut String) -> Result<Option<String>, ScriptError> {
        loop {
            let line = tokio::select! {
                line = self.lines.next() => line.map_err(unavailable)?,
                Some(answer) = self.pending.next(), if !self.pending.is_empty() => {
                    self.answer(&answer);
                    continue;
                }
            };
            let Some(line) = line else {
                return Ok(None);
            };
            // The process is as little trusted as the script.
            match serde_json::from_slice(&line).map_err(unavailable)? {
                Line::Call {
                    id,
                    namespace,
                    function,
                    arguments,
                } => self.call(id, namespace, function, arguments),
                Line::Console(text) => {
                    let room = MAX_CONSOLE.saturating_sub(console.len());
                    console.push_str(cut(&text, room));
                    console.push('\n');
                }
                Line::Error(text) => {
                    return Err(ScriptError::Failed(cut(&text, MAX_ERROR).to_owned()));
                }
                Line::Result(json) if json.len() > 4 * MAX_RESULT => {
                    let message = format!("the result has more than {MAX_RESULT} characters");
                    return Err(ScriptError::Failed(message));
                }
                Line::Result(json) => return Ok(Some(json)),
            }
        }
    }

    /// Passes a call to the gateway.
    fn call(&mut self, id: u64, namespace: String, function: String, arguments: String) {
        self.issued += 1;
        let refusal = match () {
            () if self.issued > MAX_CALLS => {
                Some(format!("a script makes at most {MAX_CALLS} calls"))
            }
            () if arguments.len() > MAX_ARGUMENTS => {
                Some(format!("arguments have at most {MAX_ARGUMENTS} bytes"))
            }
            () => None,
        };
        if let Some(refusal) = refusal {
            return self.answer(&answer(id, Err(refusal)));
        }
        let (call, receiver) = ScriptCall::new(namespace, function, arguments);
        let _ = self.calls.send(call);
        let answered = receiver.map(move |received| {
            answer(
                id,
                received.unwrap_or_else(|_| Err("the call was not answered".to_owned())),
            )
        });
        self.pending.push(answered.boxed());
    }

    fn answer(&self, answer: &Answer) {
        if let Ok(line) = serde_json::to_string(answer) {
            let _ = self.answers.send(line);
        }
    }
}

fn answer(id: u64, received: Result<String, String>) -> Answer {
    let (value, error) = match received {
        Ok(value) => (Some(value), None),
        Err(error) => (None, Some(error)),
    };
    Answer { id, value, error }
}

/// Writes lines to the process, until it reads none any more.
async fn write(mut input: ChildStdin, mut lines: UnboundedReceiver<String>) {
    while let Some(mut line) = lines.recv().await {
        line.push('\n');
        if input.write_all(line.as_bytes()).await.is_err() {
            // The lines of the process tell why.
            std::future::pending::<()>().await;
        }
    }
}

/// Returns the longest part of a text with at most `bytes` bytes.
fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn unavailable(error: impl Into<mcp_gateway_core::BoxError>) -> ScriptError {
    ScriptError::Unavailable(error.into())
}
