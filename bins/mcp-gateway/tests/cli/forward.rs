//! Servers that a proxy is in front of: nginx as it is, Traefik and Envoy as far as they ask.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::{Request, State};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use mcp_gateway_tests::environment::Environment;
use mcp_gateway_tests::guide::examples;
use mcp_gateway_tests::process::Process;
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::accounts::Company;
use crate::browser::Browser;
use crate::harness::{Folder, Gateway, SOON, eventually};
use crate::login::{Terminal, decide};

const GUIDE: &str = "docs/authentication.md";

const IDENTITY: [&str; 5] = [
    "x-user-id",
    "x-user-name",
    "x-auth-client",
    "x-auth-scopes",
    "x-auth-teams",
];

/// An address that nothing else is bound to while the socket exists. nginx is, which shares it.
fn reserve() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseport(true).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// The snippet of the guide in `language`.
fn snippet(language: &str) -> String {
    let examples = examples(GUIDE).unwrap();
    let mut found = examples.into_iter().filter(|one| one.language == language);
    found.next().unwrap().text
}

/// nginx with the configuration of the guide, in front of `server`.
struct Nginx {
    _process: Process,
    _folder: Folder,
    url: String,
}

impl Nginx {
    async fn start(address: SocketAddr, gateway: &str, server: &str) -> Self {
        let folder = Folder::new();
        let locations = snippet("nginx")
            .replace("http://127.0.0.1:8080", gateway)
            .replace("http://127.0.0.1:9000", server);
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary = temporary
            .map(|what| format!("{what}_temp_path {};\n", folder.path(what)))
            .concat();
        let config = format!(
            "daemon off; master_process off; pid {};\nerror_log stderr;\nevents {{}}\n\
             http {{\naccess_log off;\n{temporary}server {{\nlisten {address} reuseport;\n{locations}}}\n}}\n",
            folder.path("pid"),
        );
        let config = folder.write("nginx.conf", &config);
        let mut command = Command::new(Environment::installed().await.unwrap().nginx);
        command.args(["-c", &config, "-e", "stderr"]);
        let mut process = Process::start(command).unwrap();
        process.listening(address, SOON).await.unwrap();
        Self {
            _process: process,
            _folder: folder,
            url: format!("http://{address}"),
        }
    }
}

/// A server that answers with the headers that have reached it.
async fn mirror() -> Site {
    let headers = async |request: Request| {
        let mut seen = BTreeMap::new();
        for (name, value) in request.headers() {
            let values: &mut Vec<_> = seen.entry(name.as_str().to_owned()).or_default();
            values.push(value.to_str().unwrap().to_owned());
        }
        json!(seen).to_string()
    };
    let (listener, url) = Site::reserve().await;
    Site::serve(listener, url, Router::new().fallback(headers))
}

/// A server of a test, which ends with it.
struct Site {
    url: String,
    _serving: JoinSet<()>,
}

impl Site {
    /// An address, at which nothing is served yet.
    async fn reserve() -> (tokio::net::TcpListener, String) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        (listener, url)
    }

    fn serve(listener: tokio::net::TcpListener, url: String, router: Router) -> Self {
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            url,
            _serving: serving,
        }
    }
}

/// Received response.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Reply {
    /// The value of a header that has reached the server, once.
    fn seen(&self, name: &str) -> Option<String> {
        let seen: Value = serde_json::from_str(&self.text).unwrap();
        let values = seen.get(name)?.as_array().unwrap().clone();
        assert_eq!(values.len(), 1, "{name}: {values:?}");
        Some(values[0].as_str().unwrap().to_owned())
    }

    fn challenge(&self) -> &str {
        self.headers["www-authenticate"].to_str().unwrap()
    }
}

async fn send(method: &str, url: &str, headers: &[(&str, &str)]) -> Reply {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let request = http::Request::builder().method(method).uri(url);
    let request = headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, *value)
    });
    let response = client.request(request.body(Full::<bytes::Bytes>::default()).unwrap());
    let (parts, body) = response.await.unwrap().into_parts();
    let body = http_body_util::BodyExt::collect(body).await.unwrap();
    Reply {
        status: parts.status.as_u16(),
        headers: parts.headers,
        text: String::from_utf8(body.to_bytes().to_vec()).unwrap(),
    }
}

/// Headers by which a client pretends to be another.
const MADE_UP: [(&str, &str); 5] = [
    ("x-user-id", "root"),
    ("x-user-name", "Root"),
    ("x-auth-client", "trusted"),
    ("x-auth-scopes", "everything"),
    ("x-auth-teams", "admins"),
];

