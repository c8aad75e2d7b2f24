//! Objects of servers as the cluster has them.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Event, Pod};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::ResourceExt;

use crate::manifest::pod::INSTALLER;
use crate::names;

/// Place of the objects of a server.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Key {
    /// Namespace.
    pub(crate) namespace: Arc<str>,
    /// Value of the label with the server.
    pub(crate) server: Arc<str>,
}

impl Key {
    pub(crate) fn new(namespace: &str, server: &str) -> Self {
        Self {
            namespace: namespace.into(),
            server: names::label_value(server).into(),
        }
    }

    /// Returns the key of `object`; `None` if it belongs to no server.
    pub(crate) fn of(object: &impl ResourceExt) -> Option<Self> {
        Some(Self {
            namespace: object.namespace()?.into(),
            server: object.labels().get(names::SERVER)?.as_str().into(),
        })
    }
}

/// Warning of the cluster about a pod.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Warning {
    /// Reason, such as `FailedMount`.
    pub(crate) reason: String,
    /// Description.
    pub(crate) message: String,
}

impl Warning {
    /// Returns `true` if it tells only that the node is late.
    pub(crate) fn is_delay(&self) -> bool {
        DELAYS.iter().any(|text| self.message.contains(text))
    }
}

/// Texts in warnings of a node that is late.
const DELAYS: [&str; 2] = ["timed out waiting", "failed to sync"];

/// Objects of one server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observed {
    /// Deployment.
    pub(crate) deployment: Option<Arc<Deployment>>,
    /// Network policy.
    pub(crate) policy: Option<Arc<NetworkPolicy>>,
    /// Pods by name.
    pub(crate) pods: BTreeMap<String, Arc<Pod>>,
    /// Last warnings about pods, by the names of these.
    pub(crate) warnings: BTreeMap<String, Vec<Warning>>,
}

impl Observed {
    /// Returns `true` if the cluster has nothing of the server.
    pub(crate) fn is_empty(&self) -> bool {
        self.deployment.is_none() && self.policy.is_none() && self.pods.is_empty()
    }

    /// Returns the number of pods that shall run; `None` without a Deployment.
    pub(crate) fn replicas(&self) -> Option<i32> {
        let spec = self.deployment.as_ref()?.spec.as_ref();
        Some(spec.and_then(|spec| spec.replicas).unwrap_or(1))
    }

    /// Returns the annotation `key` of the Deployment.
    pub(crate) fn annotation(&self, key: &str) -> Option<&str> {
        let deployment = self.deployment.as_ref()?;
        deployment.annotations().get(key).map(String::as_str)
    }

    /// Returns the annotation `key` of the template of the pods.
    pub(crate) fn pod_annotation(&self, key: &str) -> Option<&str> {
        let template = &self.deployment.as_ref()?.spec.as_ref()?.template;
        let annotations = template.metadata.as_ref()?.annotations.as_ref()?;
        annotations.get(key).map(String::as_str)
    }

    /// Returns the image of the bridge in the template of the pods.
    pub(crate) fn bridge_image(&self) -> Option<&str> {
        let template = &self.deployment.as_ref()?.spec.as_ref()?.template;
        let installers = template.spec.as_ref()?.init_containers.as_ref()?;
        let installer = installers.iter().find(|one| one.name == INSTALLER)?;
        installer.image.as_deref()
    }

    /// Returns the text with which nodes tell that the Secret of the server is missing.
    pub(crate) fn lost_secret(&self) -> Option<String> {
        let name = self.deployment.as_ref()?.name_any();
        Some(format!("secret \"{name}\" not found"))
    }

    /// Returns the name of a pod that lacks, or lacked, the Secret of the server.
    pub(crate) fn pod_without_secret(&self) -> Option<&str> {
        let text = self.lost_secret()?;
        let lacks = |name: &str, pod: &Pod| {
            let warnings = self.warnings.get(name).into_iter().flatten();
            let mut warnings = warnings.map(|warning| &warning.message);
            let statuses = pod.status.iter();
            let statuses = statuses.flat_map(|status| status.container_statuses.iter().flatten());
            let mut waiting = statuses.filter_map(|status| status.state.as_ref()?.waiting.as_ref());
            warnings.any(|message| message.contains(&text))
                || waiting.any(|one| one.message.as_ref().is_some_and(|own| own.contains(&text)))
        };
        let mut pods = self.pods.iter();
        pods.find(|(name, pod)| lacks(name, pod))
            .map(|(name, _)| name.as_str())
    }

