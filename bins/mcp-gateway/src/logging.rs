//! Where log lines go: to the standard error, and nowhere else.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Begins to log as `log` says. Without effect if something else logs already.
pub(crate) fn init(log: &Log) {
    // The library of the demo tells of every step of its own. Who wants to know can say so.
    let filter = EnvFilter::new(format!("rmcp=warn,{}", log.level));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    // Only tests have another one.
    let _ = match log.format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.try_init(),
    };
}
