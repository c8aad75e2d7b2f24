//! Servers on Kubernetes.

mod wrong_keys;

use std::time::Duration;

use mcp_gateway_core::upstream::UpstreamProtocol;
use mcp_gateway_platform::spec::{
    EgressRule, FileSource, KeyReference, KubernetesServer, PodEgress, PodFiles, PodTransport,
    PodValue, Reach,
};
use serde_json::json;

use self::wrong_keys::MISTAKES;
use super::*;
use crate::stored::StoredEntries;

/// Returns the configuration of a server with `keys`.
fn file(keys: &str) -> String {
    format!("kubernetes: {{}}\nservers: [{{ name: a, kubernetes: {{ {keys} }} }}]")
}

fn server(keys: &str) -> KubernetesServer {
    let config = read(&file(keys));
    let ServerRuntime::Kubernetes(server) = &config.platform.dynamic.servers[0].transport else {
        panic!("{config:?}");
    };
    KubernetesServer::clone(server)
}

#[test]
fn all_keys_of_a_server_are_read() {
    let config = read(include_str!("full.yaml"));
    let found = config.platform.dynamic.server("time").unwrap();
    let ServerRuntime::Kubernetes(server) = &found.transport else {
        panic!("{found:?}");
    };
    assert_eq!(found.sessions, SessionPolicy::Shared);
    let mut expected = KubernetesServer::new("ghcr.io/example/mcp-time:1.4");
    expected.command = vec!["python".to_owned(), "-m".to_owned()];
    expected.args = vec!["mcp_server_time".to_owned(), "8080".to_owned()];
    let variable = |name: &str, value| (name.to_owned(), value);
    let text = |text: &str| PodValue::Text(Secret::new(text));
    expected.env = vec![
        variable("ZONE", text("Europe/Vienna")),
        variable("TOKEN", text("value-of-the-variable-TIME")),
        variable(
            "PASSWORD",
            PodValue::Secret(KeyReference::new("time", "password")),
        ),
        variable(
            "LEVEL",
            PodValue::ConfigMap(KeyReference::new("common", "log.level")),
        ),
    ];
    expected.files = vec![
        PodFiles::new("/etc/time", FileSource::Secret("time-files".to_owned())),
        PodFiles::new("/etc/common", FileSource::ConfigMap("common".to_owned())),
    ];
    expected.transport = PodTransport::Http {
        port: 8080,
        path: "/time".to_owned(),
    };
    expected.protocol = Some(UpstreamProtocol::Sse);
    expected.namespace = Some("time".to_owned());
    let mut first = EgressRule::new("10.1.0.0/16".parse().unwrap());
    first.ports = vec![443];
    let second = EgressRule::new("2001:db8::/32".parse().unwrap());
    expected.egress = PodEgress::Allowed(vec![first, second]);
    expected.sleep = Some(Duration::from_secs(1800));
    expected.grace = Some(Duration::from_secs(20));
    expected.patch =
        Some(json!({ "spec": { "template": { "spec": { "priorityClassName": "low" } } } }));
    expected.pod = server.pod.clone();
    assert!(expected == **server, "{server:?}");
    insta::assert_debug_snapshot!(server.pod);

    let cluster = config.platform.fixed.cluster.unwrap();
    assert_eq!(cluster.reach, Some(Reach::Forward));
    assert_eq!(cluster.lease, Some(Duration::from_secs(30)));
    assert!(cluster.source.servers && cluster.instance == "tools");
}

