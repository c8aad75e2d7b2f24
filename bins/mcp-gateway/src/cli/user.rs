//! `mcp-gateway user`.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use mcp_gateway_auth::Secret;
use mcp_gateway_auth::users::{Role, User};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::state::{StateArgs, StateFileArgs};
use super::table::show;
use crate::administration::Administration;
use crate::output::{eprint_line, print_json, print_secret};

#[derive(Debug, Args)]
pub(super) struct UserArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create a user with a password
    Create {
        /// Login name
        name: String,
        /// Make the user an admin; the first user always is
        #[arg(long)]
        admin: bool,
        /// Team of the user; may be repeated
        #[arg(long, value_name = "TEAM")]
        team: Vec<String>,
        #[command(flatten)]
        password: PasswordArgs,
        #[command(flatten)]
        state: StateArgs,
    },
    /// List users
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        state: StateFileArgs,
    },
    /// Disable a user: end all sessions and revoke all clients and tokens
    Disable(UserRefArgs),
    /// Enable a disabled user
    Enable(UserRefArgs),
    /// Delete a user and revoke all sessions, clients and tokens
    Delete(UserRefArgs),
    /// Change the password of a user
    Password {
        #[command(flatten)]
        user: UserRefArgs,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Set the role of a user
    Role {
        /// Name, email address or identifier of the user
        name: String,
        /// New role: admin or member
        role: Role,
        #[command(flatten)]
        state: StateArgs,
    },
    /// Set the teams of a user
    Team {
        /// Name, email address or identifier of the user
        name: String,
        /// New teams; none removes the user from all teams
        teams: Vec<String>,
        #[command(flatten)]
        state: StateArgs,
    },
}

#[derive(Debug, Args)]
struct UserRefArgs {
    /// Name, email address or identifier of the user
    name: String,
    #[command(flatten)]
    state: StateArgs,
}

#[derive(Debug, Args)]
struct PasswordArgs {
    /// Read the password from the terminal or standard input instead of generating one
    #[arg(long)]
    password: bool,
}

/// Runs `mcp-gateway user`.
///
/// # Errors
///
/// Fails if the command fails or the output is closed.
pub(super) fn run(args: UserArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Create {
            name,
            admin,
            team,
            password,
            state,
        } => state.with(async |all| create(all, &name, &password, (admin, team)).await),
        Command::List { json, state } => {
            StateArgs::from(state).with(async |all| list(all, json).await)
        }
        Command::Disable(UserRefArgs { name, state }) => state.with(async |all| {
            let user = all.user(&name).await?;
            all.users.set_disabled(&user.id, true).await?;
            all.server.revoke_user(&user.id).await?;
            record(all, "user.disable", &user.id);
            Ok(ExitCode::SUCCESS)
        }),
        Command::Enable(UserRefArgs { name, state }) => state.with(async |all| {
            let user = all.user(&name).await?;
            all.users.set_disabled(&user.id, false).await?;
            all.server.restore_user(&user.id).await?;
            record(all, "user.enable", &user.id);
            Ok(ExitCode::SUCCESS)
        }),
        Command::Delete(UserRefArgs { name, state }) => state.with(async |all| {
            let user = all.user(&name).await?;
            all.users.delete(&user.id).await?;
            all.server.revoke_user(&user.id).await?;
            record(all, "user.delete", &user.id);
            Ok(ExitCode::SUCCESS)
        }),
        Command::Password { user, password } => user.state.with(async |all| {
            let user = all.user(&user.name).await?;
            if user.username.is_none() {
                let name = &user.name;
                bail!("user {name:?} logs in at an identity provider and has no password");
            }
            let chosen = password.resolve()?;
            all.users.set_password(&user.id, &chosen).await?;
            record(all, "user.setPassword", &user.id);
            password.print_generated(&chosen)
        }),
        Command::Role { name, role, state } => state.with(async |all| {
            let user = all.user(&name).await?;
            all.users.set_role(&user.id, role).await?;
            record(all, "user.setRole", &user.id);
            Ok(ExitCode::SUCCESS)
        }),
        Command::Team { name, teams, state } => state.with(async |all| {
            let user = all.user(&name).await?;
            all.users.set_teams(&user.id, teams).await?;
            record(all, "user.setTeams", &user.id);
            if !user.identities.is_empty() {
                eprint_line("The next login at the identity provider may change the teams again.");
            }
            Ok(ExitCode::SUCCESS)
        }),
    }
}

