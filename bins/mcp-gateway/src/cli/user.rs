use std::io::IsTerminal as _;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use mcp_gateway_auth::Secret;
use mcp_gateway_auth::users::{Role, User};
use secrecy::zeroize::Zeroizing;
use serde_json::{Value, json};

use super::state::StateArgs;
use super::table::{plain, show};
use crate::administration::Administration;
use crate::output::{complain, say};

#[derive(Debug, Args)]
pub(super) struct UserArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make an account
    Create {
        /// The name to log in with
        name: String,
        /// It is an admin's; the first account always is
        #[arg(long)]
        admin: bool,
        /// A team that they belong to; may be repeated
        #[arg(long, value_name = "TEAM")]
        team: Vec<String>,
        #[command(flatten)]
        password: PasswordArgs,
        #[command(flatten)]
        state: StateArgs,
    },
    /// List people
    List {
        /// Write JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        state: StateArgs,
    },
    /// Keep somebody out: their sessions, clients and tokens are worthless from now on
    Disable(PersonArgs),
    /// Let somebody in again
    Enable(PersonArgs),
    /// Forget somebody, and make everything that they had worthless
    Delete(PersonArgs),
    /// Give somebody another password
    Password {
        #[command(flatten)]
        person: PersonArgs,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Say what somebody may do beyond using the gateway
    Role {
        /// Their name, address or identifier
        name: String,
        /// admin or member
        role: Role,
        #[command(flatten)]
        state: StateArgs,
    },
    /// Put somebody into teams, and no others
    Team {
        /// Their name, address or identifier
        name: String,
        /// The teams; without any they belong to none
        teams: Vec<String>,
        #[command(flatten)]
        state: StateArgs,
    },
}

#[derive(Debug, Args)]
struct PersonArgs {
    /// Their name, address or identifier
    name: String,
    #[command(flatten)]
    state: StateArgs,
}

#[derive(Debug, Args)]
struct PasswordArgs {
    /// Read the password from the terminal or the standard input, instead of making one up
    #[arg(long)]
    password: bool,
}

/// Does what the command says about people.
///
/// # Errors
///
/// When it cannot be done, or nobody reads what is written.
pub(super) fn run(args: UserArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Create {
            name,
            admin,
            team,
            password,
            state,
        } => state.with(async |all| create(all, &name, &password, (admin, team)).await),
        Command::List { json, state } => state.with(async |all| list(all, json).await),
        Command::Disable(PersonArgs { name, state }) => state.with(async |all| {
            let person = all.person(&name).await?;
            all.users.set_disabled(&person.id, true).await?;
            all.server.revoke_person(&person.id).await?;
            Ok(ExitCode::SUCCESS)
        }),
        Command::Enable(PersonArgs { name, state }) => state.with(async |all| {
            let person = all.person(&name).await?;
            all.users.set_disabled(&person.id, false).await?;
            all.server.restore_person(&person.id).await?;
            Ok(ExitCode::SUCCESS)
        }),
        Command::Delete(PersonArgs { name, state }) => state.with(async |all| {
            let person = all.person(&name).await?;
            all.users.delete(&person.id).await?;
            all.server.revoke_person(&person.id).await?;
            Ok(ExitCode::SUCCESS)
        }),
        Command::Password { person, password } => person.state.with(async |all| {
            let user = all.person(&person.name).await?;
            if user.username.is_none() {
                let name = &person.name;
                bail!("{name:?} has no password here, but logs in at an identity provider");
            }
            let chosen = password.choose()?;
            all.users.set_password(&user.id, &chosen).await?;
            password.tell(&chosen)
        }),
        Command::Role { name, role, state } => state.with(async |all| {
            let person = all.person(&name).await?;
            all.users.set_role(&person.id, role).await?;
            Ok(ExitCode::SUCCESS)
        }),
        Command::Team { name, teams, state } => state.with(async |all| {
            let person = all.person(&name).await?;
            all.users.set_teams(&person.id, teams).await?;
            if !person.identities.is_empty() {
                complain("Their next login at the identity provider may change that again.");
            }
            Ok(ExitCode::SUCCESS)
        }),
    }
}

async fn create(
    all: &Administration,
    name: &str,
    password: &PasswordArgs,
    (admin, teams): (bool, Vec<String>),
) -> anyhow::Result<ExitCode> {
    let chosen = password.choose()?;
    let created = all.users.create(name, &chosen).await;
    let user = created.with_context(|| format!("no account {name:?}"))?;
    if admin && user.role != Role::Admin {
        all.users.set_role(&user.id, Role::Admin).await?;
    } else if !admin && user.role == Role::Admin {
        complain("This is the first account, so it is an admin's.");
    }
    if !teams.is_empty() {
        all.users.set_teams(&user.id, teams).await?;
    }
    password.tell(&chosen)
}

impl PasswordArgs {
    /// The password that somebody types, or one that is made up.
    fn choose(&self) -> anyhow::Result<Zeroizing<String>> {
        if !self.password {
            let made_up = Secret::generate("").context("no password can be made up")?;
            return Ok(Zeroizing::new(made_up.expose().to_owned()));
        }
        if std::io::stdin().is_terminal() {
            let typed = Zeroizing::new(rpassword::prompt_password("Password: ")?);
            let again = Zeroizing::new(rpassword::prompt_password("Again: ")?);
            if typed != again {
                bail!("these are two different passwords; nothing has changed");
            }
            return Ok(typed);
        }
        let mut line = Zeroizing::new(String::new());
        std::io::stdin().read_line(&mut line)?;
        Ok(Zeroizing::new(
            line.trim_end_matches(['\n', '\r']).to_owned(),
        ))
    }

    /// Writes the password alone to the standard output if it was made up.
    fn tell(&self, chosen: &str) -> anyhow::Result<ExitCode> {
        if !self.password {
            complain("The password follows; it is not shown again.");
            say(chosen)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn list(all: &Administration, as_json: bool) -> anyhow::Result<ExitCode> {
    let people = all.people().await?;
    if as_json {
        let documents = people.iter().map(document).collect();
        say(format_args!("{:#}", Value::Array(documents)))?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |user: &User| {
        let ways = user.identities.iter().map(|known| known.issuer.clone());
        let local = user.username.iter().map(|_| "password".to_owned());
        let ways: Vec<_> = local.chain(ways).collect();
        let state = if user.disabled { "disabled" } else { "active" };
        [
            user.id.clone(),
            plain(&user.name),
            user.role.to_string(),
            plain(&user.teams.join(",")),
            state.to_owned(),
            plain(&ways.join(",")),
        ]
    };
    let heading = ["ID", "NAME", "ROLE", "TEAMS", "STATE", "LOGIN"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heading)
        .chain(people.iter().map(row))
        .collect();
    show(&rows)?;
    Ok(ExitCode::SUCCESS)
}

/// Somebody as scripts see them; moments are in seconds since 1970.
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
