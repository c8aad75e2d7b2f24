//! `mcp-gateway user`.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use mcp_gateway_admin::UserDocument;
use mcp_gateway_auth::Secret;
use mcp_gateway_auth::users::{NewUser, Role, User, UserError, UserUpdate};
use zeroize::Zeroizing;

use super::secret::read_secret;
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
        /// Make the user an admin
        #[arg(long)]
        admin: bool,
        /// Team of the user; may be repeated
        #[arg(long, value_name = "TEAM")]
        team: Vec<String>,
        /// Team whose connections and gateways the user manages, among those of the user; may be
        /// repeated
        #[arg(long, value_name = "TEAM")]
        team_admin: Vec<String>,
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
    /// Disable a user: end all sessions and revoke all clients and tokens, for good
    Disable(UserRefArgs),
    /// Enable a disabled user
    Enable(UserRefArgs),
    /// Delete a user with all sessions, clients, tokens and accounts at servers
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
    /// Set the teams whose connections and gateways a user manages
    TeamAdmin {
        /// Name, email address or identifier of the user
        name: String,
        /// New teams, among those of the user; none makes the user a plain member
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
            team_admin,
            password,
            state,
        } => {
            let role = if admin { Role::Admin } else { Role::Member };
            let set = |new: NewUser| {
                let new = new.with_role(role).with_teams(team);
                new.with_administered_teams(team_admin)
            };
            state.with(async |all| create(all, &name, &password, set).await)
        }
        Command::List { json, state } => {
            StateArgs::from(state).with(async |all| list(all, json).await)
        }
        Command::Disable(UserRefArgs { name, state }) => {
            change(&state, &name, &UserUpdate::new().with_disabled(true))
        }
        Command::Enable(UserRefArgs { name, state }) => {
            change(&state, &name, &UserUpdate::new().with_disabled(false))
        }
        Command::Delete(UserRefArgs { name, state }) => state.with(async |all| {
            let user = all.user(&name).await?;
            all.administrator().delete_user(&user.id).await?;
            Ok(ExitCode::SUCCESS)
        }),
        Command::Password { user, password } => user.state.with(async |all| {
            let user = all.user(&user.name).await?;
            if user.username.is_none() {
                bail!(UserError::NoPassword);
            }
            let chosen = password.resolve()?;
            let update = UserUpdate::new().with_password(chosen.as_str());
            all.administrator().update_user(&user.id, &update).await?;
            password.print_generated(&chosen)
        }),
        Command::Role { name, role, state } => {
            change(&state, &name, &UserUpdate::new().with_role(role))
        }
        Command::Team { name, teams, state } => state.with(async |all| {
            let user = all.user(&name).await?;
            let update = UserUpdate::new().with_teams(teams);
            all.administrator().update_user(&user.id, &update).await?;
            if !user.identities.is_empty() {
                eprint_line("The next login at the identity provider may change the teams again.");
            }
            Ok(ExitCode::SUCCESS)
        }),
        Command::TeamAdmin { name, teams, state } => {
            let update = UserUpdate::new().with_administered_teams(teams);
            change(&state, &name, &update)
        }
    }
}

/// Changes the user `name`.
fn change(state: &StateArgs, name: &str, update: &UserUpdate) -> anyhow::Result<ExitCode> {
    state.with(async |all| {
        let user = all.user(name).await?;
        all.administrator().update_user(&user.id, update).await?;
        Ok(ExitCode::SUCCESS)
    })
}

async fn create(
    all: &Administration,
    name: &str,
    password: &PasswordArgs,
    set: impl FnOnce(NewUser) -> NewUser,
) -> anyhow::Result<ExitCode> {
    let chosen = password.resolve()?;
    let new = set(NewUser::new(name, chosen.as_str()));
    let created = all.administrator().create_user(new).await;
    created.with_context(|| format!("cannot create user {name:?}"))?;
    let users = all.list_users().await?;
    if !users.iter().any(|user| user.role == Role::Admin) {
        eprint_line("No user is an admin; `mcp-gateway user role NAME admin` makes one.");
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
        let typed = read_secret("Password: ")?;
        if std::io::stdin().is_terminal() && typed != read_secret("Again: ")? {
            bail!("the passwords differ; nothing was changed");
        }
        Ok(typed)
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
        let documents: Vec<_> = users.iter().map(UserDocument::from).collect();
        print_json(serde_json::to_string_pretty(&documents)?)?;
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
