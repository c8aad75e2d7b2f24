//! `mcp-gateway login`.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::table::plain;
use crate::client::Servers;
use crate::logging;
use crate::output::{chain, complain, say};
use crate::sign_in::{Granted, SignIn};
use mcp_gateway_config::connect::Endpoint;
use mcp_gateway_config::file::Log;

#[derive(Debug, Args)]
pub(super) struct LoginArgs {
    /// URL of the gateway or server
    #[arg(default_value = "http://127.0.0.1:8080")]
    url: String,
    /// Log in to this gateway instead of the default one
    #[arg(long, value_name = "NAME")]
    gateway: Option<String>,
    /// Use this client, with the redirect URI http://127.0.0.1/callback, instead of registering one
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Initial access token for the client registration
    #[arg(
        long,
        value_name = "TOKEN",
        env = "MCP_GATEWAY_REGISTRATION_TOKEN",
        hide_env_values = true
    )]
    registration_token: Option<String>,
    /// Request these scopes, separated by spaces, instead of those of the server
    #[arg(long)]
    scope: Option<String>,
    /// Do not open a browser
    #[arg(long)]
    no_browser: bool,
    /// Print only the token to standard output
    #[arg(long)]
    print_token: bool,
}

/// Logs in as an MCP client.
///
/// # Errors
///
/// Fails if a step of the login fails; the error contains a hint.
pub(super) fn run(args: &LoginArgs) -> anyhow::Result<ExitCode> {
    logging::init(&Log {
        level: "warn".to_owned(),
        ..Log::default()
    });
    super::runtime()?.block_on(async {
        let endpoint = Endpoint::new(&args.url, args.gateway.as_deref(), None);
        let endpoint = endpoint.map_err(|error| anyhow::anyhow!("{:?}: {error}", args.url))?;
        let mut sign_in = SignIn::new(endpoint.url.parse()?)?;
        sign_in.client_id.clone_from(&args.client_id);
        sign_in
            .registration_token
            .clone_from(&args.registration_token);
        sign_in.scope.clone_from(&args.scope);
        sign_in.browser = !args.no_browser;
        let granted = sign_in.run().await?;
        if args.print_token {
            let Some(granted) = granted else {
                anyhow::bail!("{} requires no token", endpoint.url);
            };
            say(granted.token)?;
            return Ok(ExitCode::SUCCESS);
        }
        match &granted {
            Some(granted) => describe(granted)?,
            None => say(format_args!("{} requires no token", endpoint.url))?,
        }
        let token = granted.as_ref().map(|granted| &*granted.token);
        let servers = Servers::of_url(&endpoint.url, token)?;
        let code = count(&servers).await;
        servers.close().await;
        code
    })
}

/// Prints the user and the access of the token.
fn describe(granted: &Granted) -> anyhow::Result<()> {
    let claims = granted.claims.as_ref();
    let text = |key: &str| claims.and_then(|claims| claims[key].as_str()).map(plain);
    let list = |key: &str| {
        let items = claims.and_then(|claims| claims[key].as_array());
        let items = items.into_iter().flatten().filter_map(Value::as_str);
        items.map(plain).collect::<Vec<_>>().join(", ")
    };
    match (text("name"), text("sub")) {
        (Some(name), Some(id)) => say(format_args!("user        {name} ({id})"))?,
        (None, Some(id)) => say(format_args!("user        {id}"))?,
        (_, None) => say("user        unknown; the token does not contain it")?,
    }
    for (what, items) in [
        ("roles     ", list("roles")),
        ("teams     ", list("groups")),
    ] {
        if !items.is_empty() {
            say(format_args!("{what}  {items}"))?;
        }
    }
    if let Some(scope) = &granted.scope {
        say(format_args!("scope       {}", plain(scope)))?;
    }
    let lasts = granted
        .expires_in
        .map(|seconds| format!("{} minutes", seconds / 60));
    let lasts = lasts.unwrap_or_else(|| "an unspecified time".to_owned());
    let again = if granted.refreshable {
        ", refreshable"
    } else {
        ""
    };
    say(format_args!("token       valid for {lasts}{again}"))?;
    Ok(())
}

/// Lists the tools with the token, to verify that it is accepted.
async fn count(servers: &Servers) -> anyhow::Result<ExitCode> {
    for tools in servers.tools().await {
        match tools.listed {
            Ok(listed) => say(format_args!("tools       {}", listed.len()))?,
            Err(error) => {
                complain(format_args!(
                    "{} rejects the token: {}",
                    tools.server,
                    chain(&error)
                ));
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
