//! Calls with connections, and administrative changes, at several replicas.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use mcp_gateway_tests::wire::Wire;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::accounts;
use crate::audited::{Acknowledged, Administrator};
use crate::github::{Era, GitHub};
use crate::harness::{Endpoint, Harness, Kind, Replica, SOON};
use crate::inputs;
use crate::person::{Person, people};
use crate::provider::Provider;

/// Servers that are called with connections: an account, and supplied values.
const SERVERS: [&str; 2] = ["notes", "github"];

/// Their tools, which tell whose connection is used.
const TOOLS: [&str; 2] = ["notes__whoami", "github__get_me"];

/// Clients of each person at each replica.
const CLIENTS: usize = 2;

/// Administrators at each replica.
const ADMINISTRATORS: usize = 2;

/// Numbers of outcomes.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Results, by server.
    results: [AtomicUsize; 2],
    /// Errors of a state that passes.
    failures: AtomicUsize,
    /// Calls without a response.
    unanswered: AtomicUsize,
}

impl Counts {
    fn results(&self) -> usize {
        self.results.iter().map(read).sum()
    }
}

fn read(count: &AtomicUsize) -> usize {
    count.load(Ordering::Relaxed)
}

/// Gateways over two servers, with people who have connected both.
pub(crate) struct Site {
    pub(crate) harness: Harness,
    pub(crate) provider: Provider,
    pub(crate) people: [Person; 2],
    pub(crate) counts: Arc<Counts>,
    administrator: Administrator,
    _github: GitHub,
}

impl Site {
    /// Starts the servers and the first replica, at which people connect.
    pub(crate) async fn start(kind: Kind, database: Option<String>) -> (Self, Replica) {
        let (provider, github) = (Provider::start().await, GitHub::start(Era::Modern).await);
        let notes = json!({ "url": provider.url(), "auth": { "oauth": {} } });
        let token = json!({ "name": "token", "title": "Token" });
        let remote = json!({ "url": github.url, "bearer": { "value": "${input:token}" } });
        let servers = json!([
            { "name": SERVERS[0], "remote": notes },
            { "name": SERVERS[1], "remote": remote, "inputs": [token] },
        ]);
        let mut harness = Harness::new(kind).await;
        if let Some(database) = database {
            harness = harness.with_database(database);
        }
        let harness = harness.with_servers(servers).with_audit();
        let replica = harness.start().await;
        let endpoint = replica.endpoint();
        let mut people = people(&harness, &replica).await;
        for person in &mut people {
            accounts::connect(person, &endpoint).await;
            let token = github.issue(person.name);
            inputs::supply(person, &endpoint, &token).await;
        }
        let token = harness.operate(&["token", "create", "ci", "--user", "admin"]);
        let administrator = Administrator {
            endpoint,
            token: token.await,
            acknowledged: Acknowledged::default(),
        };
        let site = Self {
            harness,
            provider,
            people,
            counts: Arc::default(),
            administrator,
            _github: github,
        };
        (site, replica)
    }

    /// Begins to call and to change tokens at `replica`.
    pub(crate) fn load(&self, replica: &Replica) -> Load {
        let endpoint = replica.endpoint();
        let ends = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for person in &self.people {
            for _ in 0..CLIENTS {
                let client = self.client(person, &endpoint);
                tasks.spawn(client.work(Arc::clone(&ends)));
            }
        }
        for _ in 0..ADMINISTRATORS {
            let administrator = self.administrator(&endpoint);
            tasks.spawn(administrator.work(Arc::clone(&ends)));
        }
        Load { ends, tasks }
    }

    fn client(&self, person: &Person, endpoint: &Endpoint) -> Client {
        Client {
            wire: endpoint.wire(&person.token),
            name: person.name,
            counts: Arc::clone(&self.counts),
        }
    }

    /// Returns the administrator at `endpoint`.
    fn administrator(&self, endpoint: &Endpoint) -> Administrator {
        Administrator {
            endpoint: endpoint.clone(),
            ..self.administrator.clone()
        }
    }

