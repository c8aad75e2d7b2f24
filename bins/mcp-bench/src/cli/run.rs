//! Arguments of `mcp-bench run`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::load::LoadArguments;
use super::value;
use crate::load::Limit;
use crate::process::{Probe, Scope};

/// Protocol era, or its detection.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum EraChoice {
    /// The modern era if the server supports it, otherwise the legacy era.
    Auto,
    /// Up to 2025-11-25.
    Legacy,
    /// From 2026-07-28 on.
    Modern,
}

/// Number of sessions of legacy clients.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Sessions {
    /// One session for each client.
    PerConnection,
    /// One session for all clients.
    Shared,
}

/// Arguments of `mcp-bench run`.
#[derive(Args, Debug)]
pub(crate) struct RunArguments {
    /// URL of the MCP endpoint
    pub(crate) url: String,

    /// Protocol era
    #[arg(long, value_enum, default_value_t = EraChoice::Auto)]
    pub(crate) era: EraChoice,

    /// Number of concurrent clients, each with its own connection
    #[arg(long, short, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,

    /// Duration of the measurement, or of holding --open-streams, --idle-sessions or --open-calls
    #[arg(long, short, default_value = "10s", value_name = "TIME", value_parser = value::duration)]
    pub(crate) duration: Duration,

    /// Number of calls to measure, instead of a duration
    #[arg(long, short = 'n', value_name = "COUNT", conflicts_with = "duration")]
    pub(crate) requests: Option<u64>,

    /// Warm-up time before the measurement
    #[arg(long, default_value = "2s", value_name = "TIME", value_parser = value::duration)]
    pub(crate) warmup: Duration,

    /// Calls to make.
    #[command(flatten)]
    pub(crate) load: LoadArguments,

    /// Process to observe; may be repeated
    #[arg(long = "pid", value_name = "PID[=NAME]", value_parser = value::process)]
    pub(crate) pids: Vec<(u32, String)>,

    /// Include the descendants of each observed process
    #[arg(long)]
    pub(crate) children: bool,

    /// Number of sessions of legacy clients
    #[arg(long, value_enum, default_value_t = Sessions::PerConnection)]
    pub(crate) sessions: Sessions,

    /// Interval of samples of the observed processes, written to standard error as CSV
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    pub(crate) sample: Option<Duration>,

    /// File for the samples, instead of standard error
    #[arg(long, value_name = "FILE", requires = "sample")]
    pub(crate) sample_to: Option<PathBuf>,

    /// Open and hold this many streams instead of making calls
    #[arg(long, value_name = "COUNT", conflicts_with_all = ["requests", "idle_sessions"])]
    pub(crate) open_streams: Option<u64>,

    /// Open and hold this many legacy sessions instead of making calls
    #[arg(long, value_name = "COUNT", conflicts_with = "requests")]
    pub(crate) idle_sessions: Option<u64>,

    /// Make this many calls that require input, and respond to them only at the end
    #[arg(long, value_name = "COUNT", conflicts_with_all = ["requests", "open_streams", "idle_sessions"])]
    pub(crate) open_calls: Option<u64>,

    /// Report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl RunArguments {
    /// Returns the limit of the measurement.
    pub(crate) fn limit(&self) -> Limit {
        self.requests
            .map_or(Limit::Duration(self.duration), Limit::Requests)
    }

    /// Returns the processes to observe.
    pub(crate) fn probes(&self) -> Vec<Probe> {
        let scope = if self.children {
            Scope::Tree
        } else {
            Scope::Alone
        };
        let probes = self.pids.iter().map(|(pid, name)| Probe {
            name: if name == &pid.to_string() {
                format!("process {pid}")
            } else {
                name.clone()
            },
            pid: *pid,
            scope,
        });
        probes.collect()
    }
}
