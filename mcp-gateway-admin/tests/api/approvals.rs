//! `/approvals`.

use std::sync::Arc;

use mcp_gateway_audit::{AuditEvent, AuditQuery};
use mcp_gateway_core::approval::{
    ApprovalRequest, ApprovalSubject, ApprovalTerms, Approvals, Approvers,
};
use serde_json::{Value, json};

use crate::harness::{ADMIN, FINANCE, MEMBER, Site};

const BOB: &str = FINANCE[0].0;
const CAROL: &str = FINANCE[1].0;
const TEAM: &str = FINANCE[2].0;

/// Asks for approval of a call of `caller`, by the team `finance` or the caller.
async fn ask(site: &Site, caller: &str, arguments: &str, is_own: bool) -> String {
    let terms = ApprovalTerms::default().with_reason("refunds are final");
    let terms = match is_own {
        true => terms,
        false => terms.with_approvers(Approvers::others([], ["finance"])),
    };
    let subject = ApprovalSubject::new(caller, "main").with_tool("billing", "refund");
    let call = ApprovalRequest::new(subject, arguments, "refunds", Arc::new(terms)).unwrap();
    site.approvals.open(&call).await.unwrap().id.to_string()
}

async fn decide(site: &Site, token: &str, id: &str, decision: &str) -> (u16, Value) {
    let path = format!("/approvals/{id}/decision");
    let body = json!({ "decision": decision });
    let answer = site.send("post", &path, Some(token), Some(body)).await;
    (answer.status, answer.body)
}

async fn listed(site: &Site, token: &str, query: &str) -> Vec<String> {
    let path = format!("/approvals{query}");
    let answer = site.send("get", &path, Some(token), None).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let items = answer.body["items"].as_array().unwrap().iter();
    items
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn category_decision_nobody_decides_about_their_own_call() {
    let site = Site::new().await;
    let id = ask(
        &site,
        "bob",
        r#"{"amount":500,"password":"hunter2"}"#,
        false,
    )
    .await;
    // Whoever is not concerned does not see it, and an administrator only sees it.
    for (token, status) in [(MEMBER, 404), (ADMIN, 403), (BOB, 403), (TEAM, 404)] {
        for decision in ["approve", "deny"] {
            let (found, body) = decide(&site, token, &id, decision).await;
            assert_eq!(found, status, "{token}: {body}");
        }
    }
    let path = format!("/approvals/{id}");
    let shown = site.send("get", &path, Some(CAROL), None).await.body;
    assert_eq!(shown["status"], "pending");
    assert_eq!(shown["mayDecide"], true);
    assert_eq!(shown["caller"], "bob");
    assert_eq!(shown["reason"], "refunds are final");
    assert_eq!(shown["arguments"], r#"{"amount":500,"password":"***"}"#);
    let (status, approved) = decide(&site, CAROL, &id, "approve").await;
    assert_eq!((status, &approved["status"]), (200, &json!("approved")));
    assert_eq!(approved["decision"]["by"], "carol");
    assert_eq!(approved["mayDecide"], false);

    // Where the caller confirms, nobody else does.
    let own = ask(&site, "bob", "{}", true).await;
    for (token, status) in [(CAROL, 404), (ADMIN, 403), (BOB, 200)] {
        assert_eq!(
            decide(&site, token, &own, "approve").await.0,
            status,
            "{token}"
        );
    }
}

#[tokio::test]
async fn the_same_answer_has_no_effect_and_another_one_is_a_conflict() {
    let site = Site::new().await;
    let id = ask(&site, "bob", "{}", false).await;
    let (_, first) = decide(&site, CAROL, &id, "deny").await;
    let (status, again) = decide(&site, CAROL, &id, "deny").await;
    assert_eq!((status, &again), (200, &first));
    let (status, body) = decide(&site, CAROL, &id, "approve").await;
    assert_eq!(status, 409, "{body}");
    for (body, status) in [
        (json!({}), 422),
        (json!({ "decision": "maybe" }), 422),
        (json!({ "decision": "deny", "reason": "" }), 422),
        (json!({ "decision": "deny", "by": "bob" }), 422),
    ] {
        let path = format!("/approvals/{id}/decision");
        let answer = site.send("post", &path, Some(CAROL), Some(body)).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
    site.log.flush().await.unwrap();
    let found = AuditQuery::new().run(&*site.store).await.unwrap().records;
    let record = |action: &str| {
        let of =
            |event: &AuditEvent| matches!(event, AuditEvent::Change(it) if it.action == action);
        found
            .iter()
            .filter(|record| of(&record.event))
            .collect::<Vec<_>>()
    };
    assert_eq!(record("approval.request")[0].actor.subject, "bob");
    let denied = record("approval.deny");
    assert_eq!((denied.len(), &*denied[0].actor.subject), (1, "carol"));
}

#[tokio::test]
async fn everybody_lists_what_concerns_them() {
    let site = Site::new().await;
    let bob = ask(&site, "bob", "1", false).await;
    let carol = ask(&site, "carol", "2", false).await;
    let mallory = ask(&site, "mallory", "3", true).await;
    decide(&site, BOB, &carol, "deny").await;
    let all = [&bob, &carol, &mallory];
    let table: [(&str, &str, &[&String]); 9] = [
        (ADMIN, "", &all[..]),
        (ADMIN, "?status=pending", &[&bob, &mallory]),
        (ADMIN, "?caller=carol", &[&carol]),
        (ADMIN, "?server=billing&tool=refund&gateway=main", &all[..]),
        (ADMIN, "?server=files", &[]),
        (BOB, "", &[&bob, &carol]),
        (CAROL, "?status=denied", &[&carol]),
        (MEMBER, "", &[&mallory]),
        (TEAM, "", &[]),
    ];
    for (token, query, expected) in table {
        let mut found = listed(&site, token, query).await;
        let mut expected: Vec<_> = expected.iter().map(|id| (*id).clone()).collect();
        // Identifiers of one second are in any order.
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{token} {query}");
    }
    for query in ["?status=open", "?limit=0", "?unknown=1"] {
        let answer = site.get(&format!("/approvals{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
    }
    assert_eq!(site.all("/approvals", 1).await.len(), 3);
}
