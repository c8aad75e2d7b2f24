//! Attached servers and several replicas of the gateway: one of them has the container.

use std::time::{Duration, Instant};

use mcp_gateway_tests::kube::KubeNode;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::harness::{Gateway, within};
use crate::kube::{Place, SLOWLY, attached, serve};

/// Calls that each have a text of their own.
#[derive(Default)]
struct Calls {
    sent: usize,
    answered: Vec<String>,
}

impl Calls {
    /// Calls once; returns the answer.
    async fn attempt(&mut self, gateway: &Gateway) -> Value {
        let message = format!("call-{}-of-a-client", self.sent);
        self.sent += 1;
        let arguments = json!({ "message": message });
        let answer = gateway.call("attached__echo", arguments).await;
        if answer["result"]["content"].is_array() {
            self.answered.push(message);
        }
        answer
    }

    /// Calls until it is answered; returns the first failure, and the number of them.
    async fn until_answered(&mut self, gateway: &Gateway) -> (Value, u32) {
        let (mut first, mut failed) = (Value::Null, 0);
        let answering = async {
            loop {
                let answer = self.attempt(gateway).await;
                if answer["result"]["content"].is_array() {
                    break;
                }
                if failed == 0 {
                    first = answer["error"].clone();
                }
                failed += 1;
                sleep(Duration::from_millis(50)).await;
            }
        };
        let answered = timeout(SLOWLY, answering).await;
        assert!(answered.is_ok(), "{first}\n{}", gateway.stderr());
        (first, failed)
    }
}

/// The log of the pod has all that the process has answered, whoever was attached to it.
async fn log(place: &Place) -> String {
    let label = ["--selector", "mcp-gateway.dev/server=attached", "--tail=-1"];
    place.run(&[&["logs"], &label[..]].concat()).await
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a story of three replicas")]
async fn kube_another_replica_takes_an_attached_server_over() {
    let place = Place::new(KubeNode::shared().await.unwrap()).await;
    let place = place.with_everything().await;
    let servers = [("attached".to_owned(), attached())];
    for lease in ["5s", "15s"] {
        let cluster = format!("reach: network\n  leaderElection: {{ lease: {lease} }}");
        let config = place.write(&cluster, &servers);
        let (mut owner, other) = (serve(&config).await, serve(&config).await);
        let mut calls = Calls::default();
        calls.until_answered(&owner).await;
        let pods = place.pods().await;
        let began = Instant::now();
        let refused = calls.attempt(&other).await;
        println!(
            "lease {lease}: the other replica after {:.1?}: {}",
            began.elapsed(),
            refused["error"]
        );
        assert_eq!(
            refused["error"]["data"]["reason"], "not_running",
            "{refused}"
        );
        calls.until_answered(&owner).await;

        let long = json!({ "duration": 3, "steps": 12 });
        let call = owner.begin("attached__trigger-long-running-operation", long);
        let call = call.await;
        owner.signal(Signal::KILL);
        let began = Instant::now();
        assert!(call.reply().await.is_err());
        owner.finish().await;
        let (first, failed) = calls.until_answered(&other).await;
        println!(
            "lease {lease}: killed; the other replica answers after {:.1?}; {failed} calls failed, the first: {first}",
            began.elapsed()
        );

        // One that ends in order leaves the container at once.
        let third = serve(&config).await;
        let mut other = other;
        other.signal(Signal::TERM);
        let began = Instant::now();
        let (first, failed) = calls.until_answered(&third).await;
        println!(
            "lease {lease}: ended; the other replica answers after {:.1?}; {failed} calls failed, the first: {first}",
            began.elapsed()
        );
        other.finish().await;

        // The process went on, and ran each call once at most.
        assert_eq!(place.pods().await, pods);
        within(SLOWLY, async || {
            log(&place).await.contains("operation completed")
        })
        .await;
        let log = log(&place).await;
        assert_eq!(log.matches("operation completed").count(), 1, "{log}");
        for number in 0..calls.sent {
            let message = format!("call-{number}-of-a-client");
            let runs = log.matches(&format!("Echo: {message}")).count();
            let answered = usize::from(calls.answered.contains(&message));
            assert_eq!(runs, answered, "{message}");
        }
        println!(
            "lease {lease}: {} calls, {} answered, none twice",
            calls.sent,
            calls.answered.len()
        );
        place.write(&cluster, &[]);
        within(SLOWLY, async || place.pods().await.is_empty()).await;
        let leases = ["get", "leases", "--output", "name"];
        let leases = place.run(&leases).await;
        assert!(!leases.contains("attach"), "{leases}");
    }
}
