//! Calls about which somebody else decides, at replicas that are killed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use http::header::AUTHORIZATION;
use mcp_gateway_tests::postgres::Postgres;
use mcp_gateway_tests::script::{self, ReceivedRequest, Scripted, Steps, document};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::api::{Answer, request};
use super::harness::{Folder, Gateway, run_with_env, within};

const ROOT: &str = "the-token-of-root-is-this";

/// Members of the team that decides, who call nothing.
const APPROVERS: [&str; 2] = ["carol", "dave"];

/// Number of callers, and of the calls of each.
const CALLERS: usize = 50;
const CALLS: usize = 20;

/// Calls of which nobody decides: each of these ends by itself.
const IGNORED: usize = 20;

/// Maximum time of a step: a thousand calls keep a small machine busy.
const PATIENCE: Duration = Duration::from_secs(300);

/// Replicas with one store, and the server behind them.
struct Stage {
    replicas: Vec<RwLock<Option<Arc<Gateway>>>>,
    variables: Vec<(String, String)>,
    config: String,
    server: Scripted,
    #[expect(dead_code, reason = "it has the files of the replicas")]
    folder: Folder,
}

/// Waits until something is so.
async fn eventually(is_so: impl AsyncFnMut() -> bool) {
    within(PATIENCE, is_so).await;
}

fn token(name: &str) -> String {
    format!("the-token-of-{name}-is-this")
}

/// Has two tools, which say their arguments.
fn tools(asked: &ReceivedRequest) -> Steps {
    match asked.method() {
        "tools/list" => {
            let tool = |name: &str| json!({ "name": name, "inputSchema": { "type": "object" } });
            let tools = ["delete", "purge"].map(tool);
            document(&asked.result(&json!({ "resultType": "complete", "tools": tools })))
        }
        "tools/call" => document(&asked.says(&asked.message["params"]["arguments"].to_string())),
        _ => script::declaring(asked, true, &json!({ "tools": {} })),
    }
}