/// The configuration of a gateway that is asked about the server at `url`.
fn configuration(url: &str) -> String {
    protecting(&format!(
        "name: notes, url: \"{url}/mcp\", teams: [writers], scopes: {{ \"notes:read\": Read }}"
    ))
}

fn protecting(server: &str) -> String {
    format!("auth:\n  oauth: {{ clientMetadataDocuments: always }}\n  forward: [{{ {server} }}]\n")
}

/// Asks as somebody who may, and as others; `url` is what the proxy is in front of.
async fn scenario(company: &Company, url: &str) {
    company.get("user create ada --team writers").await;
    company.get("user create bob").await;
    let ada = company.get("token create desk --user ada").await;
    let bob = company.get("token create desk --user bob").await;
    let with = |token: &str| format!("Bearer {token}");
    let (ada, bob) = (with(&ada), with(&bob));

    for method in ["GET", "POST", "DELETE"] {
        let mut headers = vec![("authorization", &*ada), ("x-other", "kept")];
        headers.extend(MADE_UP);
        let reply = send(method, &format!("{url}/mcp/x?y=1"), &headers).await;
        assert_eq!(reply.status, 200, "{method} {reply:?}");
        let id = reply.seen("x-user-id").unwrap();
        assert!(id.starts_with("usr_"), "{id}");
        assert_eq!(reply.seen("x-user-name").as_deref(), Some("ada"));
        assert_eq!(reply.seen("x-auth-teams").as_deref(), Some("writers"));
        assert_eq!(reply.seen("x-other").as_deref(), Some("kept"));
        for name in ["x-auth-client", "x-auth-scopes", "authorization"] {
            let seen = reply.seen(name).unwrap_or_default();
            assert_eq!(seen, "", "{method} {name}");
        }
    }

    let metadata = format!(
        "{}/.well-known/oauth-protected-resource/verify/notes",
        company.gateway.url
    );
    for token in [None, Some("Bearer wrong"), Some(&*bob)] {
        let headers: Vec<_> = token
            .map(|token| ("authorization", token))
            .into_iter()
            .collect();
        let reply = send("POST", &format!("{url}/mcp"), &headers).await;
        assert_eq!(reply.status, 401, "{token:?} {reply:?}");
        assert_eq!(reply.headers.get_all("www-authenticate").iter().count(), 1);
        for part in [
            format!("resource_metadata=\"{metadata}\""),
            "scope=\"notes:read\"".to_owned(),
        ] {
            assert!(reply.challenge().contains(&part), "{}", reply.challenge());
        }
    }
    // What the client says about where it wants to go changes nothing.
    let elsewhere = [
        ("x-forwarded-host", "elsewhere.example"),
        ("x-forwarded-uri", "/"),
        ("x-original-uri", "/"),
    ];
    let reply = send("GET", &format!("{url}/mcp"), &elsewhere).await;
    assert_eq!(reply.status, 401);
}

#[tokio::test]
async fn nginx_asks_who_is_calling() {
    let (_reserved, address) = reserve();
    let company = Company::with(&configuration(&format!("http://{address}"))).await;
    let mirror = mirror().await;
    let nginx = Nginx::start(address, &company.gateway.url, &mirror.url).await;
    scenario(&company, &nginx.url).await;

    // The documents that clients are sent to, and those that they guess, say the same.
    let told = "/.well-known/oauth-protected-resource/verify/notes";
    let told = send("GET", &format!("{}{told}", company.gateway.url), &[]).await;
    let guessed = "/.well-known/oauth-protected-resource/mcp";
    let guessed = send("GET", &format!("{}{guessed}", nginx.url), &[]).await;
    let (told, guessed): (Value, Value) = (
        serde_json::from_str(&told.text).unwrap(),
        serde_json::from_str(&guessed.text).unwrap(),
    );
    assert_eq!(told, guessed);
    assert_eq!(told["resource"], format!("{}/mcp", nginx.url));
    assert_eq!(told["authorization_servers"], json!([company.gateway.url]));
    assert_eq!(told["scopes_supported"], json!(["notes:read"]));
}

