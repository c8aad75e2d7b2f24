//! Answers that are none.

use std::time::Instant;

use bytes::Bytes;
use mcp_gateway_tests::script::{
    EVENTS, ReceivedRequest, Scripted, Step, Steps, document, events, response, status,
};
use serde_json::json;

use super::harness::{ERAS, Harness, SILENCE, SOON, impatient, patient};

const JSON: &str = "Content-Type: application/json\r\n";

type Lie = fn(&ReceivedRequest) -> Steps;

fn cut(text: String) -> Steps {
    vec![Step::Send(text.into()), Step::Close]
}

/// Defect, its script, and the error that callers receive.
const LIES: [(&str, Lie, &str); 28] = [
    (
        "HTML",
        |_| response("200 OK", "Content-Type: text/html\r\n", "<html></html>"),
        "upstream_invalid",
    ),
    (
        "HTML that says it is JSON",
        |_| response("200 OK", JSON, "<html></html>"),
        "upstream_invalid",
    ),
    ("nothing", |_| status("200 OK"), "upstream_invalid"),
    (
        "an empty document",
        |_| response("200 OK", JSON, ""),
        "upstream_invalid",
    ),
    ("accepted", |_| status("202 Accepted"), "upstream_invalid"),
    (
        "no content",
        |_| status("204 No Content"),
        "upstream_invalid",
    ),
    (
        "a redirect",
        |_| response("302 Found", "Location: http://127.0.0.1:1/\r\n", ""),
        "upstream_redirect",
    ),
    (
        "a permanent redirect",
        |_| response("308 Permanent Redirect", "Location: /other\r\n", ""),
        "upstream_redirect",
    ),
    (
        "another id",
        |_| document(&json!({ "jsonrpc": "2.0", "id": 999, "result": {} })),
        "upstream_invalid",
    ),
    (
        "no id",
        |_| document(&json!({ "jsonrpc": "2.0", "result": {} })),
        "upstream_invalid",
    ),
    (
        "neither result nor error",
        |asked| document(&json!({ "jsonrpc": "2.0", "id": asked.message["id"] })),
        "upstream_invalid",
    ),
    (
        "both",
        |asked| {
            document(
                &json!({ "jsonrpc": "2.0", "id": asked.message["id"], "result": {}, "error": {} }),
            )
        },
        "upstream_invalid",
    ),
    (
        "an array",
        |asked| document(&json!([asked.says("x")])),
        "upstream_invalid",
    ),
    ("a string", |_| document(&json!("x")), "upstream_invalid"),
    (
        "a request",
        |_| document(&json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })),
        "upstream_invalid",
    ),
    (
        "two documents",
        |asked| {
            let text = asked.says("x").to_string();
            response("200 OK", JSON, &format!("{text}{text}"))
        },
        "upstream_invalid",
    ),
    (
        "half a document",
        |asked| {
            let text = asked.says("x").to_string();
            response("200 OK", JSON, &text[..text.len() / 2])
        },
        "upstream_invalid",
    ),
    (
        "a body that breaks off",
        |asked| {
            let text = asked.says("x").to_string();
            cut(format!(
                "HTTP/1.1 200 OK\r\n{JSON}Content-Length: {}\r\n\r\n{text}",
                text.len() + 10
            ))
        },
        "upstream_invalid",
    ),
    (
        "a chunk that breaks off",
        |_| {
            cut(format!(
                "HTTP/1.1 200 OK\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n20\r\n{{"
            ))
        },
        "upstream_invalid",
    ),
    (
        "a chunk of a negative size",
        |_| {
            cut(format!(
                "HTTP/1.1 200 OK\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n-1\r\n{{"
            ))
        },
        "upstream_invalid",
    ),
    (
        "compression that nobody asked for",
        |_| {
            let mut bytes = format!(
                "HTTP/1.1 200 OK\r\n{JSON}Content-Encoding: gzip\r\nContent-Length: 10\r\n\r\n"
            )
            .into_bytes();
            bytes.extend([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
            vec![Step::Send(bytes.into())]
        },
        "upstream_invalid",
    ),
    (
        "what is no text",
        |_| {
            vec![Step::Send(Bytes::from_static(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n\xff\xfe",
    ))]
        },
        "upstream_invalid",
    ),
    (
        "nothing but the end",
        |_| vec![Step::Close],
        "upstream_closed",
    ),
    ("a reset", |_| vec![Step::Reset], "upstream_closed"),
    (
        "half a head",
        |_| cut("HTTP/1.1 200 OK\r\nContent-".to_owned()),
        "upstream_closed",
    ),
    (
        "what is no HTTP",
        |_| cut("SSH-2.0-OpenSSH_9.6\r\n".to_owned()),
        "upstream_closed",
    ),
    (
        "a stream without an answer",
        |_| events(": nothing\n\n"),
        "upstream_closed",
    ),
    (
        "events that are no messages",
        |_| events("data: hello\n\n"),
        "upstream_closed",
    ),
];

#[tokio::test]
async fn an_answer_that_is_none_is_a_clear_error() {
    for modern in ERAS {
        for (what, lie, expected) in LIES {
            let harness = Harness::new(modern, lie).await;
            let start = Instant::now();
            let reason = harness.reason().await;
            assert_eq!(reason, expected, "{what}, modern: {modern}");
            assert!(start.elapsed() < SOON, "{what}");
            harness.goes_on(what).await;
        }
    }
}

#[tokio::test]
async fn statuses_of_errors_are_told() {
    for modern in ERAS {
        for (line, expected) in [
            ("400 Bad Request", "upstream_status"),
            ("401 Unauthorized", "upstream_unauthorized"),
            ("403 Forbidden", "upstream_unauthorized"),
            ("404 Not Found", "upstream_status"),
            ("413 Payload Too Large", "upstream_status"),
            ("418 I'm a teapot", "upstream_status"),
            ("429 Too Many Requests", "overloaded"),
            ("500 Internal Server Error", "upstream_status"),
            ("502 Bad Gateway", "upstream_status"),
            ("503 Service Unavailable", "upstream_status"),
            ("599 Whatever", "upstream_status"),
        ] {
            let html = move |_: &ReceivedRequest| {
                response(line, "Content-Type: text/html\r\n", "<html></html>")
            };
            let harness = Harness::new(modern, html).await;
            let reason = harness.reason().await;
            assert_eq!(reason, expected, "{line}, modern: {modern}");
            harness.goes_on(line).await;
        }
    }
}

#[tokio::test]
async fn a_server_that_is_busy_says_when_to_come_back() {
    for modern in ERAS {
        for (wait, expected) in [
            ("7", "7"),
            ("soon", "1"),
            ("", "1"),
            ("18446744073709551615", "18446744073709551615"),
            ("-1", "1"),
        ] {
            let busy = move |_: &ReceivedRequest| {
                response(
                    "429 Too Many Requests",
                    &format!("Retry-After: {wait}\r\n"),
                    "",
                )
            };
            let harness = Harness::new(modern, busy).await;
            let reply = harness.call("liar__lie").await;
            assert_eq!(reply.status.as_u16(), 429, "{wait}");
            assert_eq!(reply.headers["retry-after"], expected, "{wait}");
            harness.goes_on(wait).await;
        }
    }
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    let silent: [(&str, Lie); 5] = [
        ("no head", |_| vec![Step::Hang]),
        ("half a head", |_| {
            vec![Step::Send("HTTP/1.1 200 OK\r\nContent-".into()), Step::Hang]
        }),
        ("no body", |_| {
            let head = format!("HTTP/1.1 200 OK\r\n{JSON}Content-Length: 9\r\n\r\n");
            vec![Step::Send(head.into()), Step::Hang]
        }),
        ("half a body", |_| {
            let head = format!("HTTP/1.1 200 OK\r\n{JSON}Content-Length: 9\r\n\r\n{{");
            vec![Step::Send(head.into()), Step::Hang]
        }),
        ("a stream without events", |_| {
            vec![Step::Send(EVENTS.into()), Step::Hang]
        }),
    ];
    for modern in ERAS {
        for (what, lie) in silent {
            let harness = Harness::limited(modern, impatient(), lie).await;
            harness.goes_on("the beginning").await;
            let start = Instant::now();
            assert_eq!(
                harness.reason().await,
                "timeout",
                "{what}, modern: {modern}"
            );
            let took = start.elapsed();
            assert!(took >= SILENCE && took < SILENCE * 10, "{what}: {took:?}");
            harness.goes_on(what).await;
        }
    }
}

/// Bytes are no progress: who sends a comment now and then is silent, or ends at the last deadline.
#[tokio::test]
async fn a_server_that_drips_ends_at_the_last_deadline() {
    let limits = impatient().with_max_duration(SILENCE * 2);
    for modern in ERAS {
        for drop in [
            ": x\n\n",
            "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":1}}\n\n",
        ] {
            let harness = Harness::limited(modern, limits.clone(), move |_| {
                let mut steps = vec![Step::Send(EVENTS.into())];
                for _ in 0..100 {
                    steps.extend([Step::Send(drop.into()), Step::Pause(SILENCE / 4)]);
                }
                steps
            })
            .await;
            let start = Instant::now();
            assert_eq!(
                harness.reason().await,
                "timeout",
                "{drop}, modern: {modern}"
            );
            assert!(
                start.elapsed() < SILENCE * 10,
                "{drop}: {:?}",
                start.elapsed()
            );
            harness.goes_on(drop).await;
        }
    }
}