    /// Adds a warning about the pod `name`, and forgets the oldest one beyond the limit.
    pub(crate) fn warn(&mut self, name: &str, warning: Warning) {
        let warnings = self.warnings.entry(name.to_owned()).or_default();
        let same = |other: &Warning| other.reason == warning.reason && !other.is_delay();
        if warning.is_delay() && warnings.iter().any(same) {
            // What is missing is told first, and that it takes long afterwards.
            return;
        }
        warnings.retain(|other| other.reason != warning.reason);
        warnings.push(warning);
        if warnings.len() > MAX_WARNINGS {
            warnings.remove(0);
        }
        if self.warnings.len() > MAX_WARNED {
            self.warnings.pop_first();
        }
    }
}

/// Maximum number of warnings that are kept for a pod.
const MAX_WARNINGS: usize = 8;
/// Maximum number of pods of a server whose warnings are kept.
const MAX_WARNED: usize = 32;

/// Kind of objects that belong to one server each.
pub(crate) trait Tracked: ResourceExt + Sized {
    /// Kind in messages.
    const KIND: &'static str;

    /// Adds or replaces the object.
    fn put(self: Arc<Self>, observed: &mut Observed);

    /// Removes the object `name`.
    fn remove(observed: &mut Observed, name: &str);

    /// Returns the object `name`.
    fn find<'a>(observed: &'a Observed, name: &str) -> Option<&'a Arc<Self>>;

    /// Returns the names of the objects.
    fn names(observed: &Observed) -> Vec<String>;

    /// Removes what is never read, to save memory.
    fn trim(&mut self) {
        self.managed_fields_mut().clear();
    }
}

impl Tracked for Deployment {
    const KIND: &'static str = "deployments";

    fn put(self: Arc<Self>, observed: &mut Observed) {
        observed.deployment = Some(self);
    }

    fn remove(observed: &mut Observed, name: &str) {
        if Self::find(observed, name).is_some() {
            observed.deployment = None;
        }
    }

    fn find<'a>(observed: &'a Observed, name: &str) -> Option<&'a Arc<Self>> {
        observed
            .deployment
            .as_ref()
            .filter(|one| one.name_any() == name)
    }

    fn names(observed: &Observed) -> Vec<String> {
        observed
            .deployment
            .iter()
            .map(|one| one.name_any())
            .collect()
    }
}

impl Tracked for NetworkPolicy {
    const KIND: &'static str = "networkpolicies";

    fn put(self: Arc<Self>, observed: &mut Observed) {
        observed.policy = Some(self);
    }

    fn remove(observed: &mut Observed, name: &str) {
        if Self::find(observed, name).is_some() {
            observed.policy = None;
        }
    }

    fn find<'a>(observed: &'a Observed, name: &str) -> Option<&'a Arc<Self>> {
        observed
            .policy
            .as_ref()
            .filter(|one| one.name_any() == name)
    }

    fn names(observed: &Observed) -> Vec<String> {
        observed.policy.iter().map(|one| one.name_any()).collect()
    }
}

impl Tracked for Pod {
    const KIND: &'static str = "pods";

    fn put(self: Arc<Self>, observed: &mut Observed) {
        observed.pods.insert(self.name_any(), self);
    }

    fn remove(observed: &mut Observed, name: &str) {
        observed.pods.remove(name);
        observed.warnings.remove(name);
    }

    fn find<'a>(observed: &'a Observed, name: &str) -> Option<&'a Arc<Self>> {
        observed.pods.get(name)
    }

    fn names(observed: &Observed) -> Vec<String> {
        observed.pods.keys().cloned().collect()
    }

    fn trim(&mut self) {
        self.managed_fields_mut().clear();
        self.spec = None;
    }
}

/// Returns the name of the pod that `event` warns of, and the warning.
pub(crate) fn warning(event: Event) -> Option<(String, Warning)> {
    let about_pod = event.involved_object.kind.as_deref() == Some("Pod");
    let name = event.involved_object.name.filter(|_| about_pod)?;
    let warning = Warning {
        reason: event.reason.unwrap_or_default(),
        message: event.message.unwrap_or_default(),
    };
    Some((name, warning))
}

/// Returns `true` if `new` is a later version than `old`.
pub(crate) fn is_newer<K: ResourceExt>(old: &K, new: &K) -> bool {
    let version = |object: &K| object.resource_version()?.parse::<u64>().ok();
    match (version(old), version(new)) {
        (Some(old), Some(new)) => new > old,
        // Other forms cannot be compared.
        _ => true,
    }
}
