//! Tool filters of the current spec.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use mcp_gateway_core::catalog::ListKind;
use mcp_gateway_core::policy::{Decision, Policy, PolicyRequest};
use mcp_gateway_core::route::{Feature, Target};

use crate::spec::{ServerSpec, ToolFilter};

/// Policy that hides the tools that the filters of servers exclude. The filters are replaceable
/// while calls are in flight.
#[derive(Debug, Default)]
pub(crate) struct ReloadableToolFilters {
    /// Filters by server, without those that hide nothing.
    filters: ArcSwap<HashMap<Arc<str>, ToolFilter>>,
}

impl ReloadableToolFilters {
    /// Replaces the filters by those of `servers`.
    pub(crate) fn replace(&self, servers: &[ServerSpec]) {
        let filtered = servers.iter().filter(|server| !server.tools.is_empty());
        let filters = filtered.map(|server| (Arc::clone(&server.name), server.tools.clone()));
        self.filters.store(Arc::new(filters.collect()));
    }

    /// Returns `true` unless the filter of the server excludes the tool of `target`.
    pub(crate) fn allows(&self, target: &Target) -> bool {
        let filters = self.filters.load();
        match &target.feature {
            Feature::Tool(name) if !filters.is_empty() => {
                let filter = filters.get(&target.server);
                filter.is_none_or(|filter| filter.allows(name))
            }
            _ => true,
        }
    }
}

impl Policy for ReloadableToolFilters {
    fn decide(&self, request: &PolicyRequest<'_>) -> Decision {
        match self.allows(request.target()) {
            true => Decision::Allow,
            false => Decision::deny("tools of the server"),
        }
    }

    /// Returns `true`: a filter does not depend on the caller.
    fn is_uniform(&self) -> bool {
        true
    }

    /// Returns `true` unless `kind` is that of tools, and `server` has a filter.
    fn permits_all(&self, server: &str, kind: ListKind) -> bool {
        kind != ListKind::Tools || !self.filters.load().contains_key(server)
    }
}

#[cfg(test)]
mod tests {
    use mcp_gateway_core::auth::Principal;
    use mcp_gateway_core::protocol::{Capabilities, ProtocolVersion};
    use mcp_gateway_core::{Caller, ClientInfo};

    use super::*;
    use crate::spec::ServerRuntime;

    #[test]
    fn only_tools_of_the_server_are_hidden() {
        let filters = ReloadableToolFilters::default();
        let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
        let caller = Caller::new(Principal::new("alice"), "main", client);
        let allows = |server: &str, feature: Feature| {
            let target = Target::new(server, feature);
            filters.decide(&PolicyRequest::listing(&caller, &target)) == Decision::Allow
        };
        assert!(allows("a", Feature::Tool("echo".into())));
        assert!(filters.permits_all("a", ListKind::Tools));
        let mut server = ServerSpec::new("a", ServerRuntime::Builtin("demo".into()));
        server.tools = ToolFilter::default().with_denied(["ec*".into()]);
        filters.replace(&[server]);
        assert!(!allows("a", Feature::Tool("echo".into())));
        assert!(allows("a", Feature::Tool("add".into())));
        assert!(allows("a", Feature::Prompt("echo".into())));
        assert!(allows("b", Feature::Tool("echo".into())));
        assert!(!filters.permits_all("a", ListKind::Tools));
        assert!(filters.permits_all("a", ListKind::Prompts));
        assert!(filters.permits_all("b", ListKind::Tools));
        filters.replace(&[]);
        assert!(allows("a", Feature::Tool("echo".into())));
    }
}