#[tokio::test]
async fn two_answers_are_one() {
    for modern in ERAS {
        let harness = Harness::new(modern, |asked| {
            let (one, two) = (asked.says("one"), asked.says("two"));
            events(format!("data: {one}\n\ndata: {two}\n\n"))
        })
        .await;
        let reply = harness.call("liar__lie").await;
        assert_eq!(
            reply.answer()["result"]["content"][0]["text"],
            "one",
            "{}",
            reply.body
        );
        assert!(!reply.body.contains("two"), "{}", reply.body);
        harness.goes_on("two answers").await;
        let harness = Harness::new(modern, |asked| {
            let mut twice = document(&asked.says("one"));
            twice.extend(document(&asked.says("two")));
            twice
        })
        .await;
        for _ in 0..3 {
            let reply = harness.call("liar__lie").await;
            assert_eq!(
                reply.answer()["result"]["content"][0]["text"],
                "one",
                "{}",
                reply.body
            );
            harness.goes_on("an answer that nobody asked for").await;
        }
    }
}

/// A client that gets `202 Accepted` for a request waits for what never comes.
#[tokio::test]
async fn an_answer_is_ok_whatever_success_the_server_calls_it() {
    for modern in ERAS {
        for line in [
            "201 Created",
            "202 Accepted",
            "206 Partial Content",
            "299 Fine",
        ] {
            let harness = Harness::new(modern, move |asked| {
                response(line, JSON, &asked.says("here").to_string())
            })
            .await;
            let reply = harness.call("liar__lie").await;
            assert_eq!(reply.status.as_u16(), 200, "{line}, modern: {modern}");
            let answer = reply.answer();
            assert_eq!(answer["result"]["content"][0]["text"], "here", "{answer}");
        }
    }
}

