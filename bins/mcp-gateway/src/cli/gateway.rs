//! `mcp-gateway gateway`.

use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use clap::{ArgGroup, Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use super::admin::AdminArgs;
use super::table::show_list;
use crate::output::{eprint_line, print_line};

#[derive(Debug, Args)]
pub(super) struct NamedGatewayArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Add a gateway to the store
    Add(AddArgs),
    /// Assign tools of a server to a gateway
    Assign(AssignArgs),
    /// Change how a gateway shows its tools
    Expose(ExposeArgs),
    /// List gateways, of the configuration and of the store
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        gateway: AdminArgs,
    },
    /// Remove a gateway from the store
    Remove {
        /// Name or identifier of the gateway
        name: String,
        #[command(flatten)]
        gateway: AdminArgs,
    },
    /// Change the name of a gateway, which keeps its identifier
    Rename {
        /// Name or identifier of the gateway
        name: String,
        /// New name
        new: String,
        #[command(flatten)]
        gateway: AdminArgs,
    },
    /// Change who may see and use a gateway
    Share {
        /// Name or identifier of the gateway
        name: String,
        #[command(flatten)]
        visibility: VisibilityArgs,
        #[command(flatten)]
        gateway: AdminArgs,
    },
    /// Remove a server from a gateway
    Unassign {
        /// Name or identifier of the gateway
        name: String,
        /// Name of the server
        server: String,
        #[command(flatten)]
        gateway: AdminArgs,
    },
}

#[derive(Debug, Args)]
struct AddArgs {
    /// Name, the last segment of the path /v1/mcp/NAME
    name: String,
    /// Title for people
    #[arg(long)]
    title: Option<String>,
    /// Description for people
    #[arg(long)]
    description: Option<String>,
    /// Server with all of its features
    #[arg(long = "server", value_name = "SERVER", conflicts_with = "all_servers")]
    servers: Vec<String>,
    /// Have all servers, including those that are added later
    #[arg(long)]
    all_servers: bool,
    #[command(flatten)]
    visibility: VisibilityArgs,
    #[command(flatten)]
    gateway: AdminArgs,
}

#[derive(Debug, Args)]
struct AssignArgs {
    /// Name or identifier of the gateway
    name: String,
    /// Name of the server
    server: String,
    /// Tools, by the names that the server uses; all of its features without any
    tools: Vec<String>,
    /// Connection for calls: "caller", "enterprise", "organization" or "team:NAME"
    #[arg(long, default_value = "caller", value_parser = connection)]
    connection: Value,
    #[command(flatten)]
    gateway: AdminArgs,
}

#[derive(Debug, Args)]
struct ExposeArgs {
    /// Name or identifier of the gateway
    name: String,
    /// A list of all tools, tools that search and run them, or tools that search them and run scripts
    #[arg(value_parser = ["list", "search", "code"])]
    exposure: String,
    /// Pattern of tools that are listed beside the search; may be repeated
    #[arg(long = "visible", value_name = "PATTERN")]
    visible: Vec<String>,
    #[command(flatten)]
    gateway: AdminArgs,
}

/// Callers for whom a gateway exists.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("visibility"))]
struct VisibilityArgs {
    /// For all callers
    #[arg(long, group = "visibility")]
    organization: bool,
    /// For the members of a team; may be repeated
    #[arg(long = "team", value_name = "TEAM", group = "visibility")]
    teams: Vec<String>,
    /// For the caller with this subject alone
    #[arg(long, value_name = "SUBJECT", group = "visibility")]
    user: Option<String>,
}

impl VisibilityArgs {
    /// Returns the value of `visibility` in an entry; `None` if it is not set.
    fn value(&self) -> Option<Value> {
        let teams = || (!self.teams.is_empty()).then(|| json!({ "teams": self.teams }));
        match (&self.user, self.organization) {
            (Some(user), _) => Some(json!({ "user": user })),
            (None, true) => Some("organization".into()),
            (None, false) => teams(),
        }
    }
}

