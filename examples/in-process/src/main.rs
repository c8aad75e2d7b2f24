//! A gateway over a server in the same process: an ordinary `rmcp` handler.
//!
//! There is no child process and no port between the two. The server is subject to the same
//! authentication, policy, limits and metrics as any other.
//!
//! ```sh
//! cargo run -p in-process
//! ```

use std::env;
use std::io::{Write as _, stdout};

use mcp_gateway_core::runtime::InProcess;
use mcp_gateway_core::{Gateway, Serve, UpstreamServer};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::{ServerHandler, ServiceExt, tool, tool_handler, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::signal::ctrl_c;

/// A server that computes journeys to the moon.
#[derive(Clone, Debug)]
struct Moon;

#[derive(Debug, Deserialize, JsonSchema)]
struct Speed {
    /// Kilometres per hour
    kmh: f64,
}

#[tool_router]
impl Moon {
    #[tool(description = "Says how many days a journey to the moon takes")]
    fn journey(&self, Parameters(Speed { kmh }): Parameters<Speed>) -> String {
        format!("{:.0} days", 384_400.0 / kmh / 24.0)
    }
}

#[tool_handler]
impl ServerHandler for Moon {}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let moon = InProcess::new(async |stream| {
        Moon.serve(stream).await?.waiting().await?;
        Ok(())
    });
    let gateway = Gateway::anonymous()
        .server(UpstreamServer::builder("moon", moon))
        .build()?;
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(address).await?;
    writeln!(stdout(), "http://{}/mcp", listener.local_addr()?)?;
    let shutdown = gateway.shutdown_when(ctrl_c());
    Serve::new(listener).run(gateway.clone(), shutdown).await;
    gateway.close().await;
    Ok(())
}
