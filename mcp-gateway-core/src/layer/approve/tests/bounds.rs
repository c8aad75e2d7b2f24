//! Limits of an approval: its own call, once, under the same rules.

use super::*;

#[tokio::test]
async fn category_consent_is_for_its_own_call() {
    let gateway = Gateway::of_callers();
    let asked = gateway.result(json!({})).await;
    let mut other = retry(&asked, "accept");
    other["arguments"] = json!({ "path": "b", "key": 1 });
    let error = gateway.request(other).await;
    assert!(matches!(error, Err(Error::Request(_))), "{error:?}");
    // The difference is beyond the precision of a double.
    let long = |digit: char| json!({ "path": "a", "key": format!("1844674407370955161{digit}") });
    let asked = {
        let request = json!({ "arguments": long('6') });
        gateway.result(request).await
    };
    let mut other = retry(&asked, "accept");
    other["arguments"] = long('7');
    assert!(gateway.request(other).await.is_err());
    let foreign = call("bob", ProtocolVersion::LATEST, retry(&asked, "accept"));
    assert!(gateway.send(foreign).await.is_err());
    assert_eq!(gateway.runs(), 0);
}

/// Asks a question, then completes.
fn asks_first(n: u32) -> Result<Value, Error> {
    let question = json!({ "method": "elicitation/create", "params": { "message": "Sure?" } });
    Ok(match n {
        0 => json!({
            "resultType": "input_required",
            "inputRequests": { "q": question },
            "requestState": "of the server",
        }),
        _ => json!({ "resultType": "complete", "content": [] }),
    })
}

#[tokio::test]
async fn category_consent_covers_the_question_of_the_server_once() {
    let gateway = Gateway::of_callers().with_script(asks_first);
    let asked = gateway.result(json!({})).await;
    let question = gateway.result(retry(&asked, "accept")).await;
    assert!(question["inputRequests"]["q"].is_object(), "{question}");
    assert_ne!(question["requestState"], "of the server");
    let answers = json!({ "q": { "action": "accept", "content": {} } });
    let answer = json!({ "requestState": question["requestState"], "inputResponses": answers });
    let end = gateway.result(answer.clone()).await;
    assert_eq!(end["resultType"], "complete");
    let last = gateway.received.lock().unwrap()[1].clone();
    assert_eq!(last["requestState"], "of the server");
    assert_eq!(last["inputResponses"], answers);

    // Neither the same answer nor the state of the server lets a second call pass.
    for state in [&question["requestState"], &json!("of the server")] {
        let mut replayed = answer.clone();
        replayed["requestState"] = state.clone();
        let again = gateway.result(replayed).await;
        assert!(again["inputRequests"]["approve"].is_object(), "{again}");
    }
    let mut other = answer;
    other["arguments"] = json!({ "path": "b" });
    assert!(gateway.request(other).await.is_err());
    assert_eq!(gateway.runs(), 2);
}

#[tokio::test]
async fn an_account_is_connected_under_the_same_approval() {
    let missing = |n| match n {
        0 => Err(Error::Credential {
            server: "files".into(),
            source: CredentialError::NotConnected {
                url: Some("https://gw.example.com/connect".into()),
            },
        }),
        _ => Ok(json!({ "resultType": "complete", "content": [] })),
    };
    let gateway = Gateway::of_callers().with_script(missing);
    let asked = gateway.result(json!({})).await;
    let connect = gateway.result(retry(&asked, "accept")).await;
    assert!(connect["inputRequests"]["connect"].is_object(), "{connect}");
    let answers = json!({ "connect": { "action": "accept" } });
    let answer = json!({ "requestState": connect["requestState"], "inputResponses": answers });
    let end = gateway.result(answer.clone()).await;
    assert_eq!(end["resultType"], "complete", "{end}");
    let again = gateway.result(answer).await;
    assert!(again["inputRequests"]["approve"].is_object(), "{again}");
    assert_eq!(gateway.runs(), 1);
}

