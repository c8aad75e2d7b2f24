//! Random callers, gateways, pins and contexts, and what the callers may see and call.

use std::collections::BTreeSet;
use std::sync::Arc;

use mcp_gateway_core::catalog::{Definition, DefinitionKind};
use mcp_gateway_platform::spec::{DynamicSpec, PinSource};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use super::rules::{Arguments, Rules, Verdict, arguments, rules};

pub(crate) const USERS: [&str; 6] = ["u0", "u1", "u2", "u3", "u4", "u5"];
pub(crate) const TEAMS: [&str; 3] = ["t0", "t1", "t2"];

/// Servers in this process.
pub(crate) const SERVERS: [&str; 2] = ["s0", "s1"];

/// Server whose account nobody has connected.
pub(crate) const FAR: &str = "far";

/// Tools of each server.
const TOOLS: [&str; 4] = ["get", "put", "del", "page"];

/// Server and tool whose results taint the context.
pub(crate) const TAINTING: (&str, &str) = (SERVERS[1], "page");

/// A tool, and what is known of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tool {
    pub(crate) server: &'static str,
    pub(crate) name: &'static str,
    /// Name that clients see, without the prefix.
    shown: &'static str,
    /// Annotations: read-only, destructive, idempotent, open world, as the server has them.
    declared: [Option<bool>; 4],
    /// The same, with the defaults of the specification.
    hints: [bool; 4],
}

const fn tool(
    (server, name, shown): (&'static str, &'static str, &'static str),
    declared: [Option<bool>; 4],
    hints: [bool; 4],
) -> Tool {
    Tool {
        server,
        name,
        shown,
        declared,
        hints,
    }
}

/// Tools of all servers; the last one is in the place of those of [`FAR`].
pub(crate) static ALL: [Tool; 9] = {
    let (yes, no, none) = (Some(true), Some(false), None);
    let (r, d, i, o) = (true, true, true, true);
    let x = false;
    [
        tool(("s0", "get", "get"), [yes, none, none, no], [r, x, x, x]),
        tool(("s0", "put", "put"), [none, no, none, none], [x, x, x, o]),
        tool(("s0", "del", "del"), [none; 4], [x, d, x, o]),
        tool(("s0", "page", "page"), [yes, none, no, none], [r, x, x, o]),
        tool(("s1", "get", "get"), [no, none, yes, yes], [x, d, i, o]),
        tool(("s1", "put", "store"), [no, no, yes, none], [x, x, i, o]),
        tool(("s1", "del", "del"), [none, yes, none, no], [x, d, x, x]),
        tool(("s1", "page", "page"), [yes, none, none, yes], [r, x, x, o]),
        tool((FAR, "connect", "connect"), [none; 4], [r, x, x, o]),
    ]
};

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) users: Vec<User>,
    pub(crate) gateways: Vec<Gateway>,
    pub(crate) rules: Rules,
    /// Pins of the tools of each server, if it is pinned.
    pins: Vec<Option<Vec<Pin>>>,
    /// Visits of each user at each gateway.
    pub(crate) visits: Vec<Visit>,
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
    pub(crate) has_search: bool,
    is_untrusted: bool,
    /// Tools of each server, everything if `None`; without servers that it does not have.
    assignments: Vec<(&'static str, Option<Vec<&'static str>>)>,
}

/// Approval of a tool.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Pin {
    Approved,
    /// Another definition is approved.
    Changed,
    /// Nothing of this name is approved.
    New,
}

/// Client of a user at a gateway, and the calls there.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) context: Context,
    pub(crate) arguments: Arguments,
    /// Set if a result taints the context, and everything is compared once more.
    pub(crate) taints: bool,
    /// Set if tools are called by `run_tool`, where there is one.
    pub(crate) runs: bool,
}

/// Context that the calls of a visit have in common.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Context {
    /// A session of the legacy era.
    Session,
    /// A conversation that a client of the modern era names.
    Conversation(&'static str),
    /// Nothing: a client of the modern era.
    Caller,
}

/// A call, or the sight of a tool.
#[derive(Clone, Debug)]
pub(crate) struct Access<'a> {
    pub(crate) user: &'a str,
    pub(crate) teams: &'a [&'static str],
    pub(crate) is_admin: bool,
    pub(crate) gateway: &'a str,
    pub(crate) server: &'a str,
    /// Name at the server.
    pub(crate) tool: &'a str,
    pub(crate) hints: [bool; 4],
    pub(crate) is_untrusted: bool,
}

