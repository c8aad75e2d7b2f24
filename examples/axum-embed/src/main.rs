//! A web service with an embedded gateway: one endpoint over two servers, for callers with a token.

use std::{env, io::Write as _, sync::Arc};

use axum::{Router, routing::get, serve};
use mcp_gateway_auth::StaticTokens;
use mcp_gateway_core::runtime::{Process, Remote, WebClient};
use mcp_gateway_core::upstream::{Server, ServerPool};
use mcp_gateway_core::{Drain, Gateway, auth::Principal, credential::NoCredentials};
use mcp_gateway_core::{route::PrefixRouter, session::Sessions};
use tokio::{net::TcpListener, signal::ctrl_c};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let time = Process::new("time", "uvx").with_args(["mcp-server-time"]);
    let docs = Remote::new(env::var("DOCS_URL")?.parse()?, WebClient::new()?);
    let servers = ServerPool::new()
        .with_server(Server::builder("time", time.build()).build())
        .with_server(Server::builder("docs", docs).build());
    let drain = Drain::new();
    let gateway = Gateway::builder(
        Arc::new(StaticTokens::new().with_token(&env::var("TOKEN")?, Principal::new("alice"))),
        Arc::new(PrefixRouter::by_name(servers.names())?),
        Arc::new(NoCredentials::new()),
        servers.clone(),
        Sessions::ephemeral()?,
    )
    .with_drain(drain.clone())
    .build();
    let app = Router::new()
        .route("/", get(async || "The tools are at /mcp."))
        .route_service("/mcp", gateway.clone())
        .route_service("/mcp/{*below}", gateway);
    let listener = TcpListener::bind(env::var("LISTEN")?).await?;
    writeln!(std::io::stdout(), "http://{}/mcp", listener.local_addr()?)?;
    let end = async move { ctrl_c().await.map_or((), |()| drain.begin()) };
    serve(listener, app).with_graceful_shutdown(end).await?;
    servers.close().await;
    Ok(())
}