impl Stage {
    /// Starts `count` replicas with `store`.
    async fn start(count: usize, store: &str, variables: &[(&str, &str)]) -> Self {
        let folder = Folder::new();
        let store = store.replace("FILE", &folder.path("gateway.db"));
        let server = Scripted::start(tools).await.unwrap();
        let callers = (0..CALLERS).map(|n| format!("caller-{n}"));
        let mut config = format!(
            "store: {store}\nsessionKey: {{ env: KEY }}\naudit: {{}}\n\
             servers: [{{ name: files, remote: {{ url: {} }} }}]\npolicy:\n  rules:\n    \
             - {{ name: purge, effect: approve, tools: [purge], approvers: {{ teams: [finance] }}, timeout: 5s }}\n    \
             - {{ name: all, effect: approve, reason: deletions are final, approvers: {{ teams: [finance] }}, timeout: 1h }}\n\
             auth:\n  tokens:\n    - {{ name: root, token: {{ env: MCP_GATEWAY_TOKEN }}, admin: true }}\n",
            server.url,
        );
        let mut named = vec![("MCP_GATEWAY_TOKEN".to_owned(), ROOT.to_owned())];
        named.push(("KEY".to_owned(), "ab".repeat(32)));
        let given = variables.iter();
        named.extend(given.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        for name in callers.chain(APPROVERS.map(str::to_owned)) {
            let variable = name.replace('-', "_").to_uppercase();
            let teams = if APPROVERS.contains(&&*name) {
                "[finance]"
            } else {
                "[]"
            };
            writeln!(
                config,
                "    - {{ name: {name}, token: {{ env: {variable} }}, teams: {teams} }}"
            )
            .unwrap();
            named.push((variable, token(&name)));
        }
        let stage = Self {
            config: folder.write("gateway.yaml", &config),
            replicas: (0..count).map(|_| RwLock::default()).collect(),
            variables: named,
            server,
            folder,
        };
        for n in 0..count {
            stage.launch(n).await;
        }
        stage
    }

    /// Starts the replica `n`.
    async fn launch(&self, n: usize) {
        let variables = self.variables.iter();
        let variables: Vec<_> = variables.map(|(name, value)| (&**name, &**value)).collect();
        let gateway = Gateway::serve_with(&self.config, &variables).await;
        *self.replicas[n].write().unwrap() = Some(Arc::new(gateway));
    }

    /// Kills the replica `n`, at whatever it is doing.
    async fn kill(&self, n: usize) {
        let killed = self.replicas[n].write().unwrap().take().unwrap();
        killed.signal(Signal::KILL);
        let mut killed = Some(killed);
        // Calls hold it until they notice.
        eventually(async || match Arc::try_unwrap(killed.take().unwrap()) {
            Ok(_) => true,
            Err(shared) => {
                killed = Some(shared);
                false
            }
        })
        .await;
    }

    /// Returns a replica that runs, `n` if possible.
    async fn replica(&self, n: usize) -> Arc<Gateway> {
        let found = async {
            loop {
                if let Some(found) = self.running(n) {
                    return found;
                }
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, found).await.unwrap()
    }

    fn running(&self, n: usize) -> Option<Arc<Gateway>> {
        let count = self.replicas.len();
        let mut all = (0..count).map(|offset| &self.replicas[(n + offset) % count]);
        all.find_map(|replica| replica.read().unwrap().clone())
    }

    async fn api(&self, name: &str, method: &str, path: &str, body: Value) -> Answer {
        let gateway = self.replica(0).await;
        let token = if name == "root" {
            ROOT.to_owned()
        } else {
            token(name)
        };
        let token = format!("Bearer {token}");
        request(&gateway, (method, path), &[(AUTHORIZATION, &token)], body).await
    }

    /// Returns all approvals with `status`.
    async fn approvals(&self, status: &str) -> Vec<Value> {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!("/approvals?limit=500{status}{after}");
            let page = self.api("root", "GET", &path, Value::Null).await;
            assert_eq!(page.status, 200, "{}", page.body);
            all.extend(page.body["items"].as_array().unwrap().iter().cloned());
            match page.body["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return all,
            }
        }
    }

    /// Makes the call `n` of `caller`, as a client does whose connections may end. Returns the
    /// answer.
    async fn call(&self, caller: usize, n: usize) -> Value {
        let name = if n == 0 && caller < IGNORED {
            "purge"
        } else {
            "delete"
        };
        let original = json!({
            "name": format!("files__{name}"),
            "arguments": { "path": format!("{caller}/{n}") },
        });
        let mut params = original.clone();
        loop {
            let replica = self.replica(caller + n).await;
            let wire = replica.wire_with(Some(&token(&format!("caller-{caller}"))));
            let reply = wire.request("tools/call", params.clone()).await;
            drop(replica);
            let answer = reply.map(|reply| reply.answer()).unwrap_or_default();
            let result = &answer["result"];
            if result["resultType"] == "input_required" {
                params["requestState"] = result["requestState"].clone();
            } else if answer.is_null() || is_interrupted(&answer) {
                params = original.clone();
            } else {
                return answer;
            }
        }
    }

    /// Returns the number of times that the tool has run with each path.
    fn runs(&self) -> BTreeMap<String, usize> {
        let mut runs = BTreeMap::new();
        for asked in self.server.asked() {
            if asked.method() == "tools/call" {
                *runs
                    .entry(path(&asked.message["params"]["arguments"]))
                    .or_default() += 1;
            }
        }
        runs
    }
}

fn path(arguments: &Value) -> String {
    arguments["path"].as_str().unwrap_or_default().to_owned()
}

/// Returns `true` for an answer after which a client sends the call again: its replica ends, or was
/// asked with the state of another one.
fn is_interrupted(answer: &Value) -> bool {
    let reason = answer["error"]["data"]["reason"].as_str();
    INTERRUPTIONS.contains(&reason.unwrap_or_default())
}

const INTERRUPTIONS: [&str; 7] = [
    "approval_required",
    "approval_void",
    "approvals_unavailable",
    "draining",
    "replica_gone",
    "request_state",
    "shutdown",
];

/// Returns the answer about the approval `id`: random, and always the same.
fn answer_about(id: &str) -> &'static str {
    match id.bytes().map(usize::from).sum::<usize>() % 2 {
        0 => "approve",
        _ => "deny",
    }
}

