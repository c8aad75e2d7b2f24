//! Tests of rules about results: effects, encodings, failures, and what no rule concerns.

mod masks;
mod subscriptions;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::StreamExt;
use http_body_util::BodyExt;
use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::call::{Permitted, Prepared};
use mcp_gateway_core::credential::NoCredentials;
use mcp_gateway_core::jsonrpc::{Id, Notification, Request, Response};
use mcp_gateway_core::layer::attach_credentials::AttachCredentialsLayer;
use mcp_gateway_core::layer::authorize::AuthorizeLayer;
use mcp_gateway_core::layer::dispatch::DispatchLayer;
use mcp_gateway_core::layer::forward::Forward;
use mcp_gateway_core::policy::AllowAll;
use mcp_gateway_core::protocol::{Capabilities, Method, ProtocolVersion};
use mcp_gateway_core::reply::{ReplyEvent, ReplyStream};
use mcp_gateway_core::route::PrefixRouter;
use mcp_gateway_core::upstream::{ServerPool, Upstream, UpstreamError};
use mcp_gateway_core::{BoxError, Call, Caller, ClientInfo, Error, Reply};
use serde_json::{Value, json};
use tower::util::MapRequestLayer;
use tower::{ServiceBuilder, ServiceExt};

use super::*;
use crate::Scope;
use crate::condition::Condition;

