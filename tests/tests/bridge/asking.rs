//! Servers of the modern era that want to know something of clients of the legacy era.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use mcp_gateway_core::observe::{CallReport, Observer};
use mcp_gateway_core::protocol::Method;
use mcp_gateway_tests::gateway::{Backends, TestGateway, remote};
use mcp_gateway_tests::script::{ReceivedRequest, Scripted, Steps, document};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::client::{Legacy, Stream};

const CALLS: usize = 600;
const SESSIONS: usize = 12;

/// Behavior of the server in the rounds before its result.
#[derive(Clone, Copy, Debug)]
enum Round {
    /// Asks one thing.
    One,
    /// Asks two things at once.
    Two,
    /// Gives a state only.
    State,
}

/// The rounds of a call; each list of rounds meets each plan.
const ROUNDS: [&[Round]; 5] = [
    &[Round::One],
    &[Round::Two, Round::One],
    &[Round::State, Round::One],
    &[Round::One, Round::State, Round::Two],
    &[Round::One, Round::One, Round::One],
];

/// Behavior of the client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Plan {
    Accept,
    Decline,
    Cancel,
    /// Answers that it cannot ask.
    Refuse,
    /// Answers each question twice, in two ways.
    Twice,
    /// Lets others answer first.
    Stolen,
    /// Loses the stream with the question, answers, and takes the stream up again.
    Drop,
    /// Cancels the call instead of answering.
    GiveUp,
    /// Ends the session instead of answering, once nothing else goes on in it.
    Leave,
}

const PLANS: [Plan; 9] = [
    Plan::Accept,
    Plan::Decline,
    Plan::Cancel,
    Plan::Refuse,
    Plan::Twice,
    Plan::Stolen,
    Plan::Drop,
    Plan::GiveUp,
    Plan::Leave,
];

fn rounds_of(number: usize) -> &'static [Round] {
    ROUNDS[number % ROUNDS.len()]
}

/// The keys of what is asked in a round.
fn keys(round: Round) -> &'static [&'static str] {
    match round {
        Round::One => &["a"],
        Round::Two => &["a", "b"],
        Round::State => &[],
    }
}

/// Answers a call with the round that follows what its client has brought along, or with all that
/// it has been told.
fn play(asked: &ReceivedRequest) -> Steps {
    let params = &asked.message["params"];
    let number = params["arguments"]["number"].as_u64().unwrap();
    let rounds = rounds_of(usize::try_from(number).unwrap());
    let state = params["requestState"].as_str().unwrap_or("null");
    let state: Value = serde_json::from_str(state).unwrap();
    let mut told = Vec::new();
    let mut round = 0;
    if !state.is_null() {
        assert_eq!(state["number"], number, "the state of another call");
        round = usize::try_from(state["round"].as_u64().unwrap()).unwrap() + 1;
        told = state["told"].as_array().unwrap().clone();
        let answers = params["inputResponses"].as_object().cloned();
        let answers = answers.unwrap_or_default();
        let expected = keys(rounds[round - 1]);
        assert_eq!(answers.len(), expected.len(), "{params}");
        told.extend(expected.iter().map(|key| answers[*key].clone()));
    }
    let Some(next) = rounds.get(round) else {
        return document(&asked.says(&Value::from(told).to_string()));
    };
    let state = json!({ "number": number, "round": round, "told": told });
    let mut result = json!({ "resultType": "input_required", "requestState": state.to_string() });
    if !keys(*next).is_empty() {
        let question = |key: &&str| {
            let message = format!("{number}/{round}/{key}");
            let params = json!({ "message": message, "requestedSchema": { "type": "object" } });
            let question = json!({ "method": "elicitation/create", "params": params });
            ((*key).to_owned(), question)
        };
        let questions: serde_json::Map<_, _> = keys(*next).iter().map(question).collect();
        result["inputRequests"] = questions.into();
    }
    document(&asked.result(&result))
}

/// Counts the calls of tools that have ended.
#[derive(Debug, Default)]
struct Ended(AtomicUsize);

