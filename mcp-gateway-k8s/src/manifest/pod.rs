//! Pods of a server.

use std::time::Duration;

use mcp_gateway_platform::spec::{FileSource, KubernetesServer, PodTransport, PodValue};
use serde_json::{Map, Value, json};

/// Port of the bridge.
pub(crate) const BRIDGE_PORT: u16 = 8081;
/// Path of the endpoint of the bridge.
pub(super) const BRIDGE_PATH: &str = "/mcp";
/// Name of the container of a server.
pub(crate) const CONTAINER: &str = "server";
/// Name of the init container that installs the bridge.
pub(crate) const INSTALLER: &str = "bridge";
/// Key of the token in the Secret of a server.
pub(crate) const TOKEN_KEY: &str = "token";

/// Folder of the bridge in the container.
const PROGRAMS: &str = "/mcp-gateway/bin";
/// Program of the bridge in the container.
const BRIDGE: &str = "/mcp-gateway/bin/mcp-bridge";
/// Folder of the token in the container.
const TOKEN_FOLDER: &str = "/mcp-gateway/token";
/// Time to exit after SIGTERM by default.
const GRACE: Duration = Duration::from_secs(5);
/// Limit of the size of the folder with the bridge.
const PROGRAMS_SIZE: &str = "256Mi";
/// Limit of the size of `/tmp`, the only folder that servers can write to.
const TMP_SIZE: &str = "1Gi";

/// Returns the specification of the pods of `server`, which is called `name` and whose own Secret is
/// `secret`.
pub(super) fn spec(
    server: &KubernetesServer,
    name: &str,
    secret: &str,
    bridge_image: &str,
) -> Value {
    let grace = server.grace.unwrap_or(GRACE).as_secs().max(1);
    let bridged = server.transport == PodTransport::Bridge;
    let mut spec = json!({
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": grace,
        "containers": [container(server, name, secret, grace)],
        "volumes": volumes(server, secret),
    });
    if bridged {
        spec["initContainers"] = json!([installer(server, bridge_image)]);
    } else {
        // Programs that do not expect to be the first process of a container ignore SIGTERM there.
        spec["shareProcessNamespace"] = true.into();
    }
    let pod = &server.pod;
    let secrets = pod.pull_secrets.iter().map(|name| json!({"name": name}));
    set(
        &mut spec,
        "imagePullSecrets",
        secrets.collect::<Vec<_>>().into(),
    );
    set(&mut spec, "nodeSelector", json!(pod.node_selector));
    set(&mut spec, "tolerations", pod.tolerations.clone().into());
    if let Some(account) = &pod.service_account {
        spec["serviceAccountName"] = account.clone().into();
    }
    if let Some(affinity) = &pod.affinity {
        spec["affinity"] = affinity.clone();
    }
    spec
}

