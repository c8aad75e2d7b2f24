//! Objects of one kind in a namespace.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::api::{Api, DynamicObject};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::watcher::{self, Config, Event};
use kube::{Client, ResourceExt as _};
use mcp_gateway_platform::spec::LABEL_DOMAIN;
use tokio::time::sleep;

use super::ClusterObject;
use crate::follow::follow;

/// Objects of one kind in a namespace.
pub(super) struct Kind {
    /// Name of the kind.
    pub(super) name: &'static str,
    pub(super) api: Api<DynamicObject>,
    objects: Mutex<Objects>,
}

/// Objects by name.
pub(super) type Objects = BTreeMap<String, DynamicObject>;

impl Kind {
    /// Creates the objects of our kind `name` in `namespace`, which have to be followed.
    pub(super) fn own(kube: &Client, namespace: &str, name: &'static str) -> Self {
        let kind = GroupVersionKind::gvk(LABEL_DOMAIN, "v1alpha1", name);
        Self::new(kube, namespace, name, &ApiResource::from_gvk(&kind))
    }

    /// Creates the objects of the kind `name`, which are `resource`, in `namespace`.
    pub(super) fn new(
        kube: &Client,
        namespace: &str,
        name: &'static str,
        resource: &ApiResource,
    ) -> Self {
        Self {
            name,
            api: Api::namespaced_with(kube.clone(), namespace, resource),
            objects: Mutex::default(),
        }
    }

    pub(super) fn objects(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows the objects, also while the cluster does not know the kind. `publish` receives all of
    /// them after each change.
    pub(super) async fn follow_forever(&self, publish: impl Fn(Arc<[ClusterObject]>)) {
        let mut is_reported = false;
        loop {
            let changed = |objects: &Objects| publish(objects.iter().filter_map(defined).collect());
            self.follow(changed).await;
            // What is known stays: nothing is deleted because a definition cannot be read.
            if !is_reported {
                tracing::warn!(
                    kind = self.name,
                    "the cluster does not know the kind; install its definition"
                );
                is_reported = true;
            }
            sleep(UNKNOWN).await;
        }
    }

    /// Follows the objects until the cluster does not know the kind. `changed` receives all of them
    /// after each change.
    pub(super) async fn follow(&self, changed: impl Fn(&Objects)) {
        // Objects of a list that is not complete are not gone.
        let mut listing = Objects::new();
        let apply = |event| {
            if self.apply(event, &mut listing) {
                changed(&self.objects());
            }
        };
        let failed = |error: &watcher::Error, is_first| {
            if is_unknown(error) {
                return ControlFlow::Break(());
            }
            if is_first {
                tracing::warn!(kind = self.name, %error, "objects not watched");
            }
            ControlFlow::Continue(())
        };
        follow(&self.api, Config::default(), apply, failed).await;
    }

    /// Returns `true` if all objects are known after the event.
    fn apply(&self, event: Event<DynamicObject>, listing: &mut Objects) -> bool {
        match event {
            Event::Init => listing.clear(),
            Event::InitApply(object) => {
                listing.insert(object.name_any(), object);
            }
            Event::InitDone => {
                *self.objects() = std::mem::take(listing);
                return true;
            }
            Event::Apply(object) => {
                self.objects().insert(object.name_any(), object);
                return true;
            }
            Event::Delete(object) => {
                self.objects().remove(&object.name_any());
                return true;
            }
        }
        false
    }
}

/// Returns `true` if the cluster does not know the kind.
fn is_unknown(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => status.code == 404,
        _ => false,
    }
}

/// Returns what an object defines that is not being deleted.
fn defined((name, object): (&String, &DynamicObject)) -> Option<ClusterObject> {
    let is_there = object.metadata.deletion_timestamp.is_none();
    is_there.then(|| ClusterObject {
        name: name.as_str().into(),
        generation: object.metadata.generation,
        spec: object.data.get("spec").cloned().unwrap_or_default(),
    })
}

/// Pause before a kind that the cluster does not know is listed again.
const UNKNOWN: Duration = Duration::from_secs(2);
