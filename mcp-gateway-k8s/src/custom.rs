//! Servers that objects of the kind `MCPServer` define.

mod status;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::StreamExt as _;
use kube::api::{Api, DynamicObject};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::watcher::{self, Config, Event};
use kube::{Client, ResourceExt as _};
use mcp_gateway_platform::spec::LABEL_DOMAIN;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::pause::Pause;
use crate::watches::{QUIET, WATCH_SECONDS};

/// Objects of the kind `MCPServer` in the namespace of a gateway, as a source of servers.
///
/// A program reads their specs as it reads entries of a store, adds the servers to each spec of a
/// platform that it applies, and reports which of them it could not add.
#[derive(Clone)]
pub struct ServerObjects {
    shared: Arc<Shared>,
    seen: watch::Receiver<Option<Arc<[ServerObject]>>>,
}

/// Object of the kind `MCPServer`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ServerObject {
    /// Name of the server.
    pub name: Arc<str>,
    /// Specification: the keys of an entry of `servers` without its name.
    pub spec: Value,
}

impl ServerObject {
    /// Creates the object `name`.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, spec: Value) -> Self {
        Self {
            name: name.into(),
            spec,
        }
    }
}

/// State of the objects.
pub(crate) struct Shared {
    api: Api<DynamicObject>,
    objects: Mutex<BTreeMap<String, DynamicObject>>,
    published: watch::Sender<Option<Arc<[ServerObject]>>>,
    /// Reasons for which servers were not added, by their names; `None` before the first report.
    rejected: Mutex<Option<HashMap<Arc<str>, String>>>,
}

impl ServerObjects {
    /// Creates the source of the objects in `namespace`, which have to be followed.
    pub(crate) fn new(kube: Client, namespace: &str) -> Self {
        let kind = GroupVersionKind::gvk(LABEL_DOMAIN, "v1alpha1", "MCPServer");
        let resource = ApiResource::from_gvk(&kind);
        let (published, seen) = watch::channel(None);
        let shared = Arc::new(Shared {
            api: Api::namespaced_with(kube, namespace, &resource),
            objects: Mutex::default(),
            published,
            rejected: Mutex::default(),
        });
        Self { shared, seen }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Returns all objects. Waits until they have been listed.
    pub async fn listed(&mut self) -> Arc<[ServerObject]> {
        let listed = self.seen.wait_for(Option::is_some).await;
        listed
            .ok()
            .and_then(|listed| listed.clone())
            .unwrap_or_default()
    }

    /// Waits until the objects have changed since they were returned.
    pub async fn changed(&mut self) {
        if self.seen.changed().await.is_err() {
            std::future::pending().await
        }
        // Several changes in a row are one.
        sleep(DEBOUNCE).await;
    }

    /// Records the servers that were not added, with their reasons, for the status of their objects.
    pub fn report(&self, rejected: HashMap<Arc<str>, String>) {
        *self.shared.rejected() = Some(rejected);
    }
}

impl fmt::Debug for ServerObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerObjects").finish_non_exhaustive()
    }
}

impl Shared {
    fn objects(&self) -> MutexGuard<'_, BTreeMap<String, DynamicObject>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rejected(&self) -> MutexGuard<'_, Option<HashMap<Arc<str>, String>>> {
        self.rejected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows the objects, and lists them again whenever the watch breaks.
    pub(crate) async fn follow(&self) {
        let config = Config::default().timeout(WATCH_SECONDS);
        let mut pause = Pause::default();
        loop {
            let mut events = pin!(watcher::watcher(self.api.clone(), config.clone()));
            let mut listing = BTreeMap::new();
            while let Ok(Some(event)) = timeout(QUIET, events.next()).await {
                match event {
                    Ok(event) => {
                        pause.reset();
                        self.apply(event, &mut listing);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "objects of the kind MCPServer not watched");
                        sleep(pause.next()).await;
                    }
                }
            }
        }
    }

    fn apply(&self, event: Event<DynamicObject>, listing: &mut BTreeMap<String, DynamicObject>) {
        match event {
            Event::Init => {
                // Objects of a list that is not complete are not gone.
                listing.clear();
                return;
            }
            Event::InitApply(object) => {
                listing.insert(object.name_any(), object);
                return;
            }
            Event::InitDone => *self.objects() = std::mem::take(listing),
            Event::Apply(object) => {
                self.objects().insert(object.name_any(), object);
            }
            Event::Delete(object) => {
                self.objects().remove(&object.name_any());
            }
        }
        let current: Arc<[_]> = self.objects().iter().filter_map(server).collect();
        self.published.send_if_modified(|published| {
            // A status is no change.
            let changed = published.as_deref() != Some(&*current);
            if changed {
                *published = Some(current);
            }
            changed
        });
    }
}

/// Returns the server of an object that is not being deleted.
fn server((name, object): (&String, &DynamicObject)) -> Option<ServerObject> {
    object
        .metadata
        .deletion_timestamp
        .is_none()
        .then(|| ServerObject {
            name: name.as_str().into(),
            spec: object.data.get("spec").cloned().unwrap_or_default(),
        })
}

/// Time for further changes, before the program is told of one.
const DEBOUNCE: Duration = Duration::from_millis(200);
