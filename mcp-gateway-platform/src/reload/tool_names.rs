//! Reports of configured names of tools that servers do not have.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use mcp_gateway_core::route::ListedTool;

use crate::spec::ServerSpec;

/// Names of tools in filters and aliases of the current spec, replaceable while servers list their
/// tools.
///
/// A name that no tool of a server has is a typing error, or the server has renamed the tool: then
/// it is no longer hidden.
#[derive(Debug, Default)]
pub(crate) struct ReloadableToolNames {
    /// Servers with filters or aliases.
    servers: ArcSwap<HashMap<Arc<str>, Arc<ConfiguredNames>>>,
}

/// Configured names of the tools of a server.
#[derive(Debug)]
struct ConfiguredNames {
    /// Spec with the names. An equal one keeps the reports.
    server: ServerSpec,
    /// Names that were reported. Each is reported once, because callers may see different tools.
    reported: Mutex<BTreeSet<Arc<str>>>,
}

impl ReloadableToolNames {
    /// Replaces the names by those of `servers`. Those of unchanged servers are not reported again.
    pub(crate) fn replace(&self, servers: &[ServerSpec]) {
        let before = self.servers.load();
        let named = servers.iter().filter(|server| server.has_tool_names());
        let names = named.map(|server| {
            let same = before
                .get(&server.name)
                .filter(|same| same.server == *server);
            let names = same.cloned().unwrap_or_else(|| {
                Arc::new(ConfiguredNames {
                    server: server.clone(),
                    reported: Mutex::default(),
                })
            });
            (Arc::clone(&server.name), names)
        });
        self.servers.store(Arc::new(names.collect()));
    }

    /// Returns `true` if the tools of `server` have configured names.
    pub(crate) fn has(&self, server: &str) -> bool {
        self.servers.load().contains_key(server)
    }

    /// Logs the names that no tool of `server` has, and returns them.
    pub(crate) fn report(&self, server: &str, tools: &[ListedTool<'_>]) -> Vec<Arc<str>> {
        let servers = self.servers.load();
        let Some(names) = servers.get(server) else {
            return Vec::new();
        };
        let tools: Vec<&str> = tools.iter().map(|tool| &**tool.name).collect();
        let mut reported = names
            .reported
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut unknown = names.server.unknown_tools(&tools);
        unknown.retain(|name| reported.insert(Arc::clone(name)));
        for name in &unknown {
            tracing::warn!(server, %name, "configured tool not found");
        }
        unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{ServerRuntime, ToolFilter};

    #[test]
    fn a_missing_name_is_reported_once() {
        let names = ReloadableToolNames::default();
        let mut server = ServerSpec::new("a", ServerRuntime::Builtin("demo".into()));
        server.tools = ToolFilter::default().with_denied(["b".into(), "*".into(), "c*".into()]);
        server.tool_aliases.insert("d".into(), "e".into());
        names.replace(&[server.clone()]);
        assert!(names.has("a") && !names.has("b"));
        let listed = ["b".into(), "cc".into(), "e".into()];
        let listed: Vec<_> = listed.iter().map(ListedTool::permitted).collect();
        assert_eq!(names.report("a", &listed), ["d".into()]);
        assert!(names.report("a", &listed).is_empty());
        // The server renames a tool.
        assert_eq!(names.report("a", &listed[1..]), ["b".into()]);
        names.replace(&[server.clone()]);
        assert!(names.report("a", &listed[1..]).is_empty());
        server.tools = server.tools.with_denied(["f".into()]);
        names.replace(&[server]);
        assert_eq!(names.report("a", &listed), ["f".into(), "d".into()]);
        names.replace(&[]);
        assert!(!names.has("a") && names.report("a", &listed).is_empty());
    }
}
