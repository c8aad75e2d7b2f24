//! The step of the servers and tools of a gateway.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::form::Fields;
use crate::json::Members as _;
use crate::names;
use crate::role::Role;
use crate::view::{Assignment, Choice, Field, Form, Kind};
use crate::visit::Visit;

/// Servers and teams that the form offers.
#[derive(Debug)]
pub(super) struct Offer {
    servers: Vec<String>,
    /// Set if there are more servers.
    has_more: bool,
    teams: BTreeSet<String>,
    /// Set if the person may give a gateway all servers.
    is_admin: bool,
}

/// Members of the entry of a gateway.
#[derive(Debug, Default)]
pub(super) struct Servers {
    pub(super) servers: Option<Value>,
    pub(super) assignments: Option<Value>,
}

impl Offer {
    /// Loads what the person of `visit` may assign: all servers, or those of the gateways of teams.
    pub(super) async fn load(visit: &Visit) -> Result<Self, Failure> {
        let teams = visit.caller.principal().teams().iter();
        let mut teams: BTreeSet<_> = teams.map(|team| team.to_string()).collect();
        let is_admin = visit.role == Role::Admin;
        if !is_admin {
            let query = [("limit", "100")];
            let gateways = visit.caller.list("/api/v1/gateways", &query).await?.items;
            let servers = gateways
                .iter()
                .flat_map(|gateway| gateway.texts("/servers"));
            let servers: BTreeSet<_> = servers.collect();
            return Ok(Self {
                has_more: servers.len() > MAX_SERVERS,
                servers: servers.into_iter().take(MAX_SERVERS).collect(),
                teams,
                is_admin,
            });
        }
        let query = [("limit", "100")];
        let listed = visit.caller.list("/api/v1/servers", &query).await?;
        let people = visit.caller.list("/api/v1/users", &query).await?.items;
        teams.extend(people.iter().flat_map(|person| person.texts("/teams")));
        let names = listed.items.iter().map(|server| server.text("/name"));
        Ok(Self {
            servers: names.map(str::to_owned).collect(),
            has_more: listed.next.is_some(),
            teams,
            is_admin,
        })
    }

    /// Adds the step to `form`, with the values of `entry`.
    pub(super) fn step(&self, form: Form, entry: &Value) -> Form {
        let chosen = chosen(entry);
        let is_all = entry.get("servers").is_none() && entry.get("assignments").is_none();
        let mut choices = Vec::new();
        if self.is_admin {
            let label = "All servers, also those that are added later";
            choices.push(Choice::new("all", label));
        }
        choices.push(Choice::new("some", "These:"));
        let value = if is_all && self.is_admin {
            "all"
        } else {
            "some"
        };
        let text = "Without tools, a server is there with all of its features; with the word none, it has \
                    no tools. The connection is the account with which it is called: caller, organization, team/NAME, or enterprise \
                    for an exchanged identity.";
        let mut form = form
            .with(self.connections())
            .with(Field::heading("2. Servers and tools", text))
            .with(
                Field::new("scope", "Servers", Kind::Radio(choices))
                    .value(value)
                    .at("servers")
                    .at("assignments"),
            );
        let others = self.servers.iter().filter(|name| !chosen.contains(name));
        for name in chosen.iter().chain(others) {
            form = form.with(row(name, entry, chosen.contains(name)));
        }
        let hint = match self.has_more {
            true => "There are more servers than the list shows. Names with commas.",
            false => "Names with commas: also of servers that do not exist yet.",
        };
        form.with(Field::new("more", "Further servers", Kind::Text).hint(hint))
    }

    /// Returns the connections that the form suggests.
    fn connections(&self) -> Field {
        let fixed = ["caller", "organization", "enterprise"].map(str::to_owned);
        let teams = self.teams.iter().map(|team| format!("team/{team}"));
        let names = fixed.into_iter().chain(teams).collect();
        Field::new("", "", Kind::Connections(names))
    }
}

