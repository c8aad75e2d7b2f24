//! Objects of a server, as a pure function of its definition.
//!
//! Equal definitions have equal manifests, byte for byte: an unchanged one is not sent again, and
//! pods are replaced only if their template changes.

mod compact;
mod digest;
mod network;
mod patch;
pub(crate) mod pod;
mod validate;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::Deployment;
use mcp_gateway_platform::spec::{Cluster, KubernetesServer, PodTransport, PodValue};
use serde_json::{Value, json};

use self::compact::Compact;
pub(crate) use self::network::Clients;
pub(crate) use self::patch::merge;
pub(crate) use self::validate::DefinitionError;
use crate::names;

/// Settings that the manifests of all servers have in common.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Common {
    /// Name of the gateway in labels and names.
    pub(crate) instance: String,
    /// Namespace of servers without one.
    pub(crate) namespace: String,
    /// Image of the bridge.
    pub(crate) bridge_image: Option<String>,
    /// Pods of the gateway; `None` if it runs outside of the cluster.
    pub(crate) clients: Option<Clients>,
}

impl Common {
    /// Returns the settings of `cluster`, with servers in `namespace` that `clients` may connect to.
    pub(crate) fn new(cluster: &Cluster, namespace: String, clients: Option<Clients>) -> Self {
        Self {
            instance: cluster.instance.clone(),
            namespace,
            bridge_image: cluster.bridge_image.clone(),
            clients,
        }
    }
}

/// Objects of one server.
#[derive(Eq, PartialEq)]
pub(crate) struct Manifest {
    /// Name of the server.
    pub(crate) server: Arc<str>,
    /// Namespace of the objects.
    pub(crate) namespace: String,
    /// Name of the objects.
    pub(crate) name: String,
    /// Labels of the objects.
    pub(crate) labels: BTreeMap<String, String>,
    /// Set if the gateway attaches to the container, which has no port then.
    pub(crate) is_attached: bool,
    /// Port of the container.
    pub(crate) port: u16,
    /// Path of the endpoint.
    pub(crate) path: String,
    /// Set if callers of the server require its token.
    pub(crate) has_token: bool,
    /// Time without a call after which it is scaled to zero.
    pub(crate) sleep: Option<Duration>,
    /// Digest of the Deployment.
    pub(crate) digest: String,
    /// Digest of the network policy.
    pub(crate) policy_digest: String,
    policy: Compact,
    deployment: Compact,
    /// Texts of variables, by their keys in the Secret.
    texts: BTreeMap<String, String>,
}

impl Manifest {
    /// Creates the objects of the server `name`.
    ///
    /// # Errors
    ///
    /// All mistakes in its definition.
    pub(crate) fn new(
        name: &Arc<str>,
        server: &KubernetesServer,
        common: &Common,
    ) -> Result<Self, Vec<DefinitionError>> {
        let mistakes = validate::mistakes(server, common.bridge_image.is_some());
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let place = Place::new(name, server, common);
        let (port, path) = match &server.transport {
            PodTransport::Http { port, path } => (*port, path.clone()),
            _ => (pod::BRIDGE_PORT, pod::BRIDGE_PATH.to_owned()),
        };
        // A change of the image of the bridge alone replaces no pods.
        let digest = digest::of_values(&[&place.deployment(server, "")?]);
        let deployment = place.deployment(server, common.bridge_image.as_deref().unwrap_or(""))?;
        let is_attached = server.transport == PodTransport::Attach;
        // Attachments come from the node.
        let clients = common.clients.as_ref().filter(|_| !is_attached);
        let spec = network::policy(&place.labels, &server.egress, clients, port);
        let policy_digest = digest::of_values(&[&spec]);
        Ok(Self {
            server: Arc::clone(name),
            is_attached,
            port,
            path,
            has_token: server.transport == PodTransport::Bridge,
            sleep: server.sleep,
            digest,
            policy: Compact::new(&place.policy(&spec, &policy_digest)),
            policy_digest,
            deployment: Compact::new(&deployment),
            texts: texts(server),
            namespace: place.namespace,
            name: place.name,
            labels: place.labels,
        })
    }

    /// Returns `true` if the server has texts in its Secret.
    pub(crate) fn has_texts(&self) -> bool {
        !self.texts.is_empty()
    }

    /// Returns `true` if the server has a Secret.
    pub(crate) fn has_secret(&self) -> bool {
        self.has_token || self.has_texts()
    }

