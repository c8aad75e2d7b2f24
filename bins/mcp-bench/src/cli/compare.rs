//! The arguments of `mcp-bench compare`.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;

use super::load::LoadArguments;
use super::serve::AnswerArguments;
use super::value;
use crate::era::Era;

/// The arguments of `mcp-bench compare`.
#[derive(Args, Debug)]
pub(crate) struct CompareArguments {
    /// The era of the protocol to speak
    #[arg(long, value_enum, default_value_t = Era::Modern)]
    pub(crate) era: Era,

    /// How many clients call at the same time; a list is measured one after the other
    #[arg(long, short, default_value = "1,16,64", value_delimiter = ',', value_name = "COUNTS",
        value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: Vec<u32>,

    /// How long each measurement lasts
    #[arg(long, short, default_value = "8s", value_name = "TIME", value_parser = value::duration)]
    pub(crate) duration: Duration,

    /// How long to call before each measurement
    #[arg(long, default_value = "1s", value_name = "TIME", value_parser = value::duration)]
    pub(crate) warmup: Duration,

    /// How often everything is measured
    #[arg(long, short, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,

    /// Use only so many cores for everything; with 1, no core has to wake another one, and CPU times
    /// are lower, and vary less
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) cores: Option<u16>,

    /// A gateway to start: its name, the path of its endpoint (default /mcp), and a shell command
    /// in which {upstream} stands for the URL of the MCP server and {port} for the port to serve
    /// on; may be repeated
    #[arg(long = "gateway", value_name = "NAME[@PATH]=COMMAND", value_parser = value::named)]
    pub(crate) gateways: Vec<(String, String)>,

    /// A gateway that runs already; may be repeated
    #[arg(long = "gateway-url", value_name = "NAME=URL", value_parser = value::named)]
    pub(crate) gateway_urls: Vec<(String, String)>,

    /// The process of the gateway named by the --gateway-url in the same position
    #[arg(long = "gateway-pid", value_name = "PID", requires = "gateway_urls")]
    pub(crate) gateway_pids: Vec<u32>,

    /// The name that the tool has behind the gateways, if they rename it
    #[arg(long, value_name = "NAME")]
    pub(crate) gateway_tool: Option<String>,

    /// What is called.
    #[command(flatten)]
    pub(crate) load: LoadArguments,

    /// The MCP server to use, instead of one that is started
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: Option<String>,

    /// Where the MCP server that is started listens
    #[arg(
        long,
        default_value = "127.0.0.1:0",
        value_name = "ADDRESS",
        conflicts_with = "upstream"
    )]
    pub(crate) backend_listen: SocketAddr,

    /// On how many threads it serves; one is the cheapest for those that share its cores
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) backend_threads: u16,

    /// What the MCP server that is started answers.
    #[command(flatten)]
    pub(crate) answer: AnswerArguments,

    /// Report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}
