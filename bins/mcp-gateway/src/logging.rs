//! Logging to standard error.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use mcp_gateway_config::file::{Log, LogFormat};

/// Initializes logging as configured by `log`; has no effect if a subscriber exists.
pub(crate) fn init(log: &Log) {
    // The level has been validated. rmcp, which the demo server uses, logs every step; the filter can
    // still enable it.
    let filter = format!("rmcp=warn,{}", log.level).parse::<Targets>();
    let filter = filter.unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO));
    let layer = fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    let registry = tracing_subscriber::registry().with(filter);
    // Only tests have another subscriber.
    let _ = match log.format {
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
        _ => registry.with(layer).try_init(),
    };
}