#[tokio::test]
async fn a_client_logs_in_to_a_server_behind_nginx() {
    let (_reserved, address) = reserve();
    let company = Company::with(&configuration(&format!("http://{address}"))).await;
    let folder = Folder::new();
    let open = "servers: [{ name: demo, builtin: demo }]\nauth: { anonymous: true }\n";
    let open = folder.write("gateway.yaml", open);
    let server = Gateway::serve_with(&open, &[("MCP_GATEWAY_TOKEN", "nobody's")]).await;
    let nginx = Nginx::start(address, &company.gateway.url, &server.url).await;
    let password = company.get("user create ada --team writers").await;

    let url = format!("{}/mcp", nginx.url);
    let terminal = Terminal::open_at(&url, &["--print-token"]).await;
    let back = decide(&terminal, "ada", &password, "allow").await;
    Browser::new().get(&back).await;
    let (success, said) = terminal.end().await;
    assert!(success, "{said}");
    let token = format!("Bearer {}", said.lines().last().unwrap());

    let header = HeaderValue::from_str(&token).unwrap();
    let wire = mcp_gateway_tests::wire::Wire::new(url)
        .with_header(HeaderName::from_static("authorization"), header);
    let answer = wire
        .call("demo__add", json!({ "a": 1, "b": 2 }))
        .await
        .unwrap();
    assert_eq!(answer.answer()["result"]["structuredContent"]["sum"], 3.0);

    // It is for that server alone.
    let token = token.strip_prefix("Bearer ").unwrap();
    assert_eq!(company.status(token).await, 401);
    for path in ["/health/servers", "/metrics"] {
        let url = format!("{}{path}", company.gateway.url);
        let reply = send(
            "GET",
            &url,
            &[("authorization", &format!("Bearer {token}"))],
        )
        .await;
        assert_eq!(reply.status, 401, "{path}");
    }
}

#[tokio::test]
async fn a_client_that_lacks_a_scope_is_told_so_through_nginx() {
    let (_reserved, address) = reserve();
    let scopes = "\"notes:read\": Read, \"notes:write\": Write";
    let server = format!("name: notes, url: \"http://{address}/mcp\", scopes: {{ {scopes} }}");
    let company = Company::with(&protecting(&server)).await;
    let mirror = mirror().await;
    let nginx = Nginx::start(address, &company.gateway.url, &mirror.url).await;
    let made = company.run("client create ci --secret --json").await;
    let made: Value = serde_json::from_str(&made.stdout).unwrap();
    let resource = format!("{}/mcp", nginx.url);
    let endpoint = format!("{}/api/auth/oauth2/token", company.gateway.url);
    let granted = Browser::new()
        .post(
            &endpoint,
            &[
                ("grant_type", "client_credentials"),
                ("client_id", "ci"),
                ("client_secret", made["client_secret"].as_str().unwrap()),
                ("resource", &resource),
            ],
        )
        .await;
    let granted: Value = serde_json::from_str(&granted.body).unwrap();
    assert_eq!(
        granted["scope"], "notes:read",
        "the first if it asks for none"
    );
    let token = format!("Bearer {}", granted["access_token"].as_str().unwrap());
    let reply = send("POST", &resource, &[("authorization", &token)]).await;
    assert_eq!(reply.status, 403);
    for part in [
        "error=\"insufficient_scope\"",
        "scope=\"notes:read notes:write\"",
    ] {
        assert!(reply.challenge().contains(part), "{}", reply.challenge());
    }
    assert_eq!(reply.headers.get_all("www-authenticate").iter().count(), 1);
}

/// A proxy that asks as Traefik's `forwardAuth` or Envoy's `ext_authz` does, with what the guide
/// tells it.
#[derive(Clone)]
struct StandIn {
    verify: String,
    server: String,
    /// The headers that are taken over from the answer, in the place of those of the request.
    copied: Vec<String>,
    removed: Vec<String>,
    /// Request as Envoy sends it: the original path follows that of the subrequest.
    with_path: bool,
}