#[tokio::test]
async fn a_slow_answer_is_an_answer() {
    for modern in ERAS {
        let harness = Harness::new(modern, |asked| {
            let steps = document(&asked.says("slow"));
            steps
                .into_iter()
                .map(|step| match step {
                    Step::Send(bytes) => Step::Trickle(bytes),
                    other => other,
                })
                .collect()
        })
        .await;
        for _ in 0..3 {
            let answer = harness.call("liar__lie").await.answer();
            assert_eq!(answer["result"]["content"][0]["text"], "slow", "{answer}");
        }
    }
}

#[tokio::test]
async fn old_http_is_http() {
    for modern in ERAS {
        let harness = Harness::new(modern, |asked| {
            let text = asked.says("old");
            cut(format!("HTTP/1.0 200 OK\r\n{JSON}\r\n{text}"))
        })
        .await;
        for _ in 0..3 {
            let answer = harness.call("liar__lie").await.answer();
            assert_eq!(answer["result"]["content"][0]["text"], "old", "{answer}");
        }
        harness.goes_on("HTTP/1.0").await;
    }
}

#[tokio::test]
async fn heads_without_end_are_refused() {
    for modern in ERAS {
        let harness = Harness::limited(modern, impatient(), |_| {
            vec![
                Step::Send("HTTP/1.1 200 OK\r\n".into()),
                Step::Repeat("X-Long: xxxxxxxxxxxxxxxxxxxxxxxxxx\r\n".into()),
            ]
        })
        .await;
        assert_eq!(harness.reason().await, "upstream_closed");
        harness.goes_on("a head without end").await;
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_costs_its_own_tools() {
    let liar = Scripted::modern(|_| Vec::new()).await.unwrap();
    let address = liar
        .url
        .trim_start_matches("http://")
        .trim_end_matches("/mcp")
        .to_owned();
    let harness = Harness::over(liar, patient()).await;
    harness.goes_on("the beginning").await;
    let Harness {
        gateway,
        liar,
        honest,
    } = harness;
    drop(liar);
    let gone = Scripted::modern(|_| Vec::new()).await.unwrap();
    let harness = Harness {
        gateway,
        liar: gone,
        honest,
    };
    super::harness::until("the server is gone", async || {
        let answer = harness.call("liar__truth").await.answer();
        answer["error"]["data"]["reason"] == "upstream_connect"
    })
    .await;
    assert_eq!(harness.tools().await, ["honest__truth", "honest__lie"]);

    let again = Scripted::start_at(&address, |asked| {
        mcp_gateway_tests::script::modern(asked).unwrap_or_default()
    })
    .await
    .unwrap();
    harness.goes_on("its return").await;
    assert_eq!(harness.tools().await.len(), 4);
    drop(again);
}

#[tokio::test]
async fn a_response_nested_too_deeply_fails_its_call_at_once() {
    for (modern, in_events) in [(true, true), (true, false), (false, true), (false, false)] {
        let harness = Harness::new(modern, move |asked| {
            let id = &asked.message["id"];
            let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
            let text = format!(r#"{{"jsonrpc":"2.0","result":{{"content":{deep}}},"id":{id}}}"#);
            match in_events {
                false => response("200 OK", JSON, &text),
                true => vec![
                    Step::Send(EVENTS.into()),
                    Step::Send(format!("data: {text}\n\n").into()),
                    Step::Hang,
                ],
            }
        })
        .await;
        harness.goes_on("the start").await;
        let start = Instant::now();
        let what = format!("modern: {modern}, events: {in_events}");
        assert_eq!(harness.reason().await, "upstream_invalid", "{what}");
        assert!(start.elapsed() < SOON / 2, "{what}: {:?}", start.elapsed());
        harness.goes_on(&what).await;
    }
}
