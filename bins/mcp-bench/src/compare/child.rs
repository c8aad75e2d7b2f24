//! Child processes of a comparison; none outlives it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process, kill_process_group, set_child_subreaper};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::process::{Probe, Scope, Stat, descendants, members};

/// Time limit for a server of this program to print its URL.
const URL_LIMIT: Duration = Duration::from_secs(10);

/// Time limit for a process to exit after SIGTERM.
const END_LIMIT: Duration = Duration::from_secs(5);

/// Interval of checks for the end of a process.
const END_PAUSE: Duration = Duration::from_millis(10);

/// Length of the log excerpt of a failed process.
const LOG_LIMIT: usize = 2000;

/// Child processes, each the leader of a process group.
#[derive(Debug)]
pub(super) struct Children {
    running: Vec<RunningProcess>,
}

/// One process.
#[derive(Debug)]
struct RunningProcess {
    pid: u32,
    child: Child,
    log: File,
}

impl Children {
    /// Creates an empty set.
    ///
    /// # Errors
    ///
    /// Fails when the system does not allow to look after the children of children.
    pub(super) fn new() -> anyhow::Result<Self> {
        // Descendants whose parents end become ours, so that they can be found to the last.
        set_child_subreaper(Some(rustix::process::getpid()))?;
        Ok(Self {
            running: Vec::new(),
        })
    }

    /// Starts the server `command` of this program and returns its URL.
    ///
    /// # Errors
    ///
    /// Fails when the server does not start.
    pub(super) async fn server(
        &mut self,
        command: &str,
        flags: &[String],
    ) -> anyhow::Result<(String, Probe)> {
        let mut program = Command::new(std::env::current_exe()?);
        // Its standard input ends with this process, however that ends.
        program
            .arg(command)
            .args(flags)
            .arg("--until-input-ends")
            .stdin(Stdio::piped());
        let (probe, output) = self.start(command, program.stdout(Stdio::piped()), log()?)?;
        let output = output.context("the output is not a pipe")?;
        let mut lines = BufReader::new(output).lines();
        let line = timeout(URL_LIMIT, lines.next_line()).await;
        let url = line.ok().and_then(Result::ok).flatten();
        let url = url.with_context(|| format!("{command} did not start{}", self.log(probe.pid)))?;
        Ok((url, probe))
    }

    /// Starts the shell command `command`.
    ///
    /// # Errors
    ///
    /// Fails when there is no shell.
    pub(super) fn shell(&mut self, name: &str, command: &str) -> anyhow::Result<Probe> {
        let mut program = Command::new("sh");
        program.arg("-c").arg(command).stdin(Stdio::null());
        let log = log()?;
        let (probe, _) = self.start(name, program.stdout(log.try_clone()?), log)?;
        Ok(probe)
    }

    /// Starts `program` with its output in `log`.
    fn start(
        &mut self,
        name: &str,
        program: &mut Command,
        log: File,
    ) -> anyhow::Result<(Probe, Option<tokio::process::ChildStdout>)> {
        let child = program.stderr(log.try_clone()?).process_group(0).spawn();
        let mut child = child.with_context(|| format!("cannot start {name}"))?;
        let pid = child.id().with_context(|| format!("{name} has exited"))?;
        let output = child.stdout.take();
        self.running.push(RunningProcess { pid, child, log });
        Ok((
            Probe {
                name: name.to_owned(),
                pid,
                scope: Scope::Group,
            },
            output,
        ))
    }

    /// Returns the exit status of the process `pid`, if it has exited.
    ///
    /// # Errors
    ///
    /// Fails when the system does not say.
    pub(super) fn ended(&mut self, pid: u32) -> anyhow::Result<Option<String>> {
        let running = self.running.iter_mut().find(|running| running.pid == pid);
        let Some(running) = running else {
            return Ok(None);
        };
        let status = running.child.try_wait()?;
        Ok(status.map(|status| format!("{status}{}", self.log(pid))))
    }

    /// Returns the end of the log of the process `pid`.
    pub(super) fn log(&self, pid: u32) -> String {
        let running = self.running.iter().find(|running| running.pid == pid);
        let end = running
            .and_then(|running| end_of(&running.log).ok())
            .unwrap_or_default();
        if end.trim().is_empty() {
            String::new()
        } else {
            format!("\n{}", end.trim_end())
        }
    }

    /// Ends all processes in reverse order and waits for them.
    pub(super) async fn stop(mut self) {
        while let Some(mut running) = self.running.pop() {
            running.signal(Signal::TERM);
            let deadline = Instant::now() + END_LIMIT;
            while running.is_alive() && Instant::now() < deadline {
                sleep(END_PAUSE).await;
            }
        }
    }
}

impl Drop for Children {
    /// Kills the remaining processes, also if the comparison fails.
    fn drop(&mut self) {
        self.running.clear();
        kill_descendants();
    }
}

impl RunningProcess {
    fn signal(&self, signal: Signal) {
        if let Some(group) = raw_pid(self.pid) {
            // A group that has ended already needs no signal.
            let _ = kill_process_group(group, signal);
        }
    }

    /// Returns `true` if the process, or another one of its group, is alive.
    fn is_alive(&mut self) -> bool {
        let leader = self.child.try_wait().is_ok_and(|status| status.is_none());
        let others = members(self.pid, Scope::Group).unwrap_or_default();
        leader
            || others
                .into_iter()
                .any(|pid| Stat::read(pid).is_ok_and(|stat| stat.is_alive))
    }
}

impl Drop for RunningProcess {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Kills the processes that left their group.
fn kill_descendants() {
    for pid in descendants(std::process::id()).unwrap_or_default() {
        if let Some(pid) = raw_pid(pid) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

fn raw_pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

/// Creates an unnamed file for the output of a process.
fn log() -> io::Result<File> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("mcp-bench-{}-{number}.log", std::process::id());
    let path = std::env::temp_dir().join(name);
    let file = File::options()
        .read(true)
        .append(true)
        .create_new(true)
        .open(&path)?;
    fs::remove_file(path)?;
    Ok(file)
}

/// Returns the last lines of `log`.
fn end_of(log: &File) -> io::Result<String> {
    let mut end = vec![0; LOG_LIMIT];
    let start = log.metadata()?.len().saturating_sub(LOG_LIMIT as u64);
    let length = log.read_at(&mut end, start)?;
    Ok(String::from_utf8_lossy(&end[..length]).into_owned())
}
