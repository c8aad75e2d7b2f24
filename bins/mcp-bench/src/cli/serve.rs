//! Arguments of `mcp-bench backend` and `mcp-bench proxy`.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::value;

/// Protocol eras that the backend supports.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Eras {
    /// Both eras.
    Dual,
    /// Up to 2025-11-25.
    Legacy,
    /// From 2026-07-28 on.
    Modern,
}

/// Form of the backend's responses.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Form {
    /// JSON object.
    Json,
    /// Stream of one event.
    Sse,
}

impl Form {
    /// Returns the name, as written on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Sse => "sse",
        }
    }
}

/// Responses of the backend.
#[derive(Args, Clone, Debug)]
pub(crate) struct AnswerArguments {
    /// Form of the responses
    #[arg(long, value_enum, default_value_t = Form::Json)]
    pub(crate) answer: Form,

    /// Length of the text that tools return, instead of their arguments
    #[arg(long, value_name = "COUNT")]
    pub(crate) result_bytes: Option<usize>,

    /// Number of tools: echo, and further ones named tool_1, tool_2 ...
    #[arg(long, default_value_t = 1, value_name = "COUNT",
        value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) tools: u32,

    /// Duration of a tool call
    #[arg(long, default_value = "0s", value_name = "TIME", value_parser = value::duration)]
    pub(crate) delay: Duration,
}

/// Operation of a server.
#[derive(Args, Clone, Debug)]
pub(crate) struct ServerArguments {
    /// Listen address
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    pub(crate) listen: SocketAddr,

    /// Threads of the server [default: 1 for a backend, one per core for a proxy]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) threads: Option<u16>,

    /// Exit when standard input is closed, as it is when the parent process ends
    #[arg(long, hide = true)]
    pub(crate) until_input_ends: bool,
}

/// Arguments of `mcp-bench backend`.
#[derive(Args, Clone, Debug)]
pub(crate) struct BackendArguments {
    /// Protocol eras
    #[arg(long, value_enum, default_value_t = Eras::Dual)]
    pub(crate) era: Eras,

    /// Responses of the backend.
    #[command(flatten)]
    pub(crate) answer: AnswerArguments,

    /// Operation of the server.
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

/// Arguments of `mcp-bench proxy`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ProxyArguments {
    /// URL of the server to forward to
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: String,

    /// Operation of the server.
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}
