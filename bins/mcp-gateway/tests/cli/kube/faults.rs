//! Faults of the cluster while calls are in flight, of servers under the bridge and attached ones.

#![expect(clippy::print_stdout, reason = "figures of a run")]

use std::fs;
use std::time::{Duration, Instant};

use mcp_gateway_tests::kube::KubeNode;
use mcp_gateway_tests::wire::InFlight;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::join;
use tokio::time::{sleep, timeout};

use crate::harness::{Gateway, within};
use crate::kube::{
    NEAR, OTHER, OWNER, Place, SLOWLY, attached, bridged, echo, median, reaches, serve,
};

/// Time in which a caller learns of a fault.
const SOON: Duration = Duration::from_secs(2);

const KINDS: [&str; 2] = ["bridged", "attached"];

/// A gateway with a server of each kind, and the cluster for itself.
struct Scene {
    place: Place,
    gateway: Gateway,
    /// All pods, and how often they were restarted.
    pods: Vec<String>,
    objects: Vec<String>,
}

/// Outcome of a call, and its time.
struct Outcome {
    after: Duration,
    answer: Value,
}

impl Outcome {
    fn is_answered(&self) -> bool {
        self.answer["result"]["content"].is_array()
    }

    /// For the table of the documentation.
    fn text(&self) -> String {
        let error = &self.answer["error"];
        match self.is_answered() {
            true => format!("answered after {:.1?}", self.after),
            false => format!(
                "error after {:.2?}: {} {}",
                self.after, error["message"], error["data"]
            ),
        }
    }

    /// Checks that the caller was told a cause soon after `fact`.
    fn assert_clear(&self, fact: Duration) {
        let message = self.answer["error"]["message"].as_str();
        let message = message.unwrap_or_else(|| panic!("{}", self.answer));
        assert!(message.contains("Server \""), "{message}");
        assert!(self.after < fact + SOON, "{fact:?}, {}", self.text());
    }
}

impl Scene {
    async fn start() -> Self {
        let place = Place::new(KubeNode::exclusive().await.unwrap()).await;
        let place = place.with_everything().await;
        let gateway = serve(&place.write(NEAR, &servers())).await;
        let mut scene = Self {
            gateway,
            place,
            pods: Vec::new(),
            objects: Vec::new(),
        };
        for kind in KINDS {
            echo(&scene.gateway, kind).await;
        }
        scene.look().await;
        scene
    }

    /// Remembers what there is.
    async fn look(&mut self) {
        (self.pods, self.objects) = join!(self.place.pods(), self.place.objects());
    }

    /// Checks that nothing was recreated, and nothing is left over.
    async fn is_as_before(&self) {
        for kind in KINDS {
            reaches(&self.gateway, kind, "running").await;
        }
        assert_eq!(self.place.pods().await, self.pods);
        assert_eq!(self.place.objects().await, self.objects);
    }

    /// A call of some seconds that a server works on.
    async fn begin(&self, kind: &str, seconds: u32) -> InFlight {
        let tool = format!("{kind}__trigger-long-running-operation");
        let arguments = json!({ "duration": seconds, "steps": seconds * 4 });
        self.gateway.begin(&tool, arguments).await
    }

    /// A short call, whatever becomes of it.
    async fn attempt(&self, kind: &str) -> Outcome {
        let begun = Instant::now();
        let arguments = json!({ "message": "hello" });
        let answer = self.gateway.call(&format!("{kind}__echo"), arguments).await;
        let after = begun.elapsed();
        Outcome { after, answer }
    }

    /// Calls until a server answers; returns the number of calls that failed.
    async fn answers(&self, kind: &str) -> u32 {
        let mut failed = 0;
        let answering = async {
            while !self.attempt(kind).await.is_answered() {
                failed += 1;
                sleep(Duration::from_millis(50)).await;
            }
        };
        let answered = timeout(SLOWLY, answering).await;
        assert!(answered.is_ok(), "{kind}\n{}", self.gateway.stderr());
        failed
    }

    async fn control(&self, args: &[&str]) {
        self.place.node.control(args).await.unwrap();
    }

    /// Ends all servers, and checks that nothing is left of them.
    async fn end(self) {
        self.place.write(NEAR, &[]);
        self.place.is_empty().await;
    }
}

fn servers() -> [(String, String); 2] {
    [("bridged", bridged()), ("attached", attached())].map(|(name, keys)| (name.to_owned(), keys))
}