/// A server that announces messages to each subscription.
#[derive(Debug)]
struct Announcing(Vec<(&'static str, Value)>);

#[async_trait]
impl Upstream for Announcing {
    async fn send(&self, _: Call<Prepared>) -> Result<Reply, UpstreamError> {
        let events = self.0.clone().into_iter().map(|(method, params)| {
            let params = params.to_string();
            let notification = Notification::new(&Method::from(method), Some(&params));
            Ok(ReplyEvent::Notification(notification))
        });
        Ok(Reply::Events(ReplyStream::new(futures_util::stream::iter(
            events.collect::<Vec<_>>(),
        ))))
    }
}

/// A server that answers each request with the same result.
#[derive(Debug)]
struct Answering(String, bool);

#[async_trait]
impl Upstream for Answering {
    async fn send(&self, call: Call<Prepared>) -> Result<Reply, UpstreamError> {
        let id = call.request().id();
        if self.1 {
            let response = Ok(ReplyEvent::Response(Response::new(id, &self.0)));
            let events = futures_util::stream::iter([response]);
            return Ok(Reply::Events(ReplyStream::new(events)));
        }
        Ok(Reply::result(id, &self.0))
    }
}

/// Rules whose taints are recorded, unless the recorder is broken.
#[derive(Debug, Default)]
struct Recorder {
    is_broken: bool,
    rules: Mutex<Vec<Arc<str>>>,
}

#[async_trait]
impl TaintRecorder for Recorder {
    async fn record(&self, taint: Taint<'_>) -> Result<(), BoxError> {
        assert_eq!(taint.caller.principal().subject(), "alice");
        if self.is_broken {
            return Err("broken".into());
        }
        self.rules.lock().unwrap().push(Arc::clone(taint.rule));
        Ok(())
    }

    fn is_untrusted(&self, _: &Caller) -> bool {
        !self.rules.lock().unwrap().is_empty()
    }
}

/// Returns the response of a client that sends `method` with `params`.
fn answer(rules: &Arc<ResultRules>, call: (&Method, &str), server: Answering) -> Value {
    recorded(rules, call, server, &Arc::default())
}

/// Returns the same, with the recorder of taints.
fn recorded(
    rules: &Arc<ResultRules>,
    call: (&Method, &str),
    server: Answering,
    recorder: &Arc<Recorder>,
) -> Value {
    let mut messages = messages(rules, call, Arc::new(server), recorder);
    messages.remove(0)
}

/// Returns the messages of the reply.
fn messages(
    rules: &Arc<ResultRules>,
    (method, params): (&Method, &str),
    server: Arc<dyn Upstream>,
    recorder: &Arc<Recorder>,
) -> Vec<Value> {
    let recorder = Arc::clone(recorder);
    let pool = ServerPool::new().with("files", server);
    let (rules, servers) = (Arc::clone(rules), pool.clone());
    let attach = MapRequestLayer::new(move |mut call: Call<Permitted>| {
        let recorder: Arc<dyn TaintRecorder> = Arc::clone(&recorder) as _;
        if let Some(filter) = rules.filter(&"main".into(), &call, (&servers, &recorder)) {
            call.extensions_mut().insert(filter);
        }
        call
    });
    let policy = Arc::new(AllowAll::new());
    let router = Arc::new(PrefixRouter::by_name(["files"]).unwrap());
    let stack = ServiceBuilder::new()
        .layer(DispatchLayer::new(router, policy.clone()))
        .layer(AuthorizeLayer::new(policy))
        .layer(attach)
        .layer(AttachCredentialsLayer::new(Arc::new(NoCredentials::new())))
        .service(Forward::new(pool));
    let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
    let caller = Arc::new(Caller::new(Principal::new("alice"), "main", client));
    let request = Request::new(&Id::from(1), method, params);
    let texts = async {
        let reply: Result<Reply, Error> = stack.oneshot(Call::trusted(request, caller)).await;
        match reply.unwrap() {
            Reply::Json { body, .. } => vec![body.collect().await.unwrap().to_bytes().to_vec()],
            Reply::Events(mut events) => {
                let mut texts = Vec::new();
                while let Some(Ok(event)) = events.next().await {
                    texts.push(match event {
                        ReplyEvent::Response(response) => response.bytes().to_vec(),
                        ReplyEvent::Notification(one) => one.bytes().to_vec(),
                        other @ ReplyEvent::Request(_) => panic!("{other:?}"),
                    });
                }
                texts
            }
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread();
    let texts = { runtime }.enable_time().build().unwrap().block_on(texts);
    let texts = texts.iter();
    texts
        .map(|text| serde_json::from_slice(text).unwrap())
        .collect()
}

fn rules(rules: impl IntoIterator<Item = ResultRule>) -> Arc<ResultRules> {
    Arc::new(ResultRules::new(rules))
}

fn masking(paths: &[&str], patterns: &[&str]) -> ResultRule {
    ResultRule::new(
        "mask",
        ResultEffect::Mask(ResultMask::new(paths, patterns).unwrap()),
    )
}

fn blocking(condition: &str) -> ResultRule {
    let effect = ResultEffect::Block {
        reason: Some("confidential".into()),
    };
    ResultRule::new("block", effect).with_condition(Condition::of_result(condition).unwrap())
}

/// Calls `files__read`, whose server answers `result`, and returns the response.
fn called(rules: &Arc<ResultRules>, result: &Value) -> Value {
    let call = (
        &Method::ToolsCall,
        r#"{"name":"files__read","arguments":{"path":"/a"}}"#,
    );
    let document = answer(rules, call, Answering(result.to_string(), false));
    let stream = answer(rules, call, Answering(result.to_string(), true));
    assert_eq!(document, stream, "both transports are alike");
    document
}

#[test]
fn category_masked_value_is_replaced_in_structured_content_and_in_texts() {
    let rules = rules([masking(&["$..email"], &[r"\b\d{4}-\d{4}\b"])]);
    let structured = json!({ "people": [{ "email": "ada@example.com", "n": 1 }] });
    let result = json!({
        "content": [
            { "type": "text", "text": structured.to_string() },
            { "type": "text", "text": "Ask ada@example.com, card 1234-5678." },
            { "type": "resource", "resource": { "uri": "a:b", "text": "to: ada@example.com" } },
            { "type": "resource", "resource": { "uri": "a:b", "blob": "YWRhQGV4YW1wbGUuY29t" } },
        ],
        "structuredContent": structured,
        "_meta": { "author": { "email": "bob@example.com" }, "ada@example.com": true },
    });
    let answer = called(&rules, &result);
    let text = answer.to_string();
    assert!(
        !text.contains("ada@") && !text.contains("1234-5678"),
        "{text}"
    );
    assert!(!text.contains("YWRh"), "{text}");
    let result = &answer["result"];
    assert_eq!(
        result["structuredContent"],
        json!({ "people": [{ "email": "***", "n": 1 }] })
    );
    assert_eq!(
        result["content"][0]["text"],
        r#"{"people":[{"email":"***","n":1}]}"#
    );
    assert_eq!(result["content"][1]["text"], "Ask ***, card ***.");
    assert_eq!(result["content"][1]["type"], "text");
}

#[test]
fn what_cannot_be_read_is_withheld() {
    let rules = rules([masking(&["$.key"], &[])]);
    for text in [
        r#"{"key":"a",}"#,
        r#"{"key":1,"key":2}"#,
        r#"{"key":1e999}"#,
        "{'key': 1}",
    ] {
        let result = json!({ "content": [{ "type": "text", "text": text }] });
        let answer = called(&rules, &result);
        assert_eq!(answer["result"]["isError"], true, "{text}: {answer}");
        assert!(!answer.to_string().contains("key"), "{answer}");
    }
    let plain = json!({ "content": [{ "type": "text", "text": "[INFO] started {x}" }] });
    assert_eq!(called(&rules, &plain)["result"], plain);
}

#[test]
fn a_blocked_result_is_an_error_with_the_reason() {
    let conditions = [
        "result.text.contains('salary')",
        "result.structuredContent.total > 100",
        "result.size > 20 && !result.isError && arguments.path == '/a'",
        "tool.name == 'read' && caller.subject == 'alice'",
        // It fails to evaluate.
        "result.structuredContent.absent == 1",
    ];
    let result = json!({
        "content": [{ "type": "text", "text": "salary" }],
        "structuredContent": { "total": 101 },
    });
    for condition in conditions {
        let answer = called(&rules([blocking(condition)]), &result);
        assert_eq!(answer["result"]["isError"], true, "{condition}: {answer}");
        assert!(
            !answer.to_string().contains("salary"),
            "{condition}: {answer}"
        );
    }
    for condition in ["result.isError", "result.structuredContent.total > 101"] {
        assert_eq!(
            called(&rules([blocking(condition)]), &result)["result"],
            result
        );
        let dry = rules([blocking("true").dry_run()]);
        assert_eq!(called(&dry, &result)["result"], result);
    }
}

#[test]
fn a_result_is_delivered_after_its_taint_is_recorded() {
    let rule = |name: &str, effect| ResultRule::new(name, effect);
    let scope = || Scope::new().with_tools(["read"]);
    let result = json!({ "content": [{ "type": "text", "text": "from a page" }] });
    let call = || (&Method::ToolsCall, r#"{"name":"files__read"}"#);
    let server = || Answering(result.to_string(), true);
    let distrusting = rules([
        rule("pages", ResultEffect::Distrust),
        rule("t", ResultEffect::Trust),
    ]);
    let recorder = Arc::<Recorder>::default();
    assert_eq!(
        recorded(&distrusting, call(), server(), &recorder)["result"],
        result
    );
    assert_eq!(*recorder.rules.lock().unwrap(), ["pages".into()]);
    // The first rule about trust decides.
    let trusting = rules([
        rule("t", ResultEffect::Trust).with_scope(scope()),
        rule("pages", ResultEffect::Distrust),
    ]);
    let recorder = Arc::<Recorder>::default();
    assert_eq!(
        recorded(&trusting, call(), server(), &recorder)["result"],
        result
    );
    assert!(recorder.rules.lock().unwrap().is_empty());
    // Of a task, it is not known that its tool is trusted.
    let task = (&Method::TasksResult, r#"{"taskId":"files__t"}"#);
    recorded(&trusting, task, server(), &recorder);
    assert_eq!(recorder.rules.lock().unwrap().len(), 1);

    let broken = Arc::new(Recorder {
        is_broken: true,
        ..Recorder::default()
    });
    let answer = recorded(&distrusting, call(), server(), &broken);
    assert_eq!(answer["result"]["isError"], true);
    assert!(!answer.to_string().contains("page"), "{answer}");
}

#[test]
fn a_cap_cuts_with_a_note() {
    let rules = rules([ResultRule::new(
        "cap",
        ResultEffect::Cap { max_bytes: 1024 },
    )]);
    let result = json!({ "content": [{ "type": "text", "text": "x".repeat(5000) }] });
    let answer = called(&rules, &result);
    assert!(answer["result"].to_string().len() <= 1024);
    assert!(
        answer.to_string().contains("of 5000 bytes left out"),
        "{answer}"
    );
    let resource = json!({ "contents": [{ "uri": "a:b", "text": "x".repeat(5000) }] });
    let read = (&Method::ResourcesRead, r#"{"uri":"a:b"}"#);
    let answer = answer_of(&rules, read, &resource);
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .contains("exceeds 1024"),
        "{answer}"
    );
}

fn answer_of(rules: &Arc<ResultRules>, call: (&Method, &str), result: &Value) -> Value {
    answer(rules, call, Answering(result.to_string(), false))
}

#[test]
fn all_kinds_of_results_are_masked() {
    let rules = rules([masking(&[], &["secret"])]);
    let calls = [
        (
            Method::ResourcesRead,
            r#"{"uri":"a:b"}"#,
            json!({ "contents": [{ "text": "secret" }] }),
        ),
        (
            Method::PromptsGet,
            r#"{"name":"files__p"}"#,
            json!({ "messages": [{ "role": "user", "content": { "type": "text", "text": "secret" } }] }),
        ),
        (
            Method::TasksResult,
            r#"{"taskId":"files__t"}"#,
            json!({ "content": [{ "type": "text", "text": "secret" }] }),
        ),
        (
            Method::TasksGet,
            r#"{"taskId":"files__t"}"#,
            json!({ "status": "completed", "result": { "structuredContent": { "a": "secret" } } }),
        ),
        (
            Method::SkillsGet,
            r#"{"uri":"a:b"}"#,
            json!({ "contents": [{ "text": "secret" }] }),
        ),
    ];
    for (method, params, result) in calls {
        let answer = answer_of(&rules, (&method, params), &result);
        let text = answer["result"].to_string();
        assert!(
            text.contains("***") && !text.contains("secret"),
            "{method:?}: {answer}"
        );
    }
}

#[test]
fn results_that_no_rule_concerns_are_not_read() {
    let scope = Scope::new().with_tools(["write"]);
    let rules = rules([masking(&["$..a"], &["."]).with_scope(scope)]);
    // It is not even valid JSON.
    let call = (&Method::ToolsCall, r#"{"name":"files__read"}"#);
    let text = r#"{"content":[],"a":"b"}"#;
    let answer = answer(&rules, call, Answering(text.to_owned(), false));
    assert_eq!(answer["result"], json!({ "content": [], "a": "b" }));
}