/// Records a change of the user `id`.
fn record(all: &Administration, action: &str, id: &str) {
    all.record(action, format!("user/{id}"));
}

async fn create(
    all: &Administration,
    name: &str,
    password: &PasswordArgs,
    (admin, teams): (bool, Vec<String>),
) -> anyhow::Result<ExitCode> {
    let chosen = password.resolve()?;
    let created = all.users.create(name, &chosen).await;
    let user = created.with_context(|| format!("cannot create user {name:?}"))?;
    record(all, "user.create", &user.id);
    if admin && user.role != Role::Admin {
        all.users.set_role(&user.id, Role::Admin).await?;
    } else if !admin && user.role == Role::Admin {
        eprint_line("The first user is always an admin.");
    }
    if !teams.is_empty() {
        all.users.set_teams(&user.id, teams).await?;
    }
    password.print_generated(&chosen)
}

impl PasswordArgs {
    /// Reads or generates the password.
    fn resolve(&self) -> anyhow::Result<Zeroizing<String>> {
        if !self.password {
            let generated = Secret::generate("").context("cannot generate a password")?;
            return Ok(Zeroizing::new(generated.expose().to_owned()));
        }
        if std::io::stdin().is_terminal() {
            let typed = Zeroizing::new(rpassword::prompt_password("Password: ")?);
            let again = Zeroizing::new(rpassword::prompt_password("Again: ")?);
            if typed != again {
                bail!("the passwords differ; nothing was changed");
            }
            return Ok(typed);
        }
        let mut line = Zeroizing::new(String::new());
        std::io::stdin().read_line(&mut line)?;
        Ok(Zeroizing::new(
            line.trim_end_matches(['\n', '\r']).to_owned(),
        ))
    }

    /// Prints only the password to standard output, if it was generated.
    fn print_generated(&self, chosen: &str) -> anyhow::Result<ExitCode> {
        if !self.password {
            print_secret("Password; it is shown only once:", chosen)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn list(all: &Administration, as_json: bool) -> anyhow::Result<ExitCode> {
    let users = all.list_users().await?;
    if as_json {
        let documents = users.iter().map(document).collect();
        print_json(format_args!("{:#}", Value::Array(documents)))?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |user: &User| {
        let ways = user.identities.iter().map(|known| known.issuer.clone());
        let local = user.username.iter().map(|_| "password".to_owned());
        let ways: Vec<_> = local.chain(ways).collect();
        let state = if user.disabled { "disabled" } else { "active" };
        [
            user.id.clone(),
            user.name.clone(),
            user.role.to_string(),
            user.teams.join(","),
            state.to_owned(),
            ways.join(","),
        ]
    };
    let heading = ["ID", "NAME", "ROLE", "TEAMS", "STATE", "LOGIN"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heading)
        .chain(users.iter().map(row))
        .collect();
    show(&rows)?;
    Ok(ExitCode::SUCCESS)
}

/// Formats a user as JSON; times are in seconds since the Unix epoch.
fn document(user: &User) -> Value {
    let identities = user.identities.iter().map(
        |known| json!({ "issuer": known.issuer, "subject": known.subject, "login": known.login }),
    );
    json!({
        "id": user.id,
        "name": user.name,
        "username": user.username,
        "email": user.email,
        "role": user.role,
        "teams": user.teams,
        "disabled": user.disabled,
        "created": user.created,
        "identities": identities.collect::<Vec<_>>(),
    })
}
