//! A platform over an orchestrator that only notes what it is told.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use futures_util::stream;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use mcp_gateway_core::transport::Transport;
use mcp_gateway_core::upstream::Instance;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;
use crate::Platform;
use crate::spec::{PlatformSpec, Process, Secret, ServerRuntime, ServerSpec, Token};

#[derive(Debug, Default)]
struct Noted(Arc<Notes>);

#[derive(Debug, Default)]
struct Notes {
    declared: Mutex<Vec<Declaration>>,
    statuses: Mutex<HashMap<String, DeploymentStatus>>,
    restarted: Mutex<Vec<String>>,
    queries: Mutex<Vec<LogQuery>>,
    /// Set when the stream of a log has been dropped.
    is_log_dropped: Arc<AtomicBool>,
}

/// Backend of a server whose deployment does not run.
#[derive(Debug)]
struct Down(Arc<Notes>, Arc<str>);

#[async_trait]
impl RuntimeBackend for Down {
    async fn connect(&self, _: &Instance) -> Result<Transport, UpstreamError> {
        let statuses = self.0.statuses.lock().unwrap();
        Err(statuses[&*self.1].error())
    }
}

/// Notes when it is dropped.
struct OnDrop(Arc<AtomicBool>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[async_trait]
impl Orchestrator for Noted {
    fn declare(&self, declaration: Declaration) {
        self.0.declared.lock().unwrap().push(declaration);
    }

    fn backend(&self, name: &Arc<str>) -> Arc<dyn RuntimeBackend> {
        Arc::new(Down(Arc::clone(&self.0), Arc::clone(name)))
    }

    fn deployment(&self, name: &str) -> Option<DeploymentStatus> {
        self.0.statuses.lock().unwrap().get(name).cloned()
    }

    async fn restart(&self, name: &str) -> Result<(), OrchestratorError> {
        self.0.restarted.lock().unwrap().push(name.to_owned());
        Ok(())
    }

    async fn logs(&self, name: &str, query: LogQuery) -> Result<LogStream, OrchestratorError> {
        self.0.queries.lock().unwrap().push(query);
        if query.previous {
            return Err(OrchestratorError::NotStarted {
                name: name.into(),
                message: "its container has never ended".into(),
            });
        }
        let guard = OnDrop(Arc::clone(&self.0.is_log_dropped));
        let first = stream::iter([Ok(Bytes::from("one\n")), Ok(Bytes::from("two\n"))]);
        Ok(match query.follow {
            true => LogStream::new(first.chain(stream::pending()).map(move |piece| {
                let _ = &guard;
                piece
            })),
            false => LogStream::new(first),
        })
    }
}

fn server(name: &str, image: &str) -> ServerSpec {
    let definition = Arc::new(KubernetesServer::new(image));
    ServerSpec::new(name, ServerRuntime::Kubernetes(definition))
}

/// Spec of `servers`, with the administrator `ada` and the caller `bob`.
fn spec(servers: impl IntoIterator<Item = ServerSpec>) -> PlatformSpec {
    let mut spec = PlatformSpec::default();
    spec.dynamic.add_servers(servers);
    let ada = Token::new("ada", Secret::new("token-of-ada")).with_admin_role();
    let bob = Token::new("bob", Secret::new("token-of-bob"));
    spec.dynamic.auth.tokens.extend([ada, bob]);
    spec
}

async fn start(spec: PlatformSpec) -> (Platform, Arc<Notes>) {
    let noted = Noted::default();
    let notes = Arc::clone(&noted.0);
    let failed = |reason: &str| {
        let mut status = DeploymentStatus::new(DeploymentState::Failed, SystemTime::UNIX_EPOCH);
        status.reason = Some(reason.into());
        status.message = Some("registry.internal/time:1 does not exist".into());
        (status.desired, status.restarts) = (1, 7);
        status
    };
    let asleep = DeploymentStatus::new(DeploymentState::Asleep, SystemTime::UNIX_EPOCH);
    let statuses = [("time", failed("ImagePullBackOff")), ("notes", asleep)];
    let statuses = statuses.map(|(name, status)| (name.to_owned(), status));
    notes.statuses.lock().unwrap().extend(statuses);
    let platform = Platform::builder(spec, "127.0.0.1:8080".parse().unwrap());
    let platform = platform.with_orchestrator(Arc::new(noted)).start().await;
    (platform.unwrap(), notes)
}

/// Sends a request with the token of `caller`.
async fn send(
    platform: &Platform,
    (method, path): (&str, &str),
    caller: &str,
    body: Option<Value>,
) -> http::Response<impl http_body::Body<Data = Bytes, Error: fmt::Debug> + Unpin + use<>> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("authorization", format!("Bearer token-of-{caller}"));
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let response = platform.service().oneshot(request.body(body).unwrap());
    response.await.unwrap().map(Box::pin)
}

