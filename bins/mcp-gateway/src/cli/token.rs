use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::{Args, Subcommand};
use mcp_gateway_auth::Secret;
use mcp_gateway_auth::server::{ApiToken, TokenOwner};
use serde_json::{Value, json};

use super::state::StateArgs;
use super::table::{plain, relative, show};
use crate::administration::Administration;
use crate::document::duration;
use crate::output::{complain, say};

#[derive(Debug, Args)]
pub(super) struct TokenArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a token, and write it to the standard output; it is not shown again
    Create {
        /// What it is for
        name: String,
        /// It opens what this person may use
        #[arg(long, value_name = "NAME", conflicts_with = "team")]
        user: Option<String>,
        /// It opens what this team may use
        #[arg(long)]
        team: Option<String>,
        /// For how long it is good, such as 30d; until it is revoked if left out
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        expires: Option<Duration>,
        #[command(flatten)]
        state: StateArgs,
    },
    /// List tokens
    List {
        /// Write JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        state: StateArgs,
    },
    /// Put a new token in the place of one, which is worthless from now on
    Rotate {
        /// Its identifier
        #[arg(allow_hyphen_values = true)]
        id: String,
        #[command(flatten)]
        state: StateArgs,
    },
    /// Make a token worthless
    Revoke {
        /// Its identifier
        #[arg(allow_hyphen_values = true)]
        id: String,
        #[command(flatten)]
        state: StateArgs,
    },
}

/// Does what the command says about tokens.
///
/// # Errors
///
/// When it cannot be done, or nobody reads what is written.
pub(super) fn run(args: TokenArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Create {
            name,
            user,
            team,
            expires,
            state,
        } => state.with(async |all| {
            let owner = match (user, team) {
                (Some(user), _) => TokenOwner::Person(all.person(&user).await?.id),
                (None, Some(team)) => TokenOwner::Team(team),
                (None, None) => TokenOwner::Organization,
            };
            let now = all.clock.now();
            let expires = expires.map(|duration| now.saturating_add(duration.as_secs()));
            hand_out(
                all.server
                    .api_tokens()
                    .create(&name, owner, expires)
                    .await?,
            )
        }),
        Command::List { json, state } => state.with(async |all| list(all, json).await),
        Command::Rotate { id, state } => {
            state.with(
                async |all| match all.server.api_tokens().rotate(&id).await? {
                    Some(created) => hand_out(created),
                    None => bail!(unknown(&id)),
                },
            )
        }
        Command::Revoke { id, state } => {
            state.with(
                async |all| match all.server.api_tokens().revoke(&id).await? {
                    true => Ok(ExitCode::SUCCESS),
                    false => bail!(unknown(&id)),
                },
            )
        }
    }
}

fn unknown(id: &str) -> String {
    format!("there is no token {id:?}; `mcp-gateway token list` says which there are")
}

/// Writes the token alone to the standard output, so that scripts can take it.
fn hand_out((token, secret): (ApiToken, Secret)) -> anyhow::Result<ExitCode> {
    complain(format_args!(
        "The token {} follows; it is not shown again.",
        token.id
    ));
    say(secret.expose())?;
    Ok(ExitCode::SUCCESS)
}

async fn list(all: &Administration, as_json: bool) -> anyhow::Result<ExitCode> {
    let mut tokens: Vec<ApiToken> = Vec::new();
    loop {
        let last = tokens.last().map(|token| token.id.clone());
        let page = all.server.api_tokens().list(last.as_deref(), PAGE).await?;
        if page.is_empty() {
            break;
        }
        tokens.extend(page);
    }
    if as_json {
        let documents = tokens.iter().map(document).collect();
        say(format_args!("{:#}", Value::Array(documents)))?;
        return Ok(ExitCode::SUCCESS);
    }
    let now = all.clock.now();
    let people = all.people().await?;
    let row = |token: &ApiToken| {
        let owner = match &token.owner {
            TokenOwner::Person(id) => {
                let person = people.iter().find(|person| person.id == *id);
                format!("user {}", person.map_or(id, |person| &person.name))
            }
            TokenOwner::Team(team) => format!("team {team}"),
            _ => "everybody".to_owned(),
        };
        let when = |moment: Option<u64>| {
            moment.map_or_else(|| "never".to_owned(), |then| relative(then, now))
        };
        [
            token.id.clone(),
            plain(&token.name),
            plain(&owner),
            when(token.expires),
            when(token.last_used),
        ]
    };
    let heading = ["ID", "NAME", "OWNER", "EXPIRES", "USED"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heading)
        .chain(tokens.iter().map(row))
        .collect();
    show(&rows)?;
    Ok(ExitCode::SUCCESS)
}

/// A token as scripts see it; moments are in seconds since 1970.
fn document(token: &ApiToken) -> Value {
    let (user, team) = match &token.owner {
        TokenOwner::Person(id) => (Some(id), None),
        TokenOwner::Team(team) => (None, Some(team)),
        _ => (None, None),
    };
    json!({
        "id": token.id,
        "name": token.name,
        "user": user,
        "team": team,
        "created": token.created,
        "expires": token.expires,
        "lastUsed": token.last_used,
    })
}

const PAGE: usize = 500;