#[test]
fn a_server_needs_an_image_and_a_command() {
    let short = server("image: a, command: time");
    assert_eq!(short.command, ["time"]);
    assert_eq!(
        (short.transport, short.egress),
        (PodTransport::Bridge, PodEgress::Denied)
    );
    assert_eq!(
        server("image: a, transport: attach").transport,
        PodTransport::Attach
    );
    let PodTransport::Http { port: 80, path } = server("image: a, http: { port: 80 }").transport
    else {
        panic!("no HTTP server");
    };
    assert_eq!(path, "/mcp");
    for (text, sessions) in [
        (file("image: a, command: a"), SessionPolicy::PerPrincipal),
        (file("image: a, transport: attach"), SessionPolicy::Shared),
    ] {
        assert_eq!(read(&text).platform.dynamic.servers[0].sessions, sessions);
    }
    let open = read("kubernetes: { leaderElection: false }")
        .platform
        .fixed
        .cluster;
    assert_eq!(open.unwrap().lease, None);
}

#[test]
fn mistakes_are_found_at_their_places() {
    for (keys, path, message) in MISTAKES {
        let lines = problems(&file(keys));
        let expected = format!("servers[0].kubernetes{path}: {message}");
        assert_eq!(lines.len(), 1, "{keys}\n{lines:#?}");
        assert!(
            lines[0].contains(&expected),
            "{keys}\n{lines:#?}\n{expected}"
        );
    }
}

#[test]
fn keys_for_other_servers_are_rejected() {
    for (keys, expected) in [
        (
            "inputs: [{ name: x }], kubernetes: { image: a, command: a }",
            "servers[0].inputs: callers cannot supply values to pods",
        ),
        (
            "roots: [/srv], kubernetes: { image: a, command: a }",
            "servers[0].roots: pods have no directories of callers",
        ),
        (
            "sessions: principal, kubernetes: { image: a, transport: attach }",
            "servers[0].sessions: kubernetes.transport: attach has one process",
        ),
    ] {
        let lines = problems(&format!(
            "kubernetes: {{}}\nservers: [{{ name: a, {keys} }}]"
        ));
        assert!(
            lines.iter().any(|line| line.contains(expected)),
            "{keys}\n{lines:#?}"
        );
    }
    let lines = problems("servers: [{ name: a, kubernetes: { image: a, command: a } }]");
    assert!(
        lines[0].contains("servers[0].kubernetes: requires the section kubernetes"),
        "{lines:?}"
    );
}

#[test]
fn mistakes_of_the_cluster_are_found() {
    for (keys, expected) in [
        (
            "namespace: A",
            "kubernetes.namespace: \"A\" is not a namespace",
        ),
        (
            "instance: a_b",
            "kubernetes.instance: \"a_b\" is not the name of a gateway",
        ),
        (
            "bridgeImage: A",
            "kubernetes.bridgeImage: \"A\" is not an image",
        ),
        (
            "reach: node",
            "kubernetes.reach: unknown value \"node\"; available: network, forward",
        ),
        (
            "leaderElection: { lease: 1s }",
            "kubernetes.leaderElection.lease: must be at least 5s",
        ),
        (
            "leaderElection: maybe",
            "kubernetes.leaderElection: expected true or false",
        ),
        (
            "source: { crd: true }",
            "kubernetes.source: unknown key \"crd\"; available: objects",
        ),
    ] {
        let lines = problems(&format!("kubernetes: {{ {keys} }}"));
        assert!(
            lines.iter().any(|line| line.contains(expected)),
            "{keys}\n{lines:#?}"
        );
    }
}

