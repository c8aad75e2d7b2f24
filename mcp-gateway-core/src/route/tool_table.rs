//! Names of the tools that servers have listed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use foldhash::HashMap;

use super::prefixes::Prefixes;
use super::short_name::{may_be_short, short_name};
use super::tool_collision::{CollisionEffect, ToolCollision};
use super::{ListedTool, PrefixMode};

/// Configured rules for the names of tools.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct ToolRules {
    /// Aliases by server and name; no two names of a server have the same one.
    pub(super) aliases: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Arc<str>>>,
    /// Servers of which only listed tools can be called.
    pub(super) listed_only: BTreeSet<Arc<str>>,
    /// Maximum length of a name in bytes.
    pub(super) max: Option<usize>,
    /// Use of prefixes.
    pub(super) prefixes: PrefixMode,
}

/// Listed tools, with the names that clients see. Immutable; a new tool causes a new table.
///
/// It depends on the rules and the set of tools alone, not on the order in which they were listed.
#[derive(Debug, Default)]
pub(super) struct ToolTable {
    /// Servers and their names of tools, by the names that clients see.
    origins: HashMap<Arc<str>, Origin>,
    /// Names that clients see by server and name; `None` for a tool that is not offered.
    exposed: HashMap<Arc<str>, ExposedNames>,
    /// Tools that do not have the names that they would have alone.
    pub(super) collisions: Vec<ToolCollision>,
    /// Tools that no caller who has listed them may call, by server.
    pub(super) denied: HashMap<Arc<str>, BTreeSet<Arc<str>>>,
}

/// Names that clients see, by those of a server.
type ExposedNames = HashMap<Arc<str>, Option<Arc<str>>>;

/// Server of a tool, and its name there.
pub(super) type Origin = (Arc<str>, Arc<str>);

/// Tool that has yet to receive its name.
struct Candidate<'a> {
    origin: Origin,
    /// Alias or name, without a prefix.
    local: &'a Arc<str>,
}

impl ToolRules {
    /// Returns `true` if the name that clients see as `name` depends on the other listed tools, for a
    /// tool with the name or alias `local` of `server`.
    pub(super) fn depends_on_lists(&self, server: &Arc<str>, local: &str, name: &str) -> bool {
        let is_alias =
            |(tool, alias): (&Arc<str>, &Arc<str>)| **tool == *local || **alias == *local;
        let mut aliases = self.aliases.get(server).into_iter().flatten();
        self.prefixes != PrefixMode::Always
            || aliases.any(is_alias)
            || self
                .max
                .is_some_and(|max| name.len() > max || may_be_short(name, max))
    }

    /// Returns the name of a tool that is not listed, as far as it depends on no other tool.
    pub(super) fn unlisted_name(
        &self,
        prefixes: &Prefixes,
        server: &str,
        name: &str,
    ) -> Option<String> {
        let aliases = self.aliases.get(server);
        let local = match aliases.and_then(|aliases| aliases.get(name)) {
            Some(alias) => alias,
            None if aliases.is_some_and(|all| all.values().any(|alias| **alias == *name)) => {
                return None;
            }
            None => name,
        };
        let exposed = prefixes.expose(server, local)?;
        Some(self.fitted(exposed.into_owned()))
    }

    /// Returns `name`, or a short name in its place if it exceeds the limit.
    fn fitted(&self, name: String) -> String {
        match self.max {
            Some(max) if name.len() > max => short_name(&name, max),
            Some(_) | None => name,
        }
    }
}

impl ToolTable {
    /// Creates the table of `tools` by server.
    pub(super) fn new(
        rules: &ToolRules,
        prefixes: &Prefixes,
        tools: &HashMap<Arc<str>, Vec<Arc<str>>>,
    ) -> Self {
        let mut table = Self::default();
        let candidates = table.candidates(rules, prefixes, tools);
        let counts = counted(&candidates);
        let mut named: Vec<_> = candidates
            .into_iter()
            .filter_map(|candidate| {
                let is_shared = counts.get(candidate.local).is_some_and(|count| *count > 1);
                let name = table.name(rules.prefixes, prefixes, &candidate, is_shared)?;
                let fitted = rules.fitted(name.clone());
                Some((fitted != name, fitted, candidate.origin))
            })
            .collect();
        // Tools keep names that fit: a short name never takes one of them.
        named.sort_by_key(|(is_short, ..)| *is_short);
        for (_, name, origin) in named {
            table.insert(name.into(), origin);
        }
        table
    }

    /// Returns the tools by the name that clients use.
    pub(super) fn origin(&self, name: &str) -> Option<&Origin> {
        self.origins.get(name)
    }

    /// Returns the name that clients see; `Some(None)` for a tool that is not offered, and `None`
    /// for one that is not listed.
    pub(super) fn exposed(&self, server: &str, name: &str) -> Option<Option<&Arc<str>>> {
        Some(self.exposed.get(server)?.get(name)?.as_ref())
    }

    /// Returns `true` if `server` has listed the tool `name` to callers who may not call it.
    pub(super) fn is_denied(&self, server: &str, name: &str) -> bool {
        let denied = self.denied.get(server);
        denied.is_some_and(|denied| denied.contains(name))
    }

