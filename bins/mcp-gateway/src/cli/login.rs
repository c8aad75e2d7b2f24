//! `mcp-gateway login`.

use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use mcp_gateway_auth::client::{
    ClientError, ClientIdentity, Grant, Loopback, OAuthClient, OAuthClientFlow, SignInEvent,
    open_browser, policy_for,
};
use mcp_gateway_auth::egress::{Egress, EgressError};
use serde_json::Value;
use url::Url;

use super::target::plain_url;
use crate::client::McpClient;
use crate::logging;
use crate::output::{chain, eprint_line, eprint_text, print_line};
use crate::source::TOKEN_VARIABLE;
use mcp_gateway_config::connect::GatewayEndpoint;
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
    logging::init(&Log::from_level("warn"));
    super::runtime()?.block_on(async {
        let endpoint = GatewayEndpoint::new(&args.url, args.gateway.as_deref(), None);
        let endpoint = endpoint.map_err(|error| anyhow::anyhow!("{:?}: {error}", args.url))?;
        let granted = log_in(args, endpoint.url.parse()?).await?;
        let token = granted.as_ref().map(|grant| &*grant.tokens().access_token);
        if args.print_token {
            let token = token.with_context(|| format!("{} requires no token", endpoint.url))?;
            print_line(token)?;
            return Ok(ExitCode::SUCCESS);
        }
        match &granted {
            Some(granted) => describe(granted)?,
            None => print_line(format_args!("{} requires no token", endpoint.url))?,
        }
        let servers = McpClient::of_url(&endpoint.url, token)?;
        let code = count(&servers).await;
        servers.close().await;
        code
    })
}

/// Performs the login; `None` if the server requires no token.
async fn log_in(args: &LoginArgs, url: Url) -> anyhow::Result<Option<Grant>> {
    let egress = Egress::new(policy_for(&url).await);
    let egress = egress.context("cannot read the system certificates")?;
    // The token may be printed, for another program.
    let client = OAuthClient::new(egress, url)?.with_bearer_tokens();
    let opens_browser = !args.no_browser;
    let mut sign_in = OAuthClientFlow::new(client)
        .with_name("mcp-gateway login")
        .on_event(move |event| report(&event, opens_browser));
    if let Some(id) = &args.client_id {
        sign_in = sign_in.with_identity(ClientIdentity::public(id));
    }
    if let Some(token) = &args.registration_token {
        sign_in = sign_in.with_registration_token(token);
    }
    if let Some(scope) = &args.scope {
        sign_in = sign_in.with_scope(scope);
    }
    sign_in
        .run()
        .await
        .map_err(|error| match hint(&error, &args.url) {
            Some(hint) => anyhow!("{:#}\n{hint}", anyhow::Error::new(error)),
            None => error.into(),
        })
}

/// Prints a step of the login.
fn report(event: &SignInEvent<'_>, opens_browser: bool) {
    match event {
        SignInEvent::AuthorizationServer(issuer) => {
            eprint_line(format_args!("authorization server  {issuer}"));
        }
        SignInEvent::Authorize(address) => {
            eprint_text(format_args!("\nOpen this to log in:\n\n  {address}\n"));
            if opens_browser {
                open_browser(address);
            }
        }
        SignInEvent::Client(id) => eprint_line(format_args!("client                {id}")),
        SignInEvent::NoResourceMetadata => {
            eprint_line(
                "the challenge names no resource_metadata; the well-known places are tried",
            );
        }
        SignInEvent::StateMismatch => {
            eprint_line("A browser came back with another `state`, which is ignored.");
        }
        _ => {}
    }
}

/// Returns what the user can do about an error at `url`.
fn hint(error: &ClientError, url: &str) -> Option<String> {
    match error {
        ClientError::Egress {
            source: EgressError::Unavailable,
            ..
        } => {
            Some(plain_url(url).unwrap_or_else(|| "Is the gateway running at this URL?".to_owned()))
        }
        ClientError::NoResourceMetadata { .. } => Some(format!(
            "A gateway with `auth` but without `auth.oauth` has no login. Set {TOKEN_VARIABLE} to \
             one of its tokens, and use `mcp-gateway tools`."
        )),
        ClientError::NoRegistration(_) => Some(format!(
            "Create a client for {} and pass it with --client-id (`mcp-gateway client create ID \
             --redirect-uri URI` creates one).",
            Loopback::ANY_PORT
        )),
        ClientError::Rejected { status, .. } if status.as_u16() == 401 => {
            Some("Pass a token for the registration with --registration-token.".to_owned())
        }
        ClientError::Resource { resource, .. } => Some(format!(
            "Connect to {resource}, or set publicUrl to the address that clients use."
        )),
        ClientError::Status { status, .. } if status.as_u16() == 404 => {
            Some("The endpoint of a gateway ends in /mcp.".to_owned())
        }
        ClientError::Status { status, .. } if status.is_redirection() => {
            Some("The server has moved; use its new address.".to_owned())
        }
        _ => None,
    }
}

/// Returns the unverified claims of a JWT, for display only.
fn claims(token: &str) -> Option<Value> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

/// Prints the user and the access of the token.
fn describe(grant: &Grant) -> anyhow::Result<()> {
    let tokens = grant.tokens();
    let claims = claims(&tokens.access_token);
    let claims = claims.as_ref();
    let text = |key: &str| claims.and_then(|claims| claims[key].as_str());
    let list = |key: &str| {
        let items = claims.and_then(|claims| claims[key].as_array());
        let items = items.into_iter().flatten().filter_map(Value::as_str);
        items.collect::<Vec<_>>().join(", ")
    };
    match (text("name"), text("sub")) {
        (Some(name), Some(id)) => print_line(format_args!("user        {name} ({id})"))?,
        (None, Some(id)) => print_line(format_args!("user        {id}"))?,
        (_, None) => print_line("user        unknown; the token does not contain it")?,
    }
    for (what, items) in [
        ("roles     ", list("roles")),
        ("teams     ", list("groups")),
    ] {
        if !items.is_empty() {
            print_line(format_args!("{what}  {items}"))?;
        }
    }
    if let Some(scope) = &tokens.scope {
        print_line(format_args!("scope       {scope}"))?;
    }
    let lasts = tokens
        .expires_in
        .map(|lifetime| format!("{} minutes", lifetime.as_secs() / 60));
    let lasts = lasts.unwrap_or_else(|| "an unspecified time".to_owned());
    let again = if tokens.refresh_token.is_some() {
        ", refreshable"
    } else {
        ""
    };
    print_line(format_args!("token       valid for {lasts}{again}"))?;
    Ok(())
}

/// Lists the tools with the token, to verify that it is accepted.
async fn count(servers: &McpClient) -> anyhow::Result<ExitCode> {
    for tools in servers.tools().await {
        match tools.listed {
            Ok(listed) => print_line(format_args!("tools       {}", listed.len()))?,
            Err(error) => {
                eprint_line(format_args!(
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
