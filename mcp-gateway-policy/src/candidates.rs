//! Rules that may concern a target, remembered by target.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use foldhash::fast::RandomState;
use mcp_gateway_core::route::{Feature, Target};

/// A rule that names targets.
pub trait Named {
    /// Returns `true` if the rule may concern `target` at `gateway`, whoever calls.
    fn names(&self, gateway: &str, target: &Target) -> bool;
}

/// Maximum number of tools whose rules are remembered.
const CAPACITY: usize = 8_192;

/// Positions of the rules that may concern a tool, by gateway, server and tool.
///
/// Reading takes no lock. A tool that is not remembered yet is added to a copy, which is rare: the
/// rules of a tool never change.
#[derive(Default)]
pub struct Candidates {
    known: ArcSwap<ByGateway>,
    len: AtomicUsize,
}

type Map<V> = HashMap<Arc<str>, V, RandomState>;
type ByTool = Map<Arc<[usize]>>;
type ByGateway = Map<Map<Arc<ByTool>>>;

impl Candidates {
    /// Returns the positions of the rules in `rules` that name `target` at `gateway`.
    ///
    /// `rules` are the same in all calls.
    #[must_use]
    pub fn of<R: Named>(&self, rules: &[R], gateway: &str, target: &Target) -> Arc<[usize]> {
        let Feature::Tool(tool) = &target.feature else {
            return find(rules, gateway, target);
        };
        let known = self.known.load();
        let servers = known.get(gateway);
        let tools = servers.and_then(|servers| servers.get(&target.server));
        if let Some(found) = tools.and_then(|tools| tools.get(tool)) {
            return Arc::clone(found);
        }
        let found = find(rules, gateway, target);
        if self.len.fetch_add(1, Ordering::Relaxed) < CAPACITY {
            self.remember(gateway, target, tool, &found);
        }
        found
    }

    fn remember(&self, gateway: &str, target: &Target, tool: &Arc<str>, found: &Arc<[usize]>) {
        self.known.rcu(|known| {
            let mut known = ByGateway::clone(known);
            let servers = known.entry(gateway.into()).or_default();
            let tools = servers.entry(Arc::clone(&target.server)).or_default();
            Arc::make_mut(tools).insert(Arc::clone(tool), Arc::clone(found));
            known
        });
    }
}

/// Returns the positions of the rules that name `target` at `gateway`.
fn find<R: Named>(rules: &[R], gateway: &str, target: &Target) -> Arc<[usize]> {
    let named = rules.iter().enumerate();
    let named = named.filter(|(_, rule)| rule.names(gateway, target));
    named.map(|(index, _)| index).collect()
}

impl fmt::Debug for Candidates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidates").finish_non_exhaustive()
    }
}
