use std::sync::Arc;
use std::time::Duration;

use mcp_gateway_auth::accounts::AccountId;
use mcp_gateway_core::auth::Principal;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::harness::{HOUR, Harness, SERVER, bearer, is_not_connected, user};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn o54_a_thousand_calls_of_two_replicas_cause_one_refresh() {
    let harness = Harness::start().await;
    let delay = Duration::from_millis(100);
    harness.provider.habits(|habits| habits.delay = delay);
    harness.connect_user("alice").await;
    let replicas = [
        Arc::new(harness.replica().await),
        Arc::new(harness.replica().await),
    ];
    let mut presented = Vec::new();
    for replica in &replicas {
        presented.push(replica.credential(Principal::new("alice")).await.unwrap());
    }
    for is_rejected in [false, true] {
        let before = harness.provider.refreshes().len();
        match is_rejected {
            true => harness.provider.expire(),
            false => harness.clock.advance(HOUR),
        }
        let mut calls = JoinSet::new();
        for number in 0..1000 {
            let replica = Arc::clone(&replicas[number % 2]);
            let presented = presented[number % 2].clone();
            calls.spawn(async move {
                match is_rejected {
                    true => replica.reject("alice", &presented).await.unwrap().unwrap(),
                    false => replica.token("alice").await.unwrap(),
                }
            });
        }
        let tokens = calls.join_all().await;
        assert!(tokens.iter().all(|token| *token == tokens[0]));
        assert_eq!(harness.provider.user(&tokens[0]).unwrap(), "alice");
        assert_eq!(harness.provider.refreshes().len(), before + 1);
        harness.clock.advance(Duration::from_secs(10));
        sleep(Duration::from_millis(50)).await;
        for (replica, presented) in replicas.iter().zip(&mut presented) {
            *presented = replica.credential(Principal::new("alice")).await.unwrap();
            assert_eq!(bearer(presented), tokens[0]);
        }
    }
}

#[tokio::test]
async fn a_call_that_failed_with_the_old_token_takes_the_newer_one() {
    let harness = Harness::start().await;
    harness.connect_user("alice").await;
    let (one, other) = (harness.replica().await, harness.replica().await);
    let old = one.credential(Principal::new("alice")).await.unwrap();
    other.credential(Principal::new("alice")).await.unwrap();
    harness.provider.expire();
    let renewed = one.reject("alice", &old).await.unwrap().unwrap();
    assert_eq!(one.reject("alice", &old).await.unwrap().unwrap(), renewed);
    assert_eq!(other.reject("alice", &old).await.unwrap().unwrap(), renewed);
    assert_eq!(harness.provider.refreshes().len(), 1);
}

#[tokio::test]
async fn a_dropped_call_does_not_lose_a_rotated_token() {
    let harness = Harness::start().await;
    let delay = Duration::from_millis(200);
    harness.provider.habits(|habits| habits.delay = delay);
    harness.connect_user("alice").await;
    let replica = harness.replica().await;
    harness.clock.advance(HOUR);
    let dropped = tokio::time::timeout(Duration::from_millis(50), replica.token("alice"));
    assert!(dropped.await.is_err());
    let token = replica.token("alice").await.unwrap();
    assert_eq!(harness.provider.user(&token).unwrap(), "alice");
    assert_eq!(harness.provider.refreshes().len(), 1);
}

#[tokio::test]
async fn a_refresh_in_flight_ends_before_its_replica() {
    let harness = Harness::start().await;
    let delay = Duration::from_millis(200);
    harness.provider.habits(|habits| habits.delay = delay);
    harness.connect_user("alice").await;
    let (ended, other) = (harness.replica().await, harness.replica().await);
    harness.clock.advance(HOUR);
    let dropped = tokio::time::timeout(Duration::from_millis(50), ended.token("alice"));
    assert!(dropped.await.is_err());
    ended.credentials.close().await;
    drop(ended);
    other.token("alice").await.unwrap();
    assert_eq!(harness.provider.refreshes().len(), 1);
}

#[tokio::test]
async fn a_replica_takes_over_when_the_refreshing_one_has_ended() {
    let harness = Harness::start().await;
    harness.connect_user("alice").await;
    let (ended, other) = (harness.replica().await, harness.replica().await);
    harness.clock.advance(HOUR);
    let delay = Duration::from_secs(60);
    harness.provider.habits(|habits| habits.delay = delay);
    let before = harness.stored().await;
    let leased = async {
        while harness.stored().await == before {
            sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        token = ended.token("alice") => panic!("{token:?}"),
        () = leased => {}
    }
    drop(ended);
    let delay = Duration::ZERO;
    harness.provider.habits(|habits| habits.delay = delay);
    let call = tokio::time::timeout(Duration::from_millis(200), other.token("alice"));
    assert!(call.await.is_err(), "the lease is held");
    harness.clock.advance(Duration::from_secs(20));
    let token = other.token("alice").await.unwrap();
    assert_eq!(harness.provider.user(&token).unwrap(), "alice");
}

#[tokio::test]
async fn a_disconnected_account_is_used_by_no_replica() {
    let harness = Harness::start().await;
    harness.connect_user("alice").await;
    let (one, other) = (harness.replica().await, harness.replica().await);
    for replica in [&one, &other] {
        replica.token("alice").await.unwrap();
    }
    let id = AccountId::new(user("alice"), SERVER);
    assert!(harness.accounts().remove(&id).await.unwrap());
    for replica in [&one, &other] {
        replica.until("alice", is_not_connected).await;
    }
    assert_eq!(harness.changes()[1..], ["user/alice@notes Disconnected"]);
}
