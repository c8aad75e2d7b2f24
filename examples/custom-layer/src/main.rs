//! A gateway with a custom layer: a rate limit for each caller and server.
//!
//! The layer needs the target of a call, and its type requires a routed call: passed to `on_call`
//! instead of `on_routed`, it does not compile.
//!
//! ```sh
//! TICKETS_URL=http://127.0.0.1:9000/mcp cargo run -p custom-layer
//! ```

mod rate_limit;

use std::env;
use std::io::{Write as _, stdout};
use std::time::Duration;

use mcp_gateway_core::{Gateway, Serve, UpstreamServer};
use tokio::net::TcpListener;
use tokio::signal::ctrl_c;

use self::rate_limit::RateLimitLayer;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let gateway = Gateway::anonymous()
        .server(UpstreamServer::http("tickets", &env::var("TICKETS_URL")?)?)
        .on_routed(RateLimitLayer::new(3, Duration::from_secs(60)))
        .build()?;
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(address).await?;
    writeln!(stdout(), "http://{}/mcp", listener.local_addr()?)?;
    let shutdown = gateway.shutdown_when(ctrl_c());
    Serve::new(listener).run(gateway.clone(), shutdown).await;
    gateway.close().await;
    Ok(())
}
