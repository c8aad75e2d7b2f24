//! Many calls that wait for their clients at the same time.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test panics when it fails"
)]

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, header};
use mcp_gateway_core::Sealer;
use mcp_gateway_core::era::{ParkedCallLimits, ParkedCalls};
use mcp_gateway_tests::fixture::Era;
use mcp_gateway_tests::gateway::{Backends, TestGateway, remote};
use mcp_gateway_tests::process::Process;
use mcp_gateway_tests::wire::Wire;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Reaction of a client to a question.
#[derive(Clone, Copy, Debug)]
enum Plan {
    Accept,
    Decline,
    /// Answers the second time only.
    Late,
    /// Brings the state along twice.
    Replay,
    /// Somebody else brings the state along first.
    Stolen,
    /// Changes the state first.
    Tampered,
    /// Brings the state along for another request first.
    Elsewhere,
    /// Never comes back.
    Abandon,
}

const PLANS: [Plan; 8] = [
    Plan::Accept,
    Plan::Decline,
    Plan::Late,
    Plan::Replay,
    Plan::Stolen,
    Plan::Tampered,
    Plan::Elsewhere,
    Plan::Abandon,
];

const CALLS: usize = 1000;
const CALLERS: usize = 25;

/// Timeout of a parked call; by then the others have ended.
const LIFETIME: Duration = Duration::from_secs(20);

struct Caller {
    url: String,
    number: usize,
}

impl Caller {
    fn wire(&self, number: usize) -> Wire {
        let token = format!("Bearer caller-{}", number % CALLERS);
        let token = HeaderValue::from_str(&token).unwrap();
        Wire::new(&self.url).with_header(header::AUTHORIZATION, token)
    }

    /// The parameters of the call, with what a retry adds.
    fn params(&self, retry: Option<(&Value, &Value)>) -> Value {
        let mut params = json!({
            "name": "test_elicitation",
            "arguments": { "message": format!("question {}", self.number) },
            "_meta": { "io.modelcontextprotocol/clientCapabilities": { "elicitation": {} } },
        });
        if let Some((responses, state)) = retry {
            params["inputResponses"] = responses.clone();
            params["requestState"] = state.clone();
        }
        params
    }

    async fn send(&self, as_caller: usize, params: Value) -> Value {
        let reply = self.wire(as_caller).request("tools/call", params).await;
        reply.unwrap().answer()
    }

    /// Checks that what comes asks this caller's own question; returns its key and the state.
    fn asked(&self, answer: &Value) -> (String, Value) {
        let result = &answer["result"];
        assert_eq!(result["resultType"], "input_required", "{answer}");
        let requests = result["inputRequests"].as_object().unwrap();
        let (key, request) = requests.iter().next().unwrap();
        let message = request["params"]["message"].as_str().unwrap();
        assert_eq!(message, format!("question {}", self.number));
        (key.clone(), result["requestState"].clone())
    }

    async fn refused(&self, as_caller: usize, params: Value) {
        let answer = self.send(as_caller, params).await;
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
        assert_eq!(answer["error"]["data"]["reason"], "request_state");
    }

