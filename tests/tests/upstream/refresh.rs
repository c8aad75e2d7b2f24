//! Servers that change their lists all the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use mcp_gateway_tests::gateway::{Backends, TestGateway, remote};
use mcp_gateway_tests::script::{self, EVENTS, ReceivedRequest, Scripted, Step, Steps};
use serde_json::{Value, json};

use super::harness::ERAS;
use super::listener::{Listener, initialize, wire};

/// Time between two changes of a list.
const PACE: Duration = Duration::from_millis(10);

/// Number of changes: three seconds of them.
const CHANGES: usize = 300;

/// A server whose list of tools changes [`CHANGES`] times once a client listens: its only tool is
/// `tool_N` after `N` changes.
async fn restless(modern: bool) -> Scripted {
    let changes = Arc::new(AtomicUsize::new(0));
    let script = move |asked: &ReceivedRequest| match (&*asked.verb, asked.method()) {
        ("GET", _) if !modern => storm(&changes, None),
        (_, "subscriptions/listen") if modern => storm(&changes, Some(asked)),
        (_, "tools/list") => {
            let name = format!("tool_{}", CHANGES.min(changes.load(Ordering::SeqCst)));
            let tools = json!([{ "name": name, "inputSchema": { "type": "object" } }]);
            let result = json!({ "resultType": "complete", "tools": tools });
            script::document(&asked.result(&result))
        }
        _ => declaring(modern, asked),
    };
    Scripted::start(script).await.unwrap()
}

/// Answers the handshake with the capability to announce changes.
fn declaring(modern: bool, asked: &ReceivedRequest) -> Steps {
    let capabilities = json!({ "tools": { "listChanged": true } });
    script::declaring(asked, modern, &capabilities)
}

/// A stream of changes.
fn storm(changes: &Arc<AtomicUsize>, listen: Option<&ReceivedRequest>) -> Steps {
    let event = |message: &Value| Step::Send(format!("data: {message}\n\n").into());
    let mut steps = vec![Step::Send(EVENTS.into())];
    if let Some(asked) = listen {
        let taken = asked.message["params"]["notifications"].clone();
        steps.push(event(&json!({
            "jsonrpc": "2.0",
            "method": "notifications/subscriptions/acknowledged",
            "params": { "notifications": taken },
        })));
    }
    for _ in 0..CHANGES {
        let changes = Arc::clone(changes);
        let change = move || {
            changes.fetch_add(1, Ordering::SeqCst);
        };
        steps.push(Step::Do(Arc::new(change)));
        steps.push(event(&json!({
            "jsonrpc": "2.0",
            "method": "notifications/tools/list_changed",
        })));
        steps.push(Step::Pause(PACE));
    }
    steps.push(Step::Hang);
    steps
}

async fn tools(gateway: &TestGateway) -> String {
    let reply = wire(gateway).request("tools/list", json!({})).await;
    reply.unwrap().body
}

#[tokio::test]
async fn a_storm_of_changes_is_a_notification_a_second_and_the_last_one_is_told() {
    let cells = ERAS
        .into_iter()
        .flat_map(|server| ERAS.map(|client| storm_passes(server, client)));
    join_all(cells).await;
}

async fn storm_passes(server_modern: bool, client_modern: bool) {
    let what = format!("server {server_modern}, client {client_modern}");
    let server = restless(server_modern).await;
    let gateway = Backends::only(&server.url).start().await;
    let mut listener = Listener::new(&gateway, client_modern).await;
    listener.listen(Duration::from_millis(6_500)).await;
    listener.is_paced(&what);
    let told = &listener.told;
    assert!((3..=6).contains(&told.len()), "{what}: {told:?}");
    let last = format!("tool_{CHANGES}");
    assert!(tools(&gateway).await.contains(&last), "{what}");
}

#[tokio::test]
async fn clients_that_list_upon_each_notification_do_not_multiply_the_requests() {
    let server = restless(true).await;
    let gateway = Backends::only(&server.url).start().await;
    let mut listener = Listener::new(&gateway, true).await;
    let began = Instant::now();
    let lists = async {
        let mut lists = 0;
        while began.elapsed() < PACE * 250 {
            tools(&gateway).await;
            lists += 1;
        }
        lists
    };
    let (lists, ()) = tokio::join!(lists, listener.listen(Duration::from_secs(5)));
    let requests = server.count("tools/list");
    assert!(lists > 20, "{lists}");
    assert!(requests <= 10, "{requests} requests for {lists} lists");
    // A client that was given the last list by then is notified of the next one.
    let told = listener.told.last().unwrap();
    assert!(*told - began >= PACE * 300, "{:?}", listener.told);
    assert!(tools(&gateway).await.contains(&format!("tool_{CHANGES}")));
}