    /// Returns the Secret with `token`.
    pub(crate) fn secret(&self, token: &str) -> Value {
        let texts = self
            .texts
            .iter()
            .map(|(key, text)| (key.as_str(), text.as_str()));
        let data = texts.chain([(pod::TOKEN_KEY, token)]);
        let data: BTreeMap<_, _> = data
            .map(|(key, text)| (key, ByteString(text.as_bytes().to_vec())))
            .collect();
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": self.name, "namespace": self.namespace, "labels": self.labels},
            "type": "Opaque",
            "data": data,
        })
    }

    /// Returns `true` if `data` has all texts of the Secret.
    pub(crate) fn has_its_texts(&self, data: &BTreeMap<String, ByteString>) -> bool {
        self.texts.iter().all(|(key, text)| {
            data.get(key)
                .is_some_and(|value| text.as_bytes() == value.0)
        })
    }

    /// Returns `true` if the Secret has a value at `key`.
    pub(crate) fn is_key(&self, key: &str) -> bool {
        key == pod::TOKEN_KEY || self.texts.contains_key(key)
    }

    /// Returns the digest of the texts under `token`; `None` if there are none.
    pub(crate) fn texts_digest(&self, token: &str) -> Option<String> {
        self.has_texts()
            .then(|| digest::of_texts(token.as_bytes(), &self.texts))
    }

    /// Returns the network policy.
    pub(crate) fn policy(&self) -> Value {
        self.policy.value()
    }

    /// Returns the Deployment for server-side apply: without the number of replicas, which belongs
    /// to another manager.
    ///
    /// `texts` is the digest of the texts, `bridge_image` the image of the bridge to keep.
    pub(crate) fn deployment(&self, texts: Option<&str>, bridge_image: Option<&str>) -> Value {
        let mut deployment = self.deployment.value();
        deployment["metadata"]["annotations"][names::MANIFEST] = self.digest.clone().into();
        if let Some(texts) = texts {
            deployment["spec"]["template"]["metadata"]["annotations"][names::TEXTS] = texts.into();
        }
        let installers = deployment.pointer_mut("/spec/template/spec/initContainers");
        let installers = installers.and_then(Value::as_array_mut);
        let installer = installers
            .into_iter()
            .flatten()
            .find(|one| one["name"] == pod::INSTALLER);
        if let (Some(installer), Some(image)) = (installer, bridge_image) {
            installer["image"] = image.into();
        }
        deployment
    }

    /// Returns the smallest valid Deployment, without pods, for creation.
    ///
    /// The manager that creates an object owns all that it states, and would keep what later
    /// definitions do not have any more.
    pub(crate) fn seed(&self) -> Value {
        let deployment = self.deployment.value();
        let containers = deployment.pointer("/spec/template/spec/containers");
        let container = containers
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .find(|one| one["name"] == pod::CONTAINER);
        let image = container.map_or(Value::Null, |container| container["image"].clone());
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": self.name, "namespace": self.namespace, "labels": self.labels},
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": self.labels},
                "template": {
                    "metadata": {"labels": self.labels},
                    "spec": {"containers": [{"name": pod::CONTAINER, "image": image}]},
                },
            },
        })
    }
}

impl fmt::Debug for Manifest {
    /// Omits the objects, which contain secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manifest")
            .field("namespace", &self.namespace)
            .field("name", &self.name)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

/// Name, namespace and labels of the objects of a server.
struct Place {
    server: Arc<str>,
    namespace: String,
    name: String,
    labels: BTreeMap<String, String>,
}

impl Place {
    fn new(name: &Arc<str>, server: &KubernetesServer, common: &Common) -> Self {
        let namespace = server.namespace.as_ref().unwrap_or(&common.namespace);
        Self {
            server: Arc::clone(name),
            namespace: namespace.clone(),
            name: names::object_name(&common.instance, name),
            labels: names::server_labels(&common.instance, name),
        }
    }

    /// Returns the Deployment without what is known only when it is sent.
    fn deployment(
        &self,
        server: &KubernetesServer,
        bridge_image: &str,
    ) -> Result<Value, Vec<DefinitionError>> {
        let mut labels = server.pod.labels.clone();
        labels.extend(self.labels.clone());
        let mut deployment = json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {
                "name": self.name,
                "namespace": self.namespace,
                "labels": self.labels,
                "annotations": {names::SERVER_NAME: &*self.server},
            },
            "spec": {
                "revisionHistoryLimit": 2,
                "selector": {"matchLabels": self.labels},
                "strategy": {
                    "type": "RollingUpdate",
                    "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
                },
                "template": {
                    "metadata": {"labels": labels, "annotations": server.pod.annotations},
                    "spec": pod::spec(server, &self.server, &self.name, bridge_image),
                },
            },
        });
        let Some(change) = &server.patch else {
            return Ok(deployment);
        };
        let before = deployment.clone();
        merge(&mut deployment, change);
        let mut mistakes = patch::mistakes(&before, &deployment);
        mistakes.extend(validate::shape_mistake::<Deployment>("patch", &deployment));
        if mistakes.is_empty() {
            Ok(deployment)
        } else {
            Err(mistakes)
        }
    }

    fn policy(&self, spec: &Value, digest: &str) -> Value {
        json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {
                "name": self.name,
                "namespace": self.namespace,
                "labels": self.labels,
                "annotations": {names::MANIFEST: digest},
            },
            "spec": spec,
        })
    }
}

/// Returns the texts of variables, by their keys in the Secret.
fn texts(server: &KubernetesServer) -> BTreeMap<String, String> {
    let texts = server.env.iter().filter_map(|(name, value)| match value {
        PodValue::Text(text) => Some((pod::text_key(name), text.expose().to_owned())),
        _ => None,
    });
    texts.collect()
}

#[cfg(test)]
mod tests;
