//! `mcp-gateway client`.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use mcp_gateway_auth::Secret;
use mcp_gateway_auth::server::{
    ClientAuthentication, ClientOrigin, GrantType, OAuthClient, RedirectUri, Scopes,
};
use serde_json::{Value, json};

use super::state::{StateArgs, StateFileArgs};
use super::table::{relative, show};
use crate::administration::Administration;
use crate::output::{eprint_line, print_json, print_line};
use mcp_gateway_config::file::{default_grants, grant_type};

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
    let id = match &args.id {
        Some(id) if all.client_ids().await?.contains(id) => {
            bail!("client {id:?} already exists; choose another identifier or revoke it")
        }
        Some(id) => id.clone(),
        None => generated_id()?,
    };
    let name = args.name.clone().unwrap_or_else(|| id.clone());
    let mut client = OAuthClient::new(id, name);
    client.issued_at = all.clock.now();
    for uri in &args.redirect_uri {
        client = client.with_redirect_uri(uri.clone());
    }
    let secret = args.secret.then(|| Secret::generate("mcps_")).transpose()?;
    if let Some(secret) = &secret {
        client = client.with_authentication(ClientAuthentication::secret(secret.expose()));
    }
    if !args.scope.is_empty() {
        client = client.with_scopes(args.scope.iter().cloned().collect::<Scopes>());
    }
    if args.introspection {
        client = client.with_introspection();
    }
    let grants = match args.grant.is_empty() {
        true => default_grants(&client),
        false => args.grant.clone(),
    };
    let client = client.with_grant_types(grants);
    if client.may_use(GrantType::AuthorizationCode) && client.redirect_uris.is_empty() {
        bail!("a client for users requires --redirect-uri");
    }
    if client.may_use(GrantType::ClientCredentials) && secret.is_none() {
        bail!("a machine client requires --secret; a client for users requires --redirect-uri");
    }
    if args.introspection && secret.is_none() {
        bail!("a client with --introspection requires --secret");
    }
    let client = all.server.create_client(client).await?;
    all.record("client.create", format!("client/{}", client.id));
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

/// Generates a random client identifier.
fn generated_id() -> anyhow::Result<String> {
    let random = Secret::generate("").context("cannot generate an identifier")?;
    let (short, _) = random.expose().split_at(GENERATED_ID_LEN);
    Ok(format!("client_{short}"))
}

/// Parses a client identifier of the command line.
fn identifier(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    match !text.is_empty() && text.len() <= MAX_ID && text.chars().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "expected at most {MAX_ID} letters, digits, '.', '_' and '-'"
        )),
    }
}

async fn revoke(all: &Administration, id: &str) -> anyhow::Result<ExitCode> {
    if all.configured.iter().any(|client| client.id == id) {
        bail!("client {id:?} is defined in the configuration file; remove it there");
    }
    if id.starts_with("https://") {
        bail!(
            "this client has a metadata document and is not stored; users revoke its access at \
             /api/auth/account"
        );
    }
    if !all.client_ids().await?.contains(id) {
        bail!("unknown client {id:?}; list clients with `mcp-gateway client list`");
    }
    all.server.delete_client(id).await?;
    all.record("client.revoke", format!("client/{id}"));
    Ok(ExitCode::SUCCESS)
}

async fn list(all: &Administration, as_json: bool) -> anyhow::Result<ExitCode> {
    let kept = all.clients().await?;
    let configured = all
        .configured
        .iter()
        .map(|client| (client, "configuration"));
    let clients: Vec<_> = configured
        .chain(kept.iter().map(|client| (client, origin(client))))
        .collect();
    if as_json {
        let documents = clients.into_iter().map(document).collect();
        print_json(format_args!("{:#}", Value::Array(documents)))?;
        return Ok(ExitCode::SUCCESS);
    }
    let now = all.clock.now();
    let row = |(client, origin): &(&OAuthClient, &str)| {
        let made = match client.issued_at {
            0 => String::new(),
            then => relative(then, now),
        };
        let places = client.redirect_uris.iter().map(RedirectUri::host);
        let mut places: Vec<_> = places.collect();
        places.dedup();
        [
            client.id.clone(),
            client.name.clone(),
            (*origin).to_owned(),
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

fn origin(client: &OAuthClient) -> &'static str {
    match client.origin {
        ClientOrigin::Dynamic => "registration",
        _ => "operator",
    }
}

/// Formats a client as JSON; times are in seconds since the Unix epoch.
fn document((client, origin): (&OAuthClient, &str)) -> Value {
    let uris = client.redirect_uris.iter().map(RedirectUri::as_str);
    let grants = client.grant_types.iter().map(|kind| kind.as_str());
    json!({
        "id": client.id,
        "name": client.name,
        "from": origin,
        "redirectUris": uris.collect::<Vec<_>>(),
        "grantTypes": grants.collect::<Vec<_>>(),
        "scopes": client.scopes.as_ref().map(ToString::to_string),
        "public": matches!(client.authentication, ClientAuthentication::None),
        "introspection": client.is_resource_server,
        "created": client.issued_at,
    })
}

/// Length of 128 random bits in base64url.
const GENERATED_ID_LEN: usize = 22;

const MAX_ID: usize = 128;
