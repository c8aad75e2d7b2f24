//! Random interleavings of calls, rejections, revocations, outages and logins on two replicas.

use std::time::Duration;

use futures_util::future::join_all;
use mcp_gateway_auth::accounts::AccountId;
use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::credential::CredentialError;
use proptest::prelude::*;
use serde_json::json;

use crate::harness::{Harness, Replica, SERVER, bearer, user};

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Seconds.
    Advance(u64),
    Connect(usize),
    Disconnect(usize),
    ExpireTokens,
    Outage(bool),
    Revoke(usize),
    /// Concurrent calls by person and replica, of which the set ones are rejected once.
    Calls([Option<(usize, usize)>; 6]),
}

const PEOPLE: [&str; 2] = ["alice", "bob"];

fn step() -> impl Strategy<Value = Step> {
    let call = proptest::option::weighted(0.8, (0..2_usize, 0..2_usize));
    prop_oneof![
        1 => prop_oneof![Just(1_u64), Just(30), Just(3000), Just(3600)].prop_map(Step::Advance),
        1 => (0..2_usize).prop_map(Step::Connect),
        1 => (0..2_usize).prop_map(Step::Disconnect),
        1 => Just(Step::ExpireTokens),
        1 => any::<bool>().prop_map(Step::Outage),
        1 => (0..2_usize).prop_map(Step::Revoke),
        6 => proptest::array::uniform6(call).prop_map(Step::Calls),
    ]
}

/// Calls the server as `person`, as the gateway does: a rejected call is sent once more.
async fn call(harness: &Harness, replica: &Replica, person: &str) {
    let credential = match replica.credential(Principal::new(person)).await {
        Ok(credential) => credential,
        Err(CredentialError::NotConnected { .. } | CredentialError::Unavailable(_)) => return,
        Err(error) => panic!("{error:?}"),
    };
    let token = bearer(&credential);
    assert!(token.ends_with(person), "{token} for {person}");
    assert!(credential.account().starts_with(&format!("user/{person}@")));
    if harness.provider.user(&token).is_none()
        && let Ok(Some(token)) = replica.reject(person, &credential).await
    {
        assert!(token.ends_with(person), "{token} for {person}");
    }
}

async fn run(steps: Vec<Step>) {
    let harness = Harness::start().await;
    let replicas = [harness.replica().await, harness.replica().await];
    for step in steps {
        match step {
            Step::Advance(seconds) => harness.clock.advance(Duration::from_secs(seconds)),
            Step::Connect(person) => {
                harness.provider.habits(|habits| habits.outage = None);
                harness.connect_user(PEOPLE[person]).await;
            }
            Step::Disconnect(person) => {
                let id = AccountId::new(user(PEOPLE[person]), SERVER);
                harness.accounts().remove(&id).await.unwrap();
            }
            Step::ExpireTokens => harness.provider.expire(),
            Step::Outage(is_down) => {
                let outage = is_down.then(|| (503, json!({})));
                harness.provider.habits(|habits| habits.outage = outage);
            }
            Step::Revoke(person) => harness.provider.revoke(PEOPLE[person]),
            Step::Calls(calls) => {
                let calls = calls.iter().flatten();
                let calls = calls
                    .map(|(person, replica)| call(&harness, &replicas[*replica], PEOPLE[*person]));
                join_all(calls).await;
            }
        }
    }
    assert_eq!(
        harness.provider.killed(),
        0,
        "a refresh token was used twice"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn o55_nobody_is_called_with_the_account_of_somebody_else(
        steps in proptest::collection::vec(step(), 1..24),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(run(steps));
    }
}
