//! A web service with an embedded gateway: one endpoint over two servers, for callers with a token.

use std::{env, io::Write as _};

use axum::{Router, routing::get, serve};
use mcp_gateway_auth::StaticTokens;
use mcp_gateway_core::{Gateway, UpstreamServer, auth::Principal};
use tokio::{net::TcpListener, signal::ctrl_c};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let alice = StaticTokens::new().with_token(&env::var("TOKEN")?, Principal::new("alice"));
    let gateway = Gateway::builder(alice)
        .server(UpstreamServer::process("time", "uvx").args(["mcp-server-time"]))
        .server(UpstreamServer::http("docs", &env::var("DOCS_URL")?)?)
        .build()?;
    let app = Router::new()
        .route("/", get(async || "The tools are at /mcp."))
        .nest_service("/mcp", gateway.clone());
    let listener = TcpListener::bind(env::var("LISTEN")?).await?;
    writeln!(std::io::stdout(), "http://{}/mcp", listener.local_addr()?)?;
    let end = gateway.shutdown_when(ctrl_c());
    serve(listener, app).with_graceful_shutdown(end).await?;
    gateway.close().await;
    Ok(())
}