/// Waits for the end of a call that was in flight at `since`.
async fn outcome(call: InFlight, since: Instant) -> Outcome {
    let answer = match timeout(SLOWLY, call.reply()).await {
        Ok(Ok(reply)) => reply.answer(),
        Ok(Err(error)) => panic!("{error}"),
        Err(_) => panic!("the call does not end"),
    };
    let after = since.elapsed();
    Outcome { after, answer }
}

/// Kills a component while a call of each kind is in flight, and starts it again.
async fn survive(component: &str) {
    let scene = Scene::start().await;
    let (one, other) = (
        scene.begin("bridged", 10).await,
        scene.begin("attached", 10).await,
    );
    let began = Instant::now();
    let killing = async {
        scene.control(&["kill", component]).await;
        began.elapsed()
    };
    let (killed, one, other) = join!(killing, outcome(one, began), outcome(other, began));
    println!("{component} | bridged | in flight: {}", one.text());
    println!(
        "{component} | attached | in flight: {} (killed after {killed:.2?})",
        other.text()
    );
    assert!(one.is_answered(), "{}", one.text());
    if !other.is_answered() {
        other.assert_clear(killed);
    }

    let median = median(&scene.gateway, "bridged", 50).await;
    println!("{component} | bridged | while it is down: all of 50 answered, median {median:.1?}");
    for _ in 0..2 {
        let other = scene.attempt("attached").await;
        println!(
            "{component} | attached | while it is down: {}",
            other.text()
        );
        if !other.is_answered() {
            other.assert_clear(Duration::ZERO);
        }
    }

    let began = Instant::now();
    scene.control(&["heal"]).await;
    let healed = began.elapsed();
    let failed = scene.answers("attached").await;
    println!(
        "{component} | attached | answers {:.1?} after the start, {:.1?} after the API server does; {failed} calls failed",
        began.elapsed(),
        began.elapsed() - healed,
    );
    echo(&scene.gateway, "bridged").await;
    scene.is_as_before().await;
    scene.end().await;
}

#[tokio::test]
async fn kube_calls_survive_the_kubelet() {
    survive("kubelet").await;
}

#[tokio::test]
async fn kube_calls_survive_the_runtime() {
    survive("containerd").await;
}

#[tokio::test]
async fn kube_calls_survive_the_api_server() {
    survive("kube-apiserver").await;
}

#[tokio::test]
async fn kube_calls_survive_the_store_of_the_cluster() {
    survive("etcd").await;
}

/// Kills the processes of the container of a server, as the kernel does when memory is short.
async fn kill_container(place: &Place, kind: &str) {
    let label = format!("mcp-gateway.dev/server={kind}");
    let output = "jsonpath={.items[0].status.containerStatuses[0].containerID}";
    let get = ["get", "pods", "--selector", &label, "--output", output];
    let container = place.run(&get).await;
    let container = container.rsplit('/').next().unwrap();
    assert!(!container.is_empty());
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let killed = processes.filter_map(|entry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let groups = fs::read_to_string(entry.path().join("cgroup")).ok()?;
        let id = Pid::from_raw(id).filter(|_| groups.contains(container))?;
        kill_process(id, Signal::KILL).ok()
    });
    assert!(killed.count() > 0, "no process of {container}");
}

#[tokio::test]
async fn kube_a_killed_container_fails_its_calls_alone() {
    let mut scene = Scene::start().await;
    for (kind, other) in [("bridged", "attached"), ("attached", "bridged")] {
        let (call, spared) = (scene.begin(kind, 20).await, scene.begin(other, 4).await);
        kill_container(&scene.place, kind).await;
        let began = Instant::now();
        let failed = outcome(call, began).await;
        println!("container | {kind} | in flight: {}", failed.text());
        assert!(!failed.is_answered());
        failed.assert_clear(Duration::ZERO);
        let failures = scene.answers(kind).await;
        println!(
            "container | {kind} | answers {:.1?} after the end; {failures} calls failed",
            began.elapsed()
        );
        assert!(outcome(spared, began).await.is_answered(), "{other}");
        // The same pods, one of which was restarted once.
        let ids = |pods: &[String]| -> Vec<String> {
            let id = |pod: &String| pod.split(' ').next().unwrap().to_owned();
            pods.iter().map(id).collect()
        };
        let pods = scene.place.pods().await;
        assert_eq!(ids(&pods), ids(&scene.pods));
        let changed = pods.iter().filter(|pod| !scene.pods.contains(pod));
        assert_eq!(changed.count(), 1, "{pods:?}, {:?}", scene.pods);
        assert_eq!(scene.place.objects().await, scene.objects);
        scene.look().await;
    }
    scene.end().await;
}