#[tokio::test]
async fn a_call_beyond_a_limit_keeps_its_approval() {
    let limited = |n| match n {
        0 | 2 => Err(Error::LimitReached {
            limit: "daily".into(),
            retry_after: Duration::from_secs(1),
        }),
        _ => Ok(json!({ "content": [] })),
    };
    let is_limited = |reply| matches!(reply, Err(Error::LimitReached { .. }));
    let gateway = Gateway::of_callers().with_script(limited);
    let asked = gateway.result(json!({})).await;
    let rejected = gateway.request(retry(&asked, "accept")).await;
    assert!(is_limited(rejected));
    assert_eq!((gateway.runs(), gateway.approvals.pending().len()), (0, 0));
    // The call itself is enough later, once.
    let end = gateway.result(json!({})).await;
    assert_eq!((end["content"].clone(), gateway.runs()), (json!([]), 1));
    let again = gateway.result(json!({})).await;
    assert_eq!(again["resultType"], "input_required");

    // In a session, too.
    let (question, events) = gateway.asked_session().await;
    let answer = r#"{"action":"accept","content":{"approve":true}}"#;
    question.answer(answer).await.unwrap();
    let end: Vec<_> = events.collect().await;
    assert!(!end.is_empty() && gateway.runs() == 1);
    let call = call("ada", ProtocolVersion::V2025_11_25, json!({}));
    assert!(gateway.send(call).await.is_ok());
    assert_eq!(gateway.runs(), 2);
}

#[tokio::test]
async fn category_consent_under_other_rules_is_void() {
    let gateway = Gateway::of_others();
    let reply = gateway.request(json!({})).await.unwrap();
    *gateway.policy.0.lock().unwrap() = Arc::new(others().with_version("2"));
    gateway.decide(true);
    gateway.drain.start();
    let end = result(reply).await;
    assert_eq!(end["isError"], true);
    assert_eq!(gateway.approvals.pending().len(), 1);
    assert_eq!(gateway.runs(), 0);
}

#[tokio::test]
async fn nothing_runs_without_approvals() {
    let gateway = Gateway::of_callers();
    let asked = gateway.result(json!({})).await;
    for params in [json!({}), retry(&asked, "accept"), retry(&asked, "decline")] {
        for version in [ProtocolVersion::LATEST, ProtocolVersion::V2025_11_25] {
            let call = call("ada", version, params.clone());
            let failed = gateway.send_with(Arc::new(Unreachable), call).await;
            assert!(
                matches!(failed, Err(Error::Unapproved(_) | Error::Request(_))),
                "{failed:?}"
            );
        }
    }
    assert_eq!(gateway.runs(), 0);
    // What requires no approval passes.
    let free = call(
        "ada",
        ProtocolVersion::LATEST,
        json!({ "name": "files__read" }),
    );
    assert!(gateway.send_with(Arc::new(Unreachable), free).await.is_ok());
}

#[tokio::test]
async fn ambiguous_arguments_cannot_be_approved() {
    let gateway = Gateway::of_callers();
    let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
    let caller = Arc::new(Caller::new(Principal::new("ada"), "main", client));
    let params = r#"{"name":"files__delete","arguments":{"path":"a","path":"b"}}"#;
    let request = Request::new(&Id::from(7), &Method::ToolsCall, params);
    let failed = gateway.send(Call::trusted(request, caller)).await;
    assert!(
        matches!(failed, Err(Error::Unapproved(Unapproved::Ambiguous))),
        "{failed:?}"
    );
    assert_eq!(gateway.reports(), ["ambiguous_arguments"]);
}

#[tokio::test]
async fn a_thousand_calls_end_as_decided() {
    let gateway = &Gateway::of_others();
    let calls = (0..1_000).map(|n| async move {
        let version = match n % 2 {
            0 => ProtocolVersion::LATEST,
            _ => ProtocolVersion::V2025_11_25,
        };
        let call = call(
            &format!("user-{n}"),
            version,
            json!({ "arguments": { "n": n } }),
        );
        let reply = gateway.send(call).await.unwrap();
        let response = reply::response(reply).await.unwrap();
        let result: Value = serde_json::from_str(response.result().unwrap()).unwrap();
        (n, result["isError"] != true)
    });
    let decisions = async {
        while gateway.approvals.pending().len() < 1_000 {
            tokio::task::yield_now().await;
        }
        for (id, request) in gateway.approvals.pending() {
            let accept = request.subject.principal.len() % 2 == 0;
            gateway.approvals.decide(&id, accept, None).unwrap();
        }
    };
    let (ends, ()) = tokio::join!(join_all(calls), decisions);
    for (n, ran) in &ends {
        assert_eq!(*ran, format!("user-{n}").len() % 2 == 0, "{n}");
    }
    let ran = ends.iter().filter(|(_, ran)| *ran).count();
    assert_eq!((gateway.runs(), gateway.reports().len()), (ran, 1_000));
}
