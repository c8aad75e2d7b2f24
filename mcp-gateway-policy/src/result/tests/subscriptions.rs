//! Tests of rules about what a subscription brings.

use super::*;

/// Returns the messages that a client receives of a subscription, by method.
fn heard(rules: &Arc<ResultRules>, recorder: &Arc<Recorder>) -> Vec<(String, Value)> {
    let task = json!({ "taskId": "1", "status": "completed", "result": {
        "content": [{ "type": "text", "text": "key 1234-5678" }],
        "structuredContent": { "email": "ada@example.com" },
    } });
    let server = Announcing(vec![
        (
            "notifications/subscriptions/acknowledged",
            json!({ "notifications": {} }),
        ),
        (
            "notifications/tasks",
            json!({ "taskId": "1", "status": "working" }),
        ),
        ("notifications/tasks", task.clone()),
        (
            "notifications/message",
            json!({ "level": "info", "data": "1234-5678" }),
        ),
        (
            "notifications/resources/updated",
            json!({ "uri": "a:1234-5678" }),
        ),
        ("notifications/tasks", task),
    ]);
    let meta = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28" });
    let params = json!({ "notifications": {}, "_meta": meta }).to_string();
    let call = (&Method::SubscriptionsListen, params.as_str());
    let messages = messages(rules, call, Arc::new(server), recorder);
    let named = messages.into_iter().map(|mut message| {
        let method = message["method"].as_str().unwrap_or_default().to_owned();
        (method, message["params"].take())
    });
    named.collect()
}

fn scoped(rule: ResultRule) -> Arc<ResultRules> {
    rules([rule.with_scope(Scope::new().with_servers(["files"]).with_tools(["read"]))])
}

#[test]
fn category_masked_value_is_replaced_in_results_of_tasks_that_a_server_announces() {
    let heard = heard(
        &scoped(masking(&["$..email"], &[r"\b\d{4}-\d{4}\b"])),
        &Arc::default(),
    );
    let tasks: Vec<_> = heard
        .iter()
        .filter(|(method, _)| method == "notifications/tasks")
        .collect();
    assert_eq!(tasks.len(), 3, "{heard:?}");
    assert_eq!(tasks[1].1["result"]["structuredContent"]["email"], "***");
    assert_eq!(tasks[1].1["taskId"], tasks[0].1["taskId"]);
    let said = heard
        .iter()
        .filter(|(method, _)| method != "notifications/resources/updated");
    let said: Vec<_> = said.map(|(_, params)| params.to_string()).collect();
    let said = said.join(" ");
    assert!(
        !said.contains("1234-5678") && !said.contains("ada@"),
        "{said}"
    );
}

#[test]
fn a_blocked_result_of_a_task_is_not_announced() {
    for rule in [
        blocking("result.text.contains('key')"),
        blocking("arguments.path == '/a'"),
        ResultRule::new("all", ResultEffect::Block { reason: None }),
        ResultRule::new("size", ResultEffect::Cap { max_bytes: 10 }),
    ] {
        let heard = heard(&scoped(rule), &Arc::default());
        let text = format!("{heard:?}");
        assert!(!text.contains("ada@"), "{text}");
        let first = heard.first().map(|(method, _)| method.as_str());
        assert_eq!(
            first,
            Some("notifications/subscriptions/acknowledged"),
            "{text}"
        );
        assert!(text.contains("resources/updated"), "{text}");
    }
    let other = Scope::new().with_servers(["other"]);
    let block = ResultRule::new("all", ResultEffect::Block { reason: None }).with_scope(other);
    assert_eq!(heard(&rules([block]), &Arc::default()).len(), 6);
}

#[test]
fn category_untrusted_context_begins_with_each_result_that_is_announced() {
    let recorder = Arc::<Recorder>::default();
    let condition = Condition::of_result("result.text.contains('key')").unwrap();
    let distrust = ResultRule::new("pages", ResultEffect::Distrust).with_condition(condition);
    assert_eq!(heard(&scoped(distrust.clone()), &recorder).len(), 6);
    // The taint of the first may have ended before the second.
    assert_eq!(recorder.rules.lock().unwrap().len(), 2);
    let broken = Arc::new(Recorder {
        is_broken: true,
        ..Recorder::default()
    });
    let heard = heard(&scoped(distrust), &broken);
    assert!(!format!("{heard:?}").contains("ada@"), "{heard:?}");
}