/// Sight of a tool that a caller is expected to have.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    /// Set if it is granted, approved, and not rejected whatever the arguments.
    pub(crate) is_listed: bool,
    pub(crate) verdict: Verdict,
}

/// Contexts that are tainted, with their gateways and users. Those of a session have a number.
#[derive(Debug, Default)]
pub(crate) struct Marks(BTreeSet<(String, &'static str, Context, usize)>);

impl Marks {
    /// Taints the context of a visit; `number` is that of a session.
    pub(crate) fn taint(
        &mut self,
        gateway: &Gateway,
        user: &User,
        (context, number): (Context, usize),
    ) {
        self.0
            .insert((gateway.name.clone(), user.name, context, number));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn is_untrusted(
        &self,
        gateway: &Gateway,
        user: &User,
        (context, number): (Context, usize),
    ) -> bool {
        let mut marks = self.0.iter();
        gateway.is_untrusted
            || marks.any(|(at, of, marked, which)| {
                let is_same = (*marked, *which) == (context, number);
                let covers = is_same || *marked == Context::Caller || context == Context::Caller;
                *at == gateway.name && *of == user.name && covers
            })
    }
}

impl Tool {
    /// Returns the name that clients see.
    pub(crate) fn exposed(&self) -> String {
        format!("{}__{}", self.server, self.shown)
    }

    /// Returns the text of a result.
    pub(crate) fn text(&self) -> String {
        format!("{} {}", self.server, self.name)
    }

    /// Returns the definition that the server has.
    fn definition(&self) -> Value {
        let names = [
            "readOnlyHint",
            "destructiveHint",
            "idempotentHint",
            "openWorldHint",
        ];
        let declared = names.into_iter().zip(self.declared);
        let declared = declared.filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
        json!({
            "name": self.name,
            "description": format!("Turns the gadget of {}", self.server),
            "inputSchema": { "type": "object" },
            "annotations": Value::Object(declared.collect()),
        })
    }

    fn is_tainting(&self) -> bool {
        (self.server, self.name) == TAINTING
    }

    /// Returns the tools whose results taint nothing, and then the one whose results do.
    pub(crate) fn harmless() -> impl Iterator<Item = &'static Self> {
        ALL.iter().filter(|tool| !tool.is_tainting())
    }

    pub(crate) fn tainting() -> &'static Self {
        ALL.iter().find(|tool| tool.is_tainting()).unwrap()
    }
}

/// Answers a request to the server `server`.
pub(crate) fn answer(server: &str, message: &Value) -> Value {
    let mut tools = ALL.iter().filter(|tool| tool.server == server);
    let called = &message["params"]["name"];
    let result = match message["method"].as_str().unwrap_or_default() {
        "initialize" => json!({
            "protocolVersion": "2025-11-25",
            "capabilities": { "tools": {} },
            "serverInfo": { "name": server, "version": "1" },
        }),
        "tools/list" => json!({ "tools": tools.map(Tool::definition).collect::<Vec<_>>() }),
        "tools/call" => match tools.find(|tool| *called == tool.name) {
            Some(tool) => json!({ "content": [{ "type": "text", "text": tool.text() }] }),
            None => return json!({ "error": { "code": -32602, "message": "there is none" } }),
        },
        _ => return json!({ "error": { "code": -32601, "message": "there is none" } }),
    };
    json!({ "result": result })
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

    /// Pins the servers of `spec`.
    pub(crate) fn pin(&self, spec: &mut DynamicSpec) {
        for server in &mut spec.servers {
            let Some(pins) = self.pins_of(&server.name) else {
                continue;
            };
            let tools = ALL.iter().filter(|tool| *tool.server == *server.name);
            let definitions = tools.zip(pins).filter_map(|(tool, pin)| {
                let mut definition = tool.definition();
                match pin {
                    Pin::Approved => {}
                    Pin::Changed => definition["description"] = "Something else".into(),
                    Pin::New => return None,
                }
                let text = definition.to_string();
                Some(Definition::new(DefinitionKind::Tool, tool.name, &text))
            });
            server.pins = Arc::new(definitions.collect());
            server.pinned = Some(PinSource::File);
        }
    }

    fn pins_of(&self, server: &str) -> Option<&Vec<Pin>> {
        let at = SERVERS.iter().position(|one| *one == server)?;
        self.pins[at].as_ref()
    }

    fn is_held_back(&self, tool: &Tool) -> bool {
        let mut own = ALL.iter().filter(|one| one.server == tool.server);
        let at = own.position(|one| one.name == tool.name).unwrap();
        self.pins_of(tool.server)
            .is_some_and(|pins| pins[at] != Pin::Approved)
    }

    /// Returns what `user` is expected to see of `tool` at `gateway`.
    pub(crate) fn expected(
        &self,
        (user, gateway): (&User, &Gateway),
        tool: &Tool,
        (arguments, is_untrusted): (&Arguments, bool),
    ) -> Expected {
        let access = Access {
            user: user.name,
            teams: &user.teams,
            is_admin: user.is_admin,
            gateway: &gateway.name,
            server: tool.server,
            tool: tool.name,
            hints: tool.hints,
            is_untrusted,
        };
        let is_granted = gateway.grants(tool);
        Expected {
            is_listed: is_granted && !self.is_held_back(tool) && self.rules.lists(&access),
            verdict: match is_granted {
                true => self.rules.call(&access, arguments),
                false => Verdict::Hidden,
            },
        }
    }
}

impl Gateway {
    /// Returns its entry in a configuration.
    pub(crate) fn entry(&self) -> Value {
        let assignments = self.assignments.iter().map(|(server, tools)| match tools {
            Some(tools) => json!({ "server": server, "tools": tools, "connection": "caller" }),
            None => json!({ "server": server, "tools": "*", "connection": "caller" }),
        });
        let mut entry = json!({
            "name": self.name,
            "assignments": assignments.collect::<Vec<_>>(),
            "untrusted": self.is_untrusted,
        });
        if self.has_search {
            entry["exposure"] = "search".into();
            // All routes are compared at the same gateway.
            entry["visibleTools"] = json!(["*"]);
        }
        entry
    }

    fn grants(&self, tool: &Tool) -> bool {
        let mut assignments = self.assignments.iter();
        assignments.any(|(server, tools)| {
            let tools = tools.as_ref();
            *server == tool.server && tools.is_none_or(|tools| tools.contains(&tool.name))
        })
    }
}

fn gateway(at: usize) -> impl Strategy<Value = Gateway> {
    let tools = || prop::option::weighted(0.3, subsequence(TOOLS.to_vec(), 0..=4));
    let assigned = (
        prop::option::weighted(0.85, tools()),
        prop::option::weighted(0.85, tools()),
        prop::option::weighted(0.5, Just(None)),
    );
    (assigned, any::<bool>(), prop::bool::weighted(0.15)).prop_map(
        move |((first, second, far), has_search, is_untrusted)| {
            let all = [(SERVERS[0], first), (SERVERS[1], second), (FAR, far)];
            let assigned = all.into_iter();
            Gateway {
                name: format!("g{at}"),
                has_search,
                is_untrusted,
                assignments: assigned
                    .filter_map(|(server, tools)| Some((server, tools?)))
                    .collect(),
            }
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

fn pins() -> impl Strategy<Value = Option<Vec<Pin>>> {
    let pin = prop_oneof![4 => Just(Pin::Approved), 1 => Just(Pin::Changed), 1 => Just(Pin::New)];
    prop::option::weighted(0.5, prop::collection::vec(pin, TOOLS.len()))
}

fn visit() -> impl Strategy<Value = Visit> {
    let context = select(vec![
        Context::Session,
        Context::Conversation("c0"),
        Context::Conversation("c1"),
        Context::Caller,
    ]);
    (
        context,
        arguments(),
        prop::bool::weighted(0.25),
        any::<bool>(),
    )
        .prop_map(|(context, arguments, taints, runs)| Visit {
            context,
            arguments,
            taints,
            runs,
        })
}

/// Gateways of a world.
const GATEWAYS: usize = 4;

/// Visits of each user at each gateway.
const VISITS: usize = 2;

pub(crate) fn world() -> impl Strategy<Value = World> {
    let users: Vec<_> = USERS.into_iter().map(user).collect();
    let gateways: Vec<_> = (0..GATEWAYS).map(gateway).collect();
    let pins: Vec<_> = SERVERS.iter().map(|_| pins()).collect();
    let visits = prop::collection::vec(visit(), USERS.len() * GATEWAYS * VISITS);
    (users, gateways, rules(), pins, visits).prop_map(|(users, gateways, rules, pins, visits)| {
        World {
            users,
            gateways,
            rules,
            pins,
            visits,
        }
    })
}
