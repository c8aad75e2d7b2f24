//! A web service with a whole platform in it: gateways, callers, login and state of one file.
//!
//! `CONFIG=gateway.yaml LISTEN=127.0.0.1:8080 cargo run -p platform`

use std::{env, io::Write as _, io::stdout};

use axum::serve;
use mcp_gateway_config::system::System;
use mcp_gateway_platform::Platform;
use tokio::{net::TcpListener, signal::ctrl_c};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let spec = System::new().load(env::var("CONFIG")?)?.platform;
    let listener = TcpListener::bind(env::var("LISTEN")?).await?;
    writeln!(stdout(), "http://{}/mcp", listener.local_addr()?)?;
    let platform = Platform::start(spec, listener.local_addr()?).await?;
    let app = platform.router().fallback(async || "See /mcp.");
    let end = platform.shutdown_on(ctrl_c());
    serve(listener, app).with_graceful_shutdown(end).await?;
    platform.close().await;
    Ok(())
}
