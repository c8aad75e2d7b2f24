//! Names of tools that are not just prefix and name: aliases, short names and bare names.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::prefixes::Prefixes;
use super::tool_collision::ToolCollision;
use super::tool_table::{MAX_TOOLS, ToolRules, ToolTable};
use super::{ListedTool, PrefixMode, ResolvedName};

/// Names of tools by configured rules, and the tools that servers have listed.
///
/// A name may depend on which tools exist: an alias may be the name of another tool, a short name
/// does not contain the long one, and a bare name does not name its server.
#[derive(Clone, Debug)]
pub(super) struct ToolNames {
    rules: ToolRules,
    /// `true` without rules. Read by each call.
    is_plain: bool,
    listed: Arc<ListedTools>,
}

/// Tools that servers have listed.
#[derive(Debug, Default)]
struct ListedTools {
    table: ArcSwap<ToolTable>,
    /// Held while a new table is created.
    writing: Mutex<()>,
}

impl ToolNames {
    /// Returns the names by other rules. Tools are no longer known.
    pub(super) fn with(self, change: impl FnOnce(&mut ToolRules)) -> Self {
        let mut rules = self.rules;
        change(&mut rules);
        Self {
            is_plain: rules == ToolRules::default(),
            rules,
            listed: Arc::default(),
        }
    }

    /// Returns `true` if all names are prefix and name.
    pub(super) fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// Returns `true` if tools of `server` have aliases, which precede tools of the same name.
    pub(super) fn has_aliases(&self, server: &str) -> bool {
        self.rules.aliases.contains_key(server)
    }

    /// Resolves the name of a tool.
    pub(super) fn resolve<'a>(
        &self,
        prefixes: &Prefixes,
        name: &'a str,
    ) -> Option<ResolvedName<'a>> {
        let table = self.listed.table.load();
        if let Some((server, tool)) = table.origin(name) {
            let server = Arc::clone(server);
            return Some(match name.strip_suffix(&**tool) {
                Some(prefix) => ResolvedName::new(server, &name[prefix.len()..]),
                None => ResolvedName::new(server, String::from(&**tool)),
            });
        }
        let resolved = prefixes.resolve(name)?;
        let ResolvedName {
            server,
            name: local,
        } = &resolved;
        // A tool that is denied is known, so that the policy rejects the call, with its reason.
        let is_listed = !self.rules.listed_only.contains(server) || table.is_denied(server, local);
        (is_listed && !self.rules.depends_on_lists(server, local, name)).then_some(resolved)
    }

    /// Returns the servers one of which may have the tool `name`, once it has listed its tools.
    pub(super) fn pending(&self, prefixes: &Prefixes, name: &str) -> Vec<Arc<str>> {
        if self.rules.max.is_some_and(|max| name.len() > max) {
            return Vec::new();
        }
        if self.rules.prefixes != PrefixMode::Always {
            return prefixes.servers().to_vec();
        }
        let resolved = prefixes.resolve(name);
        let pending = resolved.filter(
            |ResolvedName {
                 server,
                 name: local,
             }| {
                self.rules.listed_only.contains(server)
                    || self.rules.depends_on_lists(server, local, name)
            },
        );
        pending
            .map(|resolved| resolved.server)
            .into_iter()
            .collect()
    }

    /// Returns the name under which clients see the tool `name` of `server`; `None` to hide it.
    pub(super) fn expose(&self, prefixes: &Prefixes, server: &str, name: &str) -> Option<String> {
        match self.listed.table.load().exposed(server, name) {
            Some(exposed) => exposed.map(|exposed| exposed.to_string()),
            None => self.rules.unlisted_name(prefixes, server, name),
        }
    }

    /// Records the permitted ones of the tools that `server` has listed, and the others if only listed
    /// tools resolve.
    ///
    /// Tools are kept, so that names do not depend on which caller has listed them last.
    pub(super) fn record(
        &self,
        prefixes: &Prefixes,
        server: &str,
        tools: &mut dyn Iterator<Item = ListedTool<'_>>,
    ) {
        let Some(server) = prefixes.servers().iter().find(|one| ***one == *server) else {
            return;
        };
        let before = self.listed.table.load();
        let keeps_denied = self.rules.listed_only.contains(server);
        let unknown = tools.filter(|tool| match tool.is_permitted {
            true => before.exposed(server, tool.name).is_none(),
            false => keeps_denied && !before.is_denied(server, tool.name),
        });
        let (unknown, denied): (Vec<_>, Vec<_>) = unknown.partition(|tool| tool.is_permitted);
        if unknown.is_empty() && denied.is_empty() {
            return;
        }
        let _writing = self
            .listed
            .writing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let before = self.listed.table.load();
        let mut all = before.tools();
        let tools = all.entry(Arc::clone(server)).or_default();
        // Forgotten tools are recorded again with the next list.
        if tools.len() + unknown.len() > MAX_TOOLS {
            tools.clear();
        }
        tools.extend(unknown.iter().map(|tool| Arc::clone(tool.name)));
        tools.sort_unstable();
        tools.dedup();
        let mut table = ToolTable::new(&self.rules, prefixes, &all);
        table.denied = before.denied_with(server, &denied);
        let new = table.collisions.iter();
        new.filter(|collision| !before.collisions.contains(collision))
            .for_each(log);
        self.listed.table.store(Arc::new(table));
    }

    /// Returns the collisions of the recorded tools.
    pub(super) fn collisions(&self) -> Vec<ToolCollision> {
        self.listed.table.load().collisions.clone()
    }
}

/// Logs a collision.
fn log(collision: &ToolCollision) {
    let ToolCollision {
        server,
        tool,
        name,
        effect,
    } = collision;
    match collision.is_hidden() {
        true => tracing::warn!(%server, %tool, %name, ?effect, "tool hidden by name collision"),
        false => tracing::info!(%server, %tool, %name, "tool prefixed after name collision"),
    }
}

impl Default for ToolNames {
    fn default() -> Self {
        Self {
            rules: ToolRules::default(),
            is_plain: true,
            listed: Arc::default(),
        }
    }
}

/// Listed tools are not part of the configuration.
impl PartialEq for ToolNames {
    fn eq(&self, other: &Self) -> bool {
        self.rules == other.rules
    }
}

impl Eq for ToolNames {}
