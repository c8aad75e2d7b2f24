//! Router of the current spec.

use std::borrow::Cow;
use std::sync::Arc;

use arc_swap::ArcSwap;
use futures_util::stream;
use mcp_gateway_core::route::{ListedTool, PrefixRouter, ResolvedName, RouterChanges, ToolRouter};
use tokio::sync::watch;

use super::tool_names::ReloadableToolNames;

/// Router that is replaceable while calls are in flight.
///
/// A gateway keeps its sessions and streams when only its servers change.
#[derive(Debug)]
pub(crate) struct ReloadableRouter {
    /// Current router.
    router: ArcSwap<PrefixRouter>,
    /// Configured names of tools, common to all gateways.
    configured: Arc<ReloadableToolNames>,
    /// Notifies subscribers of changed lists.
    changed: watch::Sender<()>,
}

impl ReloadableRouter {
    /// Creates the router; listed tools are compared with the `configured` names.
    pub(crate) fn new(router: PrefixRouter, configured: Arc<ReloadableToolNames>) -> Arc<Self> {
        Arc::new(Self {
            router: ArcSwap::from_pointee(router),
            configured,
            changed: watch::Sender::new(()),
        })
    }

    /// Replaces the router and notifies subscribers, if it differs or servers were replaced
    /// (`others`).
    ///
    /// Otherwise what servers have listed is kept: names of tools may depend on it, and a call may
    /// be resolved at this moment.
    pub(crate) fn replace(&self, router: PrefixRouter, others: bool) {
        if others || **self.router.load() != router {
            self.router.store(Arc::new(router));
            self.changed.send_replace(());
        }
    }

    /// Returns the sender that notifies subscribers of changed lists.
    pub(crate) fn notifier(&self) -> watch::Sender<()> {
        self.changed.clone()
    }
}

impl ToolRouter for ReloadableRouter {
    fn servers(&self) -> Arc<[Arc<str>]> {
        self.router.load().servers()
    }

    fn resolve<'a>(&self, name: &'a str) -> Option<ResolvedName<'a>> {
        self.router.load().resolve(name)
    }

    fn expose<'a>(&self, server: &str, name: &'a str) -> Option<Cow<'a, str>> {
        self.router.load().expose(server, name)
    }

    fn resolve_tool<'a>(&self, name: &'a str) -> Option<ResolvedName<'a>> {
        self.router.load().resolve_tool(name)
    }

    fn expose_tool<'a>(&self, server: &str, name: &'a str) -> Option<Cow<'a, str>> {
        self.router.load().expose_tool(server, name)
    }

    /// Records tools, and reports configured names that are missing in a whole list. A part of a
    /// list does not show that a name is missing.
    fn record_tools(
        &self,
        server: &str,
        tools: &mut dyn Iterator<Item = ListedTool<'_>>,
        is_whole: bool,
    ) {
        let router = self.router.load();
        if !is_whole || !self.configured.has(server) {
            router.record_tools(server, tools, is_whole);
            return;
        }
        let tools: Vec<_> = tools.collect();
        self.configured.report(server, &tools);
        router.record_tools(server, &mut tools.into_iter(), is_whole);
    }

    fn pending_servers(&self, name: &str) -> Vec<Arc<str>> {
        self.router.load().pending_servers(name)
    }

    fn needs_whole_list(&self, server: &str) -> bool {
        self.router.load().needs_whole_list(server)
    }

    fn is_transparent(&self, server: &str) -> bool {
        self.router.load().is_transparent(server)
    }

    fn isolates_tasks(&self, server: &str) -> bool {
        self.router.load().isolates_tasks(server)
    }

    /// Returns the changes from now on. An item may stand for several changes. The stream ends with
    /// the router.
    fn changes(&self) -> Option<RouterChanges> {
        let changed = self.changed.subscribe();
        let changes = stream::unfold(changed, |mut changed| async move {
            changed.changed().await.ok()?;
            Some(((), changed))
        });
        Some(RouterChanges::new(changes))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, StreamExt as _};
    use mcp_gateway_core::route::PrefixMode;

    use super::*;

    #[test]
    fn a_router_that_is_configured_alike_keeps_what_servers_have_listed() {
        let router = || {
            let router = PrefixRouter::by_name(["a", "b"]).unwrap();
            router.with_tool_prefix(PrefixMode::OnCollision)
        };
        let routing = ReloadableRouter::new(router(), Arc::default());
        let name: Arc<str> = "x".into();
        for server in ["a", "b"] {
            let mut tools = [ListedTool::permitted(&name)].into_iter();
            routing.record_tools(server, &mut tools, true);
        }
        assert!(routing.resolve_tool("a__x").is_some());
        routing.replace(router(), false);
        assert!(routing.resolve_tool("a__x").is_some());
        routing.replace(router(), true);
        assert!(routing.resolve_tool("a__x").is_none());
    }

    #[test]
    fn names_change_while_the_router_stays() {
        let routing =
            ReloadableRouter::new(PrefixRouter::new([("a", "x")]).unwrap(), Arc::default());
        assert_eq!(routing.expose("a", "t").as_deref(), Some("x__t"));
        routing.replace(PrefixRouter::new([("a", ""), ("b", "b")]).unwrap(), false);
        assert_eq!(routing.expose("a", "t").as_deref(), Some("t"));
        assert!(routing.is_transparent("a") && routing.resolve("b__t").is_some());
        assert_eq!(routing.servers().len(), 2);
    }

    #[tokio::test]
    async fn those_who_listen_hear_of_changes() {
        let router = |prefix| PrefixRouter::new([("a", prefix)]).unwrap();
        let routing = ReloadableRouter::new(router("x"), Arc::default());
        let mut changes = routing.changes().unwrap();
        let mut heard = async || changes.next().now_or_never().is_some();
        routing.replace(router("x"), false);
        assert!(!heard().await, "nothing has changed");
        routing.replace(router("y"), false);
        assert!(heard().await);
        routing.replace(router("y"), true);
        assert!(heard().await && !heard().await);
    }
}
