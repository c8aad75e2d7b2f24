//! Features that a gateway offers, by the current spec.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use mcp_gateway_core::catalog::ListKind;
use mcp_gateway_core::protocol::Method;
use mcp_gateway_core::results;
use mcp_gateway_core::route::{Feature, Target};

use crate::spec::{DynamicSpec, GatewaySpec, ServerSpec, ToolFilter};

/// Features that a gateway offers: those that neither a filter of a server nor the assignments
/// exclude. They do not depend on the caller.
#[derive(Debug, Default)]
pub(crate) struct Grants(HashMap<Arc<str>, ServerGrant>);

/// Features of a server that a gateway offers.
#[derive(Clone, Debug)]
struct ServerGrant {
    /// Filter of the server.
    filter: ToolFilter,
    /// Assigned tools; all features if `None`.
    tools: Option<BTreeSet<Arc<str>>>,
}

impl Grants {
    /// Returns the grants of `gateway` in `spec`.
    pub(crate) fn of(spec: &DynamicSpec, gateway: &GatewaySpec) -> Self {
        let servers = spec.servers_of(gateway).into_iter();
        let granted = servers.filter_map(|server| {
            let grant = ServerGrant::of(server, gateway)?;
            Some((Arc::clone(&server.name), grant))
        });
        Self(granted.collect())
    }

    /// Returns the rule that denies `target` for a request of `method`; `None` if it is offered.
    pub(crate) fn denial(&self, target: &Target, method: Option<&Method>) -> Option<&'static str> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&target.server)?.denial(&target.feature, method)
    }

    /// Returns `true` if the gateway offers all entries of the list that `server` has.
    pub(crate) fn permits_all(&self, server: &str, kind: ListKind) -> bool {
        let grant = self.0.get(server);
        grant.is_none_or(|grant| kind != ListKind::Tools && grant.tools.is_none())
    }
}

impl ServerGrant {
    /// Returns the grant of `server` to `gateway`; `None` if the server is offered as it is.
    fn of(server: &ServerSpec, gateway: &GatewaySpec) -> Option<Self> {
        let assignment = gateway.assignment(&server.name);
        let tools = assignment.and_then(|assignment| assignment.tools.clone());
        let is_restricted = tools.is_some() || !server.tools.is_empty();
        is_restricted.then(|| Self {
            filter: server.tools.clone(),
            tools,
        })
    }

    /// Returns the rule that denies `feature` for a request of `method`; `None` if it is offered.
    ///
    /// If tools alone are assigned, whatever could reach something else is denied. Lists are allowed,
    /// because each of their entries is decided about.
    fn denial(&self, feature: &Feature, method: Option<&Method>) -> Option<&'static str> {
        let is_whole = self.tools.is_none();
        let is_offered = match feature {
            Feature::Tool(name) if !self.filter.allows(name) => return Some("tools of the server"),
            Feature::Tool(name) => is_whole || self.is_assigned(name),
            // The rest of a result of a tool.
            Feature::Resource(uri) => is_whole || results::is_reserved(uri),
            Feature::Server => is_whole || method.is_some_and(reaches_nothing),
            Feature::Discovery
            | Feature::List(_)
            | Feature::Subscriptions
            // A task is a call of an assigned tool, and belongs to its caller.
            | Feature::Task(_) => true,
            _ => is_whole,
        };
        (!is_offered).then_some("assigned tools")
    }

    /// Returns `true` if the tool `name` is assigned.
    fn is_assigned(&self, name: &str) -> bool {
        let tools = self.tools.as_ref();
        tools.is_some_and(|tools| tools.contains(name))
    }
}

/// Returns `true` if `method` concerns a server as a whole, and reads or runs nothing of it.
fn reaches_nothing(method: &Method) -> bool {
    matches!(
        method,
        Method::LoggingSetLevel | Method::Ping | Method::SkillsList
    ) || method.as_str().starts_with("notifications/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Assignment, ServerRuntime};

    fn allows(grants: &Grants, server: &str, feature: Feature) -> bool {
        grants.denial(&Target::new(server, feature), None).is_none()
    }

    fn spec(filter: &ToolFilter) -> DynamicSpec {
        let servers = ["a", "b"].map(|name| {
            let mut server = ServerSpec::new(name, ServerRuntime::Builtin("demo".into()));
            if name == "a" {
                server.tools = filter.clone();
            }
            server
        });
        let mut spec = DynamicSpec::default();
        spec.add_servers(servers);
        spec
    }

    #[test]
    fn only_tools_of_the_server_are_hidden() {
        let filtered = spec(&ToolFilter::default().with_denied(["ec*".into()]));
        let grants = Grants::of(&filtered, &filtered.gateways[0]);
        let allows = |server: &str, feature| allows(&grants, server, feature);
        assert!(!allows("a", Feature::Tool("echo".into())));
        assert!(allows("a", Feature::Tool("add".into())));
        assert!(allows("a", Feature::Prompt("echo".into())));
        assert!(allows("b", Feature::Tool("echo".into())));
        assert!(!grants.permits_all("a", ListKind::Tools));
        assert!(grants.permits_all("a", ListKind::Prompts));
        assert!(grants.permits_all("b", ListKind::Tools));
        let all = spec(&ToolFilter::default());
        let all = Grants::of(&all, &all.gateways[0]);
        let echo = Target::new("a", Feature::Tool("echo".into()));
        assert!(all.denial(&echo, None).is_none());
        assert!(all.permits_all("a", ListKind::Tools));
    }

    #[test]
    fn assigned_tools_are_all_that_a_gateway_has_of_a_server() {
        let spec = spec(&ToolFilter::default().with_denied(["hidden".into()]));
        let tools = ["echo".into(), "hidden".into()];
        let gateway = GatewaySpec::new("team")
            .with_assignment(Assignment::new("a").with_tools(tools))
            .with_assignment(Assignment::new("b"));
        let grants = Grants::of(&spec, &gateway);
        let allows = |feature| allows(&grants, "a", feature);
        assert!(allows(Feature::Tool("echo".into())));
        // An assignment does not undo the filter of the server.
        assert!(!allows(Feature::Tool("hidden".into())));
        for denied in [
            Feature::Tool("add".into()),
            Feature::Tool("Echo".into()),
            Feature::Prompt("echo".into()),
            Feature::Resource("file:///a".into()),
            Feature::Resource("ui://a/b".into()),
            Feature::Server,
        ] {
            assert!(!allows(denied.clone()), "{denied:?}");
        }
        for allowed in [
            Feature::Discovery,
            Feature::List(ListKind::Prompts),
            Feature::Subscriptions,
            Feature::Task("t".into()),
            Feature::Resource("mcp-gateway://result/a/b".into()),
        ] {
            assert!(allows(allowed.clone()), "{allowed:?}");
        }
        for kind in [ListKind::Tools, ListKind::Prompts, ListKind::Resources] {
            assert!(!grants.permits_all("a", kind), "{kind:?}");
            assert!(grants.permits_all("b", kind), "{kind:?}");
        }
        let methods = [
            (Method::LoggingSetLevel, true),
            (Method::Cancelled, true),
            (Method::Other("vendor/read".into()), false),
            (Method::TasksList, false),
        ];
        for (method, is_offered) in methods {
            let denial = grants.0["a"].denial(&Feature::Server, Some(&method));
            assert_eq!(denial.is_none(), is_offered, "{method:?}");
        }
    }
}
