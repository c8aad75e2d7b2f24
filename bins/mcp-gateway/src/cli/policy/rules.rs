//! Commands for the rules in the store of a running gateway.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use http::Method;
use serde_json::{Map, Value, json};

use super::super::admin::AdminArgs;
use super::super::table::show_list;
use super::ANNOTATIONS;
use crate::output::{print_json, print_line};

/// New rule.
#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// Name in logs and explanations
    name: String,
    /// Effect on the calls that it concerns
    #[arg(long, value_parser = ["allow", "approve", "deny"])]
    effect: String,
    /// Text that the client receives when the rule rejects a call, or for the approver
    #[arg(long)]
    reason: Option<String>,
    /// With the effect approve: role that decides, instead of the caller; may be repeated
    #[arg(long = "approver-role", value_name = "ROLE")]
    approver_roles: Vec<String>,
    /// With the effect approve: team that decides, instead of the caller; may be repeated
    #[arg(long = "approver-team", value_name = "TEAM")]
    approver_teams: Vec<String>,
    /// With the effect approve: time for the decision, such as 1h [default: 10m]
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,
    /// With the effect approve: time for which an approval permits the same call; one call otherwise
    #[arg(long, value_name = "DURATION")]
    valid_for: Option<String>,
    /// Log the effect instead of applying it
    #[arg(long)]
    dry_run: bool,
    /// Pattern of gateways; may be repeated
    #[arg(long = "gateway", value_name = "PATTERN")]
    gateways: Vec<String>,
    /// Pattern of servers; may be repeated
    #[arg(long = "server", value_name = "PATTERN")]
    servers: Vec<String>,
    /// Pattern of tools, as their servers name them; may be repeated
    #[arg(long = "tool", value_name = "PATTERN")]
    tools: Vec<String>,
    /// Pattern of OAuth clients; may be repeated
    #[arg(long = "client", value_name = "PATTERN")]
    clients: Vec<String>,
    /// Team of the caller; may be repeated
    #[arg(long = "team", value_name = "TEAM")]
    teams: Vec<String>,
    /// Role of the caller; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// Annotation of the tool, as NAME or NAME=false; may be repeated
    #[arg(long = "annotation", value_name = "NAME", value_parser = annotation)]
    annotations: Vec<(String, bool)>,
    /// Condition in CEL
    #[arg(long, value_name = "CONDITION")]
    when: Option<String>,
    /// Rule of the store before which it is added; it is the last one otherwise
    #[arg(long, value_name = "NAME")]
    before: Option<String>,
    #[command(flatten)]
    gateway: AdminArgs,
}

/// Rule of the store.
#[derive(Debug, Args)]
pub(super) struct NamedArgs {
    /// Name of the rule
    name: String,
    #[command(flatten)]
    gateway: AdminArgs,
}

/// Rules of a running gateway.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    gateway: AdminArgs,
}

/// New place of a rule.
#[derive(Debug, Args)]
pub(super) struct MoveArgs {
    /// Name of the rule
    name: String,
    /// Rule of the store before which it is moved; it becomes the last one otherwise
    #[arg(long, value_name = "NAME")]
    before: Option<String>,
    #[command(flatten)]
    gateway: AdminArgs,
}

/// Rules to be written as those of a configuration file.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    gateway: AdminArgs,
}

/// Parses `NAME` or `NAME=BOOLEAN`.
pub(super) fn annotation(text: &str) -> Result<(String, bool), String> {
    let (name, value) = text.split_once('=').unwrap_or((text, "true"));
    match value.parse() {
        Ok(value) if ANNOTATIONS.contains(&name) => Ok((name.to_owned(), value)),
        Ok(_) => Err(format!("expected one of {}", ANNOTATIONS.join(", "))),
        Err(_) => Err("expected true or false after =".to_owned()),
    }
}

/// Adds a rule to the store.
pub(super) fn add(args: &AddArgs) -> anyhow::Result<ExitCode> {
    args.gateway.with(async |client| {
        let query = [("before", args.before.as_deref())];
        let path = ["policy", "rules"];
        let added = client.create(&path, &query, &entry(args)).await;
        added.with_context(|| format!("cannot add rule {:?}", args.name))?;
        Ok(())
    })
}

/// Prints the rules in their order.
pub(super) fn list(args: &ListArgs) -> anyhow::Result<ExitCode> {
    args.gateway.with(async |client| {
        let rules = client.list(&["policy", "rules"]).await?;
        show_list(rules, args.json, table)?;
        Ok(())
    })
}

/// Prints a rule.
pub(super) fn show(args: &NamedArgs) -> anyhow::Result<ExitCode> {
    args.gateway.with(async |client| {
        let path = ["policy", "rules", &*args.name];
        let rule = client.send(Method::GET, &path, None).await;
        let rule = rule.with_context(|| format!("cannot show rule {:?}", args.name))?;
        print_json(format_args!("{rule:#}"))?;
        Ok(())
    })
}

