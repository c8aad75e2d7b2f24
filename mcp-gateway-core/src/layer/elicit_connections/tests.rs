//! Calls whose users are asked to connect an account.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_core::stream::BoxStream;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::service_fn;

use super::*;
use crate::auth::Principal;
use crate::era::ParkedCallLimits;
use crate::error::CredentialError;
use crate::jsonrpc::{ErrorObject, Id, Request};
use crate::protocol::{Capabilities, Method, ProtocolVersion};
use crate::reply::{ReplyEvent, ReplyStream, ServerRequest};
use crate::{Caller, ClientInfo, Problem, Sealer, reply};

const URL: &str = "https://gw.example.com/connect/notes?for=x";

/// Signal of all connections.
#[derive(Debug)]
struct Signal(watch::Sender<()>);

impl ConnectionSignals for Signal {
    fn changes(&self, _: &Principal, server: &str) -> BoxStream<'static, ()> {
        assert_eq!(server, "notes");
        let changes = self.0.subscribe();
        let changes = futures_util::stream::unfold(changes, async |mut changes| {
            changes.changed().await.ok()?;
            Some(((), changes))
        });
        changes.boxed()
    }
}

/// Gateway with one server, whose account users connect.
struct Gateway {
    is_connected: Arc<AtomicBool>,
    /// Parameters of the calls that have reached the server.
    received: Arc<Mutex<Vec<Value>>>,
    signal: Arc<Signal>,
    parked_calls: ParkedCalls,
    drain: Drain,
}

impl Gateway {
    fn new(limits: ParkedCallLimits) -> Self {
        let sealer = Arc::new(Sealer::random().unwrap());
        Self {
            is_connected: Arc::default(),
            received: Arc::default(),
            signal: Arc::new(Signal(watch::Sender::new(()))),
            parked_calls: ParkedCalls::with_limits(sealer, limits),
            drain: Drain::new(),
        }
    }

    fn connect(&self) {
        self.is_connected.store(true, Ordering::Relaxed);
        self.signal.0.send_replace(());
    }

