//! Servers that run on Kubernetes.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use mcp_gateway_core::upstream::UpstreamProtocol;
use serde_json::Value;

use super::Secret;

/// Server that an [`Orchestrator`](crate::orchestrator::Orchestrator) runs on Kubernetes, as pods of
/// one Deployment.
///
/// Fields that have the type [`Value`] have the shape of the Kubernetes API, as its version of the
/// cluster defines it.
///
/// # Example
///
/// ```
/// use mcp_gateway_platform::spec::{KubernetesServer, PodTransport};
///
/// let mut server = KubernetesServer::new("ghcr.io/example/mcp-time:1.4");
/// server.command = vec!["mcp-server-time".to_owned()];
/// assert_eq!(server.transport, PodTransport::Bridge);
/// ```
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct KubernetesServer {
    /// Image.
    pub image: String,
    /// Program in the image, run without a shell; its entrypoint if empty, which
    /// [`PodTransport::Bridge`] does not know.
    pub command: Vec<String>,
    /// Arguments.
    pub args: Vec<String>,
    /// Environment variables.
    pub env: Vec<(String, PodValue)>,
    /// Secrets and config maps as files.
    pub files: Vec<PodFiles>,
    /// Transport.
    pub transport: PodTransport,
    /// Protocol; detected if `None`.
    pub protocol: Option<UpstreamProtocol>,
    /// Namespace; that of the orchestrator if `None`.
    pub namespace: Option<String>,
    /// Settings of the pod.
    pub pod: PodSettings,
    /// Destinations that the pod may reach, besides the DNS of the cluster.
    pub egress: PodEgress,
    /// Time without a call after which it is scaled to zero; never if `None`.
    pub sleep: Option<Duration>,
    /// Time to exit after SIGTERM; five seconds if `None`.
    pub grace: Option<Duration>,
    /// Strategic merge patch of the Deployment, applied last.
    pub patch: Option<Value>,
}

/// Transport of a server on Kubernetes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum PodTransport {
    /// Stdio server under `mcp-bridge`, which an init container copies into the pod.
    #[default]
    Bridge,
    /// Stdio server whose container the gateway attaches to.
    Attach,
    /// HTTP server.
    Http {
        /// Port of the container.
        port: u16,
        /// Path of the endpoint, such as `/mcp`.
        path: String,
    },
}

/// Value of an environment variable.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum PodValue {
    /// Text, kept in a Secret that belongs to the server.
    Text(Secret),
    /// Key of a Secret in the namespace of the server.
    Secret(KeyReference),
    /// Key of a config map in the namespace of the server.
    ConfigMap(KeyReference),
}

/// Reference to a key of a Secret or config map.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct KeyReference {
    /// Name of the object.
    pub name: String,
    /// Key.
    pub key: String,
}

impl KeyReference {
    /// Creates a reference to `key` of the object `name`.
    #[must_use]
    pub fn new(name: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            key: key.into(),
        }
    }
}

/// Secret or config map as read-only files.
///
/// The kubelet updates the files when the object changes, without a restart of the server.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct PodFiles {
    /// Folder, as an absolute path.
    pub path: String,
    /// Object, in the namespace of the server.
    pub source: FileSource,
}

impl PodFiles {
    /// Creates files of `source` in the folder `path`.
    #[must_use]
    pub fn new(path: impl Into<String>, source: FileSource) -> Self {
        Self {
            path: path.into(),
            source,
        }
    }
}

/// Object whose keys are files.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum FileSource {
    /// Secret of this name.
    Secret(String),
    /// Config map of this name.
    ConfigMap(String),
}