/// Sends a request, and returns the status and the text of the response.
async fn text(platform: &Platform, request: (&str, &str), caller: &str) -> (StatusCode, String) {
    let response = send(platform, request, caller, None).await;
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn names(declaration: &Declaration) -> Vec<&str> {
    let servers = declaration.servers.iter();
    servers.map(|server| &*server.name).collect()
}

#[tokio::test]
async fn servers_are_declared_after_each_change() {
    let program = ServerRuntime::Process(Process::new("x", [""; 0]));
    let program = || ServerSpec::new("program", program.clone());
    let (platform, notes) = start(spec([server("time", "a"), program()])).await;
    platform
        .apply(&spec([server("time", "a"), program()]))
        .unwrap();
    {
        let declared = notes.declared.lock().unwrap();
        assert_eq!(declared.len(), 1, "nothing has changed");
        assert_eq!(names(&declared[0]), ["time"]);
    }
    // One that is replaced is declared before callers reach it, one that is removed until none does.
    let changed = spec([server("notes", "a")]);
    platform.apply(&changed).unwrap();
    {
        let declared = notes.declared.lock().unwrap();
        let declared: Vec<_> = declared[1..].iter().map(names).collect();
        assert_eq!(declared, [vec!["notes", "time"], vec!["notes"]]);
    }
    let mut invalid = spec([server("notes", "b"), server("other", "b")]);
    invalid.dynamic.servers[1].prefix = "notes".into();
    assert!(platform.apply(&invalid).is_err());
    assert_eq!(
        notes.declared.lock().unwrap().len(),
        3,
        "nothing has been applied"
    );
}

#[tokio::test]
async fn an_empty_declaration_is_complete_too() {
    let (_, notes) = start(spec([])).await;
    assert_eq!(*notes.declared.lock().unwrap(), [Declaration::default()]);
}

#[tokio::test]
async fn settings_of_pods_change_while_the_server_runs() {
    let before = server("time", "a");
    let mut settled = KubernetesServer::new("a");
    settled
        .pod
        .labels
        .insert("team".to_owned(), "sre".to_owned());
    settled.sleep = Some(std::time::Duration::from_secs(60));
    let after = ServerSpec::new("time", ServerRuntime::Kubernetes(Arc::new(settled)));
    assert!(before.runs_like(&after));
    assert!(!before.runs_like(&server("time", "b")));
    let (platform, notes) = start(spec([before])).await;
    let rollout = platform.apply(&spec([after])).unwrap();
    assert_eq!(rollout.to_string(), "changed: time");
    let declared = notes.declared.lock().unwrap();
    assert_eq!(declared.len(), 2);
    assert_ne!(declared[0], declared[1]);
}

#[tokio::test]
async fn a_server_on_a_cluster_needs_an_orchestrator() {
    let address = "127.0.0.1:8080".parse().unwrap();
    let error = Platform::start(spec([server("time", "a")]), address).await;
    let error = mcp_gateway_core::error_chain(&error.unwrap_err());
    assert!(error.contains("runs on Kubernetes"), "{error}");
}

#[tokio::test]
async fn the_reason_of_a_failure_reaches_callers_and_its_cause_administrators() {
    let (platform, _) = start(spec([server("time", "a"), server("notes", "a")])).await;
    let initialize = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {
            "name": "time__now",
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    });
    let request = Request::post("/mcp")
        .header("host", "localhost")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", "time__now")
        .header("authorization", "Bearer token-of-bob")
        .body(Body::from(initialize.to_string()));
    let response = platform.service().oneshot(request.unwrap()).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let answer: Value = serde_json::from_slice(&body).unwrap();
    let message = answer["error"]["message"].as_str().unwrap();
    assert_eq!(
        message,
        "Server \"time\": the server is not running: ImagePullBackOff"
    );
    assert_eq!(answer["error"]["data"]["reason"], "not_running");

    let status = platform.status().servers;
    let cause = "ImagePullBackOff: registry.internal/time:1 does not exist";
    assert_eq!(status[0].failure.as_deref(), Some(cause));
    assert_eq!(
        [status[0].state(), status[1].state()],
        ["failing", "asleep"]
    );
    let (_, shown) = text(&platform, ("GET", "/api/v1/servers/time"), "ada").await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["state"], "failing");
    assert_eq!(shown["error"], cause);
    let deployment = json!({
        "state": "failed",
        "reason": "ImagePullBackOff",
        "message": "registry.internal/time:1 does not exist",
        "ready": 0, "desired": 1, "restarts": 7, "since": 0,
    });
    assert_eq!(shown["deployment"], deployment);
    let (_, shown) = text(&platform, ("GET", "/health/servers"), "bob").await;
    assert!(shown.contains("\"deployment\":\"failed\""), "{shown}");
    assert!(!shown.contains("registry.internal"), "{shown}");
}

