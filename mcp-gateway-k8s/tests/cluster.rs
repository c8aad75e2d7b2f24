//! The orchestrator on a real cluster, whose kubeconfig is `MCP_GATEWAY_TEST_KUBECONFIG`.
//!
//! Its node has the image `localhost/busybox:1`.

#![expect(clippy::unwrap_used, reason = "helpers of tests, too, fail by a panic")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{LimitRange, Namespace, Pod, ResourceQuota, Secret};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, ResourceExt as _};
use mcp_gateway_core::error_chain;
use mcp_gateway_core::upstream::{Instance, RuntimeBackend as _};
use mcp_gateway_k8s::KubernetesOrchestrator;
use mcp_gateway_platform::orchestrator::{
    Declaration, DeclaredServer, DeploymentState, DeploymentStatus, LogQuery, Orchestrator as _,
};
use mcp_gateway_platform::spec::{
    Cluster, FileSource, KeyReference, KubernetesServer, PodFiles, PodTransport, PodValue,
};
use serde_json::json;

/// Namespace of one test.
struct Place {
    client: Client,
    namespace: String,
    kubeconfig: String,
}

impl Place {
    async fn new(name: &str) -> Self {
        let kubeconfig = std::env::var("MCP_GATEWAY_TEST_KUBECONFIG").unwrap();
        let file = Kubeconfig::read_from(&kubeconfig).unwrap();
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
        let client = Client::try_from(config.unwrap()).unwrap();
        let namespace = format!("kube-{name}-{}", std::process::id());
        let place = Self {
            client,
            namespace,
            kubeconfig,
        };
        let object = json!({"metadata": {"name": place.namespace}});
        let namespaces: Api<Namespace> = Api::all(place.client.clone());
        let object = serde_json::from_value(object).unwrap();
        namespaces
            .create(&PostParams::default(), &object)
            .await
            .unwrap();
        place.wait_for_account().await;
        place
    }

