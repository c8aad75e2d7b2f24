//! The commands together: backend, proxy, run and compare.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail like tests"
)]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use mcp_gateway_auth::login::{LoginPages, LoginSessions};
use mcp_gateway_auth::server::{
    AuthorizationServer, ClientAuthentication, GrantType, OAuthClient, RateLimits,
    RegistrationPolicy, Resource,
};
use mcp_gateway_auth::users::Users;
use mcp_gateway_auth::{Clock, Keyring};
use mcp_gateway_store::MemoryStore;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_mcp-bench");

/// A server that ends with the test.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(PROGRAM);
        let mut child = command
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut url)
            .unwrap();
        let url = url.trim().to_owned();
        assert!(url.starts_with("http://127.0.0.1:"), "{url:?}");
        Self { child, url }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn execute(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

/// The report of a command that succeeds.
fn report(arguments: &[&str]) -> Value {
    let output = execute(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{arguments:?}: {errors}{text}");
    serde_json::from_str(&text).expect("the report is JSON")
}

/// Returns `true` if the process ends soon: a killed one ends when it is scheduled.
fn ends(pid: &str) -> bool {
    let deadline = Instant::now() + Duration::from_secs(20);
    while is_alive(pid) {
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
    true
}

/// Returns `true` if the process has not ended.
fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[test]
fn calls_succeed_in_both_eras_directly_and_through_the_proxy() {
    for answer in ["json", "sse"] {
        let backend = Server::start(&["backend", "--answer", answer, "--tools", "3"]);
        let proxy = Server::start(&["proxy", "--upstream", &backend.url]);
        let pid = format!("{}=backend", backend.child.id());
        for (era, url) in [
            ("legacy", &backend.url),
            ("legacy", &proxy.url),
            ("modern", &backend.url),
            ("modern", &proxy.url),
        ] {
            let report = report(&[
                "run", url, "--era", era, "-n", "100", "-c", "4", "--warmup", "10ms", "--tool",
                "tool_2", "--pid", &pid, "--json",
            ]);
            let figures = (&report["calls"], &report["errors"], &report["failures"]);
            assert_eq!(figures, (&json!(100), &json!(0), &json!({})), "{report}");
            assert_eq!(report["subject"]["era"], era);
            assert!(report["latencyMillis"]["p50"].as_f64() > Some(0.0));
            assert!(report["bytesReceived"].as_u64() > Some(0));
            assert_eq!(report["processes"][0]["name"], "backend");
            assert!(report["processes"][0]["peakRssKib"].as_u64() > Some(0));
        }
    }
}

#[test]
fn the_era_is_found_out() {
    for (eras, expected) in [
        ("legacy", "legacy"),
        ("modern", "modern"),
        ("dual", "modern"),
    ] {
        let backend = Server::start(&["backend", "--era", eras]);
        let arguments = [
            "run",
            &backend.url,
            "-n",
            "8",
            "--warmup",
            "0s",
            "--method",
            "tools/list",
            "--json",
        ];
        assert_eq!(report(&arguments)["subject"]["era"], expected);
    }
}

#[test]
fn one_session_can_be_shared() {
    let backend = Server::start(&["backend", "--era", "legacy"]);
    let shared = [
        "run",
        &backend.url,
        "--sessions",
        "shared",
        "-n",
        "50",
        "--warmup",
        "0s",
    ];
    assert_eq!(report(&[&shared[..], &["--json"]].concat())["calls"], 50);
}

#[test]
fn failures_are_counted_and_shown() {
    let backend = Server::start(&["backend"]);
    for era in ["legacy", "modern"] {
        let output = execute(&[
            "run",
            &backend.url,
            "--era",
            era,
            "-n",
            "10",
            "--warmup",
            "0s",
            "--tool",
            "none",
        ]);
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            text.contains("- 10 x JSON-RPC error -32602: Unknown tool"),
            "{text}"
        );
    }
    let output = execute(&["run", &backend.url.replace("/mcp", "/other")]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn streams_and_sessions_are_held() {
    let backend = Server::start(&["backend"]);
    let pid = backend.child.id().to_string();
    for (era, what) in [
        ("legacy", "--open-streams"),
        ("modern", "--open-streams"),
        ("legacy", "--idle-sessions"),
    ] {
        let report = report(&[
            "run",
            &backend.url,
            "--era",
            era,
            what,
            "20",
            "-d",
            "50ms",
            "--pid",
            &pid,
            "--json",
        ]);
        assert_eq!(
            (&report["opened"], &report["stayed"]),
            (&json!(20), &json!(20)),
            "{report}"
        );
        assert!(report["usage"][0]["growthKibPerItem"].is_f64());
    }
}

#[test]
fn samples_are_written_while_a_load_lasts() {
    let backend = Server::start(&["backend"]);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("samples.csv");
    let file = path.to_str().unwrap();
    let pid = format!("{}=backend", backend.child.id());
    report(&[
        "run",
        &backend.url,
        "-d",
        "300ms",
        "--warmup",
        "0s",
        "--pid",
        &pid,
        "--sample",
        "50ms",
        "--sample-to",
        file,
        "--json",
    ]);
    let samples = fs::read_to_string(path).unwrap();
    assert!(samples.lines().count() > 3, "{samples}");
    assert!(
        samples
            .lines()
            .skip(1)
            .all(|line| line.split(',').nth(1) == Some("backend"))
    );
}

#[test]
fn a_comparison_measures_all_paths_and_leaves_no_process() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("left-behind");
    let gateway = format!(
        "gateway=setsid sleep 600 & echo $! > '{}'; \
         '{PROGRAM}' proxy --listen 127.0.0.1:{{port}} --upstream {{upstream}}; true",
        path.display(),
    );
    let report = report(&[
        "compare",
        "--era",
        "legacy",
        "--connections",
        "1,4",
        "--duration",
        "100ms",
        "--warmup",
        "10ms",
        "--rounds",
        "2",
        "--gateway",
        &gateway,
        "--json",
    ]);
    let results = report["results"].as_array().unwrap();
    let paths: Vec<&Value> = results.iter().map(|result| &result["path"]).collect();
    let each = ["direct", "bare proxy", "gateway"];
    assert_eq!(paths, [each, each].concat());
    for result in results {
        assert_eq!(
            (
                &result["errors"],
                result["rounds"].as_array().unwrap().len()
            ),
            (&json!(0), 2)
        );
        assert!(result["callsPerSecond"]["median"].as_f64() > Some(0.0));
        assert!(result["peakRssKib"]["max"].as_f64() > Some(0.0));
    }
    assert!(results[2]["throughputOverProxy"]["median"].as_f64() > Some(0.0));
    assert!(ends(&fs::read_to_string(path).unwrap()));
}

#[test]
fn a_gateway_that_does_not_start_is_reported_with_its_last_words() {
    let output = execute(&[
        "compare",
        "--gateway",
        "gateway=echo no configuration >&2; exit 3",
    ]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains("gateway has exited: exit status: 3\nno configuration"),
        "{text}"
    );
}

/// An authorization server with the account `admin` and the client `machine`, who both have
/// [`SECRET`].
struct Authority {
    url: String,
    _serving: JoinSet<()>,
}

const SECRET: &str = "correct horse battery staple";

impl Authority {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (store, keyring) = (
            Arc::new(MemoryStore::new()),
            Keyring::new(&[7; 32]).unwrap(),
        );
        let users = Users::new(Arc::clone(&store) as _, Clock::system());
        users.create("admin", SECRET).await.unwrap();
        let login = LoginSessions::new(users, keyring.clone(), &url).unwrap();
        let login = login.with_local_accounts();
        let mut limits = RateLimits::default();
        limits.authorize = 1_000_000;
        let server = AuthorizationServer::builder(
            url.parse().unwrap(),
            store,
            keyring,
            Arc::new(login.clone()),
        )
        .with_registration(RegistrationPolicy::Open)
        .with_rate_limits(limits)
        .build();
        server.set_resources([Resource::new(format!("{url}/mcp").parse().unwrap(), "main")]);
        server.set_clients([OAuthClient::new("machine", "machine")
            .with_authentication(ClientAuthentication::secret(SECRET))
            .with_grant_types([GrantType::ClientCredentials])]);
        let router = server.router().merge(LoginPages::new(login).router());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            url,
            _serving: serving,
        }
    }

    fn load(&self, password: &str, secret: &str) -> (Option<i32>, String) {
        let load = [
            "token",
            &self.url,
            "--grants",
            "20",
            "--clients",
            "3",
            "--connections",
            "4",
        ];
        let pid = std::process::id().to_string();
        let more = ["--password", password, "--secret", secret, "--pid", &pid];
        let output = execute(&[&load[..], &more].concat());
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_asked_for_in_every_way() {
    let authority = Authority::start().await;
    let (code, said) = authority.load(SECRET, SECRET);
    assert_eq!(code, Some(0), "{said}");
    for expected in [
        "200 tokens over 4 connections",
        " tokens/s, 0 failed",
        "| authorization_code |     20 |",
        "| client_credentials |     60 |",
        "| refresh_token      |    120 |",
        "server: ",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }

    let (code, said) = authority.load(SECRET, "another");
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("140 tokens") && said.contains("60 x HTTP status 401"),
        "{said}"
    );
    let (code, said) = authority.load("another", SECRET);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("login of account admin failed: 401"),
        "{said}"
    );
}
