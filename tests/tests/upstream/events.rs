//! Streams of events, however they are cut and written.

use mcp_gateway_core::sse::SseReader;
use mcp_gateway_tests::script::{EVENTS, Step, events};

use super::harness::{ERAS, Harness};

/// One gateway died of the first event that servers of 2025-11-25 send, whose data is empty.
#[tokio::test]
async fn a_stream_is_the_same_however_it_is_written() {
    for modern in ERAS {
        for (what, form) in [
            ("as usual", "event: message\nid: 1\ndata: {}\n\n"),
            ("priming", "id: 0\ndata:\n\nid: 1\ndata: {}\n\n"),
            (
                "priming with a space",
                "id: 0\nretry: 1000\ndata: \n\ndata: {}\n\n",
            ),
            ("comments", ": hello\n\n:\n\n: x\ndata: {}\n: y\n\n"),
            ("unknown fields", "foo: bar\ndata: {}\nbaz\n\n"),
            (
                "other events",
                "event: ping\ndata: 1\n\nevent: message\ndata: {}\n\n",
            ),
            ("text that is no message", "data: hello\n\ndata: {}\n\n"),
            (
                "a response to nobody",
                "data: {\"jsonrpc\":\"2.0\",\"id\":\"x\",\"result\":null}\n\ndata: {}\n\n",
            ),
            ("no space", "data:{}\n\n"),
            ("a byte order mark", "\u{feff}data: {}\n\n"),
            ("a huge retry", "retry: 18446744073709551615\ndata: {}\n\n"),
            ("a retry that is none", "retry: soon\ndata: {}\n\n"),
            ("an id with a null", "id: \0\ndata: {}\n\n"),
        ] {
            for end in ["\n", "\r\n", "\r"] {
                let form = form.replace('\n', end);
                let harness = Harness::new(modern, move |asked| {
                    events(form.replace("{}", &asked.says("here").to_string()))
                })
                .await;
                let answer = harness.call("liar__lie").await.answer();
                let text = &answer["result"]["content"][0]["text"];
                assert_eq!(text, "here", "{what} {end:?}, modern: {modern}: {answer}");
            }
        }
    }
}

#[tokio::test]
async fn an_event_may_be_cut_anywhere() {
    for modern in ERAS {
        for end in ["\n", "\r\n", "\r"] {
            let harness = Harness::new(modern, move |asked| {
                let answer = asked.says("grün 😀");
                let text =
                    format!("id: 0\ndata:\n\n: c\nevent: message\nid: 1\ndata: {answer}\n\n")
                        .replace('\n', end);
                let cut = asked.message["params"]["arguments"]["cut"]
                    .as_u64()
                    .unwrap();
                let (head, tail) = text.as_bytes().split_at((cut as usize).min(text.len()));
                vec![
                    Step::Send(EVENTS.into()),
                    Step::Send(bytes::Bytes::copy_from_slice(head)),
                    Step::Pause(std::time::Duration::from_micros(200)),
                    Step::Send(bytes::Bytes::copy_from_slice(tail)),
                    Step::Close,
                ]
            })
            .await;
            for cut in 0..190 {
                let arguments = serde_json::json!({ "cut": cut });
                let reply = harness.wire().call("liar__lie", arguments).await.unwrap();
                let text = &reply.answer()["result"]["content"][0]["text"];
                assert_eq!(text, "grün 😀", "at {cut} {end:?}: {}", reply.body);
            }
        }
    }
}

#[tokio::test]
async fn an_event_may_come_byte_by_byte() {
    for modern in ERAS {
        let harness = Harness::new(modern, |asked| {
            let text = format!("id: 0\r\ndata:\r\n\r\ndata: {}\r\n\r\n", asked.says("slow"));
            vec![
                Step::Send(EVENTS.into()),
                Step::Trickle(text.into()),
                Step::Close,
            ]
        })
        .await;
        let answer = harness.call("liar__lie").await.answer();
        assert_eq!(answer["result"]["content"][0]["text"], "slow", "{answer}");
    }
}

#[tokio::test]
async fn data_on_several_lines_is_one_message() {
    for modern in ERAS {
        let harness = Harness::new(modern, |asked| {
            let pretty = serde_json::to_string_pretty(&asked.says("lines")).unwrap();
            let line = |line| format!("data: {line}\n");
            let lines: String = pretty.lines().map(line).collect();
            events(format!("{lines}\n"))
        })
        .await;
        let reply = harness.call("liar__lie").await;
        let mut events = Vec::new();
        let mut reader = SseReader::new(1 << 20);
        reader.feed(reply.body.as_bytes(), &mut events).unwrap();
        let data = &events.last().unwrap().data;
        let answer: serde_json::Value = serde_json::from_slice(data).unwrap();
        assert_eq!(answer["result"]["content"][0]["text"], "lines", "{answer}");
    }
}

#[tokio::test]
async fn a_stream_that_says_more_than_its_answer_is_cut_off() {
    for modern in ERAS {
        let harness = Harness::new(modern, |asked| {
            let answer = asked.says("first");
            vec![
                Step::Send(EVENTS.into()),
                Step::Send(format!("data: {answer}\n\n").into()),
                Step::Repeat(
                    "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}\n\n".into(),
                ),
            ]
        })
        .await;
        let answer = harness.call("liar__lie").await.answer();
        assert_eq!(answer["result"]["content"][0]["text"], "first", "{answer}");
        harness.goes_on("a stream without end").await;
    }
}

/// A server of the modern era asks nothing; what comes of it is told to the caller alone.
#[tokio::test]
async fn a_request_in_a_stream_of_the_modern_era_is_an_error() {
    let harness = Harness::new(true, |_| {
        events("data: {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sampling/createMessage\"}\n\n")
    })
    .await;
    assert_eq!(harness.reason().await, "upstream_invalid");
    harness.goes_on("a request").await;
}
