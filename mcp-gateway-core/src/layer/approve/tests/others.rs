//! Calls about which somebody else decides.

use super::*;

#[tokio::test]
async fn a_modern_call_resumes_by_itself() {
    let gateway = Gateway::of_others();
    let reply = gateway.request(json!({})).await.unwrap();
    assert_eq!(gateway.parked_calls.count(), 1);
    let (end, ()) = tokio::join!(result(reply), async {
        tokio::task::yield_now().await;
        gateway.decide(true);
    });
    assert_eq!(end["content"], json!([]));
    assert_eq!(
        (gateway.runs(), gateway.reports()),
        (1, vec![String::new()])
    );
    assert_eq!(gateway.parked_calls.count(), 0);
}

#[tokio::test]
async fn a_call_that_an_approver_denies_does_not_run() {
    let gateway = Gateway::of_others();
    let reply = gateway.request(json!({})).await.unwrap();
    gateway.decide(false);
    let end = result(reply).await;
    assert_eq!(end["isError"], true);
    let text = end["content"][0]["text"].as_str().unwrap();
    assert!(text.ends_with("not today"), "{text}");
    assert_eq!(
        (gateway.runs(), gateway.reports()),
        (0, vec!["denied".to_owned()])
    );
}

#[tokio::test(start_paused = true)]
async fn a_modern_call_waits_in_rounds_and_passes_later() {
    let gateway = Gateway::of_others();
    let mut next = json!({});
    let mut rounds = 0;
    let end = loop {
        let asked = gateway.result(next).await;
        if asked["resultType"] != "input_required" {
            break asked;
        }
        (next, rounds) = (waiting(&asked), rounds + 1);
    };
    assert_eq!(rounds, 8);
    let id = &gateway.approvals.pending()[0].0;
    assert_eq!(end["_meta"]["mcp-gateway/problem"]["approval"], json!(**id));
    // The caller sends the same call after the decision.
    gateway.decide(true);
    gateway.result(json!({})).await;
    assert_eq!(gateway.runs(), 1);
    assert_eq!(gateway.reports(), ["approval_required", ""]);
}

#[tokio::test(start_paused = true)]
async fn a_decision_between_rounds_reaches_the_retry() {
    let gateway = Gateway::of_others();
    let asked = gateway.result(json!({})).await;
    gateway.decide(false);
    let cause = gateway.failure(waiting(&asked)).await;
    let reason = Some("not today".into());
    assert_eq!(cause, Unapproved::Denied { reason });
    let gateway = Gateway::new(others().with_timeout(Duration::from_secs(60)));
    let asked = gateway.result(json!({})).await;
    let end = gateway.result(waiting(&asked)).await;
    let reason = &end["_meta"]["mcp-gateway/problem"]["reason"];
    assert_eq!((reason, gateway.runs()), (&json!("approval_expired"), 0));
    assert!(gateway.approvals.pending().is_empty());
}

#[tokio::test]
async fn category_consent_of_the_caller_is_none_where_somebody_else_decides() {
    let gateway = Gateway::of_others();
    let state = {
        let request = gateway.request(json!({})).await.unwrap();
        drop(request);
        let (id, request) = gateway.approvals.pending().remove(0);
        let approval = gateway.approvals.find(&id).await.unwrap();
        let call = call("ada", ProtocolVersion::LATEST, json!({}));
        let state = ApprovalState::new(&call, &request.subject.server, &approval);
        state.seal(gateway.parked_calls.sealer()).unwrap()
    };
    let asked = json!({ "requestState": state });
    let cause = gateway.failure(retry(&asked, "accept")).await;
    assert_eq!(cause, Unapproved::Void);
    assert_eq!(gateway.runs(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_session_waits_with_progress() {
    let gateway = Gateway::of_others();
    let events = gateway
        .session(json!({ "_meta": { "progressToken": "p" } }))
        .await;
    let ((notified, end), ()) = tokio::join!(rest(events), async {
        tokio::time::sleep(Duration::from_secs(125)).await;
        gateway.decide(true);
    });
    assert_eq!(notified, vec!["notifications/progress"; 12]);
    assert_eq!(end["result"]["content"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_session_without_progress_receives_the_identifier() {
    let gateway = Gateway::of_others();
    let (notified, end) = rest(gateway.session(json!({})).await).await;
    assert_eq!(
        (notified.len(), reason(&end)),
        (0, &json!("approval_required"))
    );
    gateway.decide(true);
    let call = || call("ada", ProtocolVersion::V2025_11_25, json!({}));
    assert!(matches!(gateway.send(call()).await, Ok(Reply::Json { .. })));
    // The second one waits for an approval of its own.
    assert!(matches!(gateway.send(call()).await, Ok(Reply::Events(_))));
    assert_eq!(gateway.runs(), 1);
}

#[tokio::test]
async fn an_approval_for_a_time_permits_the_same_call_again() {
    let gateway = Gateway::new(others().with_valid_for(Duration::from_secs(60)));
    let reply = gateway.request(json!({})).await.unwrap();
    gateway.decide(true);
    result(reply).await;
    for _ in 0..3 {
        gateway.result(json!({})).await;
    }
    assert_eq!(gateway.runs(), 4);
    let other = gateway.request(json!({ "arguments": {} })).await.unwrap();
    assert!(matches!(other, Reply::Events(_)));
}

#[tokio::test]
async fn a_caller_that_goes_away_is_reported() {
    let gateway = Gateway::of_others();
    drop(gateway.request(json!({})).await.unwrap());
    while gateway.reports().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(gateway.reports(), ["approval_required"]);
    assert_eq!(gateway.parked_calls.count(), 0);
    // The record stays: the same call passes once it is approved.
    gateway.decide(true);
    gateway.result(json!({})).await;
    assert_eq!(gateway.runs(), 1);
}
