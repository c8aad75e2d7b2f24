//! Random rules, and what they mean: a model that shares no code with the policy.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use super::world::{Access, SERVERS, TEAMS, USERS};

/// Most rules of a world.
pub(crate) const MOST: usize = 7;

/// Rules of a world, in their order.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    rules: Vec<Rule>,
    denies_by_default: bool,
}

#[derive(Clone, Debug)]
struct Rule {
    /// Position, which its name, its reason and its argument contain.
    at: usize,
    effect: Effect,
    is_dry_run: bool,
    gateways: Vec<&'static str>,
    servers: Vec<&'static str>,
    tools: Vec<&'static str>,
    teams: Vec<&'static str>,
    is_of_admins: bool,
    is_of_clients: bool,
    untrusted: Option<bool>,
    hints: Vec<(Hint, bool)>,
    condition: Option<Condition>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Effect {
    Allow,
    Approve,
    Hide,
    Refuse,
}

/// Annotation, in the order of [`Access::hints`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Hint {
    ReadOnly,
    Destructive,
    Idempotent,
    OpenWorld,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Condition {
    Team(&'static str),
    Subject(&'static str),
    Gateway(&'static str),
    Server(&'static str),
    Tool(&'static str),
    ReadOnly,
    Untrusted,
    /// A name, which holders of static tokens do not have: it fails.
    Name,
    /// The argument of the rule is above one.
    Above,
    /// The argument of the rule is present and above one.
    PresentAndAbove,
    /// The argument of the rule begins with a text.
    Safe,
}

/// Value of an argument.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Argument {
    Absent,
    Zero,
    Five,
    Text,
    SafePath,
}

/// Arguments of a call, one for each rule.
pub(crate) type Arguments = [Argument; MOST];

/// Decision about a call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    Permitted,
    NeedsApproval,
    /// The tool looks as if it did not exist.
    Hidden,
    /// The client receives a text that contains this one.
    Refused(String),
}

impl Rules {
    /// Returns the members of the section `policy`: the default, and the rules.
    pub(crate) fn entry(&self) -> Value {
        let rules: Vec<_> = self.rules.iter().map(Rule::entry).collect();
        let default = match self.denies_by_default {
            true => "deny",
            false => "allow",
        };
        json!({ "default": default, "rules": rules })
    }

    /// Returns the decision about a call.
    pub(crate) fn call(&self, access: &Access<'_>, arguments: &Arguments) -> Verdict {
        for rule in self.rules.iter().filter(|rule| rule.matches(access)) {
            match (rule.holds(access, arguments[rule.at]), rule.effect) {
                (Some(false), _) => {}
                (_, Effect::Hide) => return Verdict::Hidden,
                (None, _) => return Verdict::Refused("could not be evaluated".to_owned()),
                (Some(true), Effect::Allow) => return Verdict::Permitted,
                (Some(true), Effect::Approve) => return Verdict::NeedsApproval,
                (Some(true), Effect::Refuse) => return Verdict::Refused(rule.reason()),
            }
        }
        match self.denies_by_default {
            true => Verdict::Hidden,
            false => Verdict::Permitted,
        }
    }

    /// Returns `true` if a tool is listed: the rules that do not read arguments do not reject it, or
    /// there are arguments with which an earlier rule permits it.
    pub(crate) fn lists(&self, access: &Access<'_>) -> bool {
        for rule in self.rules.iter().filter(|rule| rule.matches(access)) {
            let denies = matches!(rule.effect, Effect::Hide | Effect::Refuse);
            if rule.condition.is_some_and(Condition::reads_arguments) {
                match denies {
                    true => continue,
                    false => return true,
                }
            }
            match rule.holds(access, Argument::Absent) {
                Some(false) => {}
                Some(true) => return !denies,
                None => return false,
            }
        }
        !self.denies_by_default
    }
}

impl Rule {
    fn reason(&self) -> String {
        format!("reason {}", self.at)
    }

    fn entry(&self) -> Value {
        let mut entry = json!({
            "name": format!("rule {}", self.at),
            "dryRun": self.is_dry_run,
            "gateways": self.gateways,
            "servers": self.servers,
            "tools": self.tools,
            "teams": self.teams,
        });
        entry["effect"] = match self.effect {
            Effect::Allow => "allow".into(),
            Effect::Approve => "approve".into(),
            Effect::Hide | Effect::Refuse => "deny".into(),
        };
        if self.effect == Effect::Refuse {
            entry["reason"] = self.reason().into();
        }
        if self.is_of_admins {
            entry["roles"] = json!(["admin", "nobody"]);
        }
        if self.is_of_clients {
            entry["clients"] = json!(["*"]);
        }
        if let Some(untrusted) = self.untrusted {
            entry["untrusted"] = untrusted.into();
        }
        for (hint, value) in &self.hints {
            entry["annotations"][hint.name()] = (*value).into();
        }
        if let Some(condition) = self.condition {
            entry["when"] = condition.source(self.at).into();
        }
        entry
    }

    /// Returns `true` if everything but the condition matches, and the rule has an effect.
    fn matches(&self, access: &Access<'_>) -> bool {
        let is_one = |patterns: &[&str], name: &str| {
            patterns.is_empty() || patterns.iter().any(|pattern| is_match(pattern, name))
        };
        let teams = &self.teams;
        // Holders of static tokens have no client.
        !self.is_dry_run
            && !self.is_of_clients
            && (access.is_admin || !self.is_of_admins)
            && (teams.is_empty() || teams.iter().any(|team| access.teams.contains(team)))
            && self.untrusted.is_none_or(|it| it == access.is_untrusted)
            && self.hints.iter().all(|(hint, it)| hint.of(access) == *it)
            && is_one(&self.gateways, access.gateway)
            && is_one(&self.servers, access.server)
            && is_one(&self.tools, access.tool)
    }

    /// Returns the result of the condition; `None` if it fails.
    fn holds(&self, access: &Access<'_>, argument: Argument) -> Option<bool> {
        match self.condition {
            Some(condition) => condition.holds(access, argument),
            None => Some(true),
        }
    }
}

/// Returns `true` if `name` matches `pattern`, in which `*` stands for any characters.
fn is_match(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => name
            .strip_prefix(before)
            .is_some_and(|rest| (0..=rest.len()).any(|at| is_match(after, &rest[at..]))),
    }
}

impl Hint {
    fn of(self, access: &Access<'_>) -> bool {
        access.hints[self as usize]
    }

    fn name(self) -> &'static str {
        match self {
            Self::ReadOnly => "readOnly",
            Self::Destructive => "destructive",
            Self::Idempotent => "idempotent",
            Self::OpenWorld => "openWorld",
        }
    }
}

impl Condition {
    fn reads_arguments(self) -> bool {
        matches!(self, Self::Above | Self::PresentAndAbove | Self::Safe)
    }

    fn holds(self, access: &Access<'_>, argument: Argument) -> Option<bool> {
        Some(match self {
            Self::Team(team) => access.teams.contains(&team),
            Self::Subject(user) => access.user == user,
            Self::Gateway(gateway) => access.gateway == gateway,
            Self::Server(server) => access.server == server,
            Self::Tool(tool) => access.tool == tool,
            Self::ReadOnly => Hint::ReadOnly.of(access),
            Self::Untrusted => access.is_untrusted,
            Self::Name => return None,
            Self::PresentAndAbove if argument == Argument::Absent => false,
            Self::Above | Self::PresentAndAbove => match argument {
                Argument::Zero => false,
                Argument::Five => true,
                Argument::Absent | Argument::Text | Argument::SafePath => return None,
            },
            Self::Safe => match argument {
                Argument::Text => false,
                Argument::SafePath => true,
                Argument::Absent | Argument::Zero | Argument::Five => return None,
            },
        })
    }

    fn source(self, at: usize) -> String {
        match self {
            Self::Team(team) => format!("'{team}' in caller.teams"),
            Self::Subject(user) => format!("caller.subject == '{user}'"),
            Self::Gateway(gateway) => format!("context.gateway == '{gateway}'"),
            Self::Server(server) => format!("tool.server == '{server}'"),
            Self::Tool(tool) => format!("tool.name == '{tool}'"),
            Self::ReadOnly => "tool.readOnly".to_owned(),
            Self::Untrusted => "context.untrusted".to_owned(),
            Self::Name => "caller.name == 'Alice'".to_owned(),
            Self::Above => format!("arguments.n{at} > 1"),
            Self::PresentAndAbove => format!("has(arguments.n{at}) && arguments.n{at} > 1"),
            Self::Safe => format!("arguments.n{at}.startsWith('/safe/')"),
        }
    }
}

/// Returns the JSON of arguments.
pub(crate) fn arguments_entry(arguments: &Arguments) -> Value {
    let mut entry = json!({});
    for (at, argument) in arguments.iter().enumerate() {
        let value = match argument {
            Argument::Absent => continue,
            Argument::Zero => json!(0),
            Argument::Five => json!(5.5),
            Argument::Text => json!("five"),
            Argument::SafePath => json!("/safe/a"),
        };
        entry[format!("n{at}")] = value;
    }
    entry
}

pub(crate) fn arguments() -> impl Strategy<Value = Arguments> {
    let argument = select(vec![
        Argument::Absent,
        Argument::Zero,
        Argument::Five,
        Argument::Text,
        Argument::SafePath,
    ]);
    prop::array::uniform(argument)
}

fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        2 => select(TEAMS.to_vec()).prop_map(Condition::Team),
        2 => select(USERS.to_vec()).prop_map(Condition::Subject),
        2 => select(vec!["g0", "g1", "g2"]).prop_map(Condition::Gateway),
        2 => select(SERVERS.to_vec()).prop_map(Condition::Server),
        2 => select(vec!["get", "del", "page", "connect"]).prop_map(Condition::Tool),
        2 => Just(Condition::ReadOnly),
        2 => Just(Condition::Untrusted),
        1 => Just(Condition::Name),
        4 => Just(Condition::Above),
        4 => Just(Condition::PresentAndAbove),
        4 => Just(Condition::Safe),
    ]
}