/// Runs `mcp-gateway gateway`.
///
/// # Errors
///
/// Fails if the gateway rejects the command or the output is closed.
pub(super) fn run(args: NamedGatewayArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Add(args) => add(&args),
        Command::Assign(args) => change(&args.gateway, &args.name, |entry| {
            assign(entry, &args);
            Ok(())
        }),
        Command::Expose(args) => change(&args.gateway, &args.name, |entry| {
            remove(entry, "visibleTools");
            entry["exposure"] = args.exposure.as_str().into();
            if !args.visible.is_empty() {
                entry["visibleTools"] = args.visible.clone().into();
            }
            Ok(())
        }),
        Command::List { json, gateway } => list(&gateway, json),
        Command::Remove { name, gateway } => gateway.with(async |client| {
            let path = ["gateways", &*name];
            let removed = client.send(Method::DELETE, &path, None).await;
            removed.with_context(|| format!("cannot remove gateway {name:?}"))?;
            Ok(())
        }),
        Command::Rename { name, new, gateway } => change(&gateway, &name, |entry| {
            entry["name"] = new.into();
            Ok(())
        }),
        Command::Share {
            name,
            visibility,
            gateway,
        } => change(&gateway, &name, |entry| {
            let value = visibility.value();
            let value = value.ok_or_else(|| anyhow!("set --organization, --team or --user"))?;
            remove(entry, "teams");
            entry["visibility"] = value;
            Ok(())
        }),
        Command::Unassign {
            name,
            server,
            gateway,
        } => change(&gateway, &name, |entry| match unassign(entry, &server) {
            true => Ok(()),
            false => bail!("the gateway {name:?} has no server {server:?}"),
        }),
    }
}

/// Adds a gateway, and prints its identifier.
fn add(args: &AddArgs) -> anyhow::Result<ExitCode> {
    args.gateway.with(async |client| {
        let entry = entry(args);
        let added = client
            .send(Method::POST, &["gateways"], Some(&entry))
            .await?;
        warn(&added);
        print_line(added["id"].as_str().unwrap_or_default())?;
        Ok(())
    })
}

/// Prints the gateways, ordered by name.
fn list(gateway: &AdminArgs, json: bool) -> anyhow::Result<ExitCode> {
    gateway.with(async |client| {
        let mut gateways = client.list(&["gateways"]).await?;
        gateways.sort_by_key(|gateway| gateway["name"].as_str().map(str::to_owned));
        show_list(gateways, json, table)?;
        Ok(())
    })
}

/// Changes the entry of the gateway `name`.
fn change(
    gateway: &AdminArgs,
    name: &str,
    change: impl FnOnce(&mut Value) -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    gateway.with(async |client| {
        let path = ["gateways", name];
        let changed = client.update(&path, change).await;
        let changed = changed.with_context(|| format!("cannot change gateway {name:?}"))?;
        warn(&changed);
        Ok(())
    })
}

/// Returns the entry of a new gateway, without servers unless some are chosen.
fn entry(args: &AddArgs) -> Value {
    let mut entry = json!({ "name": args.name });
    let texts = [("title", &args.title), ("description", &args.description)];
    for (key, text) in texts {
        if let Some(text) = text {
            entry[key] = text.as_str().into();
        }
    }
    if !args.all_servers {
        entry["servers"] = args.servers.clone().into();
    }
    if let Some(visibility) = args.visibility.value() {
        entry["visibility"] = visibility;
    }
    entry
}

/// Replaces the assignment of a server in `entry`.
fn assign(entry: &mut Value, args: &AssignArgs) {
    unassign(entry, &args.server);
    let tools = match &*args.tools {
        [] => "*".into(),
        tools => json!(tools),
    };
    let assignment = json!({
        "server": args.server,
        "tools": tools,
        "connection": args.connection,
    });
    match entry["assignments"].as_array_mut() {
        Some(assignments) => assignments.push(assignment),
        None => entry["assignments"] = json!([assignment]),
    }
}