    /// Returns the denied tools, and `more` of `server`. Beyond [`MAX_TOOLS`], its former ones are
    /// forgotten until it lists them again.
    pub(super) fn denied_with(
        &self,
        server: &Arc<str>,
        more: &[ListedTool<'_>],
    ) -> HashMap<Arc<str>, BTreeSet<Arc<str>>> {
        let mut all = self.denied.clone();
        let denied = all.entry(Arc::clone(server)).or_default();
        if denied.len() + more.len() > MAX_TOOLS {
            denied.clear();
        }
        denied.extend(more.iter().map(|tool| Arc::clone(tool.name)));
        all
    }

    /// Returns the names of the listed tools of all servers.
    pub(super) fn tools(&self) -> HashMap<Arc<str>, Vec<Arc<str>>> {
        let tools = self.exposed.iter();
        let names = |names: &HashMap<Arc<str>, _>| names.keys().cloned().collect();
        tools
            .map(|(server, tools)| (Arc::clone(server), names(tools)))
            .collect()
    }

    /// Returns the tools that are offered unless their names collide, in the order of the servers
    /// and of the names.
    fn candidates<'a>(
        &mut self,
        rules: &'a ToolRules,
        prefixes: &Prefixes,
        tools: &'a HashMap<Arc<str>, Vec<Arc<str>>>,
    ) -> Vec<Candidate<'a>> {
        let mut candidates = Vec::new();
        for server in prefixes.servers().iter() {
            let mut names: Vec<_> = tools.get(server).into_iter().flatten().collect();
            names.sort_unstable();
            let is_listed = |tool: &Arc<str>| names.binary_search(&tool).is_ok();
            let aliases = rules.aliases.get(server);
            // An alias of a tool that does not exist takes no name.
            let aliases = aliases
                .into_iter()
                .flatten()
                .filter(|(tool, _)| is_listed(tool));
            let by_tool: BTreeMap<_, _> = aliases.collect();
            let by_alias: BTreeMap<_, _> = by_tool
                .iter()
                .map(|(tool, alias)| (*alias, *tool))
                .collect();
            for name in &names {
                let origin = (Arc::clone(server), Arc::clone(name));
                match (by_tool.get(name), by_alias.get(name)) {
                    (Some(&local), _) => candidates.push(Candidate { origin, local }),
                    (None, Some(renamed)) => {
                        let holder = (Arc::clone(server), Arc::clone(renamed));
                        self.hide(name, origin, holder);
                    }
                    (None, None) => candidates.push(Candidate {
                        origin,
                        local: name,
                    }),
                }
            }
        }
        candidates
    }

    /// Returns the name of a tool before it is fitted; `is_shared` if other servers have a tool of
    /// this name.
    fn name(
        &mut self,
        mode: PrefixMode,
        prefixes: &Prefixes,
        tool: &Candidate<'_>,
        is_shared: bool,
    ) -> Option<String> {
        let Candidate { origin, local } = tool;
        let (server, _) = origin;
        let is_bare = match mode {
            PrefixMode::Always => false,
            PrefixMode::Never => true,
            PrefixMode::OnCollision => !is_shared && !prefixes.has_prefix(local),
        };
        if is_bare {
            return Some(local.to_string());
        }
        let exposed = prefixes.expose(server, local);
        let effect = match &exposed {
            None => Some(CollisionEffect::Reserved),
            Some(name) if mode == PrefixMode::OnCollision && is_shared && **name != ***local => {
                Some(CollisionEffect::Prefixed)
            }
            Some(_) => None,
        };
        if let Some(effect) = effect {
            self.collide(local, origin.clone(), effect);
        }
        match &exposed {
            Some(_) => exposed.map(Into::into),
            None => {
                self.expose(origin.clone(), None);
                None
            }
        }
    }

    /// Gives `name` to a tool, unless another one has it.
    fn insert(&mut self, name: Arc<str>, origin: Origin) {
        match self.origins.get(&name) {
            Some(holder) => {
                let holder = holder.clone();
                self.hide(&name, origin, holder);
            }
            None => {
                self.expose(origin.clone(), Some(Arc::clone(&name)));
                self.origins.insert(name, origin);
            }
        }
    }

    /// Does not offer a tool, because `holder` has its name.
    fn hide(&mut self, name: &Arc<str>, origin: Origin, (server, tool): Origin) {
        self.expose(origin.clone(), None);
        self.collide(name, origin, CollisionEffect::Hidden { server, tool });
    }

    /// Records the name that clients see.
    fn expose(&mut self, (server, tool): Origin, name: Option<Arc<str>>) {
        self.exposed.entry(server).or_default().insert(tool, name);
    }

    /// Records a collision.
    fn collide(&mut self, name: &Arc<str>, (server, tool): Origin, effect: CollisionEffect) {
        let name = Arc::clone(name);
        self.collisions.push(ToolCollision {
            server,
            tool,
            name,
            effect,
        });
    }
}

/// Returns the number of servers with a tool of each name.
fn counted(candidates: &[Candidate<'_>]) -> HashMap<Arc<str>, usize> {
    let mut counts = HashMap::default();
    for candidate in candidates {
        *counts.entry(Arc::clone(candidate.local)).or_default() += 1;
    }
    counts
}

/// Maximum number of recorded tools of a server.
pub(super) const MAX_TOOLS: usize = 10_000;
