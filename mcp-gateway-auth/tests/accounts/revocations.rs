use std::time::Duration;

use mcp_gateway_auth::accounts::{AccountId, PendingRevocations};
use mcp_gateway_auth::egress::{Egress, EgressPolicy};
use mcp_gateway_store::{Attachment, Store as _};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::harness::{HOUR, Harness, SERVER, egress, user};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Removes all accounts of the user `ada`, who has one.
async fn remove(harness: &Harness) {
    harness.connect_user("ada").await;
    let attachment = Attachment::new(|batch, id| batch.put(format!("removed/{id}"), ""));
    let accounts = harness.accounts();
    accounts
        .remove_all(&user("ada"), &attachment)
        .await
        .unwrap();
    assert!(accounts.list(&user("ada")).await.unwrap().is_empty());
}

/// Returns the numbers of attempts of the pending revocations.
async fn attempts(harness: &Harness) -> Vec<u64> {
    let pending = harness.store.list("account/revocation/", None, 10).await;
    let pending = pending.unwrap();
    let attempts = pending.iter().map(|pending| {
        let value: Value = serde_json::from_slice(&pending.document.value).unwrap();
        value["attempts"].as_u64().unwrap()
    });
    attempts.collect()
}

/// Runs replicas whose requests leave by `egress` until the numbers of attempts are `expected`.
async fn run_until(harness: &Harness, egress: &Egress, expected: &[u64]) {
    let mut replicas = JoinSet::new();
    for _ in 0..2 {
        let pending = PendingRevocations::new(harness.accounts(), egress.clone());
        replicas.spawn(async move { pending.run().await });
    }
    let waiting = async {
        while attempts(harness).await != expected {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(30), waiting).await.unwrap();
}

fn blocked() -> Egress {
    Egress::new(EgressPolicy::new()).unwrap()
}

#[tokio::test]
async fn category_deleted_user_tokens_are_revoked_after_an_outage_and_a_restart() {
    let harness = Harness::start().await;
    harness.connect_user("bob").await;
    remove(&harness).await;
    let stored = harness.stored().await;
    assert!(stored.contains("removed/user/ada@notes"), "{stored}");
    assert!(!stored.contains("refresh"), "sealed: {stored}");
    run_until(&harness, &blocked(), &[1]).await;
    assert!(harness.provider.revocations().is_empty());

    harness.clock.advance(DAY);
    run_until(&harness, &egress(), &[]).await;
    let [revoked] = &harness.provider.revocations()[..] else {
        panic!("one revocation");
    };
    assert_eq!(revoked["client_id"], crate::harness::CLIENT);
    let replica = harness.replica().await;
    assert!(replica.token("bob").await.is_ok());
}

#[tokio::test]
async fn o86_tokens_of_a_disconnected_account_are_revoked_after_an_outage_and_a_restart() {
    let harness = Harness::start().await;
    harness.connect_user("ada").await;
    let replica = harness.replica().await;
    let id = AccountId::new(user("ada"), SERVER);
    let disconnected = replica.credentials.disconnect("ada", &id).await;
    assert!(disconnected.unwrap());
    assert!(!replica.credentials.disconnect("ada", &id).await.unwrap());
    drop(replica);
    assert_eq!(attempts(&harness).await, [0]);
    run_until(&harness, &blocked(), &[1]).await;
    assert!(harness.provider.revocations().is_empty());

    harness.clock.advance(DAY);
    run_until(&harness, &egress(), &[]).await;
    assert_eq!(harness.provider.revocations().len(), 1);
}

#[tokio::test]
async fn a_revocation_that_always_fails_ends() {
    let harness = Harness::start().await;
    remove(&harness).await;
    for attempt in 1..8 {
        run_until(&harness, &blocked(), &[attempt]).await;
        harness.clock.advance(DAY);
    }
    run_until(&harness, &blocked(), &[]).await;
}

#[tokio::test]
async fn each_change_is_written_with_its_attachment() {
    let harness = Harness::start().await;
    harness.connect_user("ada").await;
    let replica = harness.replica().await;
    harness.clock.advance(HOUR);
    replica.token("ada").await.unwrap();
    let id = AccountId::new(user("ada"), SERVER);
    assert!(harness.accounts().remove(&id).await.unwrap());
    assert!(!harness.accounts().remove(&id).await.unwrap());
    let recorded = harness.store.list("recorded/", None, 10).await.unwrap();
    let keys = recorded
        .iter()
        .map(|entry| entry.key.replace("recorded/", ""));
    let mut changes = harness.changes();
    changes.sort_unstable();
    assert_eq!(keys.collect::<Vec<_>>(), changes);
    assert_eq!(changes.len(), 3, "{changes:?}");
}
