//! Limits of a script.

use std::time::Duration;

/// Limits of a script.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use mcp_gateway_code::SandboxLimits;
///
/// let limits = SandboxLimits::default().with_time(Duration::from_secs(10));
/// assert_eq!(limits.time(), Duration::from_secs(10));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SandboxLimits {
    time: Duration,
    processor: Duration,
    memory: usize,
}

impl SandboxLimits {
    /// Sets the time from start to result, with the time of calls. Default: 60 seconds.
    #[must_use]
    pub fn with_time(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// Sets the processor time, in whole seconds. Default: 5 seconds.
    #[must_use]
    pub fn with_processor(mut self, time: Duration) -> Self {
        self.processor = time;
        self
    }

    /// Sets the memory of the values of a script, in bytes. Default: 64 MiB.
    #[must_use]
    pub fn with_memory(mut self, bytes: usize) -> Self {
        self.memory = bytes;
        self
    }

    /// Returns the time from start to result.
    #[must_use]
    pub fn time(&self) -> Duration {
        self.time
    }

    /// Returns the processor time.
    #[must_use]
    pub fn processor(&self) -> Duration {
        self.processor
    }

    /// Returns the memory in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.memory
    }
}

impl Default for SandboxLimits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(60),
            processor: Duration::from_secs(5),
            memory: 64 * 1024 * 1024,
        }
    }
}

/// Maximum number of scripts that run at the same time.
pub(crate) const MAX_SCRIPTS: usize = 16;

/// Maximum size of a source in bytes.
pub(crate) const MAX_SOURCE: usize = 64 * 1024;

/// Maximum size of a result in bytes.
pub(crate) const MAX_RESULT: usize = 256 * 1024;

/// Maximum size of the console output in bytes.
pub(crate) const MAX_CONSOLE: usize = 16 * 1024;

/// Maximum number of calls of a script.
pub(crate) const MAX_CALLS: u64 = 100;

/// Maximum size of the arguments of a call in bytes.
pub(crate) const MAX_ARGUMENTS: usize = 1024 * 1024;

/// Maximum size of the text of an error in bytes.
pub(crate) const MAX_ERROR: usize = 4 * 1024;

/// Maximum size of a line of the process. JSON text in JSON text has two bytes for each quote.
pub(crate) const MAX_LINE: usize = 4 * MAX_ARGUMENTS;

/// Native stack of a script in bytes.
pub(crate) const STACK: usize = 512 * 1024;

/// Address space beside the memory of a script, for the engine itself.
pub(crate) const SPARE: u64 = 64 * 1024 * 1024;