#[tokio::test]
async fn who_was_away_is_told_once_of_each_list() {
    let server = restless(true).await;
    let gateway = Backends::only(&server.url).start().await;
    let session = initialize(&gateway).await;
    let mut listener = Listener::legacy(&gateway, &session, None).await;
    listener.listen(Duration::from_millis(500)).await;
    drop(listener);
    tokio::time::sleep(Duration::from_secs(3)).await;
    // Both a stream that is resumed from its beginning and one that goes on.
    for last in [Some("0-0"), None] {
        let mut listener = Listener::legacy(&gateway, &session, last).await;
        listener.listen(Duration::from_millis(900)).await;
        assert!(listener.told.len() <= 1, "{last:?}: {:?}", listener.told);
    }
}

/// The subscription is renewed by each subscription to a resource, and its pace is kept.
#[tokio::test]
async fn subscribing_again_does_not_hasten_notifications() {
    let server = restless(true).await;
    let gateway = Backends::only(&server.url).start().await;
    let session = initialize(&gateway).await;
    let mut listener = Listener::legacy(&gateway, &session, None).await;
    let subscribe = async {
        for number in 0..20 {
            let uri = format!("a:{number}");
            let body = json!({ "jsonrpc": "2.0", "id": 2, "method": "resources/subscribe",
                "params": { "uri": uri } });
            let headers = [("mcp-session-id", &*session)];
            let reply = wire(&gateway)
                .post(body.to_string(), &headers)
                .await
                .unwrap();
            assert_eq!(reply.status, 200, "{reply:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::join!(subscribe, listener.listen(Duration::from_millis(5_500)));
    listener.is_paced("renewed subscriptions");
    assert!(listener.told.len() >= 3, "{:?}", listener.told);
}

/// A change that a server announces within the reply of a call concerns all subscribers.
#[tokio::test]
async fn a_change_within_a_reply_reaches_who_listens() {
    let script = |asked: &ReceivedRequest| match (&*asked.verb, asked.method()) {
        (_, "tools/call") => {
            let changed = json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" });
            let event = format!("data: {changed}\n\n");
            script::events(event.repeat(20) + &format!("data: {}\n\n", asked.says("done")))
        }
        ("GET", _) => vec![Step::Send(EVENTS.into()), Step::Hang],
        _ => declaring(false, asked),
    };
    let server = Scripted::start(script).await.unwrap();
    let gateway = Backends::only(&server.url).start().await;
    tools(&gateway).await;
    let mut listener = Listener::new(&gateway, true).await;
    listener.listen(Duration::from_millis(1_500)).await;
    listener.told.clear();
    let reply = wire(&gateway).call("lie", json!({})).await.unwrap();
    assert!(!reply.body.contains("list_changed"), "{}", reply.body);
    listener.listen(Duration::from_millis(1_900)).await;
    assert!(
        (1..=2).contains(&listener.told.len()),
        "{:?}",
        listener.told
    );
    listener.is_paced("a change within a reply");
}

/// A legacy client that does not listen is told within the reply, once.
#[tokio::test]
async fn a_session_is_told_once_within_a_reply() {
    let script = |asked: &ReceivedRequest| match asked.method() {
        "tools/call" => {
            let changed = json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" });
            let event = format!("data: {changed}\n\n");
            script::events(event.repeat(20) + &format!("data: {}\n\n", asked.says("done")))
        }
        _ => declaring(false, asked),
    };
    let server = Scripted::start(script).await.unwrap();
    let gateway = Backends::only(&server.url).start().await;
    let session = initialize(&gateway).await;
    let body = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call",
        "params": { "name": "lie", "arguments": {} } });
    let headers = [("mcp-session-id", &*session)];
    let mut told = 0;
    for _ in 0..3 {
        let reply = wire(&gateway)
            .post(body.to_string(), &headers)
            .await
            .unwrap();
        assert!(reply.body.contains("done"), "{}", reply.body);
        told += reply.body.matches("list_changed").count();
    }
    assert_eq!(told, 1);
}

/// A server whose stream ends at once is not asked again and again, and tells nobody anything.
#[tokio::test]
async fn a_stream_that_ends_at_once_is_no_storm() {
    let ends = |modern: bool| {
        move |asked: &ReceivedRequest| match (&*asked.verb, asked.method()) {
            ("GET", _) if !modern => script::events("retry: 0\n\n"),
            (_, "subscriptions/listen") if modern => {
                let mut steps = storm(&Arc::default(), Some(asked));
                steps.truncate(2);
                steps.push(Step::Close);
                steps
            }
            _ => declaring(modern, asked),
        }
    };
    for modern in ERAS {
        let server = Scripted::start(ends(modern)).await.unwrap();
        let gateway = Backends::new()
            .with("ends", "ends", remote("ends", &server.url).build())
            .start()
            .await;
        let mut listener = Listener::new(&gateway, true).await;
        listener.listen(Duration::from_secs(6)).await;
        let asked = server.asked();
        let opened = asked.iter().filter(|asked| match modern {
            true => asked.method() == "subscriptions/listen",
            false => asked.verb == "GET",
        });
        let opened = opened.count();
        assert!(opened <= if modern { 5 } else { 8 }, "{modern}: {opened}");
        assert!(listener.told.len() <= 4, "{modern}: {:?}", listener.told);
        listener.is_paced("streams that end");
    }
}
