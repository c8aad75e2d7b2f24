//! How clients know the servers of a gateway, as the configuration says it at present.

use std::borrow::Cow;
use std::sync::Arc;

use arc_swap::ArcSwap;
use mcp_gateway_core::route::{PrefixRouter, Resolved, ToolRouter};

/// A router that can be exchanged while calls are made.
///
/// A gateway keeps its sessions and streams when only its servers change.
#[derive(Debug)]
pub(crate) struct Routing(ArcSwap<PrefixRouter>);

impl Routing {
    pub(crate) fn new(router: PrefixRouter) -> Arc<Self> {
        Arc::new(Self(ArcSwap::from_pointee(router)))
    }

    /// Exchanges the router.
    pub(crate) fn replace(&self, router: PrefixRouter) {
        self.0.store(Arc::new(router));
    }
}

impl ToolRouter for Routing {
    fn servers(&self) -> Arc<[Arc<str>]> {
        self.0.load().servers()
    }

    fn resolve<'a>(&self, name: &'a str) -> Option<Resolved<'a>> {
        self.0.load().resolve(name)
    }

    fn expose<'a>(&self, server: &str, name: &'a str) -> Option<Cow<'a, str>> {
        self.0.load().expose(server, name)
    }

    fn is_transparent(&self, server: &str) -> bool {
        self.0.load().is_transparent(server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_change_while_the_router_stays() {
        let routing = Routing::new(PrefixRouter::new([("a", "x")]).unwrap());
        assert_eq!(routing.expose("a", "t").as_deref(), Some("x__t"));
        routing.replace(PrefixRouter::new([("a", ""), ("b", "b")]).unwrap());
        assert_eq!(routing.expose("a", "t").as_deref(), Some("t"));
        assert!(routing.is_transparent("a") && routing.resolve("b__t").is_some());
        assert_eq!(routing.servers().len(), 2);
    }
}
