//! `mcp-gateway client`.

use std::process::ExitCode;

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use mcp_gateway_admin::{ClientDocument, ClientError, NewClient, is_identifier};
use mcp_gateway_auth::Secret;
use mcp_gateway_auth::server::{GrantType, RedirectUri};
use serde_json::json;

use super::state::{StateArgs, StateFileArgs};
use super::table::{relative, show};
use crate::administration::Administration;
use crate::output::{eprint_line, print_json, print_line};
use mcp_gateway_config::file::grant_type;

#[derive(Debug, Args)]
pub(super) struct OAuthClientArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create a client; its secret is shown only once
    Create(CreateArgs),
    /// List clients
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        state: StateFileArgs,
    },
    /// Delete a client and revoke its tokens
    Revoke {
        /// Client identifier
        id: String,
        #[command(flatten)]
        state: StateArgs,
    },
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// Client identifier; generated if omitted
    #[arg(required_unless_present = "name", value_parser = identifier)]
    id: Option<String>,
    /// Display name
    #[arg(long)]
    name: Option<String>,
    /// Allowed redirect URI; may be repeated
    #[arg(long, value_name = "URI")]
    redirect_uri: Vec<RedirectUri>,
    /// Generate a client secret
    #[arg(long)]
    secret: bool,
    /// Allowed grant type, such as client_credentials; may be repeated
    #[arg(long, value_name = "TYPE", value_parser = grant_type)]
    grant: Vec<GrantType>,
    /// Allowed scope; may be repeated; all scopes if omitted
    #[arg(long)]
    scope: Vec<String>,
    /// Allow introspection of the tokens of all clients
    #[arg(long)]
    introspection: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    state: StateArgs,
}

/// Runs `mcp-gateway client`.
///
/// # Errors
///
/// Fails if the command fails or the output is closed.
pub(super) fn run(args: OAuthClientArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Create(args) => args.state.with(async |all| create(all, &args).await),
        Command::List { json, state } => {
            StateArgs::from(state).with(async |all| list(all, json).await)
        }
        Command::Revoke { id, state } => state.with(async |all| revoke(all, &id).await),
    }
}

async fn create(all: &Administration, args: &CreateArgs) -> anyhow::Result<ExitCode> {
    let mut new = NewClient::default();
    (new.id, new.name) = (args.id.clone(), args.name.clone());
    new.redirect_uris.clone_from(&args.redirect_uri);
    new.grant_types.clone_from(&args.grant);
    new.scopes.clone_from(&args.scope);
    (new.has_secret, new.has_introspection) = (args.secret, args.introspection);
    let created = all.administrator().create_client(new).await;
    let (client, secret) = created.map_err(|error| match error {
        ClientError::Exists(id) => {
            anyhow!("client {id:?} already exists; choose another identifier or revoke it")
        }
        ClientError::IntrospectionSecretRequired => {
            anyhow!("a client with --introspection requires --secret")
        }
        ClientError::RedirectUriRequired => anyhow!("a client for users requires --redirect-uri"),
        ClientError::SecretRequired => anyhow!(
            "a machine client requires --secret; a client for users requires --redirect-uri"
        ),
        error => error.into(),
    })?;
    let secret = secret.as_ref().map(Secret::expose);
    if args.json {
        let document = json!({ "client_id": client.id, "client_secret": secret });
        print_json(format_args!("{document:#}"))?;
        return Ok(ExitCode::SUCCESS);
    }
    print_line(format_args!("id      {}", client.id))?;
    if let Some(secret) = secret {
        print_line(format_args!("secret  {secret}"))?;
        eprint_line("The secret is not shown again.");
    }
    Ok(ExitCode::SUCCESS)
}

/// Parses a client identifier of the command line.
fn identifier(text: &str) -> Result<String, String> {
    match is_identifier(text) {
        true => Ok(text.to_owned()),
        false => Err(ClientError::Id.to_string()),
    }
}

async fn revoke(all: &Administration, id: &str) -> anyhow::Result<ExitCode> {
    if id.starts_with("https://") {
        bail!(
            "this client has a metadata document and is not stored; users revoke its access at \
             /api/auth/account"
        );
    }
    let deleted = all.administrator().delete_client(id).await;
    deleted.map_err(|error| match error {
        ClientError::Configured => {
            anyhow!("client {id:?} is defined in the configuration file; remove it there")
        }
        ClientError::Unknown => {
            anyhow!("unknown client {id:?}; list clients with `mcp-gateway client list`")
        }
        error => error.into(),
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn list(all: &Administration, as_json: bool) -> anyhow::Result<ExitCode> {
    let configured = all.server().configured_clients();
    let configured = configured.iter().map(ClientDocument::configured);
    let mut clients: Vec<_> = configured.collect();
    let kept = all.clients().await?;
    clients.extend(kept.iter().map(ClientDocument::registered));
    if as_json {
        print_json(serde_json::to_string_pretty(&clients)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let now = all.clock.now();
    let row = |client: &ClientDocument| {
        let made = match client.created {
            0 => String::new(),
            then => relative(then, now),
        };
        let uris = client.redirect_uris.iter();
        let uris = uris.filter_map(|uri| uri.parse().ok());
        let mut places: Vec<_> = uris.map(|uri: RedirectUri| uri.host()).collect();
        places.dedup();
        [
            client.id.clone(),
            client.name.clone(),
            client.from.to_owned(),
            made,
            places.join(","),
        ]
    };
    let heading = ["ID", "NAME", "ORIGIN", "CREATED", "REDIRECTS TO"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heading)
        .chain(clients.iter().map(row))
        .collect();
    show(&rows)?;
    Ok(ExitCode::SUCCESS)
}
