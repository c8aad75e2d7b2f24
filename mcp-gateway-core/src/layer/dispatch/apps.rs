//! Apps of servers: tools with a user interface, whose code calls tools by the names of its server.
//!
//! A host renders the HTML of the tool `maps__show` and forwards the calls of its code as they are.
//! The code is written for its server, so it calls `pan` instead of `maps__pan`. A name that no
//! prefix resolves is therefore looked for among the tools that servers with apps list for apps.
//!
//! Nothing in such a call tells which app has made it. Of several servers with such a tool, the
//! owner is the one whose app the client has opened. If it has opened several, or none, the call is
//! rejected: it could be that of any of them.
//!
//! See [MCP Apps](https://github.com/modelcontextprotocol/ext-apps) of 2026-01-26.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::opened_apps::{AppUse, ClientKey, OpenedApps};
use super::{Listings, RoutedService, Shared};
use crate::catalog::{ListKind, Listing};
use crate::error::{NameKind, RouteError};
use crate::route::{Feature, ResolvedName, Target};
use crate::{Call, Error, Reply};

/// Servers with apps, as far as lists of tools have shown them, and the apps that are open.
#[derive(Debug, Default)]
pub(super) struct AppIndex {
    /// `true` once a list of tools was seen.
    is_known: AtomicBool,
    /// `true` if any server has an app.
    any: AtomicBool,
    known: Mutex<KnownApps>,
}

#[derive(Debug, Default)]
struct KnownApps {
    /// Servers with apps.
    servers: HashSet<Arc<str>>,
    /// Last list of tools of each server.
    tools: HashMap<Arc<str>, Arc<Listing>>,
    opened: OpenedApps,
}

impl AppIndex {
    /// Records the servers whose tools have apps.
    pub(super) fn record(&self, listings: &Listings) {
        self.is_known.store(true, Ordering::Relaxed);
        let mut known = self.known();
        for (server, listing) in listings {
            if has_apps(listing) {
                self.any.store(true, Ordering::Relaxed);
                known.servers.insert(Arc::clone(server));
            }
            known.tools.insert(Arc::clone(server), Arc::clone(listing));
        }
    }

    /// Returns `true` if `server` is known to have apps.
    pub(super) fn has(&self, server: &str) -> bool {
        self.any.load(Ordering::Relaxed) && self.known().servers.contains(server)
    }

    /// Returns `true` if `server` lists no tool `name`, and a server with apps has one for them.
    fn is_elsewhere(&self, server: &str, name: &str) -> bool {
        let known = self.known();
        let tool = |server: &str| Some(known.tools.get(server)?.get(name));
        let is_for_apps = |server: &Arc<str>| {
            let tool = tool(server).flatten();
            tool.is_some_and(|tool| tool.app().is_callable())
        };
        tool(server).is_some_and(|tool| tool.is_none()) && known.servers.iter().any(is_for_apps)
    }

    /// Returns `true` unless no server has an app.
    pub(super) fn may_exist(&self) -> bool {
        self.any.load(Ordering::Relaxed) || !self.is_known.load(Ordering::Relaxed)
    }

    /// Records that the client of `call` has opened the app of `target`, if it has one.
    pub(super) fn record_call<S>(&self, call: &Call<S>, target: &Target) {
        let Feature::Tool(tool) = &target.feature else {
            return;
        };
        let mut known = self.known();
        let listing = known.tools.get(&target.server);
        let entry = listing.and_then(|listing| listing.get(tool));
        if entry.is_some_and(|entry| entry.app().opens()) {
            let client = ClientKey::of(call);
            known.opened.record(client, &target.server, AppUse::Called);
        }
    }

    /// Records that the client of `call` has read a user interface of `server`.
    pub(super) fn record_read<S>(&self, call: &Call<S>, server: &Arc<str>) {
        let client = ClientKey::of(call);
        self.known().opened.record(client, server, AppUse::Read);
    }

