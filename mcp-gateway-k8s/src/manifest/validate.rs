//! Mistakes in the definition of a server.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Affinity, Probe, SecurityContext, Toleration};
use mcp_gateway_platform::spec::{
    EgressRule, FileSource, KeyReference, KubernetesServer, PodEgress, PodTransport, PodValue,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::patch::context_mistakes;

/// Mistake in the definition of a server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct DefinitionError {
    /// Path of the field.
    pub(crate) path: String,
    /// Description of the mistake, without the value.
    pub(crate) message: String,
}

impl DefinitionError {
    pub(super) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for DefinitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Maximum time to exit after SIGTERM.
const MAX_GRACE: Duration = Duration::from_secs(600);
/// Minimum time without a call after which a server is scaled to zero.
const MIN_SLEEP: Duration = Duration::from_secs(5);
/// Maximum length of the name of an object.
const MAX_OBJECT_NAME: usize = 253;
/// Maximum length of the name of a namespace, and of other labels of the DNS.
const MAX_DNS_LABEL: usize = 63;

/// Returns all mistakes in `server`.
pub(super) fn mistakes(server: &KubernetesServer, has_bridge: bool) -> Vec<DefinitionError> {
    let mut checks = Checks(Vec::new());
    checks.program(server, has_bridge);
    checks.variables(server);
    checks.files(server);
    checks.pod(server);
    checks.shapes(server);
    checks.network(server);
    if let Some(namespace) = &server.namespace {
        checks.require("namespace", is_dns_label(namespace), NOT_A_NAME);
    }
    let grace = server.grace.is_none_or(|grace| grace <= MAX_GRACE);
    checks.require("grace", grace, "must be at most 10 minutes");
    let sleep = server.sleep.is_none_or(|sleep| sleep >= MIN_SLEEP);
    checks.require("sleep", sleep, "must be at least 5 seconds");
    checks.0
}

const NOT_A_NAME: &str = "must be a name of lower-case letters, digits and -";

struct Checks(Vec<DefinitionError>);

impl Checks {
    fn require(&mut self, path: impl Into<String>, holds: bool, message: &str) {
        if !holds {
            self.0.push(DefinitionError::new(path, message));
        }
    }

    fn program(&mut self, server: &KubernetesServer, has_bridge: bool) {
        let image = &server.image;
        let visible =
            |text: &str| !text.is_empty() && text.chars().all(|one| one.is_ascii_graphic());
        self.require("image", visible(image), "must be the name of an image");
        match &server.transport {
            PodTransport::Bridge => {
                self.require("command", !server.command.is_empty(), NO_COMMAND);
                self.require("transport", has_bridge, NO_BRIDGE);
            }
            PodTransport::Http { port, path } => {
                self.require("port", *port > 0, "must be from 1 to 65535");
                let is_path = path.starts_with('/') && visible(path) && !path.contains(['?', '#']);
                self.require("path", is_path, "must begin with /");
            }
            PodTransport::Attach => {}
            _ => self.require("transport", false, "is not supported on Kubernetes"),
        }
    }

    fn variables(&mut self, server: &KubernetesServer) {
        let mut names = BTreeSet::new();
        for (name, value) in &server.env {
            let path = format!("env.{name}");
            let valid = !name.is_empty()
                && !name.starts_with(|one: char| one.is_ascii_digit())
                && name
                    .chars()
                    .all(|one| one.is_ascii_alphanumeric() || "-._".contains(one));
            self.require(&path, valid, "must consist of letters, digits, -, _ and .");
            self.require(&path, names.insert(name), "is set twice");
            match value {
                PodValue::Secret(key) | PodValue::ConfigMap(key) => self.reference(&path, key),
                _ => {}
            }
        }
    }

    fn reference(&mut self, path: &str, reference: &KeyReference) {
        self.require(
            format!("{path}.name"),
            is_object_name(&reference.name),
            NOT_A_NAME,
        );
        let key = &reference.key;
        let valid = !key.is_empty()
            && key.len() <= MAX_OBJECT_NAME
            && key
                .chars()
                .all(|one| one.is_ascii_alphanumeric() || "-._".contains(one));
        self.require(
            format!("{path}.key"),
            valid,
            "must consist of letters, digits, -, _ and .",
        );
    }

