//! Arguments of `mcp-bench token`.

use clap::Args;

use crate::process::{Probe, Scope};

/// Arguments of `mcp-bench token`.
#[derive(Args, Debug)]
pub(crate) struct TokenArguments {
    /// URL of the authorization server, such as http://localhost:8080
    pub(crate) url: String,

    /// Name of the account that authorizes the clients
    #[arg(long, default_value = "admin")]
    pub(crate) name: String,

    /// Password of the account
    #[arg(long, env = "MCP_BENCH_PASSWORD", hide_env_values = true)]
    pub(crate) password: String,

    /// Client ID of the machine client
    #[arg(long, default_value = "machine")]
    pub(crate) machine: String,

    /// Secret of the machine client
    #[arg(long, env = "MCP_BENCH_SECRET", hide_env_values = true)]
    pub(crate) secret: String,

    /// Number of dynamically registered clients that obtain tokens for the account
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) clients: u32,

    /// Number of codes to exchange; each is followed by six refreshes and three machine tokens
    #[arg(long, short = 'n', default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) grants: u32,

    /// Number of connections
    #[arg(long, short, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,

    /// Process ID of the server, to report its CPU time
    #[arg(long)]
    pub(crate) pid: Option<u32>,
}

impl TokenArguments {
    /// Returns the processes to observe.
    pub(crate) fn probes(&self) -> Vec<Probe> {
        let probe = |pid| Probe {
            name: "server".to_owned(),
            pid,
            scope: Scope::Alone,
        };
        self.pid.map(probe).into_iter().collect()
    }
}
