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
use std::sync::Arc;
use std::time::Duration;

use mcp_gateway_core::auth::AllowAnonymous;
use mcp_gateway_core::credential::NoCredentials;
use mcp_gateway_core::route::PrefixRouter;
use mcp_gateway_core::runtime::{Remote, WebClient};
use mcp_gateway_core::session::Sessions;
use mcp_gateway_core::upstream::{Server, ServerPool};
use mcp_gateway_core::{Gateway, Serve};
use tokio::net::TcpListener;

use self::rate_limit::RateLimitLayer;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let tickets = Remote::new(env::var("TICKETS_URL")?.parse()?, WebClient::new()?);
    let servers = ServerPool::new().with_server(Server::builder("tickets", tickets).build());
    let gateway = Gateway::builder(
        Arc::new(AllowAnonymous::new()),
        Arc::new(PrefixRouter::by_name(servers.names())?),
        Arc::new(NoCredentials::new()),
        servers.clone(),
        Sessions::ephemeral()?,
    )
    .on_routed(RateLimitLayer::new(3, Duration::from_secs(60)))
    .build();

    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(address).await?;
    writeln!(stdout(), "http://{}/mcp", listener.local_addr()?)?;
    let shutdown = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    Serve::new(listener).run(gateway, shutdown).await;
    servers.close().await;
    Ok(())
}
