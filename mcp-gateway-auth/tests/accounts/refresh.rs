use std::time::Duration;

use mcp_gateway_auth::accounts::{AccountId, AccountServer, EndReason, Owner, SharedOwner};
use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::credential::{CredentialError, CredentialResolver};
use mcp_gateway_store::{Batch, Store};
use serde_json::json;

use crate::harness::{HOUR, Harness, SERVER, bearer, caller, is_not_connected, target, user};

#[tokio::test]
async fn r10_a_pinned_account_is_that_of_its_owner_whoever_calls() {
    let harness = Harness::start().await;
    let replica = harness.replica().await;
    let team = SharedOwner::Team("platform".into());
    let pinned = replica.credentials.pinned_to(team.clone());
    let used = async |name: &str| {
        let caller = caller(Principal::new(name));
        pinned.resolve(&caller, &target()).await
    };
    for (owner, account) in [
        (Owner::Organization, "company"),
        (user("alice"), "alice"),
        (Owner::Team("sales".into()), "seller"),
    ] {
        harness.connect(owner, account).await;
    }
    // Neither the caller's own account nor that of the organization takes its place.
    match used("alice").await {
        Err(CredentialError::SharedNotConnected { owner }) => {
            assert_eq!(*owner, *team.to_string());
        }
        other => panic!("{other:?}"),
    }
    harness.connect(team.into(), "robot").await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    let credential = loop {
        match used("alice").await {
            Ok(credential) => break credential,
            Err(error) => assert!(tokio::time::Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let presented = harness.provider.user(&bearer(&credential)).unwrap();
    assert_eq!(presented, "robot");
    // It is the account of the team, wherever its name counts.
    assert!(credential.account().starts_with("team/platform@notes#"));
    let other = used("bob").await.unwrap();
    assert_eq!(other.account(), credential.account());
    let own = replica.credential(Principal::new("alice")).await.unwrap();
    assert_ne!(own.account(), credential.account());
}

#[tokio::test]
async fn an_own_account_precedes_those_of_teams_and_of_the_organization() {
    let harness = Harness::start().await;
    let replica = harness.replica().await;
    let alice = || Principal::new("alice").with_team("platform");
    assert!(is_not_connected(&replica.credential(alice()).await));

    let mut accounts = Vec::new();
    for (owner, account) in [
        (Owner::Organization, "company"),
        (Owner::Team("platform".into()), "robot"),
        (user("alice"), "alice"),
    ] {
        harness.connect(owner, account).await;
        replica
            .until("alice", |token| !is_not_connected(token))
            .await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        let credential = replica.credential(alice()).await.unwrap();
        let user = harness.provider.user(&bearer(&credential)).unwrap();
        accounts.push((user, credential.account().to_string()));
    }
    let users: Vec<_> = accounts.iter().map(|(user, _)| user.as_str()).collect();
    assert_eq!(users, ["company", "robot", "alice"]);
    let owners = accounts.iter().map(|(_, name)| name.split('#').next());
    let owners: Vec<_> = owners.flatten().collect();
    assert_eq!(
        owners,
        [
            "organization@notes",
            "team/platform@notes",
            "user/alice@notes"
        ]
    );
    // Bob is in no team.
    let bob = replica.token("bob").await.unwrap();
    assert_eq!(harness.provider.user(&bob).unwrap(), "company");
}

#[tokio::test]
async fn o56_an_account_is_used_at_the_address_where_it_was_connected() {
    let harness = Harness::start().await;
    let replica = harness.replica().await;
    harness.connect_user("alice").await;
    replica.until("alice", Result::is_ok).await;
    let there = harness.provider.url();
    for other in ["https://other.example/mcp", "https://other.example"] {
        let moved = AccountServer::new(SERVER, other.parse().unwrap());
        replica.credentials.replace_servers([moved]);
        assert!(is_not_connected(&replica.token("alice").await), "{other}");
    }
    replica
        .credentials
        .replace_servers([AccountServer::new(SERVER, there)]);
    assert!(replica.token("alice").await.is_ok());
}

#[tokio::test]
async fn an_account_is_used_for_the_server_of_its_resolver() {
    let harness = Harness::start().await;
    let replica = harness.replica().await;
    harness.connect_user("alice").await;
    replica.until("alice", Result::is_ok).await;
    let alice = caller(Principal::new("alice"));
    let tenant = http::HeaderName::from_static("x-tenant");
    let of = |server: AccountServer, value: &'static str| {
        let value = http::HeaderValue::from_static(value);
        let server = server.with_header(tenant.clone(), value);
        replica.credentials.of_server(server)
    };
    let moved = AccountServer::new(SERVER, "https://other.example/mcp".parse().unwrap());
    let (one, two, moved) = (
        of(harness.server(), "one"),
        of(harness.server(), "two"),
        of(moved, "one"),
    );
    // The cached account of one is of no use to the others.
    for (resolver, expected) in [(&one, "one"), (&two, "two"), (&one, "one")] {
        let credential = resolver.resolve(&alice, &target()).await.unwrap();
        let mut headers = credential.headers().iter();
        assert!(headers.any(|(name, value)| *name == tenant && value == expected));
        assert!(is_not_connected(&moved.resolve(&alice, &target()).await));
    }
}

#[tokio::test]
async fn a_new_connection_shares_no_session_with_the_earlier_one() {
    let harness = Harness::start().await;
    let replica = harness.replica().await;
    let alice = || Principal::new("alice");
    harness.connect(user("alice"), "private").await;
    let first = replica.credential(alice()).await.unwrap();
    let again = replica.credential(alice()).await.unwrap();
    assert_eq!(first.account(), again.account());
    harness.connect(user("alice"), "work").await;
    replica
        .until("alice", |token| token.as_ref().unwrap().ends_with("work"))
        .await;
    let second = replica.credential(alice()).await.unwrap();
    assert_ne!(first.account(), second.account());
}

#[tokio::test]
async fn o53_tokens_are_sealed_and_bound_to_their_owner() {
    let harness = Harness::start().await;
    harness.connect_user("alice").await;
    harness.connect_user("bob").await;
    let stored = harness.stored().await;
    for secret in ["a-", "r-"] {
        assert!(!stored.contains(&format!("\"{secret}")), "{stored}");
    }
    assert!(!stored.contains("refresh_token"), "{stored}");
    // Whoever can write to the store cannot give an account to somebody else.
    let entries = harness.store.list("account/connected/", None, 10).await;
    let entries = entries.unwrap();
    let batch = Batch::new().put(
        entries[0].key.to_string(),
        entries[1].document.value.clone(),
    );
    let _ = harness.store.commit(batch).await.unwrap();
    let accounts = harness.accounts();
    let mut found = Vec::new();
    for name in ["alice", "bob"] {
        let id = AccountId::new(user(name), SERVER);
        found.push(accounts.find(&id).await.unwrap().is_some());
    }
    found.sort_unstable();
    assert_eq!(found, [false, true]);
}

#[tokio::test]
async fn a_token_is_refreshed_a_minute_before_it_expires() {
    let harness = Harness::start().await;
    let replica = harness.replica().await;
    harness.connect_user("alice").await;
    let first = replica.token("alice").await.unwrap();
    harness.clock.advance(HOUR - Duration::from_secs(61));
    assert_eq!(replica.token("alice").await.unwrap(), first);
    harness.clock.advance(Duration::from_secs(1));
    let second = replica.token("alice").await.unwrap();
    assert_ne!(second, first);
    assert_eq!(replica.token("alice").await.unwrap(), second);
    let [_, refresh] = &harness.provider.requests()[..] else {
        panic!("{:?}", harness.provider.requests());
    };
    assert_eq!(refresh["resource"], harness.provider.url().as_str());
    assert_eq!(refresh["client_id"], "gateway");
    assert_eq!(harness.changes()[1], "user/alice@notes Refreshed");
}

#[tokio::test]
async fn responses_of_real_servers_are_accepted() {
    let harness = Harness::start().await;
    harness.provider.habits(|habits| {
        habits.success = 201;
        habits.rotates = false;
    });
    let replica = harness.replica().await;
    harness.connect_user("alice").await;
    for _ in 0..3 {
        let before = replica.token("alice").await.unwrap();
        harness.clock.advance(HOUR);
        assert_ne!(replica.token("alice").await.unwrap(), before);
    }
    let refreshes = harness.provider.refreshes();
    assert_eq!(refreshes.len(), 3);
    assert!(refreshes.iter().all(|token| *token == refreshes[0]));
}

#[tokio::test]
async fn short_lifetimes_are_used() {
    let harness = Harness::start().await;
    harness.provider.habits(|habits| habits.lifetime = 40);
    let replica = harness.replica().await;
    harness.connect_user("alice").await;
    for _ in 0..5 {
        replica.token("alice").await.unwrap();
    }
    assert!(harness.provider.refreshes().is_empty());
    harness.clock.advance(Duration::from_secs(30));
    replica.token("alice").await.unwrap();
    assert_eq!(harness.provider.refreshes().len(), 1);
}

#[tokio::test]
async fn an_ended_account_is_replaced_by_no_other() {
    let harness = Harness::start().await;
    harness.connect(Owner::Organization, "robot").await;
    harness.connect_user("alice").await;
    let replica = harness.replica().await;
    harness.provider.revoke("alice");
    harness.clock.advance(HOUR);
    assert!(is_not_connected(&replica.token("alice").await));
    let token = replica.token("bob").await.unwrap();
    assert_eq!(harness.provider.user(&token).as_deref(), Some("robot"));
}

#[tokio::test]
async fn invalid_grant_ends_an_account_whatever_its_status() {
    for status in [200, 400, 401, 403, 500] {
        let harness = Harness::start().await;
        harness
            .provider
            .habits(|habits| habits.invalid_grant = status);
        let (replica, other) = (harness.replica().await, harness.replica().await);
        harness.connect_user("alice").await;
        let token = replica.token("alice").await.unwrap();
        harness.provider.revoke("alice");
        harness.clock.advance(HOUR - Duration::from_secs(30));
        // The access token is valid for another half a minute.
        assert_eq!(replica.token("alice").await.unwrap(), token, "{status}");
        harness.clock.advance(Duration::from_secs(30));
        for replica in [&replica, &other] {
            let result = replica.token("alice").await;
            assert!(is_not_connected(&result), "{status}: {result:?}");
        }
        assert_eq!(harness.provider.refreshes().len(), 1, "{status}");
        let end = "user/alice@notes Ended(GrantRejected)";
        assert_eq!(harness.changes()[1..], [end], "{status}");
        // The account can be connected again.
        harness.connect_user("alice").await;
        for replica in [&replica, &other] {
            replica.until("alice", Result::is_ok).await;
        }
    }
}

#[tokio::test]
async fn a_rejected_token_of_an_ended_account_requires_a_new_connection() {
    let harness = Harness::start().await;
    let replica = harness.replica().await;
    harness.connect_user("alice").await;
    let credential = replica.credential(Principal::new("alice")).await.unwrap();
    harness.provider.revoke("alice");
    let result = replica.reject("alice", &credential).await;
    assert!(is_not_connected(&result), "{result:?}");
    let result = replica.reject("alice", &credential).await;
    assert!(is_not_connected(&result), "{result:?}");
    assert_eq!(harness.provider.refreshes().len(), 1);
}

#[tokio::test]
async fn outages_lose_no_account_and_delay_all_accounts_of_their_server() {
    let table = [
        (429, json!({})),
        (429, json!({ "error": "slow_down" })),
        (500, json!({ "message": "oops" })),
        (503, json!({ "error": "temporarily_unavailable" })),
    ];
    for (status, body) in table {
        let harness = Harness::start().await;
        let replica = harness.replica().await;
        harness.connect_user("alice").await;
        harness.connect_user("bob").await;
        let token = replica.token("alice").await.unwrap();
        let outage = Some((status, body));
        harness.provider.habits(|habits| habits.outage = outage);
        harness.clock.advance(HOUR - Duration::from_secs(30));
        assert_eq!(replica.token("alice").await.unwrap(), token);
        harness.clock.advance(Duration::from_secs(30));
        for name in ["alice", "bob", "alice", "bob", "bob"] {
            let result = replica.token(name).await;
            let is_temporary = matches!(result, Err(CredentialError::Unavailable(_)));
            assert!(is_temporary, "{status}: {result:?}");
        }
        // The first retry is immediate; the second one is delayed by a second.
        assert_eq!(harness.provider.refreshes().len(), 2, "{status}");
        harness.provider.habits(|habits| habits.outage = None);
        tokio::time::sleep(Duration::from_millis(1100)).await;
        for name in ["alice", "bob"] {
            let token = replica.token(name).await.unwrap();
            assert_eq!(harness.provider.user(&token).unwrap(), name);
        }
    }
}

#[tokio::test]
async fn o71_an_overloaded_server_names_the_time_of_the_next_request_for_all_accounts() {
    for (status, body) in [
        (429, json!({ "error": "too_many_requests" })),
        (429, json!("<html>")),
        (503, json!({})),
    ] {
        let harness = Harness::start().await;
        let replica = harness.replica().await;
        harness.connect_user("alice").await;
        harness.connect_user("bob").await;
        harness.provider.habits(|habits| {
            habits.outage = Some((status, body));
            habits.retry_after = "3600";
        });
        harness.clock.advance(HOUR);
        assert!(replica.token("alice").await.is_err());
        for name in ["alice", "bob", "alice"] {
            let Err(CredentialError::Unavailable(source)) = replica.token(name).await else {
                panic!("{status}");
            };
            // The time has a limit.
            let text = source.to_string();
            assert!(text.contains("suspended for 300s"), "{text}");
        }
        assert_eq!(harness.provider.refreshes().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_failure_of_one_account_delays_no_other() {
    let harness = Harness::start().await;
    let replica = harness.replica().await;
    harness.connect_user("alice").await;
    harness.connect_user("bob").await;
    harness.clock.advance(HOUR);
    let outage = Some((400, json!({ "error": "invalid_scope" })));
    harness.provider.habits(|habits| habits.outage = outage);
    for _ in 0..5 {
        assert!(replica.token("alice").await.is_err());
    }
    assert_eq!(harness.provider.refreshes().len(), 2);
    harness.provider.habits(|habits| habits.outage = None);
    assert!(replica.token("bob").await.is_ok());
}

#[tokio::test]
async fn a_lost_response_leaves_the_access_token() {
    let harness = Harness::start().await;
    let replica = harness.replica().await;
    harness.connect_user("alice").await;
    let token = replica.token("alice").await.unwrap();
    harness
        .provider
        .habits(|habits| habits.loses_responses = true);
    harness.clock.advance(HOUR - Duration::from_secs(30));
    assert_eq!(replica.token("alice").await.unwrap(), token);
    harness
        .provider
        .habits(|habits| habits.loses_responses = false);
    // The provider has rotated the token, and ends the grant upon its second use.
    assert_eq!(replica.token("alice").await.unwrap(), token);
    harness.clock.advance(Duration::from_secs(30));
    assert!(is_not_connected(&replica.token("alice").await));
    let end = format!("user/alice@notes Ended({:?})", EndReason::ResponseLost);
    assert_eq!(harness.changes()[1..], [end]);
}

#[tokio::test]
async fn a_forgotten_client_ends_its_accounts() {
    let harness = Harness::start().await;
    let replica = harness.replica().await;
    harness.connect_user("alice").await;
    harness.provider.forget_clients();
    harness.clock.advance(HOUR);
    assert!(is_not_connected(&replica.token("alice").await));
    let end = format!("user/alice@notes Ended({:?})", EndReason::ClientRejected);
    assert_eq!(harness.changes()[1..], [end]);
}

#[tokio::test]
async fn metadata_of_real_servers_is_accepted() {
    for (adds_slash, is_old) in [(true, false), (false, true)] {
        let harness = Harness::start().await;
        harness.provider.habits(|habits| {
            habits.adds_slash = adds_slash;
            habits.is_old = is_old;
        });
        let replica = harness.replica().await;
        harness.connect_user("alice").await;
        harness.clock.advance(HOUR);
        let token = replica.token("alice").await.unwrap();
        assert_eq!(harness.provider.user(&token).unwrap(), "alice");
        let resource = harness.provider.url();
        let requests = harness.provider.requests();
        assert!(
            requests
                .iter()
                .all(|form| form["resource"] == resource.as_str())
        );
    }
}

#[tokio::test]
async fn a_server_that_rejects_every_token_causes_no_flood() {
    let harness = Harness::start().await;
    let replica = harness.replica().await;
    harness.connect_user("alice").await;
    for _ in 0..10 {
        let credential = replica.credential(Principal::new("alice")).await.unwrap();
        replica.reject("alice", &credential).await.unwrap();
    }
    assert_eq!(harness.provider.refreshes().len(), 1);
    harness.clock.advance(Duration::from_secs(5));
    let credential = replica.credential(Principal::new("alice")).await.unwrap();
    assert!(
        replica
            .reject("alice", &credential)
            .await
            .unwrap()
            .is_some()
    );
}
