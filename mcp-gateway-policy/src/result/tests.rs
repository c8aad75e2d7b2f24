//! Tests of rules about results: effects, encodings, failures, and what no rule concerns.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt;
use http_body_util::BodyExt;
use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::call::{Permitted, Prepared};
use mcp_gateway_core::credential::NoCredentials;
use mcp_gateway_core::jsonrpc::{Id, Request, Response};
use mcp_gateway_core::layer::attach_credentials::AttachCredentialsLayer;
use mcp_gateway_core::layer::authorize::AuthorizeLayer;
use mcp_gateway_core::layer::dispatch::DispatchLayer;
use mcp_gateway_core::layer::forward::Forward;
use mcp_gateway_core::policy::AllowAll;
use mcp_gateway_core::protocol::{Capabilities, Method, ProtocolVersion};
use mcp_gateway_core::reply::{ReplyEvent, ReplyStream};
use mcp_gateway_core::route::PrefixRouter;
use mcp_gateway_core::upstream::{ServerPool, Upstream, UpstreamError};
use mcp_gateway_core::{Call, Caller, ClientInfo, Error, Reply};
use proptest::prelude::*;
use serde_json::{Value, json};
use tower::util::MapRequestLayer;
use tower::{ServiceBuilder, ServiceExt};

use super::masker::mask;
use super::*;
use crate::Scope;
use crate::condition::Condition;

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

/// Returns the response of a client that sends `method` with `params`.
fn answer(rules: &Arc<ResultRules>, (method, params): (&Method, &str), server: Answering) -> Value {
    let pool = ServerPool::new().with("files", Arc::new(server));
    let (rules, servers) = (Arc::clone(rules), pool.clone());
    let attach = MapRequestLayer::new(move |mut call: Call<Permitted>| {
        if let Some(filter) = rules.filter(&"main".into(), &call, &servers) {
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
    let text = async {
        let reply: Result<Reply, Error> = stack.oneshot(Call::trusted(request, caller)).await;
        match reply.unwrap() {
            Reply::Json { body, .. } => body.collect().await.unwrap().to_bytes().to_vec(),
            Reply::Events(mut events) => match events.next().await.unwrap().unwrap() {
                ReplyEvent::Response(response) => response.bytes().to_vec(),
                other => panic!("{other:?}"),
            },
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread();
    let text = { runtime }.enable_time().build().unwrap().block_on(text);
    serde_json::from_slice(&text).unwrap()
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
fn category_masked_value_is_found_behind_escapes() {
    let mask_of = ResultMask::new(&["$.key"], &["secret"]).unwrap();
    let text = r#"{"structuredContent":{"k\u0065y":"\u0073esame-1","n":12345678901234567890.50},
        "content":[{"type":"text","t\u0065xt":"\u0073ecret {\"a\":\"\\u0073esame-1\"}"},
                   {"type":"text","text":"{\"a\":\"\\u0073esame-1 s\\u0065cret\"}"}]}"#;
    let masked = mask(text, &[&mask_of]).unwrap();
    let value: Value = serde_json::from_str(&masked).unwrap();
    assert!(masked.contains("12345678901234567890.50"), "{masked}");
    assert!(!value.to_string().contains("sesame-1") && !value.to_string().contains("secret"));
    assert_eq!(value["structuredContent"]["key"], "***");
    assert_eq!(value["content"][1]["text"], r#"{"a":"*** ***"}"#);
}

#[test]
fn numbers_are_matched_by_patterns() {
    let mask_of = ResultMask::new(&[], &[r"^\d{16}$"]).unwrap();
    let text = r#"{"structuredContent":{"card":4111111111111111,"id":7.10}}"#;
    let expected = r#"{"structuredContent":{"card":"***","id":7.10}}"#;
    assert_eq!(mask(text, &[&mask_of]).unwrap(), expected);
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

/// Any JSON value, whose strings may have the value of the masked member.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        "[a-z\"\\\\{}\\[\\]:é😀\n ]{0,12}".prop_map(Value::from),
        Just(json!("before pass\"w0rd-ä1 after")),
        Just(json!({ "secret": "pass\"w0rd-ä1" }).to_string().into()),
        Just(
            json!({ "x": json!(["pass\"w0rd-ä1"]).to_string() })
                .to_string()
                .into()
        ),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let key = prop_oneof![
            "[a-z]{1,4}",
            Just("secret".to_owned()),
            Just("pass\"w0rd-ä1".to_owned())
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn category_masked_value_is_in_no_byte_of_a_reply(
        structured in values(),
        texts in prop::collection::vec(values(), 0..3),
        meta in values(),
    ) {
        let text = |value: &Value| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            json!({ "type": "text", "text": text })
        };
        let content: Vec<_> = texts.iter().map(text).collect();
        let result = json!({
            "content": content,
            "structuredContent": { "secret": "pass\"w0rd-ä1", "other": structured },
            "_meta": { "m": meta },
        });
        let mask_of = ResultMask::new(&["$..secret"], &[]).unwrap();
        match mask(&result.to_string(), &[&mask_of]) {
            Ok(masked) => {
                prop_assert!(!masked.contains("w0rd-ä1"), "{masked}");
                prop_assert!(serde_json::from_str::<Value>(&masked).is_ok(), "{masked}");
            }
            // What only looks like JSON is withheld.
            Err(failure) => prop_assert_eq!(failure, masker::MaskFailure::Unreadable),
        }
    }
}
