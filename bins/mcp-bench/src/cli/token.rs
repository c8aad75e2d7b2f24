//! The arguments of `mcp-bench token`.

use clap::Args;

use crate::process::{Probe, Scope};

/// The arguments of `mcp-bench token`.
#[derive(Args, Debug)]
pub(crate) struct TokenArguments {
    /// The authorization server, such as http://localhost:8080
    pub(crate) url: String,

    /// The name of the account that lets the clients in
    #[arg(long, default_value = "admin")]
    pub(crate) name: String,

    /// Its password
    #[arg(long, env = "MCP_BENCH_PASSWORD", hide_env_values = true)]
    pub(crate) password: String,

    /// The client that gets tokens for itself
    #[arg(long, default_value = "machine")]
    pub(crate) machine: String,

    /// Its secret
    #[arg(long, env = "MCP_BENCH_SECRET", hide_env_values = true)]
    pub(crate) secret: String,

    /// How many clients register themselves, to get tokens for the person
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) clients: u32,

    /// How many codes are exchanged; each is followed by six refreshes and three tokens of a machine
    #[arg(long, short = 'n', default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) grants: u32,

    /// How many connections there are
    #[arg(long, short, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,

    /// The id of the process of the server, to report its CPU time
    #[arg(long)]
    pub(crate) pid: Option<u32>,
}

impl TokenArguments {
    /// What is observed.
    pub(crate) fn probes(&self) -> Vec<Probe> {
        let probe = |pid| Probe {
            name: "server".to_owned(),
            pid,
            scope: Scope::Alone,
        };
        self.pid.map(probe).into_iter().collect()
    }
}
