//! The arguments of `mcp-bench backend` and `mcp-bench proxy`.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::value;

/// Which eras the backend speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Eras {
    /// Both.
    Dual,
    /// Up to 2025-11-25.
    Legacy,
    /// From 2026-07-28 on.
    Modern,
}

/// The form of the backend's answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Form {
    /// One JSON object.
    Json,
    /// A stream of one event.
    Sse,
}

impl Form {
    /// The name, as it is written on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Sse => "sse",
        }
    }
}

/// What the backend answers.
#[derive(Args, Clone, Debug)]
pub(crate) struct AnswerArguments {
    /// The form of the backend's answers
    #[arg(long, value_enum, default_value_t = Form::Json)]
    pub(crate) answer: Form,

    /// The length of the text that its tools return, instead of what they are told
    #[arg(long, value_name = "COUNT")]
    pub(crate) result_bytes: Option<usize>,

    /// How many tools it has: echo, and further ones named tool_1, tool_2 ...
    #[arg(long, default_value_t = 1, value_name = "COUNT",
        value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) tools: u32,

    /// How long its tools take
    #[arg(long, default_value = "0s", value_name = "TIME", value_parser = value::duration)]
    pub(crate) delay: Duration,
}

/// How a server runs.
#[derive(Args, Clone, Debug)]
pub(crate) struct ServerArguments {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    pub(crate) listen: SocketAddr,

    /// How many threads serve [default: 1 for a backend, one per core for a proxy]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) threads: Option<u16>,

    /// End when standard input does, as it does when the process that started this one ends
    #[arg(long, hide = true)]
    pub(crate) until_input_ends: bool,
}

/// The arguments of `mcp-bench backend`.
#[derive(Args, Clone, Debug)]
pub(crate) struct BackendArguments {
    /// The eras of the protocol to speak
    #[arg(long, value_enum, default_value_t = Eras::Dual)]
    pub(crate) era: Eras,

    /// What it answers.
    #[command(flatten)]
    pub(crate) answer: AnswerArguments,

    /// How it runs.
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

/// The arguments of `mcp-bench proxy`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ProxyArguments {
    /// The server to forward to
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: String,

    /// How it runs.
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}