async fn proxy(State(proxy): State<StandIn>, request: Request) -> axum::response::Response {
    let (mut parts, _) = request.into_parts();
    let path = parts.uri.path_and_query().unwrap().to_string();
    let verify = match proxy.with_path {
        true => format!("{}{path}", proxy.verify),
        false => proxy.verify.clone(),
    };
    let client = Client::builder(TokioExecutor::new()).build_http();
    let mut question = http::Request::get(verify)
        .body(Full::<bytes::Bytes>::default())
        .unwrap();
    match proxy.with_path {
        // It names the host that was asked for, and passes on hardly anything.
        true => {
            for name in ["authorization", "host"] {
                let values: Vec<_> = parts.headers.get_all(name).iter().cloned().collect();
                for value in values {
                    question
                        .headers_mut()
                        .append(HeaderName::try_from(name).unwrap(), value);
                }
            }
        }
        false => {
            *question.headers_mut() = parts.headers.clone();
            question.headers_mut().remove("host");
            let host = parts.headers["host"].clone();
            question.headers_mut().insert("x-forwarded-host", host);
            question
                .headers_mut()
                .insert("x-forwarded-proto", HeaderValue::from_static("http"));
            question
                .headers_mut()
                .insert("x-forwarded-uri", path.parse().unwrap());
        }
    }
    let answer = client.request(question).await.unwrap();
    if !answer.status().is_success() {
        return answer.map(axum::body::Body::new);
    }
    for name in &proxy.copied {
        let name: HeaderName = name.parse().unwrap();
        parts.headers.remove(&name);
        for value in answer.headers().get_all(&name) {
            parts.headers.append(name.clone(), value.clone());
        }
    }
    for name in &proxy.removed {
        parts.headers.remove(name);
    }
    parts.uri = format!("{}{path}", proxy.server).parse().unwrap();
    let request = http::Request::from_parts(parts, Full::<bytes::Bytes>::default());
    client
        .request(request)
        .await
        .unwrap()
        .map(axum::body::Body::new)
}

/// Returns the text after `key` in its line of `text`.
fn value<'a>(text: &'a str, key: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.trim().strip_prefix(key));
    line.unwrap_or_else(|| panic!("{key} in {text}")).trim()
}

/// The headers of IDENTITY that `text` names.
fn named(text: &str) -> Vec<String> {
    let text = text.to_ascii_lowercase();
    let named = IDENTITY.into_iter().filter(|name| text.contains(name));
    named.map(str::to_owned).collect()
}

#[tokio::test]
async fn traefik_asks_who_is_calling() {
    let guide = snippet("yaml traefik");
    assert!(guide.contains("customRequestHeaders: { Authorization: \"\" }"));
    let address = value(&guide, "address:");
    let named_server = address.strip_prefix("http://127.0.0.1:8080").unwrap();
    for path in [named_server, "/verify"] {
        let (listener, url) = Site::reserve().await;
        let mirror = mirror().await;
        let company = Company::with(&configuration(&url)).await;
        let standing_in = StandIn {
            verify: format!("{}{path}", company.gateway.url),
            server: mirror.url.clone(),
            copied: named(value(&guide, "authResponseHeaders:")),
            removed: vec!["authorization".to_owned()],
            with_path: false,
        };
        assert_eq!(standing_in.copied, IDENTITY);
        let router = Router::new().fallback(proxy).with_state(standing_in);
        let proxy = Site::serve(listener, url, router);
        scenario(&company, &proxy.url).await;
    }
}

#[tokio::test]
async fn envoy_asks_who_is_calling() {
    let guide = snippet("yaml envoy");
    let (listener, url) = Site::reserve().await;
    let mirror = mirror().await;
    let company = Company::with(&configuration(&url)).await;
    let (upstream, _) = guide.split_once("allowed_client_headers").unwrap();
    let standing_in = StandIn {
        verify: format!("{}{}", company.gateway.url, value(&guide, "path_prefix:")),
        server: mirror.url.clone(),
        copied: named(upstream),
        removed: vec![
            value(&guide, "request_headers_to_remove:")
                .trim_matches(['[', ']'])
                .to_owned(),
        ],
        with_path: true,
    };
    assert_eq!(standing_in.copied, IDENTITY);
    let router = Router::new().fallback(proxy).with_state(standing_in);
    let proxy = Site::serve(listener, url, router);
    scenario(&company, &proxy.url).await;
}

#[tokio::test]
async fn what_is_protected_follows_the_configuration() {
    let company = Company::start().await;
    let verify = format!("{}/verify/notes", company.gateway.url);
    let status = async |token: &str| {
        let header = format!("Bearer {token}");
        send("GET", &verify, &[("authorization", &header)])
            .await
            .status
    };
    let token = company.get("token create ci").await;
    assert_eq!(status(&token).await, 404, "nothing is protected");
    company.change(&configuration("http://127.0.0.1:9").replace("writers", "readers"));
    eventually(async || status(&token).await == 401).await;
    let reader = company.get("token create ci --team readers").await;
    assert_eq!(status(&reader).await, 200);
    company.change(&format!(
        "{}  login: {{ local: true }}\n",
        configuration("http://127.0.0.1:9")
    ));
    eventually(async || status(&reader).await == 401).await;
    let said = company.gateway.stderr();
    assert!(
        said.contains("auth.login") && said.contains("restart required"),
        "{said}"
    );
}
