//! Requests that real clients have sent, replayed.
//!
//! `tests/clients/connect/run --record` writes the files of `tests/clients/recorded`, one for each
//! client and version. Each request must have the answer that the client needs, by its status and
//! the shape of its content.
//!
//! Files with a `source` are written after reports of hosted clients, which cannot be recorded
//! offline. Their path names a gateway that accepts what the client needs.

use std::fs;
use std::path::PathBuf;

use mcp_gateway_tests::guide::root;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::{Folder, Gateway, SOON};

const TOKEN: &str = "token-of-the-recorded-clients";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// An answer, up to the end of its head or of its content.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let prefix = format!("{name}: ");
        self.head
            .lines()
            .find_map(|line| line.strip_prefix(&prefix))
    }

    fn is_stream(&self) -> bool {
        self.header("content-type") == Some("text/event-stream")
    }
}

/// One client, replayed against a gateway.
struct Replay {
    host: String,
    file: String,
    initialize: Option<Value>,
    session: Option<String>,
    client: Option<String>,
}

impl Replay {
    /// Replaces what differs from run to run.
    fn filled(&self, text: &str) -> String {
        text.replace("127.0.0.1:1234", &self.host)
            .replace("127.0.0.1%3A1234", &self.host.replace(':', "%3A"))
            .replace("{token}", TOKEN)
            .replace("{session}", self.session.as_deref().unwrap_or("unknown"))
            .replace("{client_id}", self.client.as_deref().unwrap_or("unknown"))
            .replace("{code_challenge}", CHALLENGE)
            .replace("{code_verifier}", &"v".repeat(43))
            .replace(['{', '}'], "")
    }