fn effect() -> impl Strategy<Value = Effect> {
    prop_oneof![
        6 => Just(Effect::Allow),
        1 => Just(Effect::Approve),
        4 => Just(Effect::Hide),
        4 => Just(Effect::Refuse),
    ]
}

fn hints() -> impl Strategy<Value = Vec<(Hint, bool)>> {
    let all = vec![
        Hint::ReadOnly,
        Hint::Destructive,
        Hint::Idempotent,
        Hint::OpenWorld,
    ];
    let some = subsequence(all, 1..=2);
    let some = some.prop_flat_map(|hints| {
        let count = hints.len();
        let values = prop::collection::vec(any::<bool>(), count);
        values.prop_map(move |values| hints.iter().copied().zip(values).collect())
    });
    prop_oneof![3 => Just(Vec::new()), 1 => some]
}

/// Returns patterns; mostly none.
fn patterns(all: Vec<&'static str>) -> impl Strategy<Value = Vec<&'static str>> {
    prop_oneof![
        2 => Just(Vec::new()),
        1 => subsequence(all, 1..=2),
    ]
}

fn rule(at: usize) -> impl Strategy<Value = Rule> {
    let names = (
        patterns(vec!["g0", "g1", "g*", "*2", "other"]),
        patterns(vec!["s0", "s*", "*1", "far", "*a*"]),
        patterns(vec!["get", "*e*", "p*", "*", "del", "con*", "p*e", "z"]),
        patterns(TEAMS.to_vec()),
    );
    let flags = (
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.05),
        prop::option::weighted(0.2, any::<bool>()),
    );
    let more = (hints(), prop::option::weighted(0.4, condition()));
    (effect(), names, flags, more).prop_map(move |(effect, names, flags, (hints, condition))| {
        let (gateways, servers, tools, teams) = names;
        let (is_dry_run, is_of_admins, is_of_clients, untrusted) = flags;
        Rule {
            at,
            effect,
            is_dry_run,
            gateways,
            servers,
            tools,
            teams,
            is_of_admins,
            is_of_clients,
            untrusted,
            hints,
            condition,
        }
    })
}

pub(crate) fn rules() -> impl Strategy<Value = Rules> {
    let all: Vec<_> = (0..MOST).map(rule).collect();
    (all, 0..=MOST, prop::bool::weighted(0.2)).prop_map(|(mut rules, count, denies_by_default)| {
        rules.truncate(count);
        Rules {
            rules,
            denies_by_default,
        }
    })
}
