//! Calls that their callers confirm.

use super::*;

#[tokio::test]
async fn category_consent_is_for_exactly_what_runs_and_once() {
    let gateway = Gateway::of_callers();
    let asked = gateway.result(json!({})).await;
    assert_eq!(asked["resultType"], "input_required");
    let question = &asked["inputRequests"]["approve"];
    assert_eq!(question["method"], "elicitation/create");
    let message = question["params"]["message"].as_str().unwrap();
    for part in [
        "\"delete\"",
        "\"files\"",
        r#""path":"a""#,
        "deletes for good",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert_eq!((gateway.runs(), gateway.reports()), (0, Vec::new()));

    let end = gateway.result(retry(&asked, "accept")).await;
    assert_eq!(end["content"], json!([]));
    let expected = json!({ "name": "files__delete", "arguments": { "path": "a", "key": 1 } });
    assert_eq!(*gateway.received.lock().unwrap(), [expected]);
    assert_eq!(gateway.reports(), [""]);

    // The same answer again is no consent to a second call.
    let again = gateway.result(retry(&asked, "accept")).await;
    assert_eq!(again["resultType"], "input_required");
    assert_eq!(gateway.runs(), 1);
}

#[tokio::test]
async fn a_modern_caller_declines() {
    for action in ["decline", "cancel"] {
        let gateway = Gateway::of_callers();
        let asked = gateway.result(json!({})).await;
        let cause = gateway.failure(retry(&asked, action)).await;
        assert_eq!(cause, Unapproved::Declined);
        assert_eq!(
            (gateway.runs(), gateway.reports()),
            (0, vec!["declined".to_owned()])
        );
        // A later consent does not revive the call.
        let cause = gateway.failure(retry(&asked, "accept")).await;
        assert_eq!(cause, Unapproved::Void);
        assert_eq!(gateway.runs(), 0);
    }
}

#[tokio::test]
async fn a_caller_whose_client_cannot_ask_confirms_by_other_means() {
    let gateway = Gateway::of_callers();
    let client = || ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
    let send = || gateway.send(call_with("ada", client(), json!({})));
    let (pending, id) = match send().await {
        Err(Error::Unapproved(Unapproved::Pending { id, .. })) => (gateway.approvals.pending(), id),
        other => panic!("{other:?}"),
    };
    assert_eq!(pending[0].0, id);
    assert_eq!(gateway.reports(), ["approval_required"]);
    gateway
        .approvals
        .confirm(&id, pending[0].1.key(), true)
        .await
        .unwrap();
    assert!(send().await.is_ok());
    assert!(send().await.is_err());
    assert_eq!(gateway.runs(), 1);
}

#[tokio::test]
async fn a_session_is_asked_within_the_reply() {
    let gateway = Gateway::of_callers();
    let (question, events) = gateway.asked_session().await;
    assert_eq!(question.request().method(), &Method::ElicitationCreate);
    let answer = r#"{"action":"accept","content":{"approve":true}}"#;
    question.answer(answer).await.unwrap();
    let (notified, end) = rest(events).await;
    assert_eq!((notified.len(), &end["result"]["content"]), (0, &json!([])));
    assert_eq!(
        (gateway.runs(), gateway.reports()),
        (1, vec![String::new()])
    );
}

#[tokio::test]
async fn a_session_whose_user_declines_or_cannot_be_asked() {
    let gateway = Gateway::of_callers();
    let (question, events) = gateway.asked_session().await;
    question.answer(r#"{"action":"decline"}"#).await.unwrap();
    let (_, end) = rest(events).await;
    assert_eq!(reason(&end), "declined");
    let (question, events) = gateway.asked_session().await;
    question
        .reject(&ErrorObject::method_not_found())
        .await
        .unwrap();
    let (_, end) = rest(events).await;
    assert_eq!(reason(&end), "approval_required");
    // A shutdown ends the wait, and withdraws the question.
    let (_question, events) = gateway.asked_session().await;
    gateway.drain.start();
    let (notified, end) = rest(events).await;
    assert_eq!(
        (&*notified[0], reason(&end)),
        ("notifications/cancelled", &json!("approval_required"))
    );
    assert_eq!((gateway.runs(), gateway.reports().len()), (0, 3));
}
