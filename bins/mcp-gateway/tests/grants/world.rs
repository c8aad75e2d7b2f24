//! Random users, teams, gateways, assignments and connections, and what they grant.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::subsequence;
use serde_json::{Value, json};

use crate::fake::{PROMPT, TOOLS, uri};

pub(crate) const USERS: [&str; 4] = ["u0", "u1", "u2", "u3"];
pub(crate) const TEAMS: [&str; 3] = ["t0", "t1", "t2"];

/// Servers without connections, with the same features.
pub(crate) const PLAIN: [&str; 2] = ["plain0", "plain1"];

/// Servers that are called with connections.
pub(crate) const CONNECTED: [&str; 2] = ["far0", "far1"];

/// Tool of each connected server, whose result is the server and the owner of the connection.
pub(crate) const WHOAMI: &str = "whoami";

/// Connection that is an exchanged identity, which holders of static tokens do not have.
pub(crate) const ENTERPRISE: &str = "enterprise";

/// Connections: servers with their owners, as texts such as `team/t0`.
pub(crate) type Connections = BTreeSet<(&'static str, String)>;

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) users: Vec<User>,
    pub(crate) gateways: Vec<Gateway>,
    /// Set if the second plain server hides its tool `b`.
    pub(crate) hides: bool,
    /// Set if the second plain server has the alias `z` for its tool `a`.
    pub(crate) renames: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) name: &'static str,
    teams: Vec<&'static str>,
    is_admin: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Gateway {
    pub(crate) name: String,
    /// Set if it is in the store instead of the file.
    pub(crate) is_stored: bool,
    visibility: Visibility,
    prefix: &'static str,
    /// Assignments by server.
    assignments: Vec<(&'static str, Assignment)>,
}

#[derive(Clone, Debug)]
enum Visibility {
    Organization,
    Teams(Vec<&'static str>),
    User(&'static str),
}

#[derive(Clone, Debug)]
struct Assignment {
    /// Tools; everything if `None`.
    tools: Option<Vec<&'static str>>,
    /// Owner to whom it is pinned, or [`ENTERPRISE`].
    pinned: Option<String>,
}

/// Features of a gateway that a caller may see and use.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Granted {
    /// Texts that calls of tools return: server, and tool or owner of the connection.
    pub(crate) tools: BTreeSet<String>,
    /// Texts of prompts.
    pub(crate) prompts: BTreeSet<String>,
    /// Texts of resources.
    pub(crate) resources: BTreeSet<String>,
    /// Connected servers whose tool is assigned, and whose connection is missing, with the owner to
    /// whom it is pinned, or [`ENTERPRISE`].
    pub(crate) missing: Vec<(&'static str, Option<String>)>,
    /// Set if the name of a tool does not depend on the lists of others.
    pub(crate) has_fixed_names: bool,
}

impl World {
    /// Returns the entries of `auth.tokens`.
    pub(crate) fn tokens(&self) -> Vec<Value> {
        let token = |user: &User| {
            json!({ "name": user.name, "token": { "env": user.name }, "teams": user.teams,
                "admin": user.is_admin })
        };
        self.users.iter().map(token).collect()
    }

    /// Returns the settings of the second plain server.
    pub(crate) fn tool_settings(&self) -> Value {
        let mut tools = json!({});
        if self.hides {
            tools["deny"] = json!(["b"]);
        }
        if self.renames {
            tools["rename"] = json!({ "a": "z" });
        }
        tools
    }

    /// Returns what `user` is granted at `gateway` with `connections`; `None` if it does not exist
    /// for the user.
    pub(crate) fn granted(
        &self,
        user: &User,
        gateway: &Gateway,
        connections: &Connections,
    ) -> Option<Granted> {
        gateway.visibility.admits(user).then(|| {
            let mut granted = Granted {
                has_fixed_names: gateway.prefix == "always",
                ..Granted::default()
            };
            for (server, assignment) in &gateway.assignments {
                match PLAIN.contains(server) {
                    true => self.grant_plain(server, assignment, &mut granted),
                    false => grant_connected(server, assignment, (user, connections), &mut granted),
                }
            }
            granted
        })
    }

    fn grant_plain(&self, server: &str, assignment: &Assignment, granted: &mut Granted) {
        if assignment.pinned.is_some() {
            // There is nothing to pin: the server is not called.
            return;
        }
        let is_hidden = |tool: &str| self.hides && server == PLAIN[1] && tool == "b";
        let tools = TOOLS.into_iter();
        let tools = tools.filter(|tool| assignment.has(tool) && !is_hidden(tool));
        granted
            .tools
            .extend(tools.map(|tool| format!("{server} {tool}")));
        if assignment.tools.is_none() {
            granted.prompts.insert(format!("{server} {PROMPT}"));
            granted.resources.insert(format!("{server} r"));
        }
    }
}

fn grant_connected(
    server: &'static str,
    assignment: &Assignment,
    (user, connections): (&User, &Connections),
    granted: &mut Granted,
) {
    if !assignment.has(WHOAMI) {
        return;
    }
    let owners = match &assignment.pinned {
        Some(owner) => vec![owner.clone()],
        None => {
            let own = format!("user/{}", user.name);
            let teams = user.teams.iter().map(|team| format!("team/{team}"));
            let all = std::iter::once(own).chain(teams);
            all.chain(["organization".to_owned()]).collect()
        }
    };
    let mut owners = owners.into_iter();
    match owners.find(|owner| connections.contains(&(server, owner.clone()))) {
        Some(owner) => {
            granted.tools.insert(format!("{server}.{owner}"));
        }
        None => granted.missing.push((server, assignment.pinned.clone())),
    }
}

impl Visibility {
    fn admits(&self, user: &User) -> bool {
        match self {
            Self::Organization => true,
            Self::Teams(teams) => {
                user.is_admin || user.teams.iter().any(|team| teams.contains(team))
            }
            Self::User(name) => *name == user.name,
        }
    }

    fn entry(&self) -> Value {
        match self {
            Self::Organization => "organization".into(),
            Self::Teams(teams) => json!({ "teams": teams }),
            Self::User(name) => json!({ "user": name }),
        }
    }
}

impl Assignment {
    fn has(&self, tool: &str) -> bool {
        let tools = self.tools.as_ref();
        tools.is_none_or(|tools| tools.contains(&tool))
    }

    fn entry(&self, server: &str) -> Value {
        let tools = match &self.tools {
            Some(tools) => json!(tools),
            None => "*".into(),
        };
        let connection = match self.pinned.as_deref() {
            None => "caller".into(),
            Some(owner) => match owner.strip_prefix("team/") {
                Some(team) => json!({ "team": team }),
                None => owner.into(),
            },
        };
        json!({ "server": server, "tools": tools, "connection": connection })
    }
}

impl Gateway {
    /// Returns its entry, as the file or the store has it.
    pub(crate) fn entry(&self) -> Value {
        let is_pinned = |assignment: &Assignment| assignment.pinned.is_some();
        // The file is checked as a whole: there, nothing of a plain server can be pinned.
        let entries = self.assignments.iter();
        let entries: Vec<_> = entries
            .filter(|(server, one)| self.is_stored || !PLAIN.contains(server) || !is_pinned(one))
            .map(|(server, one)| one.entry(server))
            .collect();
        json!({
            "name": self.name,
            "toolPrefix": self.prefix,
            "visibility": self.visibility.entry(),
            "assignments": entries,
        })
    }
}

/// Names under which a client could try to call a tool.
pub(crate) fn tool_names() -> Vec<String> {
    let mut names: Vec<String> = [&TOOLS[..], &["z", WHOAMI]]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect();
    for server in PLAIN.into_iter().chain(CONNECTED) {
        let tools = TOOLS.into_iter().chain(["z", WHOAMI, "B", "b "]);
        names.extend(tools.map(|tool| format!("{server}__{tool}")));
    }
    names
}

/// URIs that a client could try to read.
pub(crate) fn uris() -> Vec<String> {
    PLAIN
        .into_iter()
        .flat_map(|name| [uri(name), format!("{name}+{}", uri(name))])
        .collect()
}

fn assignment() -> impl Strategy<Value = Assignment> {
    let all = [&TOOLS[..], &[WHOAMI]].concat();
    let tools = prop::option::weighted(0.6, subsequence(all, 0..=4));
    let owners = ["organization", "team/t0", "team/t1", "team/t2", ENTERPRISE].map(str::to_owned);
    let pinned = prop::option::weighted(0.4, prop::sample::select(owners.to_vec()));
    (tools, pinned).prop_map(|(tools, pinned)| Assignment { tools, pinned })
}

fn visibility() -> impl Strategy<Value = Visibility> {
    prop_oneof![
        3 => Just(Visibility::Organization),
        3 => subsequence(TEAMS.to_vec(), 1..=2).prop_map(Visibility::Teams),
        1 => prop::sample::select(USERS.to_vec()).prop_map(Visibility::User),
    ]
}

fn gateway(at: usize) -> impl Strategy<Value = Gateway> {
    let servers = PLAIN.into_iter().chain(CONNECTED);
    let assigned: Vec<_> = servers
        .map(|server| {
            prop::option::weighted(0.7, assignment()).prop_map(move |one| Some((server, one?)))
        })
        .collect();
    let prefix = prop::sample::select(vec!["always", "onCollision"]);
    // The first one is that of the file without which there is no default gateway.
    let is_stored = (at > 0).then(|| prop::bool::ANY.boxed());
    let is_stored = is_stored.unwrap_or_else(|| Just(false).boxed());
    (visibility(), prefix, assigned, is_stored).prop_map(
        move |(visibility, prefix, assigned, is_stored)| Gateway {
            name: format!("g{at}"),
            is_stored,
            visibility,
            prefix,
            assignments: assigned.into_iter().flatten().collect(),
        },
    )
}

fn user(name: &'static str) -> impl Strategy<Value = User> {
    let teams = subsequence(TEAMS.to_vec(), 0..=3);
    (teams, prop::bool::weighted(0.2)).prop_map(move |(teams, is_admin)| User {
        name,
        teams,
        is_admin,
    })
}

pub(crate) fn world() -> impl Strategy<Value = World> {
    let users: Vec<_> = USERS.into_iter().map(user).collect();
    let gateways: Vec<_> = (0..5).map(gateway).collect();
    (users, gateways, prop::bool::ANY, prop::bool::ANY).prop_map(
        |(users, gateways, hides, renames)| World {
            users,
            gateways,
            hides,
            renames,
        },
    )
}
