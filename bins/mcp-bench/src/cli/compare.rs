//! Arguments of `mcp-bench compare`.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;

use super::load::LoadArguments;
use super::serve::AnswerArguments;
use super::value;
use crate::era::Era;

/// Arguments of `mcp-bench compare`.
#[derive(Args, Debug)]
pub(crate) struct CompareArguments {
    /// Protocol era
    #[arg(long, value_enum, default_value_t = Era::Modern)]
    pub(crate) era: Era,

    /// Number of concurrent clients; the values of a list are measured one after the other
    #[arg(long, short, default_value = "1,16,64", value_delimiter = ',', value_name = "COUNTS",
        value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: Vec<u32>,

    /// Duration of each measurement
    #[arg(long, short, default_value = "8s", value_name = "TIME", value_parser = value::duration)]
    pub(crate) duration: Duration,

    /// Warm-up time before each measurement
    #[arg(long, default_value = "1s", value_name = "TIME", value_parser = value::duration)]
    pub(crate) warmup: Duration,

    /// Number of rounds
    #[arg(long, short, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,

    /// Number of cores for all processes; with 1, no core must wake another one, and CPU times are
    /// lower and vary less
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) cores: Option<u16>,

    /// Gateway to start: its name, the path of its endpoint (default /mcp), and a shell command in
    /// which {upstream} stands for the URL of the MCP server and {port} for the port to listen on;
    /// may be repeated
    #[arg(long = "gateway", value_name = "NAME[@PATH]=COMMAND", value_parser = value::named)]
    pub(crate) gateways: Vec<(String, String)>,

    /// URL of a running gateway; may be repeated
    #[arg(long = "gateway-url", value_name = "NAME=URL", value_parser = value::named)]
    pub(crate) gateway_urls: Vec<(String, String)>,

    /// Process ID of the gateway with the --gateway-url in the same position
    #[arg(long = "gateway-pid", value_name = "PID", requires = "gateway_urls")]
    pub(crate) gateway_pids: Vec<u32>,

    /// Tool name behind the gateways, if they rename tools
    #[arg(long, value_name = "NAME")]
    pub(crate) gateway_tool: Option<String>,

    /// Calls to make.
    #[command(flatten)]
    pub(crate) load: LoadArguments,

    /// URL of a running MCP server, instead of starting one
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: Option<String>,

    /// Listen address of the started MCP server
    #[arg(
        long,
        default_value = "127.0.0.1:0",
        value_name = "ADDRESS",
        conflicts_with = "upstream"
    )]
    pub(crate) backend_listen: SocketAddr,

    /// Threads of the MCP server; one is cheapest for processes on the same cores
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) backend_threads: u16,

    /// Responses of the started MCP server.
    #[command(flatten)]
    pub(crate) answer: AnswerArguments,

    /// Report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}
