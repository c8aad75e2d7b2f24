//! An MCP server to test clients and gateways with, over HTTP or standard input and output.
//!
//! Over HTTP, the first line of its output is its URL.

use std::{
    io::{self, Write},
    net::SocketAddr,
};

use clap::Parser;
use mcp_gateway_tests::fixture::{Options, PATH, serve_http, serve_stdio};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

/// An MCP server to test clients and gateways with.
#[derive(Debug, Parser)]
struct Arguments {
    /// Listen on this address, where port 0 is any free one
    #[arg(long, required_unless_present = "stdio", conflicts_with = "stdio")]
    http: Option<SocketAddr>,

    /// Use the standard input and output
    #[arg(long)]
    stdio: bool,

    #[command(flatten)]
    options: Options,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::from_default_env())
        .with_writer(io::stderr)
        .init();
    let Some(address) = arguments.http else {
        return serve_stdio(arguments.options).await;
    };
    let listener = TcpListener::bind(address).await?;
    writeln!(io::stdout(), "http://{}{PATH}", listener.local_addr()?)?;
    match serve_http(listener, arguments.options).await? {}
}
