//! Declared servers and observed objects, and what follows from both.

mod state;

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use mcp_gateway_platform::orchestrator::{DeclaredServer, DeploymentStatus};
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) use self::state::Problem;
use self::state::{Declared, State, Watches};
use crate::manifest::{Common, Manifest};
use crate::names;
use crate::observed::{Key, Observed, Tracked as _};
use crate::plan::Usage;
use crate::queue::Queue;
use crate::slot::{Slot, View};

/// Servers of one gateway on one cluster.
#[derive(Debug)]
pub(crate) struct Fleet {
    /// Settings of all manifests.
    pub(crate) common: Common,
    /// Servers to look at.
    pub(crate) queue: Queue,
    /// Notified when servers in further namespaces have been declared.
    pub(crate) namespaces: Notify,
    /// Notified when the watches have progressed.
    progress: Notify,
    state: Mutex<State>,
}

/// Server and its objects at one time.
pub(crate) struct Look {
    /// Objects of the declaration; `None` if it is not declared.
    pub(crate) manifest: Option<Arc<Manifest>>,
    /// Objects of the cluster.
    pub(crate) observed: Observed,
    /// Use by callers.
    pub(crate) usage: Usage,
}

impl Fleet {
    pub(crate) fn new(common: Common) -> Self {
        Self {
            common,
            queue: Queue::default(),
            namespaces: Notify::new(),
            progress: Notify::new(),
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the declared servers. Those named in `held` stay as they are.
    pub(crate) fn declare(&self, servers: &[DeclaredServer], held: &[Arc<str>]) {
        let mut state = self.lock();
        state.is_declared = true;
        state.held = held
            .iter()
            .map(|name| names::label_value(name).into())
            .collect();
        let mut before = std::mem::take(&mut state.servers);
        let mut changed = HashSet::new();
        for server in servers {
            let namespace = server
                .definition
                .namespace
                .as_ref()
                .unwrap_or(&self.common.namespace);
            let key = Key::new(namespace, &server.name);
            let manifest = Manifest::new(&server.name, &server.definition, &self.common);
            let manifest = manifest.map(Arc::new).map_err(|mistakes| {
                let mistakes: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
                mistakes.join("; ").into()
            });
            let old = before.remove(&key);
            if !old.is_some_and(|old| is_same(&old.manifest, &manifest)) {
                state.problems.remove(&key);
                changed.insert(key.clone());
            }
            let slot = state.slot(&server.name);
            state.servers.insert(key, Declared { slot, manifest });
        }
        for (key, removed) in before {
            let moved = state
                .servers
                .values()
                .any(|one| Arc::ptr_eq(&one.slot, &removed.slot));
            if !moved && !state.held.contains(&key.server) {
                removed.slot.view.send_replace(View::default());
            }
            changed.insert(key);
        }
        // After the first declaration, everything that is not declared is deleted.
        changed.extend(state.observed.keys().cloned());
        self.queue.end_delays(&changed);
        for key in &changed {
            state.publish(key);
            self.queue.add(key, Duration::ZERO);
        }
        drop(state);
        self.namespaces.notify_one();
    }

    /// Returns the namespaces of the servers.
    pub(crate) fn namespaces(&self) -> HashSet<Arc<str>> {
        let own: Arc<str> = self.common.namespace.as_str().into();
        let state = self.lock();
        let declared = state.servers.keys().map(|key| Arc::clone(&key.namespace));
        declared.chain([own]).collect()
    }

    /// Returns the slot of the server `name`, declared or not.
    pub(crate) fn slot(&self, name: &Arc<str>) -> Arc<Slot> {
        self.lock().slot(name)
    }

    /// Returns the key of the server `name`, if it is declared.
    pub(crate) fn key(&self, name: &str) -> Option<Key> {
        let state = self.lock();
        let mut servers = state.servers.iter();
        servers
            .find(|(_, one)| &*one.slot.name == name)
            .map(|(key, _)| key.clone())
    }

    /// Returns the state of the server `name`, if it is declared.
    pub(crate) fn status(&self, name: &str) -> Option<DeploymentStatus> {
        self.lock().slots.get(name)?.view.borrow().status.clone()
    }

    /// Requests a pod for the server of `slot`.
    pub(crate) fn wake(&self, slot: &Slot) {
        slot.activity.touch();
        if !slot.wanted.swap(true, Ordering::Relaxed)
            && let Some(key) = self.key(&slot.name)
        {
            self.queue.hurry(&key);
        }
    }

    /// Changes the observed objects of `key`.
    pub(crate) fn observe<T>(&self, key: &Key, change: impl FnOnce(&mut Observed) -> T) -> T {
        let mut state = self.lock();
        let observed = state.observed.entry(key.clone()).or_default();
        let result = change(observed);
        if observed.is_empty() {
            state.observed.remove(key);
        }
        state.note_use(key);
        state.publish(key);
        self.queue.add(key, DEBOUNCE);
        result
    }

    /// Reads the observed objects of `key`.
    pub(crate) fn observe_only<T>(
        &self,
        key: &Key,
        read: impl FnOnce(&Observed) -> Option<T>,
    ) -> Option<T> {
        read(self.lock().observed.get(key)?)
    }

    /// Returns the keys in `namespace` of objects that were observed.
    pub(crate) fn observed_keys(&self, namespace: &str) -> Vec<Key> {
        let state = self.lock();
        let keys = state
            .observed
            .keys()
            .filter(|key| *key.namespace == *namespace);
        keys.cloned().collect()
    }

    /// Returns the server of the pod `name`, which its Deployment and the hash of its template begin.
    pub(crate) fn key_of_pod(&self, namespace: &str, name: &str) -> Option<Key> {
        let owner = name.rsplitn(3, '-').nth(2)?;
        let state = self.lock();
        let mut known = state.observed.iter();
        let owns = |observed: &Observed| Deployment::find(observed, owner).is_some();
        known
            .find(|(key, observed)| *key.namespace == *namespace && owns(observed))
            .map(|(key, _)| key.clone())
    }

    /// Waits until the objects in `namespace` are known.
    pub(crate) async fn wait_for_lists(&self, namespace: &str) {
        loop {
            let progress = self.progress.notified();
            if self
                .lock()
                .watches
                .get(namespace)
                .is_some_and(Watches::is_complete)
            {
                return;
            }
            progress.await;
        }
    }

    /// Records that all objects of `kind` in `namespace` are known.
    pub(crate) fn listed(&self, namespace: &Arc<str>, kind: &'static str) {
        self.change_watches(namespace, |watches| {
            watches.problem = None;
            watches.listed.insert(kind);
        });
    }

    /// Records that objects in `namespace` cannot be watched.
    pub(crate) fn watch_failed(&self, namespace: &Arc<str>, problem: Problem) {
        self.change_watches(namespace, |watches| watches.problem = Some(problem));
    }

    fn change_watches(&self, namespace: &Arc<str>, change: impl FnOnce(&mut Watches)) {
        let mut state = self.lock();
        change(state.watches.entry(Arc::clone(namespace)).or_default());
        self.progress.notify_waiters();
        let keys: Vec<_> = state.servers.keys().cloned().collect();
        for key in keys.iter().filter(|key| key.namespace == *namespace) {
            state.publish(key);
            self.queue.add(key, DEBOUNCE);
        }
    }

    /// Records the outcome of a request for `key`.
    pub(crate) fn report(&self, key: &Key, problem: Option<Problem>) {
        let mut state = self.lock();
        let before = match problem {
            Some(problem) => state.problems.insert(key.clone(), problem),
            None => state.problems.remove(key),
        };
        if before.as_ref() != state.problems.get(key) {
            state.publish(key);
        }
    }

    /// Returns the server at `key`; `None` if it is not to be touched, because too little is known.
    pub(crate) fn look(&self, key: &Key, since: Instant) -> Option<Look> {
        let state = self.lock();
        let is_listed = state
            .watches
            .get(&key.namespace)
            .is_some_and(Watches::is_complete);
        if !is_listed || !state.is_declared {
            return None;
        }
        let observed = state.observed.get(key).cloned().unwrap_or_default();
        match state.servers.get(key) {
            Some(declared) => Some(Look {
                manifest: Some(declared.manifest.as_ref().ok().cloned()?),
                usage: state.usage(key, declared, since),
                observed,
            }),
            None if state.held.contains(&key.server) => None,
            None => Some(Look {
                manifest: None,
                observed,
                usage: Usage::default(),
            }),
        }
    }

    /// Records that this process has published its use of `key`.
    pub(crate) fn published(&self, key: &Key) {
        self.lock().uses.entry(key.clone()).or_default().published = Some(Instant::now());
    }

    /// Forgets a server that is not declared and has no objects.
    pub(crate) fn forget(&self, key: &Key) {
        let mut state = self.lock();
        state.uses.remove(key);
        state.problems.remove(key);
    }

    /// Returns the keys of all servers, declared or observed.
    pub(crate) fn keys(&self) -> Vec<Key> {
        let state = self.lock();
        let observed = state.observed.keys();
        observed.chain(state.servers.keys()).cloned().collect()
    }
}

fn is_same(old: &Result<Arc<Manifest>, Arc<str>>, new: &Result<Arc<Manifest>, Arc<str>>) -> bool {
    match (old, new) {
        (Ok(old), Ok(new)) => old == new,
        (Err(old), Err(new)) => old == new,
        _ => false,
    }
}

/// Time for further changes of a server, before it is looked at.
const DEBOUNCE: Duration = Duration::from_millis(50);