    /// Returns those of `servers` whose app the client of `call` has opened; all of them if it has
    /// opened none.
    pub(super) fn opened<S>(&self, call: &Call<S>, servers: Vec<Arc<str>>) -> Vec<Arc<str>> {
        self.known().opened.opened(&ClientKey::of(call), servers)
    }

    /// Locks the known apps.
    fn known(&self) -> MutexGuard<'_, KnownApps> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the list of `server`, if it has answered.
fn listing_of<'a>(listings: &'a Listings, server: &Arc<str>) -> Option<&'a Arc<Listing>> {
    let own = listings.iter().find(|(other, _)| other == server);
    own.map(|(_, listing)| listing)
}

/// Returns `true` if a tool of the list has an app.
fn has_apps(listing: &Listing) -> bool {
    listing.entries().iter().any(|entry| entry.app().exists())
}

impl Shared {
    /// Forwards a call of a tool by the name of its server, which an app has made.
    pub(super) async fn app_call<S: RoutedService>(
        &self,
        inner: S,
        call: Call,
    ) -> Result<Reply, Error> {
        let name = call.request().name().unwrap_or_default().into_owned();
        let listings = self.listings(ListKind::Tools, &inner, &call).await;
        let target = self.app_target(&name, &listings.unwrap_or_default(), &call)?;
        self.call_target(inner, call, target).await
    }

    /// Returns the target of a call of `name`: the tool that clients see by this name, otherwise the
    /// tool that an app may have called.
    fn app_target(&self, name: &str, listings: &Listings, call: &Call) -> Result<Target, Error> {
        if let Some(target) = self.exposed_target(name, listings) {
            return Ok(target);
        }
        let owners = self.app_tool_owners(name, listings, call);
        match &*self.apps.opened(call, owners) {
            [] => Err(RouteError::unknown_name(NameKind::Tool, name).into()),
            [server] => Ok(Target::new(Arc::clone(server), Feature::Tool(name.into()))),
            several => {
                let exposed = |server| self.router.expose_tool(server, name);
                let candidates = several.iter().filter_map(|server| exposed(server));
                let candidates = candidates.map(String::from).collect();
                Err(RouteError::ambiguous_name(NameKind::Tool, name, candidates).into())
            }
        }
    }

    /// Returns the tool that clients see as `name`, unless its server lists no such tool.
    ///
    /// The tools of a server that does not answer are unknown, and its names come first.
    fn exposed_target(&self, name: &str, listings: &Listings) -> Option<Target> {
        let ResolvedName { server, name } = self.router.resolve_tool(name)?;
        let listing = listing_of(listings, &server);
        let may_exist = listing.is_none_or(|listing| listing.get(&name).is_some());
        may_exist.then(|| Target::new(server, Feature::Tool(name.into())))
    }

    /// Returns the servers with a tool `name` that apps may call.
    fn app_tool_owners(&self, name: &str, listings: &Listings, call: &Call) -> Vec<Arc<str>> {
        let may_have = |server: &Arc<str>| {
            self.router.is_transparent(server) && listing_of(listings, server).is_none()
        };
        if self.router.pending_servers(name).iter().any(may_have) {
            return Vec::new();
        }
        let owners = listings.iter().filter(|(server, listing)| {
            let tool = listing.get(name).filter(|tool| tool.app().is_callable());
            has_apps(listing)
                && tool.is_some_and(|tool| self.lists(call, server, listing.kind(), tool))
        });
        owners.map(|(server, _)| Arc::clone(server)).collect()
    }

    /// Returns `true` if an app may have used the `name` of no tool of the unprefixed `server`.
    pub(super) fn is_of_an_app(&self, server: &str, name: &str) -> bool {
        self.apps.any.load(Ordering::Relaxed)
            && self.router.is_transparent(server)
            && self.apps.is_elsewhere(server, name)
    }

    /// Returns `true` if a name without a server may be used by the app of a server.
    pub(super) fn may_be_of_an_app(&self) -> bool {
        self.apps.may_exist() && self.router.servers().len() > 1
    }
}
