//! The arguments of `mcp-bench run`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::load::LoadArguments;
use super::value;
use crate::load::Limit;
use crate::process::{Probe, Scope};

/// Which era is spoken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum EraChoice {
    /// The modern one if the server speaks it, else the legacy one.
    Auto,
    /// Up to 2025-11-25.
    Legacy,
    /// From 2026-07-28 on.
    Modern,
}

/// How many sessions legacy clients have.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Sessions {
    /// One each.
    PerConnection,
    /// One together.
    Shared,
}

/// The arguments of `mcp-bench run`.
#[derive(Args, Debug)]
pub(crate) struct RunArguments {
    /// The MCP endpoint
    pub(crate) url: String,

    /// The era of the protocol to speak
    #[arg(long, value_enum, default_value_t = EraChoice::Auto)]
    pub(crate) era: EraChoice,

    /// How many clients call at the same time, each on a connection of its own
    #[arg(long, short, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,

    /// How long to measure, or to hold what --open-streams, --idle-sessions or --open-calls opened
    #[arg(long, short, default_value = "10s", value_name = "TIME", value_parser = value::duration)]
    pub(crate) duration: Duration,

    /// How many calls to measure, however long that takes
    #[arg(long, short = 'n', value_name = "COUNT", conflicts_with = "duration")]
    pub(crate) requests: Option<u64>,

    /// How long to call before measuring
    #[arg(long, default_value = "2s", value_name = "TIME", value_parser = value::duration)]
    pub(crate) warmup: Duration,

    /// What is called.
    #[command(flatten)]
    pub(crate) load: LoadArguments,

    /// A process to observe; may be repeated
    #[arg(long = "pid", value_name = "PID[=NAME]", value_parser = value::process)]
    pub(crate) pids: Vec<(u32, String)>,

    /// Count the descendants of each observed process with it
    #[arg(long)]
    pub(crate) children: bool,

    /// How many sessions legacy clients have
    #[arg(long, value_enum, default_value_t = Sessions::PerConnection)]
    pub(crate) sessions: Sessions,

    /// Write what the observed processes use to standard error, as CSV, this often
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    pub(crate) sample: Option<Duration>,

    /// Write the samples to this file instead
    #[arg(long, value_name = "FILE", requires = "sample")]
    pub(crate) sample_to: Option<PathBuf>,

    /// Open and hold this many streams instead of calling
    #[arg(long, value_name = "COUNT", conflicts_with_all = ["requests", "idle_sessions"])]
    pub(crate) open_streams: Option<u64>,

    /// Open and hold this many legacy sessions instead of calling
    #[arg(long, value_name = "COUNT", conflicts_with = "requests")]
    pub(crate) idle_sessions: Option<u64>,

    /// Make this many calls that the client has to be asked about, and answer them at the end only
    #[arg(long, value_name = "COUNT", conflicts_with_all = ["requests", "open_streams", "idle_sessions"])]
    pub(crate) open_calls: Option<u64>,

    /// Report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl RunArguments {
    /// How much is measured.
    pub(crate) fn limit(&self) -> Limit {
        self.requests
            .map_or(Limit::Duration(self.duration), Limit::Requests)
    }

    /// The processes to observe.
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
