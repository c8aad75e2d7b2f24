//! Pods that the cluster refuses, as administrators and callers are told.

#![expect(clippy::print_stdout, reason = "figures of a run")]

use std::time::{Duration, Instant};

use mcp_gateway_tests::kube::KubeNode;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::harness::Gateway;
use crate::kube::{NEAR, Place, SLOWLY, bridged, deployment, echo, reaches, serve};

/// Time in which a status tells a fact.
const TOLD: Duration = Duration::from_secs(10);

/// The quota has room for one server.
const LIMITS: &str = "
apiVersion: v1
kind: LimitRange
metadata: { name: range }
spec: { limits: [{ type: Container, max: { memory: 512Mi } }] }
---
apiVersion: v1
kind: ResourceQuota
metadata: { name: quota }
spec: { hard: { limits.memory: 400Mi } }
";

fn server(name: &str, memory: &str) -> (String, String) {
    let keys = format!(
        "{}, resources: {{ limits: {{ memory: {memory} }} }}",
        bridged()
    );
    (name.to_owned(), keys)
}

/// Waits until the API has a reason; returns the time that it took.
async fn told(gateway: &Gateway, name: &str, reason: &str) -> Duration {
    let began = Instant::now();
    let mut last = Value::Null;
    let waiting = async {
        while last["reason"] != reason {
            sleep(Duration::from_millis(50)).await;
            let path = format!("/api/v1/servers/{name}");
            let (status, _) = gateway.get(&path).await;
            if status == 200 {
                last = deployment(gateway, name).await;
            }
        }
    };
    let waited = timeout(SLOWLY, waiting).await;
    assert!(waited.is_ok(), "{name}: {last}\n{}", gateway.stderr());
    println!("{name}: {} {}", last["reason"], last["message"]);
    assert_eq!(last["state"], "failed");
    began.elapsed()
}

#[tokio::test]
async fn kube_quotas_and_limit_ranges_are_told() {
    let place = Place::new(KubeNode::shared().await.unwrap()).await;
    let place = place.with_everything().await;
    place.namespace.apply(&place.node, LIMITS).await.unwrap();
    let fine = server("fine", "256Mi");
    let gateway = serve(&place.write(NEAR, std::slice::from_ref(&fine))).await;
    echo(&gateway, "fine").await;
    let pods = place.pods().await;

    let servers = [fine, server("large", "1Gi"), server("second", "256Mi")];
    place.write(NEAR, &servers);
    for (name, reason) in [("large", "LimitRange"), ("second", "QuotaExceeded")] {
        let after = told(&gateway, name, reason).await;
        println!("{name}: {reason} after {after:.1?}");
        assert!(after < TOLD, "{after:?}");
        let began = Instant::now();
        let (tool, arguments) = (format!("{name}__echo"), json!({ "message": "hello" }));
        let answer = gateway.call(&tool, arguments).await;
        println!(
            "{name}: called after {:.2?}: {}",
            began.elapsed(),
            answer["error"]
        );
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(reason), "{message}");
        assert_eq!(answer["error"]["data"]["reason"], "not_running");
        assert!(began.elapsed() < Duration::from_secs(2));
    }
    echo(&gateway, "fine").await;
    assert_eq!(place.pods().await, pods);

    // What the cluster permits later starts by itself.
    let began = Instant::now();
    place.run(&["delete", "resourcequota", "quota"]).await;
    reaches(&gateway, "second", "running").await;
    println!(
        "second: runs {:.1?} after the end of the quota",
        began.elapsed()
    );
    echo(&gateway, "second").await;
    place.write(NEAR, &[]);
    place.is_empty().await;
}
