use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use mcp_gateway_auth::Secret;
use mcp_gateway_auth::server::{
    Client, ClientAuthentication, ClientOrigin, GrantType, RedirectUri, Scopes,
};
use serde_json::{Value, json};

use super::state::StateArgs;
use super::table::{plain, relative, show};
use crate::administration::Administration;
use crate::config::{default_grants, grant_type};
use crate::output::{complain, say};

#[derive(Debug, Args)]
pub(super) struct ClientArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a client; its secret, if it has one, is not shown again
    Create(CreateArgs),
    /// List clients
    List {
        /// Write JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        state: StateArgs,
    },
    /// Forget a client, and make its tokens worthless
    Revoke {
        /// Its identifier
        id: String,
        #[command(flatten)]
        state: StateArgs,
    },
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// Its identifier; one is made up if it is left out
    #[arg(required_unless_present = "name", value_parser = identifier)]
    id: Option<String>,
    /// What people know it by
    #[arg(long)]
    name: Option<String>,
    /// Where browsers may be sent back to; may be repeated
    #[arg(long, value_name = "URI")]
    redirect_uri: Vec<RedirectUri>,
    /// It has a secret
    #[arg(long)]
    secret: bool,
    /// What it may ask for tokens with, such as client_credentials; may be repeated
    #[arg(long, value_name = "TYPE", value_parser = grant_type)]
    grant: Vec<GrantType>,
    /// A scope that it may be granted; may be repeated; all of them if left out
    #[arg(long)]
    scope: Vec<String>,
    /// It may ask about the tokens of all clients
    #[arg(long)]
    introspection: bool,
    /// Write JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    state: StateArgs,
}

/// Does what the command says about clients.
///
/// # Errors
///
/// When it cannot be done, or nobody reads what is written.
pub(super) fn run(args: ClientArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Create(args) => args.state.with(async |all| create(all, &args).await),
        Command::List { json, state } => state.with(async |all| list(all, json).await),
        Command::Revoke { id, state } => state.with(async |all| revoke(all, &id).await),
    }
}

async fn create(all: &Administration, args: &CreateArgs) -> anyhow::Result<ExitCode> {
    let id = match &args.id {
        Some(id) if all.client_ids().await?.contains(id) => {
            bail!("there is a client {id:?} already; choose another identifier, or revoke it")
        }
        Some(id) => id.clone(),
        None => made_up()?,
    };
    let name = args.name.clone().unwrap_or_else(|| id.clone());
    let mut client = Client::new(id, name);
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
        bail!("a client for people needs --redirect-uri");
    }
    if client.may_use(GrantType::ClientCredentials) && secret.is_none() {
        bail!("a client that acts for itself needs --secret; one for people needs --redirect-uri");
    }
    if args.introspection && secret.is_none() {
        bail!("a client that asks about tokens needs --secret");
    }
    let client = all.server.create_client(client).await?;
    let secret = secret.as_ref().map(Secret::expose);
    if args.json {
        let document = json!({ "client_id": client.id, "client_secret": secret });
        say(format_args!("{document:#}"))?;
        return Ok(ExitCode::SUCCESS);
    }
    say(format_args!("id      {}", client.id))?;
    if let Some(secret) = secret {
        say(format_args!("secret  {secret}"))?;
        complain("The secret is not shown again.");
    }
    Ok(ExitCode::SUCCESS)
}

/// An identifier that nobody has.
fn made_up() -> anyhow::Result<String> {
    let random = Secret::generate("").context("no identifier can be made up")?;
    let (short, _) = random.expose().split_at(MADE_UP);
    Ok(format!("client_{short}"))
}

/// Reads the identifier of a client that an operator chooses.
fn identifier(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    match !text.is_empty() && text.len() <= MAX_ID && text.chars().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "it may have letters, digits, '.', '_' and '-', and at most {MAX_ID} of them"
        )),
    }
}

async fn revoke(all: &Administration, id: &str) -> anyhow::Result<ExitCode> {
    if all.configured.iter().any(|client| client.id == id) {
        bail!("the client {id:?} is described in the configuration: remove it there");
    }
    if id.starts_with("https://") {
        bail!(
            "this client has a document of its own, and is kept nowhere; people take back what \
             they let it do at /api/auth/account"
        );
    }
    if !all.client_ids().await?.contains(id) {
        bail!("there is no client {id:?}; `mcp-gateway client list` says which there are");
    }
    all.server.delete_client(id).await?;
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
        say(format_args!("{:#}", Value::Array(documents)))?;
        return Ok(ExitCode::SUCCESS);
    }
    let now = all.clock.now();
    let row = |(client, origin): &(&Client, &str)| {
        let made = match client.issued_at {
            0 => String::new(),
            then => relative(then, now),
        };
        let places = client.redirect_uris.iter().map(RedirectUri::host);
        let mut places: Vec<_> = places.collect();
        places.dedup();
        [
            plain(&client.id),
            plain(&client.name),
            (*origin).to_owned(),
            made,
            plain(&places.join(",")),
        ]
    };
    let heading = ["ID", "NAME", "FROM", "MADE", "SENDS PEOPLE TO"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heading)
        .chain(clients.iter().map(row))
        .collect();
    show(&rows)?;
    Ok(ExitCode::SUCCESS)
}

fn origin(client: &Client) -> &'static str {
    match client.origin {
        ClientOrigin::Dynamic => "itself",
        _ => "operator",
    }
}

/// A client as scripts see it; moments are in seconds since 1970.
fn document((client, origin): (&Client, &str)) -> Value {
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

/// 128 random bits have this length.
const MADE_UP: usize = 22;

const MAX_ID: usize = 128;