    async fn run(self, plan: Plan) {
        let first = self.send(self.number, self.params(None)).await;
        let (mut key, mut state) = self.asked(&first);
        let name = format!("user {}", self.number);
        let accept =
            json!({ "action": "accept", "content": { "username": name, "email": "a@b.c" } });
        let (action, response) = match plan {
            Plan::Abandon => return,
            Plan::Decline => ("decline", json!({ "action": "decline" })),
            _ => ("accept", accept),
        };
        let mut responses = json!({ &key: response });
        match plan {
            Plan::Late => {
                let again = self.params(Some((&json!({}), &state)));
                let again = self.send(self.number, again).await;
                (key, state) = self.asked(&again);
                responses = json!({ key: response });
            }
            Plan::Stolen => {
                let params = self.params(Some((&responses, &state)));
                self.refused(self.number + 1, params).await;
            }
            Plan::Tampered => {
                let forged = tampered(state.as_str().unwrap(), self.number);
                let params = self.params(Some((&responses, &forged.into())));
                self.refused(self.number, params).await;
            }
            Plan::Elsewhere => {
                let mut params = self.params(Some((&responses, &state)));
                params["arguments"]["message"] = "another question".into();
                self.refused(self.number, params).await;
            }
            Plan::Accept | Plan::Decline | Plan::Replay | Plan::Abandon => {}
        }
        let retry = self.params(Some((&responses, &state)));
        let done = self.send(self.number, retry.clone()).await;
        let text = done["result"]["content"][0]["text"].as_str();
        let text = text.unwrap_or_else(|| panic!("{plan:?}: {done}"));
        assert!(text.contains(&format!("action={action}")), "{text}");
        assert_eq!(text.contains(&name), action == "accept", "{text}");
        if let Plan::Replay = plan {
            self.refused(self.number, retry).await;
        }
    }
}

/// Returns `state` with another character at one position, which depends on `number`.
fn tampered(state: &str, number: usize) -> String {
    let position = number % state.len();
    let other = if state[position..].starts_with('a') {
        "b"
    } else {
        "a"
    };
    let mut forged = state.to_owned();
    forged.replace_range(position..=position, other);
    forged
}

async fn harness(parked_calls: &ParkedCalls) -> (Process, TestGateway) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fixture-server"));
    command.args(["--http", "127.0.0.1:0", "--era", &Era::Legacy.to_string()]);
    let mut fixture = Process::start(command).unwrap();
    let url = fixture.url(Duration::from_secs(30)).await.unwrap();
    let server = remote("only", &url)
        .with_parked_calls(parked_calls.clone())
        .build();
    let gateway = Backends::new().with("only", "", server).start().await;
    (fixture, gateway)
}

/// Limits of the store.
fn limits(max: usize, max_per_principal: usize) -> ParkedCallLimits {
    ParkedCallLimits::default()
        .with_lifetime(LIFETIME)
        .with_max(max)
        .with_max_per_principal(max_per_principal)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_ends_once_and_with_its_own_answer() {
    let sealer = Arc::new(Sealer::random().unwrap());
    let parked_calls = ParkedCalls::with_limits(sealer, limits(CALLS, CALLS));
    let (_fixture, gateway) = harness(&parked_calls).await;
    let mut calls = JoinSet::new();
    for number in 0..CALLS {
        let url = gateway.url.clone();
        let caller = Caller { url, number };
        // Not a multiple of the number of callers, so that each of them does everything.
        calls.spawn(caller.run(PLANS[number % PLANS.len()]));
        if number % 100 == 99 {
            // The system queues only so many connections.
            sleep(Duration::from_millis(50)).await;
        }
    }
    while let Some(ended) = calls.join_next().await {
        ended.unwrap();
    }
    let abandoned = CALLS / PLANS.len();
    assert!(parked_calls.count() <= abandoned, "only those still wait");
    let end = Instant::now() + LIFETIME + Duration::from_secs(10);
    while parked_calls.count() > 0 {
        assert!(Instant::now() < end, "nobody waits for ever");
        sleep(Duration::from_millis(100)).await;
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_an_end_to_what_waits() {
    let sealer = Arc::new(Sealer::random().unwrap());
    let parked_calls = ParkedCalls::with_limits(sealer, limits(3, 2));
    let (_fixture, gateway) = harness(&parked_calls).await;
    let call = async |number: usize| {
        let url = gateway.url.clone();
        let caller = Caller { url, number };
        caller.send(number, caller.params(None)).await
    };
    for number in [0, 0, 1] {
        assert_eq!(call(number).await["result"]["resultType"], "input_required");
    }
    for number in [0, 2] {
        let refused = call(number).await;
        assert_eq!(
            refused["error"]["data"]["reason"], "overloaded",
            "{refused}"
        );
    }
    assert_eq!(parked_calls.count(), 3);
    gateway.stop().await;
}
