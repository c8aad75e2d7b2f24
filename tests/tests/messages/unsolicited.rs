//! Messages of a legacy server on its standalone stream, whether a client listens or not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mcp_gateway_tests::gateway::{Backends, remote};
use mcp_gateway_tests::script::{self, EVENTS, ReceivedRequest, Scripted, Step, Steps};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::harness::{Client, SOON, event, received, server};

/// Returns a request of a server.
fn question(id: &str, method: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": {} })
}

/// Returns `true` if `asked` is the answer to the request `id` of the server.
fn answers(asked: &ReceivedRequest, id: &str) -> bool {
    asked.message["id"] == id && asked.message.get("method").is_none()
}

/// Returns the number of standalone streams that were requested.
fn streams(server: &Scripted) -> usize {
    let asked = server.asked();
    asked.iter().filter(|asked| asked.verb == "GET").count()
}

/// A server whose tool sends `question` on the standalone stream, which opens after `delay`, and
/// waits for the answer.
async fn asking(question: Value, delay: Duration) -> Scripted {
    let id = question["id"].as_str().unwrap().to_owned();
    let (asks, answered) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    Scripted::start(move |asked| match (&*asked.verb, asked.method()) {
        ("GET", _) => vec![
            Step::Pause(delay),
            Step::Send(EVENTS.into()),
            Step::Wait(Arc::clone(&asks)),
            Step::Send(event(&question).into()),
            Step::Hang,
        ],
        (_, "initialize") => script::begun(asked, &json!({ "tools": {} })),
        (_, "tools/call") => {
            // Without a stream, the message is lost.
            let asks = Arc::clone(&asks);
            let mut steps: Steps = vec![
                Step::Do(Arc::new(move || asks.add_permits(1))),
                Step::Wait(Arc::clone(&answered)),
            ];
            steps.extend(script::document(&asked.says("done")));
            steps
        }
        _ if answers(asked, &id) => {
            answered.add_permits(1);
            script::status("202 Accepted")
        }
        _ => script::legacy(asked).unwrap_or_default(),
    })
    .await
    .unwrap()
}

fn call() -> Value {
    json!({ "name": "lie", "arguments": {} })
}

#[tokio::test]
async fn a_ping_in_a_call_is_answered_although_no_client_listens() {
    let server = asking(question("p", "ping"), Duration::from_millis(300)).await;
    let gateway = Backends::only(&server.url).start().await;
    let client = Client::connect(&gateway, json!({})).await;
    let params = call();
    let reply = client.request(2, "tools/call", &params);
    let reply = timeout(SOON, reply).await.unwrap();
    assert!(reply.body.contains("done"), "{}", reply.body);
    let asked = server.asked();
    let at = |is_it: &dyn Fn(&ReceivedRequest) -> bool| asked.iter().position(is_it).unwrap();
    let opened = at(&|asked| asked.verb == "GET");
    assert!(opened > at(&|asked| asked.method() == "notifications/initialized"));
    assert!(opened < at(&|asked| asked.method() == "tools/call"));
    assert_eq!(streams(&server), 1);
}

#[tokio::test]
async fn a_question_waits_for_a_client_that_listens_late() {
    let server = asking(question("q", "vendor/ask"), Duration::ZERO).await;
    let gateway = Backends::only(&server.url).start().await;
    // With a session of its own on the server, and with a shared one.
    for capabilities in [json!({ "elicitation": {} }), json!({})] {
        let client = Client::connect(&gateway, capabilities).await;
        let params = call();
        let calling = client.request(2, "tools/call", &params);
        let answering = async {
            sleep(Duration::from_millis(300)).await;
            let mut listener = client.listen().await;
            let asked = timeout(SOON, listener.message()).await.unwrap();
            assert_eq!(asked["method"], "vendor/ask");
            let answer = json!({ "action": "accept", "content": { "x": 1 } });
            client.answer(&asked["id"], &answer).await;
        };
        let (reply, ()) = tokio::join!(calling, answering);
        assert!(reply.body.contains("done"), "{}", reply.body);
    }
    received(&server, |asked| {
        answers(asked, "q") && asked.message["result"]["content"]["x"] == 1
    })
    .await;
}

#[tokio::test]
async fn a_question_to_one_of_several_clients_is_rejected() {
    let gate = Arc::new(Semaphore::new(0));
    let messages = ["one", "two"].map(|id| question(id, "vendor/ask"));
    let server = server(json!({ "tools": {} }), &gate, &messages, |_| None).await;
    let gateway = Backends::only(&server.url).start().await;
    let client = Client::connect(&gateway, json!({})).await;
    let mut listener = client.listen().await;
    gate.add_permits(1);
    let asked = listener.message().await;
    assert_eq!(asked["method"], "vendor/ask");
    client.answer(&asked["id"], &json!({ "own": true })).await;
    let answer = received(&server, |asked| answers(asked, "one")).await;
    assert_eq!(answer["result"]["own"], true, "{answer}");

    let other = Client::connect(&gateway, json!({})).await;
    let mut others = other.listen().await;
    gate.add_permits(1);
    let answer = received(&server, |asked| answers(asked, "two")).await;
    assert_eq!(answer["error"]["code"], -32601, "{answer}");
    listener.is_silent().await;
    others.is_silent().await;
}