    /// Pods are refused before their service account exists.
    async fn wait_for_account(&self) {
        let accounts: Api<k8s_openapi::api::core::v1::ServiceAccount> = self.api();
        until("service account", async || {
            accounts.get_opt("default").await.unwrap()
        })
        .await;
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn settings(&self) -> Cluster {
        let mut settings = Cluster::default();
        settings.kubeconfig = Some(self.kubeconfig.clone().into());
        settings.namespace = Some(self.namespace.clone());
        settings.bridge_image = Some("localhost/mcp-bridge:1".to_owned());
        settings.lease = None;
        settings
    }

    async fn start(&self) -> KubernetesOrchestrator {
        KubernetesOrchestrator::start(&self.settings())
            .await
            .unwrap()
    }

    async fn end(self) {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        namespaces
            .delete(&self.namespace, &DeleteParams::default())
            .await
            .unwrap();
    }
}

/// Waits until `found` returns something.
async fn until<T>(name: &str, mut found: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = found().await {
            return value;
        }
        assert!(begun.elapsed() < Duration::from_secs(90), "no {name}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

async fn state(
    orchestrator: &KubernetesOrchestrator,
    name: &str,
    state: DeploymentState,
) -> DeploymentStatus {
    until(&format!("{name} {state:?}"), async || {
        let status = orchestrator.deployment(name);
        status.filter(|status| status.state == state)
    })
    .await
}

/// Returns an HTTP server.
fn web() -> KubernetesServer {
    shell("busybox httpd -f -p 8080 -h /www")
}

/// Returns a server that runs `script`.
fn shell(script: &str) -> KubernetesServer {
    let mut server = KubernetesServer::new("localhost/busybox:1");
    server.command = ["/bin/sh", "-c", script].map(ToOwned::to_owned).to_vec();
    server.transport = PodTransport::Http {
        port: 8080,
        path: "/index.html".to_owned(),
    };
    server.pod.pull_policy = Some("Never".to_owned());
    server.pod.security_context = Some(json!({"runAsUser": 65534}));
    server.grace = Some(Duration::from_secs(1));
    server
}

/// Time in which a status tells a fact.
const TOLD: Duration = Duration::from_secs(10);

/// Checks that a caller of a server is told `reason` at once.
async fn is_told(orchestrator: &KubernetesOrchestrator, name: &str, reason: &str) {
    let begun = Instant::now();
    let backend = orchestrator.backend(&name.into());
    let error = backend.connect(&Instance::shared()).await;
    let error = error_chain(&error.unwrap_err());
    assert!(error.contains(reason), "{error}");
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
}

fn declare(orchestrator: &KubernetesOrchestrator, servers: Vec<DeclaredServer>) {
    orchestrator.declare(Declaration::new(servers));
}

fn declared(name: &str, server: KubernetesServer) -> DeclaredServer {
    DeclaredServer::new(name, Arc::new(server))
}

#[tokio::test]
#[ignore = "needs a Kubernetes cluster"]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn each_fault_has_a_precise_status() {
    let place = Place::new("faults").await;
    let orchestrator = place.start().await;
    let change = |change: fn(&mut KubernetesServer)| {
        let mut server = web();
        change(&mut server);
        server
    };
    let faults = [
        (
            "image",
            "ImagePullBackOff",
            change(|one| one.image = "localhost/none:1".to_owned()),
        ),
        (
            "registry",
            "ImagePullBackOff",
            change(|one| {
                one.image = "127.0.0.1:1/none:1".to_owned();
                one.pod.pull_policy = None;
            }),
        ),
        (
            "command",
            "StartError",
            change(|one| one.command = vec!["/none".to_owned()]),
        ),
        ("crash", "CrashLoopBackOff", shell("exit 3")),
        ("memory", "OOMKilled", {
            let mut server = shell("exec tail /dev/zero");
            server.pod.limits = BTreeMap::from([("memory".to_owned(), "16Mi".to_owned())]);
            server
        }),
        (
            "variable",
            "CreateContainerConfigError",
            change(|one| {
                let key = KeyReference::new("none", "key");
                one.env.push(("KEY".to_owned(), PodValue::Secret(key)));
            }),
        ),
        (
            "volume",
            "FailedMount",
            change(|one| {
                one.files.push(PodFiles::new(
                    "/keys",
                    FileSource::Secret("none".to_owned()),
                ));
            }),
        ),
        (
            "root",
            "CreateContainerConfigError",
            change(|one| one.pod.security_context = None),
        ),
        (
            "place",
            "Unschedulable",
            change(|one| {
                one.pod.node_selector = BTreeMap::from([("none".to_owned(), "none".to_owned())]);
            }),
        ),
        (
            "account",
            "ServiceAccountNotFound",
            change(|one| {
                one.pod.service_account = Some("none".to_owned());
            }),
        ),
    ];
    let servers = faults
        .iter()
        .map(|(name, _, server)| declared(name, server.clone()));
    let begun = Instant::now();
    declare(
        &orchestrator,
        servers.chain([declared("fine", web())]).collect(),
    );
    state(&orchestrator, "fine", DeploymentState::Running).await;
    eprintln!("fine: running after {:?}", begun.elapsed());
    let waiting = faults.iter().map(|(name, reason, _)| {
        let orchestrator = &orchestrator;
        async move {
            let status = until(&format!("{name} {reason}"), async || {
                let status = orchestrator.deployment(name)?;
                (status.reason.as_deref() == Some(*reason)).then_some(status)
            })
            .await;
            eprintln!("{name}: after {:?}: {status:?}", begun.elapsed());
            assert_eq!(status.state, DeploymentState::Failed);
            is_told(orchestrator, name, reason).await;
        }
    });
    join_all(waiting).await;
    state(&orchestrator, "fine", DeploymentState::Running).await;
    eprintln!("{} requests", orchestrator.requests());
    place.end().await;
}

#[tokio::test]
#[ignore = "needs a Kubernetes cluster"]
async fn quotas_and_ranges_have_a_precise_status() {
    let place = Place::new("quota").await;
    let quota = json!({"metadata": {"name": "q"}, "spec": {"hard": {"limits.memory": "16Mi"}}});
    let quota: ResourceQuota = serde_json::from_value(quota).unwrap();
    place
        .api()
        .create(&PostParams::default(), &quota)
        .await
        .unwrap();
    let orchestrator = place.start().await;
    declare(&orchestrator, vec![declared("a", web())]);
    let begun = Instant::now();
    let status = until("quota", async || {
        orchestrator
            .deployment("a")
            .filter(|one| one.reason.as_deref() == Some("QuotaExceeded"))
    });
    let status = status.await;
    eprintln!("quota: after {:?}: {status:?}", begun.elapsed());
    assert!(begun.elapsed() < TOLD);
    is_told(&orchestrator, "a", "QuotaExceeded").await;
    place
        .api::<ResourceQuota>()
        .delete("q", &DeleteParams::default())
        .await
        .unwrap();
    let range = json!({"metadata": {"name": "r"}, "spec": {"limits": [
        {"type": "Container", "max": {"memory": "16Mi"}},
    ]}});
    let range: LimitRange = serde_json::from_value(range).unwrap();
    place
        .api()
        .create(&PostParams::default(), &range)
        .await
        .unwrap();
    let mut large = web();
    large.pod.limits = BTreeMap::from([("memory".to_owned(), "64Mi".to_owned())]);
    declare(&orchestrator, vec![declared("b", large)]);
    let begun = Instant::now();
    let status = until("range", async || {
        orchestrator
            .deployment("b")
            .filter(|one| one.reason.as_deref() == Some("LimitRange"))
    });
    let status = status.await;
    eprintln!("range: after {:?}: {status:?}", begun.elapsed());
    assert!(begun.elapsed() < TOLD);
    is_told(&orchestrator, "b", "LimitRange").await;
    place.end().await;
}

#[tokio::test]
#[ignore = "needs a Kubernetes cluster"]
async fn a_server_sleeps_and_is_woken_once() {
    let place = Place::new("sleep").await;
    let orchestrator = place.start().await;
    let mut server = web();
    server.sleep = Some(Duration::from_secs(6));
    declare(&orchestrator, vec![declared("a", server)]);
    state(&orchestrator, "a", DeploymentState::Asleep).await;
    let mut times = Vec::new();
    for _ in 0..3 {
        let before = orchestrator.requests();
        let begun = Instant::now();
        let calls = (0..50).map(|_| {
            let backend = orchestrator.backend(&"a".into());
            async move { backend.connect(&Instance::shared()).await.map(drop) }
        });
        for result in join_all(calls).await {
            result.unwrap();
        }
        times.push(begun.elapsed());
        assert!(orchestrator.requests() - before <= 2, "woken once");
        state(&orchestrator, "a", DeploymentState::Asleep).await;
        eprintln!("asleep again after {:?}", begun.elapsed());
    }
    eprintln!("woken in {times:?}");
    place.end().await;
}

#[tokio::test]
#[ignore = "needs a Kubernetes cluster"]
async fn a_restarted_gateway_adopts_what_runs() {
    let place = Place::new("adopt").await;
    let servers = || {
        (0..5)
            .map(|number| declared(&format!("s{number}"), web()))
            .collect()
    };
    let first = place.start().await;
    declare(&first, servers());
    for number in 0..5 {
        state(&first, &format!("s{number}"), DeploymentState::Running).await;
    }
    drop(first);
    let pods = place
        .api::<Pod>()
        .list(&ListParams::default())
        .await
        .unwrap();
    let before: Vec<_> = pods.iter().map(|pod| pod.uid()).collect();

    let begun = Instant::now();
    let mut newer = place.settings();
    newer.bridge_image = Some("localhost/mcp-bridge:2".to_owned());
    let second = KubernetesOrchestrator::start(&newer).await.unwrap();
    declare(&second, servers());
    second
        .backend(&"s4".into())
        .connect(&Instance::shared())
        .await
        .unwrap();
    eprintln!("first connection after {:?}", begun.elapsed());
    tokio::time::sleep(Duration::from_secs(3)).await;
    eprintln!("{} requests after the restart", second.requests());
    let pods = place
        .api::<Pod>()
        .list(&ListParams::default())
        .await
        .unwrap();
    let after: Vec<_> = pods.iter().map(|pod| pod.uid()).collect();
    assert_eq!(after, before);
    place.end().await;
}

#[tokio::test]
#[ignore = "needs a Kubernetes cluster"]
#[expect(clippy::too_many_lines, reason = "a story of one server")]
async fn changes_by_others_are_undone_and_nothing_stays() {
    let place = Place::new("drift").await;
    let orchestrator = place.start().await;
    let mut server = web();
    server
        .env
        .push(("TEXT".to_owned(), PodValue::Text("hunter2".into())));
    declare(&orchestrator, vec![declared("a", server.clone())]);
    state(&orchestrator, "a", DeploymentState::Running).await;
    let name = "mcp-gateway-a";

    let deployments: Api<Deployment> = place.api();
    let change = json!({"spec": {"template": {"spec": {"containers": [
        {"name": "server", "env": [{"name": "EVIL", "value": "1"}]},
        {"name": "spy", "image": "localhost/busybox:1"},
    ]}}}});
    deployments
        .patch(name, &PatchParams::default(), &Patch::Strategic(&change))
        .await
        .unwrap();
    place
        .api::<NetworkPolicy>()
        .delete(name, &DeleteParams::default())
        .await
        .unwrap();
    until("repair", async || {
        let policy = place.api::<NetworkPolicy>().get_opt(name).await.unwrap()?;
        let deployment = deployments.get(name).await.unwrap();
        let pod = deployment.spec.unwrap().template.spec.unwrap();
        let names: Vec<_> = pod.containers[0]
            .env
            .iter()
            .flatten()
            .map(|one| one.name.clone())
            .collect();
        (pod.containers.len() == 1 && names == ["TEXT"]).then_some(policy)
    })
    .await;

    // A changed text replaces the pod; the Secret is read by nobody else.
    let pod = async || {
        let pods = place
            .api::<Pod>()
            .list(&ListParams::default())
            .await
            .unwrap();
        let mut pods = pods
            .into_iter()
            .filter(|pod| pod.metadata.deletion_timestamp.is_none());
        pods.next()
            .filter(|_| pods.next().is_none())
            .and_then(|pod| pod.uid())
    };
    let before = until("one pod", pod).await;
    server.env[0].1 = PodValue::Text("hunter3".into());
    declare(&orchestrator, vec![declared("a", server)]);
    until("another pod", async || {
        pod().await.filter(|uid| *uid != before)
    })
    .await;
    let deployment = serde_json::to_string(&deployments.get(name).await.unwrap()).unwrap();
    assert!(!deployment.contains("hunter"));

    declare(&orchestrator, Vec::new());
    until("end", async || {
        let all = ListParams::default();
        let left = deployments.list(&all).await.unwrap().items.len()
            + place.api::<Pod>().list(&all).await.unwrap().items.len()
            + place
                .api::<NetworkPolicy>()
                .list(&all)
                .await
                .unwrap()
                .items
                .len();
        (left == 0).then_some(())
    })
    .await;
    assert!(place.api::<Secret>().get_opt(name).await.unwrap().is_none());
    eprintln!("{} requests", orchestrator.requests());
    place.end().await;
}

#[tokio::test]
#[ignore = "needs a Kubernetes cluster"]
async fn logs_and_restarts() {
    let place = Place::new("logs").await;
    let orchestrator = place.start().await;
    let script = "echo started; busybox httpd -f -p 8080 -h /www & sleep 2; [ -e /tmp/x ] || { touch /tmp/x; exit 7; }; wait";
    declare(&orchestrator, vec![declared("a", shell(script))]);
    until("restart", async || {
        orchestrator
            .deployment("a")
            .filter(|one| one.restarts > 0 && one.ready > 0)
    })
    .await;
    let read = async |query: LogQuery| {
        let mut log = orchestrator.logs("a", query).await.unwrap();
        let mut text = Vec::new();
        while let Some(piece) = log.next().await {
            text.extend_from_slice(&piece.unwrap());
        }
        String::from_utf8(text).unwrap()
    };
    assert_eq!(read(LogQuery::default()).await, "started\n");
    let mut previous = LogQuery::default();
    previous.previous = true;
    assert_eq!(read(previous).await, "started\n");
    let mut follow = LogQuery::default();
    follow.follow = true;
    let mut log = orchestrator.logs("a", follow).await.unwrap();
    assert_eq!(&*log.next().await.unwrap().unwrap(), b"started\n");
    drop(log);

    let before = place
        .api::<Pod>()
        .list(&ListParams::default())
        .await
        .unwrap()
        .items[0]
        .uid();
    orchestrator.restart("a").await.unwrap();
    until("another pod", async || {
        let pods = place
            .api::<Pod>()
            .list(&ListParams::default())
            .await
            .unwrap();
        pods.iter().all(|pod| pod.uid() != before).then_some(())
    })
    .await;
    place.end().await;
}