/// Decides about all calls of `delete`, until `is_over`. Returns the acknowledged decisions.
async fn approver(stage: Arc<Stage>, name: &'static str, is_over: Arc<AtomicBool>) -> Vec<String> {
    let mut acknowledged = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        for approval in stage.approvals("&status=pending&tool=delete").await {
            let id = approval["id"].as_str().unwrap().to_owned();
            let path = format!("/approvals/{id}/decision");
            let body = json!({ "decision": answer_about(&id) });
            let decided = stage.api(name, "POST", &path, body.clone()).await;
            assert_eq!(decided.status, 200, "{}", decided.body);
            // The same decision again, and another one.
            assert_eq!(stage.api(name, "POST", &path, body).await.status, 200);
            let other = if answer_about(&id) == "deny" {
                "approve"
            } else {
                "deny"
            };
            let body = json!({ "decision": other });
            assert_eq!(stage.api(name, "POST", &path, body).await.status, 409);
            acknowledged.push(id);
        }
    }
    acknowledged
}

/// Answers by caller and number of the call.
type Answers = Arc<Mutex<BTreeMap<String, Value>>>;

/// Makes all calls at the same time.
fn make_calls(stage: &Arc<Stage>, answers: &Answers) -> JoinSet<()> {
    let mut calls = JoinSet::new();
    for (caller, n) in (0..CALLERS).flat_map(|caller| (0..CALLS).map(move |n| (caller, n))) {
        let (stage, answers) = (Arc::clone(stage), Arc::clone(answers));
        calls.spawn(async move {
            let answer = stage.call(caller, n).await;
            answers
                .lock()
                .unwrap()
                .insert(format!("{caller}/{n}"), answer);
        });
    }
    calls
}

/// Decides about a thousand calls that wait, while the last replica is killed and starts again.
async fn each_call_ends_as_decided(stage: Stage) {
    let stage = Arc::new(stage);
    let answers = Answers::default();
    let calls = make_calls(&stage, &answers);
    // Those that nobody decides about end by themselves.
    let all = CALLERS * CALLS - IGNORED;
    eventually(async || {
        let ended = answers.lock().unwrap().len();
        assert!(ended <= IGNORED, "{:?}", answers.lock().unwrap());
        stage.approvals("&status=pending&tool=delete").await.len() == all
    })
    .await;
    assert!(
        !stage.runs().keys().any(|path| !path.is_empty()),
        "no call runs before its approval"
    );
    let last = stage.replicas.len() - 1;
    stage.kill(last).await;
    stage.launch(last).await;

    let is_over = Arc::new(AtomicBool::new(false));
    let mut approvers = JoinSet::new();
    for name in APPROVERS {
        approvers.spawn(approver(Arc::clone(&stage), name, Arc::clone(&is_over)));
    }
    if last > 0 {
        // In the middle of decisions.
        eventually(async || answers.lock().unwrap().len() > all / 4).await;
        stage.kill(last).await;
        stage.launch(last).await;
    }
    calls.join_all().await;
    is_over.store(true, Ordering::Relaxed);
    let acknowledged = approvers.join_all().await;

    let mut records: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for record in stage.approvals("").await {
        let arguments = record["arguments"].as_str().unwrap();
        let arguments = serde_json::from_str(arguments).unwrap();
        records.entry(path(&arguments)).or_default().push(record);
    }
    check(&stage, &records, &answers.lock().unwrap());
    let decided = records.values().flatten();
    let decided: BTreeMap<_, _> = decided
        .filter_map(|record| {
            Some((
                record["id"].as_str()?,
                record["decision"]["approved"].as_bool()?,
            ))
        })
        .collect();
    for id in acknowledged.iter().flatten() {
        assert_eq!(decided[&**id], answer_about(id) == "approve", "{id}");
    }
    let verified = stage.api(
        "root",
        "GET",
        "/audit?action=approval.redeem&limit=1",
        Value::Null,
    );
    assert_eq!(verified.await.body["items"].as_array().unwrap().len(), 1);
}

