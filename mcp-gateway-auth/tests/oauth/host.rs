//! External parties: hosts with documents, and clients with keys.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcp_gateway_auth::SecretHash;
use mcp_gateway_auth::egress::{Egress, EgressPolicy};
use mcp_gateway_auth::jose::{JwkSet, SigningKey};
use mcp_gateway_auth::server::{ClientAuthentication, GrantType, OAuthClient};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// A local host that serves documents over TLS and counts requests.
pub(super) struct Host {
    pub(super) port: u16,
    root: Vec<u8>,
    shared: Arc<Mutex<Shared>>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    /// Complete responses by path.
    responses: HashMap<String, String>,
    hits: HashMap<String, usize>,
}

impl Host {
    pub(super) async fn start() -> Self {
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let root = own.cert.der().to_vec();
        let key = PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key.into())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::<Mutex<Shared>>::default();
        let mut tasks = JoinSet::new();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tasks.spawn(serve(listener, acceptor, Arc::clone(&shared)));
        Self {
            port,
            root,
            shared,
            _tasks: tasks,
        }
    }

    /// Returns a client that reaches only this host, as if it were public.
    pub(super) fn egress(&self) -> Egress {
        let policy = EgressPolicy::new().with_insecure_loopback();
        Egress::new(policy.with_root_certificate(self.root.clone())).unwrap()
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    /// Replaces the body at `path`.
    pub(super) fn serve(&self, path: &str, head: &str, body: &str) {
        let length = body.len();
        let response = format!(
            "HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        let mut shared = self.shared.lock().unwrap();
        shared.responses.insert(path.to_owned(), response);
    }

    pub(super) fn json(&self, path: &str, body: &Value) {
        self.serve(path, JSON, &body.to_string());
    }

    pub(super) fn hits(&self, path: &str) -> usize {
        let shared = self.shared.lock().unwrap();
        shared.hits.get(path).copied().unwrap_or_default()
    }
}

pub(super) const JSON: &str = "200 OK\r\ncontent-type: application/json";

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, shared: Arc<Mutex<Shared>>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
        connections.spawn(async move {
            let mut stream = acceptor.accept(stream).await.ok()?;
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.ok()?);
            }
            let head = String::from_utf8(head).ok()?;
            let path = head.split(' ').nth(1)?.to_owned();
            let response = {
                let mut shared = shared.lock().unwrap();
                *shared.hits.entry(path.clone()).or_default() += 1;
                shared.responses.get(&path).cloned()
            };
            let response = response.unwrap_or_else(|| NOTHING.to_owned());
            stream.write_all(response.as_bytes()).await.ok()?;
            stream.shutdown().await.ok()
        });
    }
}

const NOTHING: &str = "HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Returns the public JWK of `key`.
pub(super) fn published(key: &SigningKey) -> Value {
    serde_json::to_value(JwkSet::new([key.public().clone()])).unwrap()
}

/// Returns a token with `header`, `claims` and an arbitrary signature.
pub(super) fn forged(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!(
        "{}.{}.{}",
        part(header),
        part(claims),
        part(&json!("signature"))
    )
}

/// A confidential client with client credentials.
pub(super) fn machine(id: &str, secret: &str) -> OAuthClient {
    OAuthClient::new(id, id)
        .with_authentication(ClientAuthentication::Secret {
            hash: SecretHash::digest(secret),
            in_body: false,
        })
        .with_grant_types([GrantType::ClientCredentials])
}

/// Returns the unverified claims of `token`.
pub(super) fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}