    async fn send(&self, call: Call) -> Result<Reply, Error> {
        let (is_connected, received) = (self.is_connected.clone(), self.received.clone());
        let inner = service_fn(move |call: Call| {
            let is_connected = is_connected.load(Ordering::Relaxed);
            let request = call.request();
            let params = serde_json::from_str(request.param_text().unwrap()).unwrap();
            let reply = match (is_connected, request.method()) {
                (true, Method::ToolsList) => Ok(Reply::result(
                    request.id(),
                    r#"{"tools":[{"name":"notes__read"}]}"#,
                )),
                (true, _) => {
                    received.lock().unwrap().push(params);
                    Ok(Reply::result(request.id(), r#"{"content":[]}"#))
                }
                (false, _) => Err(missing()),
            };
            async move { reply }
        });
        let (signals, parked_calls) = (self.signal.clone(), self.parked_calls.clone());
        let layer = ElicitConnectionsLayer::new(signals, parked_calls);
        layer
            .with_drain(self.drain.clone())
            .layer(inner)
            .oneshot(call)
            .await
    }

    /// Sends a call of a modern client with `more` parameters.
    async fn request(&self, user: &str, more: Value) -> Result<Reply, Error> {
        let mut params = json!({ "name": "notes__read", "arguments": { "a": 1 } });
        for (key, value) in more.as_object().unwrap() {
            params[key] = value.clone();
        }
        self.send(call(user, ProtocolVersion::LATEST, &params))
            .await
    }

    /// Sends a call of a modern client; returns the result `input_required`.
    async fn asked(&self) -> Value {
        let reply = self.request("ada", json!({})).await.unwrap();
        let asked = result(reply).await;
        assert_eq!(asked["resultType"], "input_required", "{asked}");
        asked
    }

    /// Sends a call in a session of the legacy era; returns the request to the client, and what
    /// follows.
    async fn session(&self) -> (ServerRequest, ReplyStream) {
        let params = json!({ "name": "notes__read" });
        let call = call("ada", ProtocolVersion::V2025_11_25, &params);
        let Ok(Reply::Events(mut events)) = self.send(call).await else {
            panic!("the client is not asked");
        };
        match events.next().await {
            Some(Ok(ReplyEvent::Request(request))) => (request, events),
            other => panic!("{other:?}"),
        }
    }
}

impl Default for Gateway {
    fn default() -> Self {
        Self::new(ParkedCallLimits::default())
    }
}

fn missing() -> Error {
    let source = CredentialError::NotConnected {
        url: Some(URL.into()),
    };
    let server = "notes".into();
    Error::Credential { server, source }
}

fn call(user: &str, version: ProtocolVersion, params: &Value) -> Call {
    let capabilities = Capabilities::parse(r#"{"elicitation":{"url":{}}}"#).unwrap();
    let client = ClientInfo::new(version, capabilities);
    let caller = Caller::new(Principal::new(user), "main", client);
    let request = Request::new(&Id::from(7), &Method::ToolsCall, &params.to_string());
    Call::trusted(request, Arc::new(caller))
}

async fn result(reply: Reply) -> Value {
    let response = reply::response(reply).await.unwrap();
    assert_eq!(response.id(), Some(&Id::from(7)));
    serde_json::from_str(response.result().unwrap()).unwrap()
}

/// Returns the retry of the call that was answered by `asked`.
fn retry(asked: &Value, action: &str) -> Value {
    json!({
        "requestState": asked["requestState"],
        "inputResponses": { "connect": { "action": action } },
    })
}

/// Returns the result of a client that cannot be asked.
fn plain(era: Era) -> Value {
    let answer =
        Problem::from(&missing()).to_answer(Some(&Id::from(7)), Some(&Method::ToolsCall), era);
    serde_json::from_slice(&answer).unwrap()
}

/// Returns the methods of the notifications before the response, and the response.
async fn rest(mut events: ReplyStream) -> (Vec<String>, Value) {
    let mut notified = Vec::new();
    loop {
        match events.next().await {
            Some(Ok(ReplyEvent::Notification(notification))) => {
                notified.push(notification.method().as_str().to_owned());
            }
            Some(Ok(ReplyEvent::Response(response))) => {
                return (notified, serde_json::from_str(response.text()).unwrap());
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_retry_waits_until_the_user_has_connected() {
    let gateway = Gateway::default();
    let asked = gateway.asked().await;
    let params = &asked["inputRequests"]["connect"]["params"];
    assert_eq!(
        (&params["mode"], &params["url"]),
        (&json!("url"), &json!(URL))
    );
    let reply = gateway
        .request("ada", retry(&asked, "accept"))
        .await
        .unwrap();
    assert_eq!(gateway.parked_calls.count(), 1);
    let (result, ()) = tokio::join!(result(reply), async {
        // Connections of others change nothing.
        gateway.signal.0.send_replace(());
        tokio::task::yield_now().await;
        gateway.connect();
    });
    assert_eq!(result["content"], json!([]));
    assert_eq!(gateway.parked_calls.count(), 0);
    let expected = json!({ "name": "notes__read", "arguments": { "a": 1 } });
    assert_eq!(*gateway.received.lock().unwrap(), [expected]);
    // Any replica resumes the call, also without a wait.
    let again = gateway
        .request("ada", retry(&asked, "accept"))
        .await
        .unwrap();
    assert!(matches!(again, Reply::Json { .. }));
}

#[tokio::test]
async fn a_call_of_a_user_who_declines_fails_as_without_the_question() {
    let gateway = Gateway::default();
    let asked = gateway.asked().await;
    for action in ["decline", "cancel"] {
        let declined = gateway.request("ada", retry(&asked, action)).await;
        assert!(
            matches!(declined, Err(Error::Credential { .. })),
            "{declined:?}"
        );
    }
    // A retry without an answer is asked again.
    let state = json!({ "requestState": asked["requestState"] });
    let again = gateway.request("ada", state).await.unwrap();
    assert!(result(again).await["inputRequests"].is_object());
    // Nobody else uses the state.
    let foreign = gateway.request("bob", retry(&asked, "accept")).await;
    assert!(matches!(foreign, Err(Error::Request(_))), "{foreign:?}");
}

#[tokio::test]
async fn clients_that_cannot_be_asked_receive_the_error() {
    let gateway = Gateway::default();
    let params = json!({ "name": "notes__read" });
    let before = call("ada", ProtocolVersion::V2025_06_18, &params);
    assert!(matches!(
        gateway.send(before).await,
        Err(Error::Credential { .. })
    ));
    let asked = call("ada", ProtocolVersion::LATEST, &params);
    let other = Request::new(&Id::from(7), &Method::ToolsList, "{}");
    let other = gateway.send(asked.for_request(other, ())).await;
    assert!(matches!(other, Err(Error::Credential { .. })));
    let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
    let caller = Arc::new(Caller::new(Principal::new("ada"), "main", client));
    let request = Request::new(&Id::from(7), &Method::ToolsCall, &params.to_string());
    let plain = gateway.send(Call::trusted(request, caller)).await;
    assert!(matches!(plain, Err(Error::Credential { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_user_is_waited_for_in_rounds() {
    let gateway = Gateway::default();
    let mut asked = gateway.asked().await;
    let mut rounds = 0;
    let end = loop {
        let reply = gateway
            .request("ada", retry(&asked, "accept"))
            .await
            .unwrap();
        let next = result(reply).await;
        if next["resultType"] != "input_required" {
            break next;
        }
        assert_eq!(next.get("inputRequests"), None);
        (asked, rounds) = (next, rounds + 1);
    };
    assert_eq!(rounds, 8);
    assert_eq!(end, plain(Era::Modern)["result"]);
}

#[tokio::test]
async fn category_waiting_call_beyond_the_limit_fails() {
    let limits = ParkedCallLimits::default().with_max_per_principal(1);
    let gateway = Gateway::new(limits);
    let asked = gateway.asked().await;
    let first = gateway
        .request("ada", retry(&asked, "accept"))
        .await
        .unwrap();
    let second = gateway.request("ada", retry(&asked, "accept")).await;
    assert!(
        matches!(second, Err(Error::Credential { .. })),
        "{second:?}"
    );
    drop(first);
    let third = gateway.request("ada", retry(&asked, "accept")).await;
    assert!(third.is_ok());
}

#[tokio::test]
async fn a_session_is_asked_within_the_reply() {
    let gateway = Gateway::default();
    let (request, events) = gateway.session().await;
    let asked = request.request();
    assert_eq!(asked.method(), &Method::ElicitationCreate);
    assert_eq!(asked.param("mode"), Some("\"url\""));
    assert_eq!(asked.param("url"), Some(&*json!(URL).to_string()));
    assert!(asked.param("elicitationId").is_some());
    request.answer(r#"{"action":"accept"}"#).await.unwrap();
    let (end, ()) = tokio::join!(rest(events), async {
        tokio::task::yield_now().await;
        gateway.connect();
    });
    assert_eq!(end.0, ["notifications/elicitation/complete"]);
    assert_eq!(end.1["result"]["content"], json!([]));
}

#[tokio::test]
async fn a_session_is_not_asked_any_more_once_the_user_has_connected() {
    let gateway = Gateway::default();
    let (_request, events) = gateway.session().await;
    gateway.connect();
    let (notified, end) = rest(events).await;
    let expected = [
        "notifications/elicitation/complete",
        "notifications/cancelled",
    ];
    assert_eq!(notified, expected);
    assert_eq!(end["result"]["content"], json!([]));
}

#[tokio::test]
async fn a_session_whose_client_declines_receives_the_plain_result() {
    let gateway = Gateway::default();
    let (request, events) = gateway.session().await;
    request.answer(r#"{"action":"decline"}"#).await.unwrap();
    assert_eq!(rest(events).await, (Vec::new(), plain(Era::Legacy)));
    // As does one that is shut down.
    let (_request, events) = gateway.session().await;
    gateway.drain.start();
    let (_, end) = rest(events).await;
    assert_eq!(end, plain(Era::Legacy));
}

#[tokio::test]
async fn a_session_whose_client_cannot_be_asked_receives_the_url_in_an_error() {
    let gateway = Gateway::default();
    let (request, events) = gateway.session().await;
    let error = ErrorObject::method_not_found();
    request.reject(&error).await.unwrap();
    let (_, end) = rest(events).await;
    assert_eq!(end["error"]["code"], -32042, "{end}");
    let elicitation = &end["error"]["data"]["elicitations"][0];
    assert_eq!(elicitation["url"], URL);
    assert!(elicitation["elicitationId"].is_string());
}

#[test]
fn the_purpose_of_a_link_names_what_is_missing() {
    let message = |scopes: &str, url: Option<&str>| {
        let source = CredentialError::InsufficientScope {
            scopes: scopes.into(),
            url: url.map(Into::into),
        };
        let server = "notes".into();
        let missing = MissingConnection::of(&Error::Credential { server, source })?;
        Some(
            missing
                .into_request()
                .unwrap()
                .to_error()
                .message
                .into_owned(),
        )
    };
    let expected = Some("Grant scopes of the server \"notes\": read write".to_owned());
    assert_eq!(message("read write", Some(URL)), expected);
    let expected = Some("Grant further scopes of the server \"notes\"".to_owned());
    assert_eq!(message("", Some(URL)), expected);
    // Scopes that were requested in vain have no link.
    assert_eq!(message("read", None), None);
}

#[tokio::test]
async fn a_placeholder_has_done_its_work() {
    let gateway = Gateway::default();
    let placeholder = json!({ "name": "notes__connect" });
    let asked = gateway.request("ada", placeholder.clone()).await.unwrap();
    let mut retry = retry(&result(asked).await, "accept");
    retry["name"] = placeholder["name"].clone();
    let reply = gateway.request("ada", retry).await.unwrap();
    gateway.connect();
    let end = result(reply).await;
    let text = end["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("connected"), "{end}");
    assert_eq!(end["resultType"], "complete");
    assert!(gateway.received.lock().unwrap().is_empty());
}