/// Returns the field of the server `name`.
fn row(name: &str, entry: &Value, is_chosen: bool) -> Field {
    let found = assignment(entry, name);
    let assignment = Assignment {
        tools: found.map_or_else(String::new, tools_text),
        connection: found.map_or_else(|| "caller".to_owned(), connection),
    };
    let field = Field::new(name, name, Kind::Assignment(assignment)).at("\0");
    field.value(if is_chosen { "on" } else { "" })
}

/// Returns the tools of `assignment` for people who edit them: nothing for all of them.
fn tools_text(assignment: &Value) -> String {
    match assignment.get("tools") {
        Some(Value::Array(tools)) if tools.is_empty() => names::NONE.to_owned(),
        _ => assignment.joined("/tools"),
    }
}

/// Returns the tools of the server `name` in `fields`; `None` for all of them.
fn tools_of(name: &str, fields: &Fields) -> Option<Vec<String>> {
    let field = format!("tools.{name}");
    match fields.text(&field) {
        "" => None,
        names::NONE => Some(Vec::new()),
        _ => Some(fields.words(&field)),
    }
}

/// Returns the names of the servers of `entry`, in their order.
fn chosen(entry: &Value) -> Vec<String> {
    let mut names = entry.texts("/servers");
    for assignment in entry.list("/assignments") {
        let name = assignment.text("/server").to_owned();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn assignment<'a>(entry: &'a Value, server: &str) -> Option<&'a Value> {
    let mut found = entry.list("/assignments").iter();
    found.find(|assignment| assignment.text("/server") == server)
}

fn connection(assignment: &Value) -> String {
    match assignment.some_text("/connection/team") {
        Some(team) => format!("team/{team}"),
        None => assignment
            .some_text("/connection")
            .unwrap_or("caller")
            .to_owned(),
    }
}

/// Returns the members of the entry that `fields` describe; those of `before` keep their order.
pub(super) fn servers(before: &Value, fields: &Fields) -> Servers {
    if fields.text("scope") == "all" {
        return Servers::default();
    }
    let checked = fields.below("use.").filter(|(_, value)| *value == "on");
    let checked: BTreeSet<_> = checked.map(|(name, _)| name.to_owned()).collect();
    let mut names = chosen(before);
    names.retain(|name| checked.contains(name));
    let added = checked.into_iter().chain(fields.words("more"));
    for name in added {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let (mut plain, mut assigned) = (Vec::new(), Vec::new());
    for name in names {
        match described(before, &name, fields) {
            Some(assignment) => assigned.push(assignment),
            None => plain.push(Value::from(name)),
        }
    }
    let has_assigned = !assigned.is_empty();
    Servers {
        servers: (!plain.is_empty() || !has_assigned).then(|| plain.into()),
        assignments: has_assigned.then(|| assigned.into()),
    }
}

/// Returns the assignment of the server `name`; `None` if it is there with all of its features, and
/// called with the connections of callers.
fn described(before: &Value, name: &str, fields: &Fields) -> Option<Value> {
    let tools = tools_of(name, fields);
    let connection = match fields.text(&format!("connection.{name}")) {
        "" | "caller" => None,
        other => match other.strip_prefix("team/") {
            Some(team) => Some(json!({ "team": team })),
            None => Some(other.into()),
        },
    };
    if tools.is_none() && connection.is_none() {
        return None;
    }
    let mut entry = assignment(before, name).cloned();
    let entry = entry.get_or_insert_with(|| json!({ "server": name }));
    let members = entry.as_object_mut()?;
    match tools {
        None => members.remove("tools"),
        Some(tools) => members.insert("tools".to_owned(), tools.into()),
    };
    match connection {
        None => members.remove("connection"),
        Some(connection) => members.insert("connection".to_owned(), connection),
    };
    Some(entry.clone())
}

/// Maximum number of servers that are offered.
const MAX_SERVERS: usize = 100;
