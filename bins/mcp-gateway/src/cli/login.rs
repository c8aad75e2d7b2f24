use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::table::plain;
use crate::client::Servers;
use crate::config::Log;
use crate::connect::Endpoint;
use crate::logging;
use crate::output::{chain, complain, say};
use crate::sign_in::{Granted, SignIn};

#[derive(Debug, Args)]
pub(super) struct LoginArgs {
    /// Where the gateway or server is
    #[arg(default_value = "http://127.0.0.1:8080")]
    url: String,
    /// Log in to this gateway instead of the default one
    #[arg(long, value_name = "NAME")]
    gateway: Option<String>,
    /// Be this client, which has http://127.0.0.1/callback, instead of registering one
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Register the client with this token
    #[arg(
        long,
        value_name = "TOKEN",
        env = "MCP_GATEWAY_REGISTRATION_TOKEN",
        hide_env_values = true
    )]
    registration_token: Option<String>,
    /// Ask for these scopes, separated by spaces, instead of what the server names
    #[arg(long)]
    scope: Option<String>,
    /// Open no browser
    #[arg(long)]
    no_browser: bool,
    /// Write the token alone to the standard output
    #[arg(long)]
    print_token: bool,
}

/// Logs in as an MCP client does.
///
/// # Errors
///
/// What did not work, and what may help.
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
                anyhow::bail!("{} wants no token", endpoint.url);
            };
            say(granted.token)?;
            return Ok(ExitCode::SUCCESS);
        }
        match &granted {
            Some(granted) => describe(granted)?,
            None => say(format_args!("{} wants no token", endpoint.url))?,
        }
        let token = granted.as_ref().map(|granted| &*granted.token);
        let servers = Servers::of_url(&endpoint.url, token)?;
        let code = count(&servers).await;
        servers.close().await;
        code
    })
}

/// Says whom the token is of, and what it is good for.
fn describe(granted: &Granted) -> anyhow::Result<()> {
    let claims = granted.claims.as_ref();
    let text = |key: &str| claims.and_then(|claims| claims[key].as_str()).map(plain);
    let list = |key: &str| {
        let items = claims.and_then(|claims| claims[key].as_array());
        let items = items.into_iter().flatten().filter_map(Value::as_str);
        items.map(plain).collect::<Vec<_>>().join(", ")
    };
    match (text("name"), text("sub")) {
        (Some(name), Some(id)) => say(format_args!("you are     {name} ({id})"))?,
        (None, Some(id)) => say(format_args!("you are     {id}"))?,
        (_, None) => say("you are     logged in; the token does not say as whom")?,
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
    let lasts = lasts.unwrap_or_else(|| "as long as the server likes".to_owned());
    let again = if granted.refreshable {
        ", and can be refreshed"
    } else {
        ""
    };
    say(format_args!("the token   is good for {lasts}{again}"))?;
    Ok(())
}

/// Uses the token, so that it is known to work.
async fn count(servers: &Servers) -> anyhow::Result<ExitCode> {
    for tools in servers.tools().await {
        match tools.listed {
            Ok(listed) => say(format_args!("tools       {}", listed.len()))?,
            Err(error) => {
                complain(format_args!(
                    "the token does not open {}: {}",
                    tools.server,
                    chain(&error)
                ));
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
