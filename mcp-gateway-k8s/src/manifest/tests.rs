use mcp_gateway_platform::spec::{FileSource, KeyReference, PodEgress, PodFiles, Secret};

use super::*;

fn common() -> Common {
    Common {
        instance: "mcp-gateway".to_owned(),
        namespace: "mcp".to_owned(),
        bridge_image: Some("example/mcp-bridge:1".to_owned()),
        clients: Some(Clients {
            namespace: None,
            labels: BTreeMap::from([(
                "app.kubernetes.io/name".to_owned(),
                "mcp-gateway".to_owned(),
            )]),
        }),
    }
}

fn server() -> KubernetesServer {
    let mut server = KubernetesServer::new("example/time:1.4");
    server.command = vec!["mcp-server-time".to_owned()];
    server.args = vec!["--zone".to_owned(), "$(ZONE)".to_owned()];
    server.env = vec![
        ("API_KEY".to_owned(), PodValue::Text(Secret::new("hunter2"))),
        (
            "OTHER".to_owned(),
            PodValue::Secret(KeyReference::new("keys", "other")),
        ),
    ];
    server
}

fn manifest(change: impl FnOnce(&mut KubernetesServer)) -> Manifest {
    let mut server = server();
    change(&mut server);
    Manifest::new(&"time".into(), &server, &common()).unwrap()
}

/// A changed snapshot means that all servers of everybody restart with the next version: change it
/// only for a reason.
#[test]
fn the_manifest_of_a_bridged_server() {
    let manifest = manifest(|_| {});
    let spec = manifest.deployment(None, None)["spec"]["template"]["spec"].clone();
    let text = serde_json::to_string_pretty(&spec).unwrap();
    let expected = include_str!("tests/bridged.json");
    assert_eq!(text.trim(), expected.trim(), "{text}");
}

#[test]
fn an_attached_server_has_an_input_and_no_port() {
    let manifest = manifest(|server| server.transport = PodTransport::Attach);
    let spec = manifest.deployment(None, None)["spec"]["template"]["spec"].clone();
    let container = &spec["containers"][0];
    assert_eq!(
        [&container["stdin"], &container["stdinOnce"]],
        [&json!(true), &json!(false)]
    );
    assert_eq!(container["command"], json!(["mcp-server-time"]));
    for absent in ["ports", "readinessProbe"] {
        assert!(container[absent].is_null(), "{absent}");
    }
    assert!(spec["initContainers"].is_null());
    assert_eq!(manifest.policy()["spec"]["ingress"], json!([]));
    assert!(!manifest.has_token);
}

#[test]
fn equal_definitions_have_equal_manifests() {
    let (first, second) = (manifest(|_| {}), manifest(|_| {}));
    assert_eq!(first.digest, second.digest);
    let bytes = |manifest: &Manifest| manifest.deployment(None, None).to_string();
    assert_eq!(bytes(&first), bytes(&second));
    for other in [
        manifest(|server| server.image = "example/time:1.5".to_owned()),
        manifest(|server| server.args = vec!["x".to_owned()]),
        manifest(|server| server.patch = Some(json!({"spec": {"minReadySeconds": 1}}))),
    ] {
        assert_ne!(other.digest, first.digest);
        assert_eq!(other.policy_digest, first.policy_digest);
    }
    let open = manifest(|server| server.egress = PodEgress::Internet);
    assert_eq!(open.digest, first.digest);
    assert_ne!(open.policy_digest, first.policy_digest);
}

#[test]
fn another_bridge_restarts_nothing() {
    let mut newer = common();
    newer.bridge_image = Some("example/mcp-bridge:2".to_owned());
    let newer = Manifest::new(&"time".into(), &server(), &newer).unwrap();
    assert_eq!(newer.digest, manifest(|_| {}).digest);
    let image =
        |value: &Value| value["spec"]["template"]["spec"]["initContainers"][0]["image"].clone();
    assert_eq!(image(&newer.deployment(None, None)), "example/mcp-bridge:2");
    assert_eq!(
        image(&newer.deployment(None, Some("example/mcp-bridge:1"))),
        "example/mcp-bridge:1"
    );
}

#[test]
fn category_cluster_secrets_are_in_the_secret_only() {
    let manifest = manifest(|_| {});
    let digest = manifest.texts_digest("t").unwrap();
    for value in [
        &manifest.deployment(Some(&digest), None),
        &manifest.policy(),
        &manifest.seed(),
    ] {
        assert!(!value.to_string().contains("hunter2"), "{value}");
    }
    assert!(!format!("{manifest:?}").contains("hunter2"));
    let secret = manifest.secret("t");
    assert_eq!(
        secret["data"],
        json!({"env.API_KEY": "aHVudGVyMg==", "token": "dA=="})
    );
}

