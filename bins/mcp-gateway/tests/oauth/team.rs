//! A team whose members call one server with their own accounts, in clients of both eras.

use std::time::Duration;

use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::accounts::{TOOL, connect, log_in};
use crate::elicited::{capabilities, url};
use crate::harness::{Endpoint, Harness, ISSUER, Kind, SOON};
use crate::person::Person;
use crate::provider::Provider;
use crate::session::Session;

/// Returns a harness with a gateway of the team, and the server at `url` alone.
async fn harness(url: &str) -> Harness {
    let remote = json!({ "url": url, "auth": { "oauth": {} } });
    let servers = json!([{ "name": "notes", "remote": remote }]);
    let gateways = json!([{ "name": "team", "visibility": { "teams": ["platform"] } }]);
    let sections = format!("servers: {servers}\ngateways: {gateways}\n");
    Harness::new(Kind::Postgres).await.with_sections(sections)
}

/// Creates a member of the team.
async fn member(harness: &Harness, endpoint: &Endpoint, name: &'static str) -> Person {
    let created = ["user", "create", name, "--team", "platform"];
    let created = harness.operate(&created).await;
    Person::new(endpoint, name, created.rsplit(' ').next().unwrap()).await
}

/// Asserts that each of `members` calls with the own account, in both eras and at all `endpoints`.
async fn assert_own(members: &[Person; 2], endpoints: [&Endpoint; 2]) {
    for endpoint in endpoints {
        for member in members {
            let modern = member.call(endpoint, TOOL).await;
            let legacy = member.call_in_session(endpoint, TOOL).await;
            for result in [modern, legacy] {
                assert_eq!(result["content"][0]["text"], member.name, "{result}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_a_team_call_with_their_own_accounts_in_both_eras() {
    let provider = Provider::start().await;
    let harness = harness(provider.url().as_str()).await;
    let (first, second) = (harness.start().await, harness.start().await);
    let (first, second) = (first.endpoint(), second.endpoint());
    let endpoints = [&first, &second];
    let ada = member(&harness, &first, "ada").await;
    let mut members = [ada, member(&harness, &first, "bob").await];
    for member in &mut members {
        assert_eq!(member.tools(&second).await, ["notes__connect"]);
        let missing = member.call_in_session(&second, TOOL).await;
        let problem = &missing["_meta"]["mcp-gateway/problem"];
        assert_eq!(problem["reason"], "not_connected", "{missing}");
        connect(member, &first).await;
        // The other replica follows.
        let following = async {
            while member.call(&second, TOOL).await["isError"] == true {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(SOON, following).await.unwrap();
    }
    assert_own(&members, endpoints).await;

    // All tokens expire, and the grant of one member ends. Both eras send the member to the link, and
    // nobody else.
    provider.revoke("ada");
    provider.expire();
    let [ada, bob] = &mut members;
    let ended = ada.call(&first, TOOL).await;
    assert_eq!(ended["isError"], true, "{ended}");
    let ended = ada.call_in_session(&second, TOOL).await;
    assert_eq!(ended["isError"], true, "{ended}");
    let result = bob.call(&second, TOOL).await;
    assert_eq!(result["content"][0]["text"], "bob", "{result}");
    let session = Session::begin(&second, &ada.token, capabilities()).await;
    let mut call = session.call(TOOL).await;
    let question = call.method("elicitation/create").await;
    let link = url(&question["params"]).replace(ISSUER, &first.url);
    let page = ada.browser.get(&link).await;
    log_in(ada, &first, &page).await;
    let result = call.response().await;
    assert_eq!(result["result"]["content"][0]["text"], "ada", "{result}");
    assert_own(&members, endpoints).await;
}
