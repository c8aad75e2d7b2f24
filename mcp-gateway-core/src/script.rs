//! Scripts that call tools, for gateways that show [code instead of tools].
//!
//! A [`ScriptRunner`] executes scripts and knows nothing of tools: it sends each [`ScriptCall`] to
//! the gateway and passes the answer on. The gateway decides which functions a script has, and calls
//! their tools like those of any other call.
//!
//! [code instead of tools]: crate::layer::dispatch::ToolSearch::with_scripts

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};

use crate::BoxError;

/// Executes scripts.
///
/// The implementation confines them: a script comes from a model, and what it does must cost nobody
/// else anything.
#[async_trait]
pub trait ScriptRunner: fmt::Debug + Send + Sync + 'static {
    /// Runs a script to its end, and sends its calls of tools to `calls`.
    ///
    /// # Cancel safety
    ///
    /// The script ends when the future is dropped.
    async fn run(&self, script: Script, calls: mpsc::UnboundedSender<ScriptCall>) -> ScriptOutcome;
}

/// A script, and the functions that it can call.
#[derive(Clone)]
#[non_exhaustive]
pub struct Script {
    /// Source: the body of an asynchronous function in JavaScript.
    pub source: String,
    /// Names of the functions of each namespace.
    pub tools: BTreeMap<String, Vec<String>>,
}

impl Script {
    /// Creates a script.
    #[must_use]
    pub fn new(source: impl Into<String>, tools: BTreeMap<String, Vec<String>>) -> Self {
        Self {
            source: source.into(),
            tools,
        }
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A source contains arguments.
        let size = self.source.len();
        f.debug_struct("Script")
            .field("bytes", &size)
            .finish_non_exhaustive()
    }
}

/// A call of a function by a script.
#[non_exhaustive]
pub struct ScriptCall {
    /// Namespace of the function.
    pub namespace: String,
    /// Name of the function.
    pub function: String,
    /// JSON text of the arguments.
    pub arguments: String,
    answer: oneshot::Sender<Result<String, String>>,
}

impl ScriptCall {
    /// Creates a call, and the receiver of its answer: the JSON text of a value, or the text of the
    /// exception.
    #[must_use]
    pub fn new(
        namespace: impl Into<String>,
        function: impl Into<String>,
        arguments: impl Into<String>,
    ) -> (Self, oneshot::Receiver<Result<String, String>>) {
        let (answer, receiver) = oneshot::channel();
        let call = Self {
            namespace: namespace.into(),
            function: function.into(),
            arguments: arguments.into(),
            answer,
        };
        (call, receiver)
    }

    /// Answers the call.
    pub fn answer(self, answer: Result<String, String>) {
        // A script that has ended waits for no answer.
        let _ = self.answer.send(answer);
    }
}

impl fmt::Debug for ScriptCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptCall")
            .field("namespace", &self.namespace)
            .field("function", &self.function)
            .finish_non_exhaustive()
    }
}

/// End of a script.
#[derive(Debug)]
#[non_exhaustive]
pub struct ScriptOutcome {
    /// JSON text that the script has returned.
    pub result: Result<String, ScriptError>,
    /// Text that the script has written.
    pub console: String,
}

impl ScriptOutcome {
    /// Creates the outcome of a script.
    #[must_use]
    pub fn new(result: Result<String, ScriptError>, console: String) -> Self {
        Self { result, console }
    }
}

/// Failure of a script.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScriptError {
    /// The process of the script has ended by itself.
    #[error("the script has ended its sandbox, probably because its memory was exhausted")]
    Ended,
    /// The script is invalid, or has thrown an exception.
    #[error("{0}")]
    Failed(String),
    /// The script has used all of its processor time.
    #[error("the script has used {} seconds of processor time", .0.as_secs())]
    Processor(Duration),
    /// The script was not completed in time.
    #[error("the script was not completed within {} seconds", .0.as_secs())]
    Time(Duration),
    /// The source is too large.
    #[error("the script has more than {0} bytes")]
    TooLarge(usize),
    /// The system provides no sandbox.
    #[error("scripts cannot be run at present")]
    Unavailable(#[source] BoxError),
}

fn _object_safe(_: &dyn ScriptRunner) {}