#[test]
fn only_texts_restart_pods() {
    let before = manifest(|_| {});
    let rotated = manifest(|server| {
        server.env[0].1 = PodValue::Text(Secret::new("hunter3"));
    });
    assert_eq!(before.digest, rotated.digest);
    assert_ne!(before.texts_digest("t"), rotated.texts_digest("t"));
    assert_eq!(before.texts_digest("t"), manifest(|_| {}).texts_digest("t"));

    let mounted = manifest(|server| {
        server.env.clear();
        server.files.push(PodFiles::new(
            "/keys",
            FileSource::Secret("keys".to_owned()),
        ));
    });
    assert_eq!(mounted.texts_digest("t"), None);
}

#[test]
fn secrets_are_compared_with_their_data() {
    let manifest = manifest(|_| {});
    let has_its_texts = |data: &[(&str, &str)]| {
        let value = |value: &str| ByteString(value.as_bytes().to_vec());
        let data = data
            .iter()
            .map(|(key, text)| ((*key).to_owned(), value(text)));
        manifest.has_its_texts(&data.collect())
    };
    assert!(has_its_texts(&[("token", "x"), ("env.API_KEY", "hunter2")]));
    assert!(!has_its_texts(&[
        ("token", "x"),
        ("env.API_KEY", "hunter3")
    ]));
    assert!(!has_its_texts(&[("token", "x")]));
    assert!(manifest.is_key("token") && manifest.is_key("env.API_KEY"));
    assert!(!manifest.is_key("more"));
}

#[test]
fn replicas_are_never_applied() {
    let manifest = manifest(|_| {});
    assert_eq!(
        manifest.deployment(None, None)["spec"].get("replicas"),
        None
    );
    assert_eq!(manifest.seed()["spec"]["replicas"], 0);
    assert_eq!(
        manifest.seed()["spec"]["selector"],
        manifest.deployment(None, None)["spec"]["selector"]
    );
}

#[test]
fn an_http_server_needs_no_bridge() {
    let manifest = manifest(|server| {
        server.transport = PodTransport::Http {
            port: 3001,
            path: "/mcp".to_owned(),
        };
        server.command.clear();
        server.env.clear();
    });
    assert!(!manifest.has_secret());
    let deployment = manifest.deployment(None, None);
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod.get("initContainers"), None);
    assert_eq!(pod["shareProcessNamespace"], true);
    assert_eq!(pod["containers"][0].get("command"), None);
    assert_eq!(
        pod["containers"][0]["readinessProbe"]["tcpSocket"]["port"],
        3001
    );
    assert_eq!(
        manifest.policy()["spec"]["ingress"][0]["ports"][0]["port"],
        3001
    );
}

#[test]
fn a_patch_is_applied_last_and_checked() {
    let manifest = manifest(|server| {
        server.patch = Some(json!({"spec": {"template": {"spec": {
            "containers": [{"name": "server", "env": [{"name": "LANG", "value": "C"}]}],
            "hostname": "a",
        }}}}));
    });
    let deployment = manifest.deployment(None, None);
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod["hostname"], "a");
    assert_eq!(pod["containers"][0]["env"].as_array().unwrap().len(), 3);
    assert_eq!(pod["containers"][0]["image"], "example/time:1.4");

    let mut server = server();
    server.patch = Some(json!({"spec": {"minReadySeconds": "soon"}}));
    let mistakes = Manifest::new(&"time".into(), &server, &common()).unwrap_err();
    assert_eq!(
        mistakes[0].to_string(),
        "patch.spec.minReadySeconds: must be i32"
    );
}

#[test]
fn the_cluster_accepts_the_shape() {
    let manifest = manifest(|server| {
        server
            .pod
            .limits
            .insert("memory".to_owned(), "64Mi".to_owned());
        server.files.push(PodFiles::new(
            "/keys",
            FileSource::ConfigMap("keys".to_owned()),
        ));
    });
    for value in [manifest.deployment(Some("x"), None), manifest.seed()] {
        let typed: Deployment = serde_json::from_value(value.clone()).unwrap();
        // No member is lost, so that each one is a field of this version of Kubernetes.
        assert_eq!(serde_json::to_value(typed).unwrap(), value);
    }
    let policy: k8s_openapi::api::networking::v1::NetworkPolicy =
        serde_json::from_value(manifest.policy()).unwrap();
    assert_eq!(
        serde_json::to_value(policy).unwrap()["spec"]["podSelector"],
        manifest.policy()["spec"]["podSelector"]
    );
}