#[tokio::test]
async fn the_metric_has_each_state_of_each_server() {
    let (platform, _) = start(spec([server("time", "a"), server("notes", "a")])).await;
    let (_, metrics) = text(&platform, ("GET", "/metrics"), "ada").await;
    for (server, current) in [("time", "failed"), ("notes", "asleep")] {
        for state in DeploymentState::ALL {
            let value = u8::from(state.as_str() == current);
            let line = format!(
                "mcp_server_deployment_status{{mcp_server_name=\"{server}\",state=\"{}\"}} {value}",
                state.as_str()
            );
            assert!(metrics.contains(&line), "{line}\n{metrics}");
        }
    }
}

#[tokio::test]
async fn administrators_restart_servers() {
    let builtin = ServerSpec::new(
        "program",
        ServerRuntime::Process(Process::new("x", [""; 0])),
    );
    let (platform, notes) = start(spec([server("time", "a"), builtin])).await;
    for (name, caller, status) in [
        ("time", "bob", 403),
        ("program", "ada", 409),
        ("other", "ada", 404),
        ("time", "ada", 202),
    ] {
        let path = format!("/api/v1/servers/{name}/restart");
        let (found, body) = text(&platform, ("POST", &path), caller).await;
        assert_eq!(found, status, "{name} {caller} {body}");
    }
    assert_eq!(*notes.restarted.lock().unwrap(), ["time"]);
}

#[tokio::test]
async fn administrators_read_logs() {
    let (platform, notes) = start(spec([server("time", "a")])).await;
    let log = async |query: &str, caller: &str| {
        let path = format!("/api/v1/servers/time/logs{query}");
        text(&platform, ("GET", &path), caller).await
    };
    assert_eq!(log("", "bob").await.0, 403);
    assert_eq!(
        log("?tail=2", "ada").await,
        (StatusCode::OK, "one\ntwo\n".to_owned())
    );
    let (status, problem) = log("?previous=true", "ada").await;
    assert_eq!(status, 409);
    assert!(
        problem.contains("its container has never ended"),
        "{problem}"
    );
    for query in [
        "?tail=0",
        "?tail=10001",
        "?tail=x",
        "?lines=1",
        "?follow=true&previous=true",
    ] {
        assert_eq!(log(query, "ada").await.0, 400, "{query}");
    }
    let queries = notes.queries.lock().unwrap();
    let tails: Vec<_> = queries.iter().map(|query| query.tail).collect();
    assert_eq!(tails, [Some(2), Some(1000)]);
}

#[tokio::test]
async fn a_log_is_followed_until_the_client_goes() {
    let (platform, notes) = start(spec([server("time", "a")])).await;
    let path = "/api/v1/servers/time/logs?follow=true";
    let mut response = send(&platform, ("GET", path), "ada", None).await;
    let frame = response.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(&frame.into_data().unwrap()[..], b"one\n");
    assert!(!notes.is_log_dropped.load(Ordering::SeqCst));
    drop(response);
    assert!(notes.is_log_dropped.load(Ordering::SeqCst));
}