/// Removes a rule from the store.
pub(super) fn remove(args: &NamedArgs) -> anyhow::Result<ExitCode> {
    args.gateway.with(async |client| {
        let path = ["policy", "rules", &*args.name];
        let removed = client.send(Method::DELETE, &path, None).await;
        removed.with_context(|| format!("cannot remove rule {:?}", args.name))?;
        Ok(())
    })
}

/// Moves a rule of the store.
pub(super) fn move_to(args: &MoveArgs) -> anyhow::Result<ExitCode> {
    args.gateway.with(async |client| {
        let path = ["policy", "order"];
        let moved = client.replace(&path, |order| {
            moved(order, &args.name, args.before.as_deref())
        });
        moved
            .await
            .with_context(|| format!("cannot move rule {:?}", args.name))?;
        Ok(())
    })
}

/// Prints the rules of the store as the section `policy` of a configuration file.
pub(super) fn export(args: &ExportArgs) -> anyhow::Result<ExitCode> {
    args.gateway.with(async |client| {
        let rules = client.list(&["policy", "rules"]).await?;
        let mut entries = rules.iter().filter_map(|rule| rule["entry"].as_object());
        print_line("policy:")?;
        print_line(match rules.iter().any(|rule| rule["entry"].is_object()) {
            true => "  rules:",
            false => "  rules: []",
        })?;
        entries.try_for_each(print_entry)?;
        Ok(())
    })
}

/// Prints an entry as an item of a list in YAML, of which JSON is a part.
fn print_entry(entry: &Map<String, Value>) -> anyhow::Result<()> {
    let first = ["name", "effect"];
    let keys = first.iter().copied().filter(|key| entry.contains_key(*key));
    let rest = entry.keys().map(String::as_str);
    let rest = rest.filter(|key| !first.contains(key));
    for (at, key) in keys.chain(rest).enumerate() {
        let mark = if at == 0 { '-' } else { ' ' };
        print_line(format_args!("    {mark} {key}: {}", entry[key]))?;
    }
    Ok(())
}

/// Moves `name` in `order` before the rule `before`, or to the end.
fn moved(order: &mut Value, name: &str, before: Option<&str>) -> anyhow::Result<()> {
    let names = order["names"].as_array_mut();
    let names = names.context("the gateway has no order of rules")?;
    let place = |names: &[Value], name: &str| names.iter().position(|other| other == name);
    let Some(at) = place(names, name) else {
        bail!("the store has no such rule");
    };
    let rule = names.remove(at);
    let to = match before {
        None => names.len(),
        Some(before) => match place(names, before) {
            Some(to) => to,
            None => bail!("the store has no other rule {before:?}"),
        },
    };
    names.insert(to, rule);
    Ok(())
}

/// Returns the entry of a new rule.
fn entry(args: &AddArgs) -> Value {
    let mut entry = json!({ "name": args.name, "effect": args.effect });
    let texts = [
        ("reason", &args.reason),
        ("timeout", &args.timeout),
        ("validFor", &args.valid_for),
        ("when", &args.when),
    ];
    for (key, text) in texts {
        if let Some(text) = text {
            entry[key] = text.as_str().into();
        }
    }
    let lists = [
        ("gateways", &args.gateways),
        ("servers", &args.servers),
        ("tools", &args.tools),
        ("clients", &args.clients),
        ("teams", &args.teams),
        ("roles", &args.roles),
    ];
    for (key, items) in lists {
        if !items.is_empty() {
            entry[key] = items.clone().into();
        }
    }
    let approvers = [
        ("roles", &args.approver_roles),
        ("teams", &args.approver_teams),
    ];
    for (key, names) in approvers {
        if !names.is_empty() {
            entry["approvers"][key] = names.clone().into();
        }
    }
    for (name, value) in &args.annotations {
        entry["annotations"][name] = (*value).into();
    }
    if args.dry_run {
        entry["dryRun"] = true.into();
    }
    entry
}

fn table(rules: &[Value]) -> Vec<[String; 5]> {
    let heading = ["POSITION", "NAME", "EFFECT", "SOURCE", "ERROR"].map(str::to_owned);
    let row = |rule: &Value| {
        let text = |key: &str| rule[key].as_str().unwrap_or_default().to_owned();
        let effect = match rule["dryRun"] == true {
            true => format!("{} (dry run)", text("effect")),
            false => text("effect"),
        };
        let error = rule["violations"][0]["message"].as_str();
        let error = error.unwrap_or_default().to_owned();
        let position = rule["position"].to_string();
        [position, text("name"), effect, text("source"), error]
    };
    let rows = std::iter::once(heading).chain(rules.iter().map(row));
    rows.collect()
}
