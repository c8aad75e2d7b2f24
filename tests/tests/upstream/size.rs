//! Answers that are large, or without end.

use bytes::Bytes;
use mcp_gateway_tests::gateway::{Backends, remote};
use mcp_gateway_tests::script::{EVENTS, Scripted, Step, document, events};
use mcp_gateway_tests::wire::{Wire, WireError};
use serde_json::json;

use super::harness::{ERAS, Harness, SILENCE, impatient, patient, reason};

const LARGE: usize = 16 * 1024 * 1024;

/// agentgateway failed beyond 2 MiB of JSON.
#[tokio::test]
async fn sixteen_megabytes_pass_in_either_form() {
    for modern in ERAS {
        let text = "x".repeat(LARGE);
        for in_events in [false, true] {
            let said = text.clone();
            let harness = Harness::new(modern, move |asked| {
                let answer = asked.says(&said);
                match in_events {
                    false => document(&answer),
                    true => events(format!("data: {answer}\n\n")),
                }
            })
            .await;
            let answer = harness.call("liar__lie").await.answer();
            let found = answer["result"]["content"][0]["text"].as_str();
            assert!(
                found == Some(&text),
                "modern: {modern}, events: {in_events}"
            );
            harness.goes_on("a large answer").await;
        }
    }
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_refused() {
    for modern in ERAS {
        let liar = Scripted::start(move |asked| {
            let honest = match modern {
                true => mcp_gateway_tests::script::modern(asked),
                false => mcp_gateway_tests::script::legacy(asked),
            };
            honest.unwrap_or_else(|| {
                events(format!("data: {}\n\n", asked.says(&"x".repeat(200_000))))
            })
        })
        .await
        .unwrap();
        let server = remote("liar", &liar.url).with_max_message(100_000).build();
        let gateway = Backends::new().with("liar", "liar", server).start().await;
        let token = http::HeaderValue::from_static("Bearer alice");
        let wire = Wire::new(&gateway.url).with_header(http::header::AUTHORIZATION, token);
        let reply = wire.call("liar__lie", json!({})).await.unwrap();
        assert_eq!(reason(&reply), "upstream_too_large", "{}", reply.body);
        let reply = wire.call("liar__truth", json!({})).await.unwrap();
        assert!(reply.answer()["result"].is_object(), "{}", reply.body);
    }
}

#[tokio::test]
async fn an_answer_without_end_ends_at_the_last_deadline() {
    for modern in ERAS {
        let limits = impatient().with_max_duration(SILENCE);
        let harness = Harness::limited(modern, limits, |asked| {
            let id = &asked.message["id"];
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n\
                 {{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"text\":\""
            );
            vec![
                Step::Send(head.into()),
                Step::Repeat(Bytes::from(vec![b'x'; 1000])),
            ]
        })
        .await;
        match harness.wire().call("liar__lie", json!({})).await {
            // Where it has begun to pass through, all that is left is to break it off.
            Err(WireError::Response(_)) => assert!(modern),
            Ok(reply) => {
                let reason = reason(&reply);
                let expected = ["timeout", "upstream_too_large"];
                assert!(!modern && expected.contains(&&*reason), "{reason}");
            }
            Err(error) => panic!("{error}"),
        }
        harness.goes_on("an endless document").await;
    }
}

#[tokio::test]
async fn an_event_without_end_is_refused() {
    for modern in ERAS {
        for text in ["data: x", "data: x\n", ": x", "x", "id: x"] {
            let liar = Scripted::start(move |asked| {
                let honest = match modern {
                    true => mcp_gateway_tests::script::modern(asked),
                    false => mcp_gateway_tests::script::legacy(asked),
                };
                let endless = || {
                    let repeated = text.repeat(100);
                    vec![Step::Send(EVENTS.into()), Step::Repeat(repeated.into())]
                };
                honest.unwrap_or_else(endless)
            })
            .await
            .unwrap();
            let server = remote("liar", &liar.url).with_max_message(100_000).build();
            let gateway = Backends::new()
                .with_limits("liar", "liar", server, patient())
                .start()
                .await;
            let token = http::HeaderValue::from_static("Bearer alice");
            let wire = Wire::new(&gateway.url).with_header(http::header::AUTHORIZATION, token);
            let reply = wire.call("liar__lie", json!({})).await.unwrap();
            assert_eq!(
                reason(&reply),
                "upstream_too_large",
                "{text:?}: {}",
                reply.body
            );
        }
    }
}