/// Checks the outcome of each call, with the approvals of it.
fn check(stage: &Stage, records: &BTreeMap<String, Vec<Value>>, answers: &BTreeMap<String, Value>) {
    let runs = stage.runs();
    assert_eq!(answers.len(), CALLERS * CALLS);
    let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
    for (path, answer) in answers {
        let of = |status: &str| {
            let records = records[path].iter();
            records.filter(|record| record["status"] == status).count()
        };
        let ran = runs.get(path).copied().unwrap_or_default();
        // An approval that was used when its replica was killed may have been used in vain.
        assert!(
            ran <= of("redeemed"),
            "{path} ran {ran} times: {:?}",
            records[path]
        );
        assert_eq!(of("pending") + of("approved"), 0, "{:?}", records[path]);
        let has_result = answer["result"]["content"][0]["text"].is_string()
            && answer["result"]["isError"] != true;
        if has_result {
            assert!(ran > 0, "{path}: {answer}");
        } else {
            assert!(
                of("denied") + of("expired") > 0,
                "{answer}: {:?}",
                records[path]
            );
        }
        let outcome = if has_result { "ran" } else { "rejected" };
        *outcomes.entry(outcome).or_default() += 1;
    }
    assert!(outcomes["ran"] > CALLERS * CALLS / 4, "{outcomes:?}");
    assert!(outcomes["rejected"] > CALLERS * CALLS / 4, "{outcomes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn category_approval_calls_end_as_decided_at_replicas_with_postgresql() {
    let database = Postgres::shared().await.unwrap().database().await.unwrap();
    let url = ("DATABASE", &*database);
    let stage = Stage::start(2, "{ postgres: { env: DATABASE } }", &[url]).await;
    each_call_ends_as_decided(stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn category_approval_calls_end_as_decided_at_a_gateway_with_sqlite() {
    let stage = Stage::start(1, "{ sqlite: FILE }", &[]).await;
    each_call_ends_as_decided(stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn approvers_decide_at_the_command_line() {
    let stage = Stage::start(1, "{ sqlite: FILE }", &[]).await;
    let gateway = stage.replica(0).await;
    let command = async |name: &str, args: &[&str]| {
        let token = token(name);
        let args: Vec<_> = ["approval"].iter().chain(args).copied().collect();
        let args = [&args[..], &["--url", &gateway.url]].concat();
        let done = run_with_env(&args, &[("MCP_GATEWAY_TOKEN", &token)]).await;
        (done.code, done.stdout, done.stderr)
    };
    let deciding = async {
        let mut id = String::new();
        eventually(async || {
            let found = stage.approvals("").await;
            id = found
                .first()
                .map(|found| found["id"].as_str().unwrap().to_owned())
                .unwrap_or_default();
            !id.is_empty()
        })
        .await;
        let (_, table, _) = command("carol", &["list"]).await;
        assert!(
            table.starts_with("ID") && table.contains("files/delete"),
            "{table}"
        );
        let (_, none, _) = command("caller-1", &["list"]).await;
        assert!(!none.contains(&id), "{none}");
        let (_, shown, _) = command("carol", &["show", &id]).await;
        for fact in [
            "caller     caller-30",
            r#"arguments  {"path":"30/0"}"#,
            "reason     deletions are final",
        ] {
            assert!(shown.contains(fact), "{shown}");
        }
        // Not by the caller, and once.
        for (name, code) in [("caller-30", 1), ("carol", 0), ("dave", 0)] {
            let (found, _, stderr) = command(name, &["approve", &id]).await;
            assert_eq!(found, Some(code), "{name}: {stderr}");
        }
        let (code, _, stderr) = command("dave", &["deny", &id, "--reason", "too late"]).await;
        assert_eq!(code, Some(1));
        assert!(stderr.contains("decided otherwise"), "{stderr}");
    };
    let (answer, ()) = tokio::join!(stage.call(30, 0), deciding);
    assert!(
        answer["result"]["content"][0]["text"].is_string(),
        "{answer}"
    );
}
