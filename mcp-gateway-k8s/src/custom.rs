//! Servers and gateways that objects define.
//!
//! Two kinds are ours, `MCPServer` and `MCPGateway`: their objects are read, and the leader writes
//! their status. The kind `MCPServer` of `mcp.x-k8s.io` belongs to an operator, which runs the servers
//! and publishes their addresses: its objects are only read.

mod gateway_status;
mod kind;
mod operated;
mod outcome;
mod server_status;
mod status;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::Client;
use mcp_gateway_platform::spec::ObjectKinds;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use self::kind::Kind;
use self::operated::Operated;
pub use self::outcome::{GatewayOutcome, ObjectOutcomes, Rejection, ServerOutcome};
use crate::fleet::Fleet;

/// Objects in the namespace of a gateway, as a source of servers and gateways.
///
/// A program reads their specs as it reads entries of a store, adds what they define to each spec of a
/// platform that it applies, and reports the outcomes for their statuses.
#[derive(Clone)]
pub struct ObjectSource {
    shared: Arc<Shared>,
    seen: watch::Receiver<Listing>,
    /// Set if a change was noticed, but not returned yet.
    has_changed: bool,
}

/// Object of the kind `MCPServer` or `MCPGateway`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ClusterObject {
    /// Name of the server or gateway.
    pub name: Arc<str>,
    /// Generation of the specification.
    pub generation: Option<i64>,
    /// Specification: the keys of an entry of `servers` or `gateways` without its name.
    pub spec: Value,
}

impl ClusterObject {
    /// Creates the object `name`.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, spec: Value) -> Self {
        Self {
            name: name.into(),
            generation: None,
            spec,
        }
    }
}

/// Server of an object of the kind `MCPServer` of `mcp.x-k8s.io`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct OperatedServer {
    /// Name of the server.
    pub name: Arc<str>,
    /// URL of its endpoint, at a Service of its namespace.
    pub url: Arc<str>,
}

impl OperatedServer {
    /// Creates the server `name` at `url`.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, url: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            url: url.into(),
        }
    }
}

/// Objects of all kinds. A kind is `None` before it has been listed.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Listing {
    /// Objects of the kind `MCPServer`.
    pub servers: Option<Arc<[ClusterObject]>>,
    /// Objects of the kind `MCPGateway`.
    pub gateways: Option<Arc<[ClusterObject]>>,
    /// Servers that an operator runs.
    pub operated: Arc<[OperatedServer]>,
}

impl Listing {
    fn is_complete(&self) -> bool {
        self.servers.is_some() && self.gateways.is_some()
    }
}

/// State of the objects.
pub(crate) struct Shared {
    servers: Option<Kind>,
    gateways: Option<Kind>,
    operated: Option<Operated>,
    published: watch::Sender<Listing>,
    /// Outcomes of the last apply; `None` before the first report.
    outcomes: Mutex<Option<Arc<ObjectOutcomes>>>,
}

impl ObjectSource {
    /// Creates the source of the objects of `kinds` in `namespace`, which has to be followed.
    pub(crate) fn new(kube: &Client, namespace: &str, kinds: &ObjectKinds) -> Self {
        let kind = |is_used: bool, name| is_used.then(|| Kind::own(kube, namespace, name));
        // What is not read is complete.
        let nothing = |is_used: bool| (!is_used).then(|| Arc::from([]));
        let (published, seen) = watch::channel(Listing {
            servers: nothing(kinds.servers),
            gateways: nothing(kinds.gateways),
            operated: Arc::from([]),
        });
        let shared = Arc::new(Shared {
            servers: kind(kinds.servers, "MCPServer"),
            gateways: kind(kinds.gateways, "MCPGateway"),
            operated: kinds.operated.then(|| Operated::new(kube, namespace)),
            published,
            outcomes: Mutex::default(),
        });
        Self {
            shared,
            seen,
            has_changed: false,
        }
    }

    /// Starts to follow the objects, and to write their statuses while this process leads.
    pub(crate) fn start(
        &self,
        tasks: &mut JoinSet<()>,
        fleet: &Arc<Fleet>,
        leads: &watch::Receiver<bool>,
    ) {
        let shared = Arc::clone(&self.shared);
        tasks.spawn(async move {
            let kind = shared.servers.as_ref();
            shared
                .follow_kind(kind, |listing| &mut listing.servers)
                .await;
        });
        let shared = Arc::clone(&self.shared);
        tasks.spawn(async move {
            let kind = shared.gateways.as_ref();
            shared
                .follow_kind(kind, |listing| &mut listing.gateways)
                .await;
        });
        let shared = Arc::clone(&self.shared);
        tasks.spawn(async move { shared.follow_operated().await });
        let shared = Arc::clone(&self.shared);
        let (fleet, leads) = (Arc::clone(fleet), leads.clone());
        tasks.spawn(async move { shared.write_statuses(&fleet, leads).await });
    }

    /// Returns all objects. Waits until those of our own kinds have been listed.
    pub async fn listed(&mut self) -> Listing {
        let listed = self.seen.wait_for(Listing::is_complete).await;
        listed.map(|listing| listing.clone()).unwrap_or_default()
    }

    /// Waits until the objects have changed since they were returned.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a change that was noticed is returned by the next call.
    pub async fn changed(&mut self) {
        if !self.has_changed {
            if self.seen.changed().await.is_err() {
                std::future::pending().await
            }
            self.has_changed = true;
        }
        // Several changes in a row are one.
        sleep(DEBOUNCE).await;
        self.has_changed = false;
    }

    /// Records the outcomes of the objects, for their statuses.
    pub fn report(&self, outcomes: ObjectOutcomes) {
        *self.shared.outcomes() = Some(Arc::new(outcomes));
    }
}

impl fmt::Debug for ObjectSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectSource").finish_non_exhaustive()
    }
}

impl Shared {
    fn outcomes(&self) -> MutexGuard<'_, Option<Arc<ObjectOutcomes>>> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows the objects of a kind, which are a part of the listing.
    async fn follow_kind(&self, kind: Option<&Kind>, part: Part) {
        if let Some(kind) = kind {
            kind.follow_forever(|objects| self.publish(part, Some(objects)))
                .await;
        }
    }

    async fn follow_operated(&self) {
        if let Some(operated) = &self.operated {
            let publish = |servers| self.publish(|listing| &mut listing.operated, servers);
            operated.follow(publish).await;
        }
    }

    /// Replaces a part of the listing. Readers are told if it differs: a status is no change.
    fn publish<T: PartialEq>(&self, part: fn(&mut Listing) -> &mut T, now: T) {
        self.published
            .send_if_modified(|listing| replace(part(listing), now));
    }
}

/// Part of a listing with the objects of one kind.
type Part = fn(&mut Listing) -> &mut Option<Arc<[ClusterObject]>>;

/// Replaces a value. Returns `true` if the new one differs.
fn replace<T: PartialEq>(known: &mut T, now: T) -> bool {
    let is_other = *known != now;
    *known = now;
    is_other
}

/// Time for further changes, before the program is told of one.
const DEBOUNCE: Duration = Duration::from_millis(200);