#[tokio::test]
async fn kube_a_deleted_pod_ends_its_calls_first() {
    let mut scene = Scene::start().await;
    for kind in KINDS {
        let call = scene.begin(kind, 2).await;
        let began = Instant::now();
        let label = format!("mcp-gateway.dev/server={kind}");
        let delete = ["delete", "pods", "--wait=false", "--selector", &label];
        let deleting = scene.place.run(&delete);
        let (_, ended) = join!(deleting, outcome(call, began));
        println!("pod | {kind} | in flight: {}", ended.text());
        // The bridge lets calls in flight end. What is attached to is told to end at once.
        assert!(
            ended.is_answered() || kind == "attached",
            "{}",
            ended.text()
        );
        let failures = scene.answers(kind).await;
        println!(
            "pod | {kind} | its successor answers {:.1?} after the deletion; {failures} calls failed",
            began.elapsed()
        );
        assert_eq!(failures, 0);
        within(SLOWLY, async || {
            scene.place.pods().await.len() == KINDS.len()
        })
        .await;
        assert_eq!(scene.place.objects().await.len(), scene.objects.len());
        scene.look().await;
    }
    scene.end().await;
}

#[tokio::test]
async fn kube_a_deleted_policy_comes_back_and_calls_go_on() {
    let scene = Scene::start().await;
    let (one, other) = (
        scene.begin("bridged", 4).await,
        scene.begin("attached", 4).await,
    );
    let began = Instant::now();
    let delete = ["delete", "networkpolicies", "--all"];
    let get = ["get", "networkpolicies", "--output", "name"];
    let repaired = async {
        scene.place.run(&delete).await;
        let deleted = began.elapsed();
        within(SLOWLY, async || {
            scene.place.run(&get).await.lines().count() == KINDS.len()
        })
        .await;
        println!(
            "policy | there again {:.1?} after its deletion",
            began.elapsed() - deleted
        );
    };
    let ((), one, other) = join!(repaired, outcome(one, began), outcome(other, began));
    for (kind, call) in [("bridged", one), ("attached", other)] {
        println!("policy | {kind} | in flight: {}", call.text());
        assert!(call.is_answered(), "{}", call.text());
    }
    scene.is_as_before().await;
    scene.end().await;
}

#[tokio::test]
async fn kube_a_server_removed_during_an_outage_leaves_nothing() {
    let scene = Scene::start().await;
    scene.control(&["kill", "kube-apiserver"]).await;
    scene.place.write(NEAR, &servers()[1..]);
    // The gateway has read it when the server is gone.
    within(SLOWLY, async || {
        !scene.attempt("bridged").await.is_answered()
    })
    .await;
    let began = Instant::now();
    scene.control(&["heal"]).await;
    within(SLOWLY, async || {
        let objects = scene.place.objects().await;
        !objects.iter().any(|one| one.contains("bridged"))
    })
    .await;
    println!(
        "removed during the outage: gone {:.1?} after its end",
        began.elapsed()
    );
    scene.answers("attached").await;
    scene.end().await;
}

/// A node of whose kubelet nothing was heard is lost to Kubernetes, which says so of its pods.
#[tokio::test]
async fn kube_pods_of_a_lost_node_still_answer() {
    let scene = Scene::start().await;
    scene.control(&["kill", "kubelet"]).await;
    let began = Instant::now();
    let output = "jsonpath={.items[*].status.conditions[?(@.type==\"Ready\")].status}";
    let get = ["get", "pods", "--output", output];
    within(SLOWLY, async || {
        !scene.place.run(&get).await.contains("True")
    })
    .await;
    println!(
        "not ready {:.1?} after the end of the kubelet",
        began.elapsed()
    );
    for token in [OWNER, OTHER] {
        let began = Instant::now();
        let wire = scene.gateway.wire_with(Some(token));
        let call = wire
            .call("bridged__echo", json!({ "message": "hello" }))
            .await;
        let answer = call.map_or_else(|error| error.to_string().into(), |reply| reply.answer());
        println!("called after {:.2?}: {answer}", began.elapsed());
        assert!(answer["result"].is_object(), "{answer}");
    }
    scene.control(&["heal"]).await;
    scene.answers("attached").await;
    scene.is_as_before().await;
    scene.end().await;
}