impl Observer for Ended {
    fn on_call_end(&self, call: &CallReport<'_>) {
        if call.method == &Method::ToolsCall {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// One call, and the sessions of all.
struct Caller {
    sessions: Arc<Vec<Legacy>>,
    number: usize,
    plan: Plan,
}

impl Caller {
    fn session(&self) -> &Legacy {
        &self.sessions[self.number % SESSIONS]
    }

    fn id(&self) -> Value {
        json!(format!("call-{}", self.number))
    }

    /// Answer of the user to a question.
    fn says(&self, message: &str) -> Value {
        match self.plan {
            Plan::Decline => json!({ "action": "decline" }),
            Plan::Cancel | Plan::Refuse => json!({ "action": "cancel" }),
            _ => json!({ "action": "accept", "content": { "said": message } }),
        }
    }

    fn response(&self, id: &Value, message: &str) -> Value {
        if self.plan == Plan::Refuse {
            let error = json!({ "code": -32603, "message": "there is nobody" });
            return json!({ "jsonrpc": "2.0", "id": id, "error": error });
        }
        json!({ "jsonrpc": "2.0", "id": id, "result": self.says(message) })
    }

    /// All that the server is told by the end.
    fn expected(&self) -> Value {
        let rounds = rounds_of(self.number).iter().enumerate();
        let messages = rounds.flat_map(|(round, kind)| {
            let number = self.number;
            let messages = keys(*kind).iter();
            messages.map(move |key| format!("{number}/{round}/{key}"))
        });
        messages.map(|message| self.says(&message)).collect()
    }

    async fn run(self) {
        let params = json!({ "name": "lie", "arguments": { "number": self.number } });
        let session = self.session();
        let mut stream = session.request(&self.id(), "tools/call", &params).await;
        let mut asked = HashMap::new();
        loop {
            let message = stream.next().await;
            let message = message.unwrap_or_else(|| panic!("{} has no end", self.number));
            if message.get("method").is_none() {
                assert_eq!(message["id"], self.id(), "{message}");
                self.check_end(&message);
                assert_eq!(stream.next().await, None, "an end is the end");
                return;
            }
            assert_eq!(message["method"], "elicitation/create", "{message}");
            let question = message["params"]["message"].as_str().unwrap();
            let own = question.starts_with(&format!("{}/", self.number));
            assert!(own, "{} is asked {question}", self.number);
            assert!(
                asked.insert(question.to_owned(), ()).is_none(),
                "asked twice"
            );
            match self.plan {
                Plan::Leave => return,
                Plan::GiveUp => {
                    let params = json!({ "requestId": self.id() });
                    session.notify("notifications/cancelled", params).await;
                }
                Plan::Drop => stream = self.drop_and_answer(stream, &message).await,
                _ => self.answer(&message).await,
            }
        }
    }

    async fn answer(&self, question: &Value) {
        let (id, text) = (&question["id"], &question["params"]["message"]);
        let answer = self.response(id, text.as_str().unwrap());
        if self.plan == Plan::Stolen {
            let mut forged = answer.clone();
            forged["result"]["content"]["said"] = "a lie".into();
            // Sessions of other users, and of the same user.
            for thief in &self.sessions[SESSIONS..] {
                thief.tell(&forged).await;
            }
        }
        assert_eq!(self.session().tell(&answer).await, StatusCode::ACCEPTED);
        if self.plan == Plan::Twice {
            let second = json!({ "jsonrpc": "2.0", "id": id, "result": { "action": "decline" } });
            self.session().tell(&second).await;
        }
    }

    async fn drop_and_answer(&self, stream: Stream, question: &Value) -> Stream {
        let last = stream.last.clone();
        drop(stream);
        self.answer(question).await;
        self.session().listen(last.as_deref()).await
    }

    fn check_end(&self, message: &Value) {
        if self.plan == Plan::GiveUp {
            assert_eq!(message["error"]["code"], -32800, "{message}");
            return;
        }
        let text = message["result"]["content"][0]["text"].as_str();
        let text = text.unwrap_or_else(|| panic!("{:?}: {message}", self.plan));
        let told: Value = serde_json::from_str(text).unwrap();
        assert_eq!(told, self.expected(), "{:?}", self.plan);
    }
}

async fn harness() -> (Scripted, Arc<Ended>, TestGateway) {
    let server = Scripted::modern(play).await.unwrap();
    let ended = Arc::new(Ended::default());
    let gateway = Backends::new()
        .with("only", "", remote("only", &server.url).build())
        .with_observer(Arc::clone(&ended) as Arc<dyn Observer>)
        .start()
        .await;
    (server, ended, gateway)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_of_an_old_client_ends_once_and_with_its_own_answers() {
    let (server, ended, gateway) = harness().await;
    let mut sessions = Vec::new();
    // Nothing is called in the last ones.
    for number in 0..SESSIONS + 2 {
        let who = format!("caller-{}", number % 5);
        let capabilities = json!({ "elicitation": {} });
        sessions.push(Legacy::begin(&gateway.url, &who, capabilities).await);
    }
    let sessions = Arc::new(sessions);
    let mut calls = JoinSet::new();
    for number in 0..CALLS {
        let plan = PLANS[number / ROUNDS.len() % PLANS.len()];
        let sessions = Arc::clone(&sessions);
        calls.spawn(
            Caller {
                sessions,
                number,
                plan,
            }
            .run(),
        );
    }
    while let Some(call) = calls.join_next().await {
        call.unwrap();
    }
    let is_left = |number: &usize| PLANS[number / ROUNDS.len() % PLANS.len()] == Plan::Leave;
    let left = (0..CALLS).filter(is_left).count();
    assert_eq!(
        ended.0.load(Ordering::SeqCst),
        CALLS - left,
        "those that wait have not ended"
    );
    check_server(&server);

    for session in &*sessions {
        session.end().await;
    }
    let end = Instant::now() + Duration::from_secs(20);
    while ended.0.load(Ordering::SeqCst) < CALLS {
        assert!(
            Instant::now() < end,
            "a call outlives the session of its client"
        );
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(gateway.sessions.count(), 0);
    assert_eq!(ended.0.load(Ordering::SeqCst), CALLS);
    gateway.stop().await;
}

/// Checks that the server was asked once for each round of each call, and not for those that their
/// clients have given up.
fn check_server(server: &Scripted) {
    let mut seen = vec![0; CALLS];
    for asked in server.asked() {
        let number = asked.message["params"]["arguments"]["number"].as_u64();
        if let Some(number) = number {
            seen[usize::try_from(number).unwrap()] += 1;
        }
    }
    for (number, seen) in seen.into_iter().enumerate() {
        let rounds = rounds_of(number);
        let plan = PLANS[number / ROUNDS.len() % PLANS.len()];
        let expected = match (plan, rounds[0]) {
            (Plan::GiveUp | Plan::Leave, Round::State) => 2,
            (Plan::GiveUp | Plan::Leave, _) => 1,
            _ => rounds.len() + 1,
        };
        assert_eq!(seen, expected, "{number}, {plan:?}");
    }
}
