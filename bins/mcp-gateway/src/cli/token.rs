//! `mcp-gateway token`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::{Args, Subcommand};
use mcp_gateway_admin::TokenDocument;
use mcp_gateway_auth::Secret;
use mcp_gateway_auth::server::{ApiToken, TokenOwner};

use super::state::{StateArgs, StateFileArgs};
use super::table::{relative, show};
use crate::administration::Administration;
use crate::output::{print_json, print_secret};
use mcp_gateway_config::document::duration;

#[derive(Debug, Args)]
pub(super) struct TokenArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create a token and print it to standard output; it is shown only once
    Create {
        /// Description
        name: String,
        /// Give the token the access of this user
        #[arg(long, value_name = "NAME", conflicts_with = "team")]
        user: Option<String>,
        /// Give the token the access of this team
        #[arg(long)]
        team: Option<String>,
        /// Lifetime, such as 30d; unlimited if omitted
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        expires: Option<Duration>,
        #[command(flatten)]
        state: StateArgs,
    },
    /// List tokens
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        state: StateFileArgs,
    },
    /// Replace a token by a new one, and revoke the old one
    Rotate {
        /// Token identifier
        #[arg(allow_hyphen_values = true)]
        id: String,
        #[command(flatten)]
        state: StateArgs,
    },
    /// Revoke a token
    Revoke {
        /// Token identifier
        #[arg(allow_hyphen_values = true)]
        id: String,
        #[command(flatten)]
        state: StateArgs,
    },
}

/// Runs `mcp-gateway token`.
///
/// # Errors
///
/// Fails if the command fails or the output is closed.
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
                (Some(user), _) => TokenOwner::User(all.user(&user).await?.id),
                (None, Some(team)) => TokenOwner::Team(team),
                (None, None) => TokenOwner::Organization,
            };
            let now = all.clock.now();
            let expires = expires.map(|duration| now.saturating_add(duration.as_secs()));
            let administrator = all.administrator();
            hand_out(administrator.create_token(&name, owner, expires).await?)
        }),
        Command::List { json, state } => {
            StateArgs::from(state).with(async |all| list(all, json).await)
        }
        Command::Rotate { id, state } => {
            state.with(
                async |all| match all.administrator().rotate_token(&id).await? {
                    Some(created) => hand_out(created),
                    None => bail!(unknown(&id)),
                },
            )
        }
        Command::Revoke { id, state } => {
            state.with(
                async |all| match all.administrator().revoke_token(&id).await? {
                    true => Ok(ExitCode::SUCCESS),
                    false => bail!(unknown(&id)),
                },
            )
        }
    }
}

fn unknown(id: &str) -> String {
    format!("unknown token {id:?}; list tokens with `mcp-gateway token list`")
}

/// Prints only the token to standard output, for scripts.
fn hand_out((token, secret): (ApiToken, Secret)) -> anyhow::Result<ExitCode> {
    let label = format_args!("Token {}; it is shown only once:", token.id);
    print_secret(label, secret.expose())?;
    Ok(ExitCode::SUCCESS)
}

async fn list(all: &Administration, as_json: bool) -> anyhow::Result<ExitCode> {
    let mut tokens: Vec<ApiToken> = Vec::new();
    loop {
        let last = tokens.last().map(|token| token.id.clone());
        let page = all
            .server()
            .api_tokens()
            .list(last.as_deref(), PAGE)
            .await?;
        if page.is_empty() {
            break;
        }
        tokens.extend(page);
    }
    if as_json {
        let documents: Vec<_> = tokens.iter().map(TokenDocument::from).collect();
        print_json(serde_json::to_string_pretty(&documents)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let now = all.clock.now();
    let users = all.list_users().await?;
    let row = |token: &ApiToken| {
        let owner = match &token.owner {
            TokenOwner::User(id) => {
                let user = users.iter().find(|user| user.id == *id);
                format!("user {}", user.map_or(id, |user| &user.name))
            }
            TokenOwner::Team(team) => format!("team {team}"),
            _ => "everyone".to_owned(),
        };
        let when = |moment: Option<u64>| {
            moment.map_or_else(|| "never".to_owned(), |then| relative(then, now))
        };
        [
            token.id.clone(),
            token.name.clone(),
            owner,
            when(token.expires),
            when(token.last_used),
        ]
    };
    let heading = ["ID", "NAME", "OWNER", "EXPIRES", "LAST USED"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heading)
        .chain(tokens.iter().map(row))
        .collect();
    show(&rows)?;
    Ok(ExitCode::SUCCESS)
}

const PAGE: usize = 500;
