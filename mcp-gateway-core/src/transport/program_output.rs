//! Signs of life of a program: its last lines on standard error, and its exit status.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::time;

use crate::Mask;
use crate::signal::Signal;

/// Output of a program that explains why it does not answer.
///
/// The process, and the readers of its streams, share it.
#[derive(Debug)]
pub(crate) struct ProgramOutput {
    /// Time of the start.
    started: Instant,
    /// Time from the start to the first sign of life.
    start_time: OnceLock<Duration>,
    /// `true` if the input of the program is observed. Its output is no sign of life then: an
    /// installer writes some before the program has started.
    observes_input: bool,
    /// Set by the first sign of life.
    alive: Signal,
    /// Set at the end of standard error.
    #[cfg(feature = "process")]
    stderr_closed: Signal,
    /// Set by the exit of the program.
    exited: Signal,
    /// Secrets with which the program was started.
    mask: Arc<Mask>,
    /// Last lines and exit status.
    last: Mutex<Last>,
}

/// Last lines and exit status.
#[derive(Debug, Default)]
struct Last {
    /// Last lines of standard error.
    lines: VecDeque<Arc<str>>,
    /// Exit status, once the program has exited.
    exit: Option<Arc<str>>,
}

impl Default for ProgramOutput {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            start_time: OnceLock::new(),
            observes_input: false,
            alive: Signal::new(),
            #[cfg(feature = "process")]
            stderr_closed: Signal::new(),
            exited: Signal::new(),
            mask: Arc::default(),
            last: Mutex::default(),
        }
    }
}

/// Exit status of a program, and the last lines of its standard error.
///
/// Displayed as `exit status: 1; stderr: "missing API key"`.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExitReport {
    /// Exit status, if the program has exited.
    status: Option<Arc<str>>,
    /// Last lines of standard error, the oldest first.
    stderr: Vec<Arc<str>>,
}

impl ExitReport {
    /// Returns `true` if nothing is known.
    pub(crate) fn is_empty(&self) -> bool {
        self.status.is_none() && self.stderr.is_empty()
    }
}

impl fmt::Display for ExitReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        if let Some(status) = &self.status {
            write!(f, "{status}")?;
            separator = "; ";
        }
        for (at, line) in self.stderr.iter().enumerate() {
            let prefix = if at == 0 { "stderr: " } else { "" };
            write!(f, "{separator}{prefix}{line:?}")?;
            separator = ", ";
        }
        Ok(())
    }
}

impl ProgramOutput {
    /// Records that the program has written something.
    pub(crate) fn set_alive(&self) {
        if !self.observes_input && !self.alive.is_set() {
            self.show_life();
        }
    }

    /// Records the first sign of life.
    fn show_life(&self) {
        self.start_time.get_or_init(|| self.started.elapsed());
        self.alive.set();
    }

    /// Waits for the first sign of life: a byte on either stream, a read of its input where that is
    /// observed instead, or the exit.
    pub(crate) async fn alive(&self) {
        self.alive.wait().await;
    }

    /// Returns the time from the start to the first sign of life; zero before that.
    pub(crate) fn start_time(&self) -> Duration {
        self.start_time.get().copied().unwrap_or_default()
    }

    /// Returns `true` if the input of the program is observed.
    pub(crate) fn observes_input(&self) -> bool {
        self.observes_input
    }

    /// Returns the secrets with which the program was started.
    pub(crate) fn mask(&self) -> &Arc<Mask> {
        &self.mask
    }

    /// Returns the exit status and the last lines of the program, as far as they are known.
    pub(crate) fn report(&self) -> ExitReport {
        let last = self.last();
        ExitReport {
            status: last.exit.clone(),
            stderr: last.lines.iter().cloned().collect(),
        }
    }

    /// Returns the report of a program that has closed its output, whose exit is awaited for a
    /// moment.
    pub(crate) async fn exit_report(&self) -> ExitReport {
        let _ = time::timeout(EXIT_GRACE, self.exited.wait()).await;
        self.report()
    }

    /// Locks the lines and the exit status.
    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The part of the process.
#[cfg(feature = "process")]
impl ProgramOutput {
    /// Sets the secrets with which the program was started.
    pub(crate) fn with_mask(mut self, mask: Mask) -> Self {
        self.mask = Arc::new(mask);
        self
    }

    /// Observes the input of the program.
    pub(crate) fn with_observed_input(mut self) -> Self {
        self.observes_input = true;
        self
    }

    /// Records that the program has read its input.
    pub(crate) fn set_reading(&self) {
        self.show_life();
    }

    /// Records a line of standard error. A long one is truncated.
    pub(crate) fn push_line(&self, line: &str) {
        let end = line
            .char_indices()
            .nth(MAX_LINE)
            .map_or(line.len(), |(end, _)| end);
        let mut last = self.last();
        if last.lines.len() == MAX_LINES {
            last.lines.pop_front();
        }
        last.lines.push_back(line[..end].into());
    }

    /// Records the end of standard error.
    pub(crate) fn close_stderr(&self) {
        self.stderr_closed.set();
    }

    /// Waits for the end of standard error.
    pub(crate) async fn stderr_closed(&self) {
        self.stderr_closed.wait().await;
    }

    /// Records the exit of the program.
    pub(crate) fn set_exit_status(&self, status: &str) {
        self.last().exit = Some(status.into());
        self.exited.set();
        self.show_life();
    }
}

/// Time for the exit of a program that has closed its output.
const EXIT_GRACE: Duration = Duration::from_millis(500);

/// Maximum length of a line in characters.
#[cfg(feature = "process")]
const MAX_LINE: usize = 300;

/// Number of lines that are kept. A stack trace is longer, but its last lines matter.
#[cfg(feature = "process")]
const MAX_LINES: usize = 8;

#[cfg(test)]
#[cfg(feature = "process")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_lines_are_kept() {
        let output = ProgramOutput::default();
        for line in 0..20 {
            output.push_line(&format!("line {line}"));
        }
        let lines = output.report().stderr;
        assert_eq!(lines.len(), MAX_LINES);
        assert_eq!(&*lines[MAX_LINES - 1], "line 19");
        output.push_line(&"é".repeat(1000));
        let report = output.report();
        assert_eq!(report.stderr[MAX_LINES - 1].chars().count(), MAX_LINE);
        assert_eq!(report.status, None);
        output.set_exit_status("exit status: 1");
        output.alive().await;
        let report = output.exit_report().await.to_string();
        let start = "exit status: 1; stderr: \"line 13\", \"line 14\"";
        assert!(report.starts_with(start), "{report}");
    }
}
