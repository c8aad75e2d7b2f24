//! Watches of the objects of all servers: one for each kind in each namespace.

use std::collections::HashSet;
use std::fmt::Debug;
use std::ops::ControlFlow;
use std::sync::Arc;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Event as ClusterEvent, Pod};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::Api;
use kube::runtime::watcher::{self, Config, Event};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;

use crate::fleet::{Fleet, Problem};
use crate::follow::follow;
use crate::names;
use crate::objects::{Refusal, UNAUTHORIZED, unauthorized};
use crate::observed::{Key, Tracked, is_newer, warning};

/// Observes the objects of the servers of `fleet`, in all namespaces that it has servers in.
pub(crate) async fn run(client: &Client, fleet: &Fleet) {
    let mut known = HashSet::new();
    let mut watches = FuturesUnordered::new();
    loop {
        let added = fleet.namespaces.notified();
        for namespace in fleet.namespaces() {
            if known.insert(Arc::clone(&namespace)) {
                watches.push(namespace_objects(client, fleet, namespace));
            }
        }
        tokio::select! {
            () = added => {}
            _ = watches.next(), if !watches.is_empty() => {}
        }
    }
}

/// Observes the objects in one namespace.
async fn namespace_objects(client: &Client, fleet: &Fleet, namespace: Arc<str>) {
    let place = &Place {
        client,
        fleet,
        namespace,
    };
    tokio::join!(
        place.follow::<Deployment>(),
        place.follow::<NetworkPolicy>(),
        place.follow::<Pod>(),
        place.follow_warnings(),
    );
}

struct Place<'a> {
    client: &'a Client,
    fleet: &'a Fleet,
    namespace: Arc<str>,
}

impl Place<'_> {
    fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Follows the objects of a kind, and lists them again whenever the watch breaks.
    async fn follow<K>(&self)
    where
        K: Tracked + Resource<DynamicType = (), Scope = NamespaceResourceScope>,
        K: Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let labels = names::instance_selector(&self.fleet.common.instance);
        // Objects of a list that is not complete yet.
        let mut listed = HashSet::new();
        follow(
            &self.api::<K>(),
            Config::default().labels(&labels),
            |event| self.apply(event, &mut listed),
            |error, is_first| self.failed(K::KIND, error, is_first),
        )
        .await;
    }

    fn apply<K: Tracked>(&self, event: Event<K>, listed: &mut HashSet<(Key, String)>) {
        match event {
            Event::Init => listed.clear(),
            Event::InitApply(object) => {
                if let Some(key) = Key::of(&object) {
                    listed.insert((key.clone(), object.name_any()));
                    self.put(&key, object, true);
                }
            }
            Event::InitDone => {
                for key in self.fleet.observed_keys(&self.namespace) {
                    self.fleet.observe(&key, |observed| {
                        for name in K::names(observed) {
                            if !listed.contains(&(key.clone(), name.clone())) {
                                K::remove(observed, &name);
                            }
                        }
                    });
                }
                listed.clear();
                self.fleet.listed(&self.namespace, K::KIND);
            }
            Event::Apply(object) => {
                if let Some(key) = Key::of(&object) {
                    self.put(&key, object, false);
                }
            }
            Event::Delete(object) => {
                if let Some(key) = Key::of(&object) {
                    self.fleet
                        .observe(&key, |observed| K::remove(observed, &object.name_any()));
                }
            }
        }
    }

    /// Adds an object, unless a later version is known, as after a change by this process.
    fn put<K: Tracked>(&self, key: &Key, mut object: K, is_listed: bool) {
        object.trim();
        self.fleet.observe(key, |observed| {
            let known = K::find(observed, &object.name_any());
            // A list tells the truth, also after the state of the cluster was restored.
            if is_listed || known.is_none_or(|known| is_newer(&**known, &object)) {
                Arc::new(object).put(observed);
            }
        });
    }

    /// Follows warnings about pods, which alone tell why some of them do not start.
    async fn follow_warnings(&self) {
        self.fleet.wait_for_lists(&self.namespace).await;
        let config = Config::default().fields("type=Warning,involvedObject.kind=Pod");
        let warn = |event| {
            if let Event::Apply(event) | Event::InitApply(event) = event {
                self.warn(event);
            }
        };
        // Everything but some causes is known without them.
        let failed = |error: &watcher::Error, _| {
            tracing::debug!(namespace = &*self.namespace, %error, "warnings of the cluster not watched");
            ControlFlow::Continue(())
        };
        follow(&self.api::<ClusterEvent>(), config, warn, failed).await;
    }

    fn warn(&self, event: ClusterEvent) {
        let Some((pod, warning)) = warning(event) else {
            return;
        };
        if let Some(key) = self.fleet.key_of_pod(&self.namespace, &pod) {
            self.fleet
                .observe(&key, |observed| observed.warn(&pod, warning));
        }
    }

    /// Reports a broken watch.
    fn failed(
        &self,
        kind: &'static str,
        error: &watcher::Error,
        is_first: bool,
    ) -> ControlFlow<()> {
        // The API server ends each watch after a restart.
        let is_expired = matches!(error, watcher::Error::WatchError(status) if status.code == 410);
        if !is_expired {
            let problem = problem(kind, error);
            if is_first {
                tracing::warn!(
                    namespace = &*self.namespace,
                    kind,
                    message = &*problem.message,
                    "objects of the cluster not watched"
                );
            }
            self.fleet.watch_failed(&self.namespace, problem);
        }
        ControlFlow::Continue(())
    }
}

fn problem(kind: &str, error: &watcher::Error) -> Problem {
    let refusal = match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => Refusal::of(error),
        watcher::Error::WatchError(status) => Refusal::of(&kube::Error::Api(status.clone())),
        watcher::Error::NoResourceVersion => {
            Refusal::Unavailable("its objects have no version".into())
        }
    };
    match refusal {
        Refusal::Forbidden(message) => Problem {
            reason: "Forbidden",
            message: format!(
                "the role of the gateway must permit to list and watch {kind}: {message}"
            )
            .into(),
        },
        Refusal::Unauthorized(message) => Problem {
            reason: UNAUTHORIZED,
            message: unauthorized(&message).into(),
        },
        other => Problem {
            reason: "ClusterUnavailable",
            message: format!("the cluster cannot be watched: {}", other.text()).into(),
        },
    }
}