/// With the errors that clients have for such requests.
#[tokio::test]
async fn a_question_that_its_client_has_not_declared_is_rejected() {
    let gate = Arc::new(Semaphore::new(0));
    let messages = [
        question("form", "elicitation/create"),
        question("sample", "sampling/createMessage"),
        question("list", "roots/list"),
    ];
    let server = server(json!({ "tools": {} }), &gate, &messages, |_| None).await;
    let gateway = Backends::only(&server.url).start().await;
    let client = Client::connect(&gateway, json!({ "elicitation": { "url": {} } })).await;
    let mut listener = client.listen().await;
    gate.add_permits(messages.len());
    for (id, code) in [("form", -32602), ("sample", -32600), ("list", -32601)] {
        let answer = received(&server, |asked| answers(asked, id)).await;
        assert_eq!(answer["error"]["code"], code, "{answer}");
    }
    listener.is_silent().await;
}

#[tokio::test]
async fn an_undeclared_question_in_a_call_is_rejected_with_the_text_of_an_sdk() {
    for (method, code, message) in [
        ("elicitation/create", -32600, "Elicitation not supported"),
        ("roots/list", -32601, "Method not found"),
        ("sampling/createMessage", -32600, "Sampling not supported"),
    ] {
        let server = asking(question("q", method), Duration::ZERO).await;
        let gateway = Backends::only(&server.url).start().await;
        let client = Client::connect(&gateway, json!({})).await;
        let mut listener = client.listen().await;
        let reply = client.request(2, "tools/call", &call()).await;
        assert!(reply.body.contains("done"), "{}", reply.body);
        let answer = received(&server, |asked| answers(asked, "q")).await;
        let error = json!({ "code": code, "message": message });
        assert_eq!(answer["error"], error, "{method}");
        listener.is_silent().await;
    }
}

#[tokio::test]
async fn a_question_ends_with_the_session_of_its_client() {
    let gate = Arc::new(Semaphore::new(1));
    let messages = [question("q", "vendor/ask")];
    let server = server(json!({ "tools": {} }), &gate, &messages, |_| None).await;
    let gateway = Backends::only(&server.url).start().await;
    let client = Client::connect(&gateway, json!({})).await;
    let mut listener = client.listen().await;
    assert_eq!(listener.message().await["method"], "vendor/ask");
    client.end().await;
    let answer = received(&server, |asked| answers(asked, "q")).await;
    assert_eq!(answer["error"]["code"], -32601, "{answer}");
}

/// The head of such a response is sent with the first event.
#[tokio::test]
async fn a_server_that_does_not_open_its_stream_delays_one_call() {
    let hangs = |asked: &ReceivedRequest| (asked.verb == "GET").then(|| vec![Step::Hang]);
    let server = Scripted::start(move |asked| {
        hangs(asked)
            .or_else(|| script::legacy(asked))
            .unwrap_or_default()
    })
    .await
    .unwrap();
    let gateway = Backends::only(&server.url).start().await;
    let params = json!({ "name": "truth", "arguments": {} });
    let mut times = Vec::new();
    for capabilities in [json!({ "elicitation": {} }), json!({ "sampling": {} })] {
        let client = Client::connect(&gateway, capabilities).await;
        // A list waits for nothing.
        let started = Instant::now();
        client.request(2, "tools/list", &json!({})).await;
        times.push(started.elapsed());
        let started = Instant::now();
        let reply = timeout(SOON, client.request(3, "tools/call", &params)).await;
        assert!(reply.unwrap().body.contains("true"));
        times.push(started.elapsed());
    }
    let late = Duration::from_millis(1_500);
    assert!(times[0] < late && times[1] < 2 * late, "{times:?}");
    assert!(times[2] < late && times[3] < late, "{times:?}");
}

#[tokio::test]
async fn a_server_without_a_stream_is_not_asked_again() {
    for (status, expected) in [
        ("405 Method Not Allowed", 1),
        ("404 Not Found", 1),
        ("500 Internal Server Error", 3),
        ("429 Too Many Requests", 3),
    ] {
        let server = Scripted::start(move |asked| match &*asked.verb {
            "GET" => script::status(status),
            _ => script::legacy(asked).unwrap_or_default(),
        })
        .await
        .unwrap();
        let gateway = Backends::only(&server.url).start().await;
        let client = Client::connect(&gateway, json!({})).await;
        client.request(2, "tools/list", &json!({})).await;
        // After 0, 1 and 3 seconds.
        sleep(Duration::from_millis(4_500)).await;
        assert!((1..=expected).contains(&streams(&server)), "{status}");
    }
}

#[tokio::test]
async fn an_idle_session_ends_with_its_stream() {
    let open = Arc::new(Semaphore::new(0));
    let closed = Arc::clone(&open);
    let server = Scripted::start(move |asked| match &*asked.verb {
        // The server notices the end of the connection when it writes.
        "GET" => vec![Step::Send(EVENTS.into()), Step::Hang],
        "DELETE" => {
            closed.add_permits(1);
            script::status("204 No Content")
        }
        _ if asked.method() == "initialize" => script::begun(asked, &json!({ "tools": {} })),
        _ => script::legacy(asked).unwrap_or_default(),
    })
    .await
    .unwrap();
    let backend = remote("only", &server.url).with_idle(Duration::from_millis(300));
    let gateway = Backends::new()
        .with("only", "", backend.build())
        .start()
        .await;
    let client = Client::connect(&gateway, json!({})).await;
    client
        .request(2, "tools/call", &json!({ "name": "truth" }))
        .await;
    let ended = timeout(SOON, open.acquire()).await;
    ended.unwrap().unwrap().forget();
    sleep(Duration::from_millis(1_500)).await;
    assert_eq!(streams(&server), 1, "{:?}", server.asked());
}