    /// Waits for `more` results and some changes.
    pub(crate) async fn advance(&self, more: usize) {
        let changes = || self.administrator.acknowledged.lock().unwrap().len();
        let (results, changed) = (self.counts.results() + more, changes() + 4);
        let deadline = Instant::now() + 2 * SOON;
        while self.counts.results() < results || changes() < changed {
            let counts = &self.counts;
            assert!(Instant::now() < deadline, "no progress: {counts:?}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Asserts that everything acknowledged has a record, and that `replica` serves everybody.
    pub(crate) async fn check(&self, replica: &Replica) {
        let endpoint = replica.endpoint();
        let administrator = self.administrator(&endpoint);
        administrator.check().await;
        for (server, results) in SERVERS.iter().zip(&self.counts.results) {
            let (least, doubtful) = (read(results), read(&self.counts.unanswered));
            let path = format!("/audit?action=tools/call&outcome=success&server={server}&");
            let deadline = Instant::now() + SOON;
            loop {
                let recorded = administrator.all(&path).await.len();
                if recorded >= least {
                    let most = least + doubtful;
                    assert!(recorded <= most, "{recorded} records of {most} calls");
                    break;
                }
                let missing = least - recorded;
                assert!(Instant::now() < deadline, "{server}: {missing} of {least}");
                sleep(Duration::from_millis(50)).await;
            }
        }
        for client in self
            .people
            .iter()
            .map(|person| self.client(person, &endpoint))
        {
            let deadline = Instant::now() + SOON;
            for (at, tool) in TOOLS.iter().enumerate() {
                while !client.call(at).await {
                    assert!(Instant::now() < deadline, "{}: {tool}", client.name);
                    sleep(Duration::from_millis(50)).await;
                }
            }
        }
        assert_eq!(self.provider.killed(), 0);
        let verified = self.harness.operate(&["audit", "verify"]).await;
        assert!(verified.starts_with("intact; records: "), "{verified}");
    }

    /// Describes what has been acknowledged.
    pub(crate) fn figures(&self) -> String {
        let changes = self.administrator.acknowledged.lock().unwrap().len();
        let counts = &self.counts;
        let [results, failures, unanswered] = [
            counts.results(),
            read(&counts.failures),
            read(&counts.unanswered),
        ];
        format!(
            "{results} calls and {changes} changes were acknowledged, each with a record; {failures} \
             calls failed, {unanswered} had no response"
        )
    }
}

/// Clients of one replica.
pub(crate) struct Load {
    ends: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Load {
    /// Waits until all clients have ended.
    pub(crate) async fn end(self) {
        self.ends.store(true, Ordering::Relaxed);
        self.tasks.join_all().await;
    }
}

/// Client of a person.
struct Client {
    wire: Wire,
    name: &'static str,
    counts: Arc<Counts>,
}

impl Client {
    async fn work(self, ends: Arc<AtomicBool>) {
        while !ends.load(Ordering::Relaxed) {
            for at in 0..TOOLS.len() {
                if !self.call(at).await {
                    sleep(Duration::from_millis(10)).await;
                }
            }
        }
    }

    /// Calls a tool; returns `true` if there is a result. Nobody is asked to log in or to connect.
    async fn call(&self, at: usize) -> bool {
        let Ok(reply) = self.wire.call(TOOLS[at], json!({})).await else {
            self.counts.unanswered.fetch_add(1, Ordering::Relaxed);
            return false;
        };
        assert_ne!(reply.status, StatusCode::UNAUTHORIZED, "{reply:?}");
        let answer = reply.answer();
        let result = &answer["result"];
        let text = result["content"][0]["text"].as_str();
        match text.filter(|_| result["isError"] != true) {
            Some(text) => {
                assert_eq!(text, self.name, "{answer}");
                self.counts.results[at].fetch_add(1, Ordering::Relaxed);
                true
            }
            None => {
                let problem = &result["_meta"]["mcp-gateway/problem"];
                assert_ne!(problem["reason"], "not_connected", "{answer}");
                self.counts.failures.fetch_add(1, Ordering::Relaxed);
                false
            }
        }
    }
}