    fn files(&mut self, server: &KubernetesServer) {
        let mut paths = BTreeSet::new();
        for (place, files) in server.files.iter().enumerate() {
            let at = |name: &str| format!("files[{place}].{name}");
            let path = &files.path;
            let parts = path
                .split('/')
                .filter(|part| !part.is_empty() && *part != ".");
            // As the node resolves it.
            let folder = parts.fold(String::new(), |path, part| path + "/" + part);
            let absolute = path.starts_with('/')
                && !folder.is_empty()
                && !path.contains([':', '\0'])
                && !path.contains("..");
            self.require(at("path"), absolute, "must be an absolute path of a folder");
            let own = folder == "/mcp-gateway" || folder.starts_with("/mcp-gateway/");
            self.require(
                at("path"),
                !own && folder != "/tmp",
                "is used by the gateway",
            );
            self.require(at("path"), paths.insert(folder), "is used twice");
            let (FileSource::Secret(name) | FileSource::ConfigMap(name)) = &files.source else {
                continue;
            };
            self.require(at("name"), is_object_name(name), NOT_A_NAME);
        }
    }

    fn pod(&mut self, server: &KubernetesServer) {
        let pod = &server.pod;
        if let Some(policy) = &pod.pull_policy {
            let known = ["Always", "IfNotPresent", "Never"].contains(&policy.as_str());
            self.require("pullPolicy", known, "must be Always, IfNotPresent or Never");
        }
        for (place, name) in pod.pull_secrets.iter().enumerate() {
            self.require(
                format!("pullSecrets[{place}]"),
                is_object_name(name),
                NOT_A_NAME,
            );
        }
        if let Some(account) = &pod.service_account {
            self.require("serviceAccount", is_object_name(account), NOT_A_NAME);
        }
        for (path, quantities) in [("requests", &pod.requests), ("limits", &pod.limits)] {
            for (name, quantity) in quantities {
                let message = "must be a quantity, such as 100m or 256Mi";
                self.require(format!("{path}.{name}"), is_quantity(quantity), message);
            }
        }
        self.labels("nodeSelector", &pod.node_selector);
        self.labels("labels", &pod.labels);
        for key in pod.labels.keys() {
            let own = key.starts_with("app.kubernetes.io/") || is_own(key);
            self.require(format!("labels.{key}"), !own, "belongs to the gateway");
        }
        for key in pod.annotations.keys() {
            let path = format!("annotations.{key}");
            self.require(
                &path,
                is_label_key(key),
                "must be a name with an optional prefix",
            );
            self.require(&path, !is_own(key), "belongs to the gateway");
        }
    }

    fn labels(&mut self, path: &str, labels: &BTreeMap<String, String>) {
        for (key, value) in labels {
            let path = format!("{path}.{key}");
            self.require(
                &path,
                is_label_key(key),
                "must be a name with an optional prefix",
            );
            let valid = value.is_empty() || is_label_text(value);
            self.require(
                &path,
                valid,
                "must have at most 63 letters, digits, -, _ and .",
            );
        }
    }

    /// Checks the fields that have the shape of the Kubernetes API.
    fn shapes(&mut self, server: &KubernetesServer) {
        let pod = &server.pod;
        for (place, toleration) in pod.tolerations.iter().enumerate() {
            self.shape::<Toleration>(&format!("tolerations[{place}]"), Some(toleration));
        }
        self.shape::<Affinity>("affinity", pod.affinity.as_ref());
        self.shape::<SecurityContext>("securityContext", pod.security_context.as_ref());
        self.shape::<Probe>("readinessProbe", pod.readiness_probe.as_ref());
        self.shape::<Probe>("livenessProbe", pod.liveness_probe.as_ref());
        self.shape::<Probe>("startupProbe", pod.startup_probe.as_ref());
        if let Some(context) = &pod.security_context {
            context_mistakes(context, "securityContext", &mut self.0);
        }
        let patch = server.patch.as_ref();
        self.require(
            "patch",
            patch.is_none_or(Value::is_object),
            "must be an object",
        );
    }

    fn shape<T: DeserializeOwned>(&mut self, path: &str, value: Option<&Value>) {
        if let Some(value) = value {
            self.0.extend(shape_mistake::<T>(path, value));
        }
    }