/// Sets a member unless it is empty.
fn set(object: &mut Value, name: &str, value: Value) {
    let is_empty = match &value {
        Value::Array(elements) => elements.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Null => true,
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    if !is_empty {
        object[name] = value;
    }
}

fn container(server: &KubernetesServer, name: &str, secret: &str, grace: u64) -> Value {
    let mut container = json!({
        "name": CONTAINER,
        "image": server.image,
        "securityContext": security_context(server),
        "volumeMounts": mounts(server),
    });
    let port = match &server.transport {
        PodTransport::Http { port, .. } => Some(*port),
        PodTransport::Bridge => Some(BRIDGE_PORT),
        _ => None,
    };
    match port {
        Some(port) => {
            container["ports"] = json!([{"name": "mcp", "containerPort": port, "protocol": "TCP"}]);
        }
        // The end of an attachment must not end the server.
        None => (container["stdin"], container["stdinOnce"]) = (true.into(), false.into()),
    }
    let (command, args) = match server.transport {
        PodTransport::Bridge => (vec![BRIDGE.to_owned()], bridge_args(server, name, grace)),
        _ => (server.command.clone(), server.args.clone()),
    };
    set(&mut container, "command", command.into());
    set(&mut container, "args", args.into());
    set(&mut container, "env", variables(server, secret));
    set(&mut container, "resources", resources(server));
    let pod = &server.pod;
    if let Some(policy) = &pod.pull_policy {
        container["imagePullPolicy"] = policy.clone().into();
    }
    let readiness = port.map(|port| readiness(server, port));
    if let Some(probe) = pod.readiness_probe.clone().or(readiness) {
        container["readinessProbe"] = probe;
    }
    for (name, probe) in [
        ("livenessProbe", &pod.liveness_probe),
        ("startupProbe", &pod.startup_probe),
    ] {
        if let Some(probe) = probe {
            container[name] = probe.clone();
        }
    }
    container
}

/// Returns the arguments of the bridge: it serves the command to whoever has the token, and ends
/// with it.
fn bridge_args(server: &KubernetesServer, name: &str, grace: u64) -> Vec<String> {
    let drain = grace.saturating_sub(1).to_string();
    let listen = format!("0.0.0.0:{BRIDGE_PORT}");
    let token = format!("{TOKEN_FOLDER}/{TOKEN_KEY}");
    let own = [
        "stdio",
        "--name",
        name,
        "--listen",
        &listen,
        "--token-file",
        &token,
        "--eager",
        "--exit-with-server",
        "--grace",
        &drain,
        "--",
    ];
    let own = own.into_iter().map(ToOwned::to_owned);
    let command = server.command.iter().chain(&server.args);
    own.chain(command.cloned()).collect()
}

/// Returns the security context of a container, with the fields of the definition instead of the
/// defaults.
fn security_context(server: &KubernetesServer) -> Value {
    let mut context = json!({
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": true,
        "runAsNonRoot": true,
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    let own = server
        .pod
        .security_context
        .as_ref()
        .and_then(Value::as_object);
    for (name, value) in own.into_iter().flatten() {
        context[name] = value.clone();
    }
    context
}

fn variables(server: &KubernetesServer, secret: &str) -> Value {
    let reference = |name: &str, key: &str| json!({"name": name, "key": key});
    let variables = server.env.iter().filter_map(|(name, value)| {
        let source = match value {
            PodValue::Text(_) => json!({"secretKeyRef": reference(secret, &text_key(name))}),
            PodValue::Secret(key) => json!({"secretKeyRef": reference(&key.name, &key.key)}),
            PodValue::ConfigMap(key) => json!({"configMapKeyRef": reference(&key.name, &key.key)}),
            _ => return None,
        };
        Some(json!({"name": name, "valueFrom": source}))
    });
    variables.collect::<Vec<_>>().into()
}

/// Returns the key of the variable `name` in the Secret of its server.
pub(super) fn text_key(name: &str) -> String {
    format!("env.{name}")
}

fn resources(server: &KubernetesServer) -> Value {
    let mut resources = Value::Object(Map::new());
    set(&mut resources, "requests", json!(server.pod.requests));
    set(&mut resources, "limits", json!(server.pod.limits));
    resources
}

/// Returns the probe that decides when a pod receives calls. It is frequent, because callers of a
/// server that wakes wait for it.
fn readiness(server: &KubernetesServer, port: u16) -> Value {
    let mut probe = json!({"periodSeconds": 1, "timeoutSeconds": 2, "failureThreshold": 3});
    match server.transport {
        PodTransport::Bridge => probe["httpGet"] = json!({"path": "/readyz", "port": port}),
        _ => probe["tcpSocket"] = json!({"port": port}),
    }
    probe
}

/// Returns the init container that copies the bridge into the pod.
///
/// It has the resources of the server, which therefore do not add up: a quota requires some.
fn installer(server: &KubernetesServer, image: &str) -> Value {
    let mut installer = json!({
        "name": INSTALLER,
        "image": image,
        "command": ["mcp-bridge", "install", BRIDGE],
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": true,
            "runAsNonRoot": true,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": "mcp-programs", "mountPath": PROGRAMS}],
    });
    set(&mut installer, "resources", resources(server));
    installer
}

fn mounts(server: &KubernetesServer) -> Value {
    let mut mounts = vec![json!({"name": "tmp", "mountPath": "/tmp"})];
    if server.transport == PodTransport::Bridge {
        mounts.push(json!({"name": "mcp-programs", "mountPath": PROGRAMS, "readOnly": true}));
        mounts.push(json!({"name": "mcp-token", "mountPath": TOKEN_FOLDER, "readOnly": true}));
    }
    let files = server.files.iter().enumerate();
    mounts.extend(files.map(|(place, files)| {
        json!({"name": format!("files-{place}"), "mountPath": files.path, "readOnly": true})
    }));
    mounts.into()
}

fn volumes(server: &KubernetesServer, secret: &str) -> Value {
    let mut volumes = vec![json!({"name": "tmp", "emptyDir": {"sizeLimit": TMP_SIZE}})];
    if server.transport == PodTransport::Bridge {
        volumes.push(json!({"name": "mcp-programs", "emptyDir": {"sizeLimit": PROGRAMS_SIZE}}));
        volumes.push(json!({"name": "mcp-token", "secret": {
            "secretName": secret,
            "items": [{"key": TOKEN_KEY, "path": TOKEN_KEY}],
        }}));
    }
    volumes.extend(server.files.iter().enumerate().map(|(place, files)| {
        let mut volume = json!({"name": format!("files-{place}")});
        match &files.source {
            FileSource::Secret(name) => volume["secret"] = json!({"secretName": name}),
            FileSource::ConfigMap(name) => volume["configMap"] = json!({"name": name}),
            _ => {}
        }
        volume
    }));
    volumes.into()
}