/// Removes a server from `entry`. Returns `true` if it was there.
fn unassign(entry: &mut Value, server: &str) -> bool {
    let mut removed = false;
    let mut retain = |list: &mut Value, is_it: fn(&Value) -> &Value| {
        if let Some(list) = list.as_array_mut() {
            let before = list.len();
            list.retain(|one| is_it(one) != server);
            removed |= list.len() < before;
        }
    };
    if let Some(servers) = entry.get_mut("servers") {
        retain(servers, |server| server);
    }
    if let Some(assignments) = entry.get_mut("assignments") {
        retain(assignments, |assignment| &assignment["server"]);
    }
    removed
}

/// Removes the member `key` of `entry`.
fn remove(entry: &mut Value, key: &str) {
    if let Some(members) = entry.as_object_mut() {
        members.remove(key);
    }
}

/// Prints the servers that `gateway` cannot call.
fn warn(gateway: &Value) {
    for dangling in gateway["dangling"].as_array().into_iter().flatten() {
        let text = |key: &str| dangling[key].as_str().unwrap_or_default();
        eprint_line(format_args!(
            "warning: {}: {}",
            text("server"),
            text("reason")
        ));
    }
}

/// Parses a connection of an assignment.
fn connection(text: &str) -> Result<Value, String> {
    match text.split_once(':') {
        Some(("team", team)) if !team.is_empty() => Ok(json!({ "team": team })),
        None if matches!(text, "caller" | "enterprise" | "organization") => Ok(text.into()),
        _ => Err("expected caller, enterprise, organization or team:NAME".to_owned()),
    }
}

fn table(gateways: &[Value]) -> Vec<[String; 5]> {
    let heading = ["NAME", "ID", "VISIBLE TO", "SERVERS", "ERROR"].map(str::to_owned);
    let row = |gateway: &Value| {
        let text = |key: &str| gateway[key].as_str().unwrap_or_default().to_owned();
        let names = |key: &str| {
            let names = gateway[key].as_array().into_iter().flatten();
            let names: Vec<_> = names.filter_map(Value::as_str).collect();
            names.join(", ")
        };
        let visible = match (gateway["user"].as_str(), &gateway["teams"]) {
            (Some(user), _) => user.to_owned(),
            (None, Value::Array(_)) => names("teams"),
            (None, _) => "organization".to_owned(),
        };
        let violation = gateway["violations"][0]["message"].as_str();
        let dangling = gateway["dangling"][0]["server"].as_str();
        let dangling = dangling.map(|server| format!("cannot call {server}"));
        let error = violation.map(str::to_owned).or(dangling);
        let error = error.unwrap_or_default();
        [text("name"), text("id"), visible, names("servers"), error]
    };
    let rows = std::iter::once(heading).chain(gateways.iter().map(row));
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_read() {
        assert_eq!(connection("caller"), Ok("caller".into()));
        assert_eq!(connection("enterprise"), Ok("enterprise".into()));
        assert_eq!(connection("organization"), Ok("organization".into()));
        assert_eq!(connection("team:ops"), Ok(json!({ "team": "ops" })));
        for invalid in ["", "team", "team:", "user:ada", "enterprises"] {
            assert!(connection(invalid).is_err(), "{invalid}");
        }
    }

    #[test]
    fn a_server_is_assigned_once() {
        let mut entry = json!({
            "servers": ["a", "b"],
            "assignments": [{ "server": "c", "tools": "*" }],
        });
        assert!(unassign(&mut entry, "a") && unassign(&mut entry, "c"));
        assert!(!unassign(&mut entry, "a"));
        assert_eq!(entry, json!({ "servers": ["b"], "assignments": [] }));
        assert!(!unassign(&mut json!({}), "a"));
    }
}