    fn network(&mut self, server: &KubernetesServer) {
        let PodEgress::Allowed(rules) = &server.egress else {
            return;
        };
        for (place, rule) in rules.iter().enumerate() {
            if let Some(range) = EgressRule::forbidden(&rule.block) {
                let message = format!("is in {range}, which no server may reach");
                self.0
                    .push(DefinitionError::new(format!("egress[{place}]"), message));
            }
            let ports = rule.ports.iter().all(|port| *port > 0);
            self.require(
                format!("egress[{place}].ports"),
                ports,
                "must be from 1 to 65535",
            );
        }
    }
}

const NO_COMMAND: &str = "is required: the bridge cannot find the entrypoint of an image";
const NO_BRIDGE: &str = "requires the image of the bridge, which is not configured";

/// Returns the mistake in `value` if it is no `T`.
///
/// Fields that `T` does not have are valid: the cluster may know more.
pub(super) fn shape_mistake<T: DeserializeOwned>(
    path: &str,
    value: &Value,
) -> Option<DefinitionError> {
    let error = serde_path_to_error::deserialize::<_, T>(value).err()?;
    let inner = error.path().to_string();
    let path = if inner == "." {
        path.to_owned()
    } else {
        format!("{path}.{inner}")
    };
    // Messages quote the value, which may be secret.
    let message = error.inner().to_string();
    let expected = message
        .split_once("expected ")
        .map(|(_, expected)| expected);
    let message = match expected {
        Some(expected) => format!("must be {expected}"),
        None if message.starts_with("missing field") => message,
        None => "is invalid".to_owned(),
    };
    Some(DefinitionError::new(path, message))
}

fn is_own(key: &str) -> bool {
    let prefix = key.split_once('/').map_or("", |(prefix, _)| prefix);
    prefix == "mcp-gateway.dev" || prefix.ends_with(".mcp-gateway.dev")
}

fn is_dns_label(text: &str) -> bool {
    let accepts = |one: char| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '-';
    (1..=MAX_DNS_LABEL).contains(&text.len())
        && text.chars().all(accepts)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_object_name(text: &str) -> bool {
    text.len() <= MAX_OBJECT_NAME && text.split('.').all(is_dns_label)
}

fn is_label_text(text: &str) -> bool {
    let is_edge = |one: Option<char>| one.is_some_and(|one| one.is_ascii_alphanumeric());
    text.len() <= MAX_DNS_LABEL
        && text
            .chars()
            .all(|one| one.is_ascii_alphanumeric() || "-_.".contains(one))
        && is_edge(text.chars().next())
        && is_edge(text.chars().last())
}

fn is_label_key(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => is_object_name(prefix) && is_label_text(name),
        None => is_label_text(key),
    }
}

/// Returns `true` if `text` is a number with an optional suffix, as the Kubernetes API defines it.
fn is_quantity(text: &str) -> bool {
    let digits = text
        .find(|one: char| !one.is_ascii_digit() && one != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let number = number.chars().any(|one| one.is_ascii_digit()) && number.matches('.').count() <= 1;
    let exponent = suffix
        .strip_prefix(['e', 'E'])
        .is_some_and(|exponent| exponent.parse::<i8>().is_ok());
    number && (exponent || SUFFIXES.contains(&suffix))
}

const SUFFIXES: [&str; 16] = [
    "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei",
];

#[cfg(test)]
mod tests {
    use mcp_gateway_platform::spec::PodFiles;
    use serde_json::json;

    use super::*;

    fn found(change: impl FnOnce(&mut KubernetesServer)) -> Vec<String> {
        let mut server = KubernetesServer::new("example/time:1");
        server.command = vec!["time".to_owned()];
        change(&mut server);
        mistakes(&server, true)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_minimal_server_is_valid() {
        assert_eq!(found(|_| {}), [""; 0]);
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn each_mistake_has_the_path_of_its_field() {
        type Change = Box<dyn FnOnce(&mut KubernetesServer)>;
        let cases: Vec<(&str, Change)> = vec![
            ("image", Box::new(|one| one.image = "a b".to_owned())),
            ("command", Box::new(|one| one.command.clear())),
            (
                "port",
                Box::new(|one| {
                    one.transport = PodTransport::Http {
                        port: 0,
                        path: "/".to_owned(),
                    }
                }),
            ),
            (
                "path",
                Box::new(|one| {
                    one.transport = PodTransport::Http {
                        port: 1,
                        path: "mcp".to_owned(),
                    }
                }),
            ),
            (
                "env.A B",
                Box::new(|one| one.env.push(("A B".to_owned(), PodValue::Text("x".into())))),
            ),
            (
                "env.A.key",
                Box::new(|one| {
                    one.env
                        .push(("A".to_owned(), PodValue::Secret(KeyReference::new("s", ""))))
                }),
            ),
            (
                "env.A.name",
                Box::new(|one| {
                    one.env.push((
                        "A".to_owned(),
                        PodValue::ConfigMap(KeyReference::new("S", "k")),
                    ))
                }),
            ),
            (
                "files[0].path",
                Box::new(|one| {
                    one.files
                        .push(PodFiles::new("/tmp", FileSource::Secret("s".to_owned())))
                }),
            ),
            (
                "files[0].name",
                Box::new(|one| {
                    one.files
                        .push(PodFiles::new("/a", FileSource::ConfigMap("/".to_owned())))
                }),
            ),
            (
                "pullPolicy",
                Box::new(|one| one.pod.pull_policy = Some("always".to_owned())),
            ),
            (
                "limits.memory",
                Box::new(|one| {
                    drop(
                        one.pod
                            .limits
                            .insert("memory".to_owned(), "1 GB".to_owned()),
                    )
                }),
            ),
            (
                "labels.app.kubernetes.io/name",
                Box::new(|one| {
                    drop(
                        one.pod
                            .labels
                            .insert("app.kubernetes.io/name".to_owned(), "x".to_owned()),
                    )
                }),
            ),
            (
                "annotations.mcp-gateway.dev/x",
                Box::new(|one| {
                    drop(
                        one.pod
                            .annotations
                            .insert("mcp-gateway.dev/x".to_owned(), String::new()),
                    )
                }),
            ),
            (
                "tolerations[0].tolerationSeconds",
                Box::new(|one| one.pod.tolerations.push(json!({"tolerationSeconds": "1"}))),
            ),
            (
                "readinessProbe.httpGet.port",
                Box::new(|one| one.pod.readiness_probe = Some(json!({"httpGet": {"port": []}}))),
            ),
            (
                "securityContext.privileged",
                Box::new(|one| one.pod.security_context = Some(json!({"privileged": true}))),
            ),
            (
                "egress[0]",
                Box::new(|one| {
                    one.egress = PodEgress::Allowed(vec![EgressRule::new(
                        "169.254.169.254/32".parse().unwrap(),
                    )])
                }),
            ),
            (
                "namespace",
                Box::new(|one| one.namespace = Some("A".to_owned())),
            ),
            (
                "grace",
                Box::new(|one| one.grace = Some(Duration::from_secs(3600))),
            ),
            (
                "sleep",
                Box::new(|one| one.sleep = Some(Duration::from_secs(1))),
            ),
            ("patch", Box::new(|one| one.patch = Some(json!([])))),
        ];
        for (path, change) in cases {
            let found = found(change);
            assert!(
                matches!(&found[..], [one] if one.starts_with(&format!("{path}: "))),
                "{path}: {found:?}"
            );
        }
    }

    #[test]
    fn category_cluster_secrets_are_not_in_mistakes() {
        let found = found(|server| {
            server.pod.liveness_probe =
                Some(json!({"httpGet": {"port": 1, "httpHeaders": "hunter2"}}));
        });
        assert_eq!(
            found,
            ["livenessProbe.httpGet.httpHeaders: must be a sequence"]
        );
    }

    #[test]
    fn folders_of_the_gateway_are_found_in_all_spellings() {
        for path in [
            "//tmp",
            "/tmp/",
            "/./tmp",
            "//mcp-gateway/bin",
            "/mcp-gateway//bin/",
        ] {
            let files = PodFiles::new(path, FileSource::Secret("s".to_owned()));
            let found = found(|server| server.files.push(files));
            assert_eq!(found, ["files[0].path: is used by the gateway"], "{path}");
        }
        let twice =
            ["/a", "//a"].map(|path| PodFiles::new(path, FileSource::Secret("s".to_owned())));
        let found = found(|server| server.files.extend(twice));
        assert_eq!(found, ["files[1].path: is used twice"]);
    }

    #[test]
    fn quantities() {
        for text in ["1", "0.5", "100m", "256Mi", "1e3", "2E-1", "1.5Gi", "3E"] {
            assert!(is_quantity(text), "{text}");
        }
        for text in ["", "Mi", "1MB", "1 Gi", "-1", "1..2", "1e", "one"] {
            assert!(!is_quantity(text), "{text}");
        }
    }
}