    /// Sends a request; a stream is read up to its first event.
    async fn send(&self, request: &Value) -> Answer {
        let text = |name: &str| request[name].as_str().unwrap().to_owned();
        let (method, path) = (text("method"), self.filled(&text("path")));
        let body = match &request["body"] {
            Value::Null => String::new(),
            Value::String(form) => self.filled(form),
            json => json.to_string().replace("127.0.0.1:1234", &self.host),
        };
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.host);
        for (name, value) in request["headers"].as_object().unwrap() {
            let value = self.filled(value.as_str().unwrap());
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!(
            "content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        ));
        let mut stream = TcpStream::connect(&self.host).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut received = Vec::new();
        let reading = async {
            let mut chunk = [0; 4096];
            loop {
                let count = stream.read(&mut chunk).await.unwrap();
                received.extend_from_slice(&chunk[..count]);
                let text = String::from_utf8_lossy(&received);
                let is_open = text.contains("text/event-stream") && method == "GET"
                    || text.contains("notifications/subscriptions/acknowledged");
                if count == 0 || is_open && text.contains("\r\n\r\n") {
                    return;
                }
            }
        };
        timeout(SOON, reading).await.unwrap_or_else(|_| {
            panic!("{}: no end of the answer to {request}", self.file);
        });
        let text = String::from_utf8_lossy(&received).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    /// Sends a request, and checks the answer.
    async fn replay(&mut self, request: &Value) {
        let headers = &request["headers"];
        if headers.get("mcp-session-id").is_some()
            && self.session.is_none()
            && let Some(initialize) = self.initialize.clone()
        {
            Box::pin(self.replay(&initialize)).await;
        }
        let answer = self.send(request).await;
        let path = request["path"].as_str().unwrap();
        let context = format!("{}: {request}\n{answer:?}", self.file);
        let is_documented = request.to_string().contains("client_id=https%3A");
        match path.split('?').next().unwrap() {
            // Whether the document of the client can be fetched depends on the network.
            path if is_documented => {
                let expected = match path.ends_with("/authorize") {
                    true => [303, 503],
                    false => [400, 503],
                };
                assert!(expected.contains(&answer.status), "{context}");
            }
            path if path.ends_with("/register") => {
                assert_eq!(answer.status, 201, "{context}");
                let start = answer.body.find('{').unwrap();
                let end = answer.body.rfind('}').unwrap();
                let registered: Value = serde_json::from_str(&answer.body[start..=end]).unwrap();
                self.client = Some(registered["client_id"].as_str().unwrap().to_owned());
            }
            path if path.ends_with("/authorize") => {
                assert_eq!(answer.status, 303, "{context}");
                let location = answer.header("location").unwrap();
                assert!(location.starts_with("/api/auth/login?"), "{context}");
            }
            path if path.ends_with("/token") => {
                // The code is unknown, and nothing else is wrong.
                assert_eq!(answer.status, 400, "{context}");
                assert!(answer.body.contains("invalid_grant"), "{context}");
            }
            path if path.starts_with("/.well-known/") => {
                assert_eq!(answer.status, 200, "{context}");
                assert_eq!(answer.header("content-type"), Some("application/json"));
            }
            _ if headers.get("authorization").is_none() => {
                assert_eq!(answer.status, 401, "{context}");
                let challenge = answer.header("www-authenticate").unwrap();
                assert!(challenge.contains("resource_metadata="), "{context}");
            }
            _ => self.check_message(request, &answer, &context),
        }
    }

    /// Checks the answer to a request at the MCP endpoint.
    fn check_message(&mut self, request: &Value, answer: &Answer, context: &str) {
        let has_session = request["headers"].get("mcp-session-id").is_some();
        if has_session && self.session.is_none() {
            assert_eq!(answer.status, 404, "{context}");
            return;
        }
        match (request["method"].as_str().unwrap(), has_session) {
            ("GET", true) => {
                assert_eq!(answer.status, 200, "{context}");
                assert!(answer.is_stream(), "{context}");
            }
            ("DELETE", true) => {
                assert_eq!(answer.status, 204, "{context}");
                self.session = None;
            }
            ("POST", _) if request["body"].get("id").is_none() => {
                assert_eq!(answer.status, 202, "{context}");
            }
            ("POST", _) => {
                // The demonstration server announces no changes. Claude Code and Copilot subscribe
                // all the same, and go on without subscriptions after this error.
                let (status, content) = match request["body"]["method"].as_str() {
                    Some("subscriptions/listen") => (404, "\"code\":-32601"),
                    _ => (200, "\"result\":"),
                };
                assert_eq!(answer.status, status, "{context}");
                assert!(answer.body.contains(content), "{context}");
                if request["body"]["method"] == "initialize" {
                    let session = answer.header("mcp-session-id").unwrap();
                    self.session = Some(session.to_owned());
                }
            }
            // The stream of 2024-11-05, for clients that name its type.
            ("GET", false) if request["headers"].to_string().contains("text/event-stream") => {
                assert_eq!(answer.status, 200, "{context}");
                assert!(answer.body.contains("event: endpoint\n"), "{context}");
            }
            _ => assert_eq!(answer.status, 400, "{context}"),
        }
    }
}

/// A gateway for the recorded clients.
async fn gateway(folder: &Folder) -> Gateway {
    let config = folder.write(
        "gateway.yaml",
        "servers: [{ name: demo, builtin: demo }, { name: other, builtin: demo }]\n\
         gateways:\n  - { name: strict, servers: [demo] }\n  - { name: both }\n  - { name: \
         tolerant, servers: [demo], compatibility: [version-header] }\n\
         origins: [claude, chatgpt]\nstore: memory\nauth:\n  oauth: \
         { rateLimits: { register: 1000, authorize: 1000 } }\n  login: { local: true }\n  \
         tokens: [{ name: alice, token: { env: MCP_GATEWAY_TOKEN } }]\n",
    );
    Gateway::serve_with(&config, &[("MCP_GATEWAY_TOKEN", TOKEN)]).await
}

/// The recorded clients, with their requests.
fn recordings() -> Vec<(String, Vec<Value>)> {
    let files = fs::read_dir(root().join("tests/clients/recorded")).unwrap();
    let read = |path: PathBuf| {
        let recorded: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let requests = recorded["requests"].as_array().unwrap().clone();
        (path.display().to_string(), requests)
    };
    files.map(|entry| read(entry.unwrap().path())).collect()
}

impl Replay {
    fn new(gateway: &Gateway, file: &str, requests: &[Value]) -> Self {
        let is_initialize = |request: &&Value| {
            request["body"]["method"] == "initialize"
                && request["headers"].get("authorization").is_some()
        };
        Self {
            host: gateway.url.trim_start_matches("http://").to_owned(),
            file: file.to_owned(),
            initialize: requests.iter().find(is_initialize).cloned(),
            session: None,
            client: None,
        }
    }
}

#[tokio::test]
async fn requests_of_real_clients_have_the_answers_that_they_need() {
    let folder = Folder::new();
    let gateway = gateway(&folder).await;
    let recordings = recordings();
    for (file, requests) in &recordings {
        let mut replay = Replay::new(&gateway, file, requests);
        for request in requests {
            replay.replay(request).await;
        }
    }
    assert!(recordings.len() >= 12, "{}", recordings.len());
}

#[tokio::test]
async fn several_servers_acknowledge_subscriptions() {
    let folder = Folder::new();
    let gateway = gateway(&folder).await;
    let mut count = 0;
    for (file, requests) in &recordings() {
        let replay = Replay::new(&gateway, file, requests);
        for request in requests {
            if request["body"]["method"] == "subscriptions/listen" {
                let mut request = request.clone();
                request["path"] = "/v1/mcp/both".into();
                let answer = replay.send(&request).await;
                assert_eq!(answer.status, 200, "{file}: {answer:?}");
                let is_acknowledged = answer
                    .body
                    .contains("notifications/subscriptions/acknowledged");
                assert!(is_acknowledged, "{file}: {answer:?}");
                count += 1;
            }
        }
    }
    assert_eq!(count, 2);
}

#[tokio::test]
async fn contradicting_version_headers_need_an_option() {
    let folder = Folder::new();
    let gateway = gateway(&folder).await;
    let recordings = recordings();
    let is_connector = |(file, _): &&(String, _)| file.contains("claude-connector");
    let (file, requests) = recordings.iter().find(is_connector).unwrap();
    let mut replay = Replay::new(&gateway, file, requests);
    let (mut statuses, mut mismatches) = (Vec::new(), 0);
    for request in requests {
        let mut request = request.clone();
        request["path"] = "/v1/mcp/strict".into();
        let answer = replay.send(&request).await;
        if let Some(session) = answer.header("mcp-session-id") {
            replay.session = Some(session.to_owned());
        }
        let is_mismatch = answer.body.contains("\"code\":-32020");
        mismatches += usize::from(is_mismatch);
        statuses.push(answer.status);
    }
    assert_eq!(
        (statuses, mismatches),
        (vec![200, 400, 400, 200, 202, 400, 400], 3)
    );
}