/// Settings of a pod.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct PodSettings {
    /// Pull policy: `Always`, `IfNotPresent` or `Never`; that of the cluster if `None`.
    pub pull_policy: Option<String>,
    /// Secrets with the credentials of image registries.
    pub pull_secrets: Vec<String>,
    /// Service account; the pod has no token of it.
    pub service_account: Option<String>,
    /// Requested resources: quantities by name.
    pub requests: BTreeMap<String, String>,
    /// Limits of resources: quantities by name.
    pub limits: BTreeMap<String, String>,
    /// Labels of nodes.
    pub node_selector: BTreeMap<String, String>,
    /// Tolerations.
    pub tolerations: Vec<Value>,
    /// Affinity.
    pub affinity: Option<Value>,
    /// Fields of the security context of the container that replace the default ones: non-root,
    /// read-only root, no escalation, no capabilities, seccomp of the runtime.
    pub security_context: Option<Value>,
    /// Readiness probe that replaces the default one.
    pub readiness_probe: Option<Value>,
    /// Liveness probe.
    pub liveness_probe: Option<Value>,
    /// Startup probe.
    pub startup_probe: Option<Value>,
    /// Labels besides those of the orchestrator. None of their keys begins with `app.kubernetes.io/`
    /// or with a prefix in [`LABEL_DOMAIN`].
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
}

/// Destinations that a pod may reach.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum PodEgress {
    /// None but the DNS of the cluster.
    #[default]
    Denied,
    /// These blocks of addresses.
    Allowed(Vec<EgressRule>),
    /// All but private, link-local and reserved addresses.
    Internet,
}

/// Block of addresses that a pod may reach.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct EgressRule {
    /// Addresses.
    pub block: ipnet::IpNet,
    /// TCP ports; all if empty.
    pub ports: Vec<u16>,
}

impl EgressRule {
    /// Creates a rule for all TCP ports of `block`.
    #[must_use]
    pub fn new(block: ipnet::IpNet) -> Self {
        Self {
            block,
            ports: Vec::new(),
        }
    }

    /// Ranges that no rule can allow: this host, loopback, link-local addresses with the metadata
    /// services of clouds, another such service, and IPv4 addresses within IPv6.
    pub const NEVER: &[&str] = &[
        "0.0.0.0/8",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "::/127",
        "::ffff:0:0/96",
        "64:ff9b::/96",
        "fd00:ec2::/32",
        "fe80::/10",
    ];

    /// Returns the range of [`Self::NEVER`] that contains all of `block`; `None` if it can be allowed.
    ///
    /// ```
    /// use mcp_gateway_platform::spec::EgressRule;
    ///
    /// let metadata = "169.254.169.254/32".parse().unwrap();
    /// assert_eq!(EgressRule::forbidden(&metadata), Some("169.254.0.0/16"));
    /// assert_eq!(EgressRule::forbidden(&"10.0.0.0/8".parse().unwrap()), None);
    /// ```
    #[must_use]
    pub fn forbidden(block: &ipnet::IpNet) -> Option<&'static str> {
        let contains = |range: &&str| {
            range
                .parse()
                .is_ok_and(|range: ipnet::IpNet| range.contains(block))
        };
        Self::NEVER.iter().copied().find(contains)
    }
}

/// Domain of the keys of labels and annotations, and of the API group, that orchestrators own.
pub const LABEL_DOMAIN: &str = "mcp-gateway.dev";

impl KubernetesServer {
    /// Returns `true` if the server of `other` answers as this one does, and may differ only in the
    /// settings of its pods, and in the time that they have to end or sleep.
    #[must_use]
    pub fn answers_like(&self, other: &Self) -> bool {
        // Fields that are added later count, unless they are named here.
        let settled = Self {
            pod: self.pod.clone(),
            egress: self.egress.clone(),
            sleep: self.sleep,
            grace: self.grace,
            ..other.clone()
        };
        settled == *self
    }

    /// Creates a server of `image` with default settings.
    #[must_use]
    pub fn new(image: impl Into<String>) -> Self {
        Self {
            image: image.into(),
            command: Vec::new(),
            args: Vec::new(),
            env: Vec::new(),
            files: Vec::new(),
            transport: PodTransport::default(),
            protocol: None,
            namespace: None,
            pod: PodSettings::default(),
            egress: PodEgress::default(),
            sleep: None,
            grace: None,
            patch: None,
        }
    }
}

impl fmt::Debug for KubernetesServer {
    /// Omits arguments, variables and the patch, which may contain secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubernetesServer")
            .field("image", &self.image)
            .field("command", &self.command)
            .field("transport", &self.transport)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}
