//! Apps of servers: tools with a user interface, whose code calls tools by the names of its server.
//!
//! A host renders the HTML of the tool `maps__show` and forwards the calls of its code as they are.
//! The code is written for its server, so it calls `pan` instead of `maps__pan`. A name that no
//! prefix resolves is therefore looked for among the tools of servers with apps.
//!
//! See [MCP Apps](https://github.com/modelcontextprotocol/ext-apps) of 2026-01-26.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::scoped_uri::scope_reply;
use super::{Listings, RoutedService, Shared, send};
use crate::call::Routed;
use crate::catalog::{CatalogEntry, ListKind, Listing};
use crate::error::{NameKind, RouteError};
use crate::route::{Feature, Target};
use crate::{Call, Error, Reply};

/// Servers with apps, as far as lists of tools have shown them.
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
    /// Server whose user interface a client has read last.
    last_read: HashMap<Arc<str>, Arc<str>>,
}

impl AppIndex {
    /// Records the servers whose tools have apps.
    pub(super) fn record(&self, listings: &Listings) {
        self.is_known.store(true, Ordering::Relaxed);
        let with_apps = listings.iter().filter(|(_, listing)| has_apps(listing));
        for (server, _) in with_apps {
            self.any.store(true, Ordering::Relaxed);
            self.known().servers.insert(Arc::clone(server));
        }
    }

    /// Returns `true` if `server` is known to have apps.
    pub(super) fn has(&self, server: &str) -> bool {
        self.any.load(Ordering::Relaxed) && self.known().servers.contains(server)
    }

    /// Returns `true` unless no server has an app.
    pub(super) fn may_exist(&self) -> bool {
        self.any.load(Ordering::Relaxed) || !self.is_known.load(Ordering::Relaxed)
    }

    /// Records that the client of `call` has read a user interface of `server`.
    pub(super) fn record_read<S>(&self, call: &Call<S>, server: &Arc<str>) {
        let mut known = self.known();
        if known.last_read.len() >= MAX_CLIENTS {
            known.last_read.clear();
        }
        known.last_read.insert(client_key(call), Arc::clone(server));
    }

    /// Locks the known apps.
    fn known(&self) -> MutexGuard<'_, KnownApps> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns `true` if a tool of the list has an app.
fn has_apps(listing: &Listing) -> bool {
    listing.entries().iter().any(CatalogEntry::has_app)
}

/// Returns the key of a client: its session, or its principal in the modern era.
fn client_key<S>(call: &Call<S>) -> Arc<str> {
    match call.client().session() {
        Some(session) => Arc::clone(session.key()),
        None => call.principal().subject().into(),
    }
}

impl Shared {
    /// Forwards a call of a tool by the name of its server, which an app has made.
    ///
    /// Of several servers with such a tool, the owner is the one whose app the client has read
    /// last.
    pub(super) async fn app_call<S: RoutedService>(
        &self,
        inner: S,
        call: Call,
    ) -> Result<Reply, Error> {
        let name = call.request().name().unwrap_or_default().into_owned();
        let listings = self
            .listings(ListKind::Tools, &inner, &call)
            .await
            .unwrap_or_default();
        let owners = listings
            .iter()
            .filter(|(_, listing)| has_apps(listing) && listing.get(&name).is_some());
        let owners: Vec<_> = owners.map(|(server, _)| server).collect();
        let last_read = self.apps.known().last_read.get(&client_key(&call)).cloned();
        let owner = match &*owners {
            [owner] => Some(Arc::clone(owner)),
            several => last_read.filter(|last| several.contains(&last)),
        };
        let Some(server) = owner else {
            return Err(RouteError::unknown_name(NameKind::Tool, &name).into());
        };
        let target = Target::new(Arc::clone(&server), Feature::Tool(name.into()));
        let reply = send(inner, call.advance(|()| Routed { target })).await?;
        self.scoped_reply(reply, &server).await
    }

    /// Returns `true` if a name without a server may be used by the app of a server.
    pub(super) fn may_be_of_an_app(&self) -> bool {
        self.apps.may_exist() && self.router.servers().len() > 1
    }

    /// Returns `true` if clients see the URIs of apps and skills of `server` scoped.
    pub(super) fn scopes(&self, server: &str) -> bool {
        self.router.servers().len() > 1 && !self.router.is_transparent(server)
    }

    /// Replaces the URIs in a reply of `server` by those that clients see.
    pub(super) async fn scoped_reply(
        &self,
        reply: Reply,
        server: &Arc<str>,
    ) -> Result<Reply, Error> {
        match self.scopes(server) {
            true => scope_reply(reply, server).await,
            false => Ok(reply),
        }
    }
}

/// Maximum number of clients whose last app is remembered; beyond it all are forgotten.
const MAX_CLIENTS: usize = 10_000;
