//! Logging to standard error.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

use mcp_gateway_config::file::{Log, LogFormat};

/// Initializes logging as configured by `log`; has no effect if a subscriber exists.
pub(crate) fn init(log: &Log) {
    // rmcp, which the demo server uses, logs every step; the filter can still enable it.
    let filter = EnvFilter::new(format!("rmcp=warn,{}", log.level));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    // Only tests have another subscriber.
    let _ = match log.format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        _ => builder.try_init(),
    };
}