#[test]
fn category_pod_document_gives_no_more_than_a_pod() {
    let read = |keys: serde_json::Value| {
        let mut server = json!({ "image": "a", "command": "a" });
        server
            .as_object_mut()
            .unwrap()
            .extend(keys.as_object().unwrap().clone());
        let read = StoredEntries::new(&[]);
        use mcp_gateway_platform::registry::EntryReader as _;
        read.read(&json!({ "name": "a", "kubernetes": server }))
    };
    let env = json!({
        "A": { "secret": "hunter2" },
        "B": { "secret": "object", "key": "b" },
        "C": { "value": "c" },
    });
    let ServerRuntime::Kubernetes(found) = read(json!({ "env": env })).unwrap().transport else {
        panic!("not on Kubernetes");
    };
    let values: Vec<_> = found.env.iter().map(|(_, value)| value.clone()).collect();
    let expected = [
        PodValue::Text(Secret::new("hunter2")),
        PodValue::Secret(KeyReference::new("object", "b")),
        PodValue::Text(Secret::new("c")),
    ];
    assert_eq!(values, expected);
    for (keys, path) in [
        (json!({ "namespace": "other" }), "kubernetes.namespace"),
        (json!({ "patch": { "spec": {} } }), "kubernetes.patch"),
        (
            json!({ "securityContext": { "privileged": true } }),
            "kubernetes.securityContext.privileged",
        ),
        (
            json!({ "securityContext": { "capabilities": { "add": ["ALL"] } } }),
            "kubernetes.securityContext.capabilities",
        ),
        (
            json!({ "env": { "A": { "env": "HOME" } } }),
            "kubernetes.env.A",
        ),
    ] {
        let violations = read(keys).unwrap_err();
        assert_eq!(violations[0].path, path, "{violations:?}");
    }
    let context = json!({ "securityContext": { "privileged": false, "runAsUser": 7 } });
    assert!(read(context).is_ok());
}

/// Reads a document of the store with `keys`.
fn read_document(keys: &serde_json::Value) -> Vec<String> {
    use mcp_gateway_platform::registry::EntryReader as _;
    let mut server = json!({ "image": "a", "command": "a" });
    let server_keys = server.as_object_mut().unwrap();
    server_keys.extend(keys.as_object().unwrap().clone());
    let read = StoredEntries::new(&[]).read(&json!({ "name": "a", "kubernetes": server }));
    let violations = read.err().unwrap_or_default();
    violations.into_iter().map(|one| one.path).collect()
}

#[test]
fn category_pod_document_has_at_most_the_default_security_context() {
    let unconfined = json!({ "type": "Unconfined" });
    for (key, value) in [
        ("runAsNonRoot", json!(false)),
        ("runAsUser", json!(0)),
        ("readOnlyRootFilesystem", json!(false)),
        ("allowPrivilegeEscalation", json!(true)),
        ("seccompProfile", unconfined),
        ("seLinuxOptions", json!({ "type": "spc_t" })),
        ("procMount", json!("Unmasked")),
    ] {
        let found = read_document(&json!({ "securityContext": { key: value } }));
        assert_eq!(found, [format!("kubernetes.securityContext.{key}")]);
        assert!(
            problems(&file(&format!(
                "image: a, command: a, securityContext: {{ {key}: {value} }}"
            )))
            .is_empty()
        );
    }
    for key in [
        "container.apparmor.security.beta.kubernetes.io/server",
        "container.seccomp.security.alpha.kubernetes.io/server",
        "k8s.v1.cni.cncf.io/networks",
    ] {
        let found = read_document(&json!({ "annotations": { key: "unconfined" } }));
        assert_eq!(found.len(), 1, "{key}");
        assert!(found[0].contains("annotations"), "{found:?}");
    }
    let within = json!({
        "annotations": { "example.com/a": "b" },
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": 1000,
            "runAsGroup": 0,
            "readOnlyRootFilesystem": true,
            "seccompProfile": { "type": "RuntimeDefault" },
        },
    });
    assert_eq!(read_document(&within), [""; 0]);
}

#[test]
fn category_pod_document_has_no_probes_of_other_hosts() {
    for kind in ["readiness", "liveness", "startup"] {
        for action in ["httpGet", "tcpSocket"] {
            let probe = |target| json!({ "probes": { kind: { action: target } } });
            let found = read_document(&probe(json!({ "port": 80, "host": "169.254.169.254" })));
            assert_eq!(found, [format!("kubernetes.probes.{kind}.{action}.host")]);
            assert_eq!(read_document(&probe(json!({ "port": 80 }))), [""; 0]);
        }
    }
}
