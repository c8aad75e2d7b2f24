//! Gateways that share their state.

use std::fs;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use mcp_gateway_tests::postgres::Postgres;
use mcp_gateway_tests::process::Process;
use mcp_gateway_tests::wire::Wire;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;
use url::form_urlencoded;

/// Timeout of steps that take no time on an idle machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// Issuer of all replicas.
pub(crate) const ISSUER: &str = "http://localhost";

/// The secret of the clients that the configuration has.
pub(crate) const CLIENT_SECRET: &str = "the-secret-of-the-clients-of-the-file";

/// That of the gateway at the identity provider.
pub(crate) const PROVIDER_SECRET: &str = "sécret";

/// State and configuration of the gateways.
pub(crate) struct Harness {
    folder: TempDir,
    /// The URL of the database, if it is one of PostgreSQL.
    database: Option<String>,
    /// The identity provider of the enterprise.
    provider: Option<String>,
    servers: Value,
    /// Further keys of `auth`.
    auth: Value,
    is_audited: bool,
    /// Sections of a configuration file that replace `servers`.
    sections: Option<String>,
    /// Secret of the gateway at a server.
    secret: String,
}

/// Kind of the state store.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Postgres,
    Sqlite,
}

impl Harness {
    pub(crate) async fn new(kind: Kind) -> Self {
        let database = match kind {
            Kind::Postgres => Some(Postgres::shared().await.unwrap().database().await.unwrap()),
            Kind::Sqlite => None,
        };
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("key"), "ab".repeat(32)).unwrap();
        Self {
            folder,
            database,
            provider: None,
            servers: json!([{ "name": "demo", "builtin": "demo" }]),
            auth: json!({}),
            is_audited: false,
            sections: None,
            secret: String::new(),
        }
    }

    /// Uses the database of PostgreSQL at a URL.
    pub(crate) fn with_database(self, url: String) -> Self {
        let database = Some(url);
        Self { database, ..self }
    }

    /// Sets the environment variable `SCENARIO_SECRET`.
    pub(crate) fn with_secret(self, secret: &str) -> Self {
        Self {
            secret: secret.to_owned(),
            ..self
        }
    }

    /// Users log in at the provider too, and what it says about them is exchanged.
    pub(crate) fn with_provider(self, issuer: &str) -> Self {
        Self {
            provider: Some(issuer.to_owned()),
            ..self
        }
    }

    /// Calls and changes are audited.
    pub(crate) fn with_audit(self) -> Self {
        Self {
            is_audited: true,
            ..self
        }
    }

    /// Adds keys to `auth`.
    pub(crate) fn with_auth(self, auth: Value) -> Self {
        Self { auth, ..self }
    }

    pub(crate) fn with_servers(self, servers: Value) -> Self {
        Self { servers, ..self }
    }

    /// Uses `sections` of a configuration file instead of the servers.
    pub(crate) fn with_sections(self, sections: String) -> Self {
        let sections = Some(sections);
        Self { sections, ..self }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// Returns the master key, which is not in the database.
    pub(crate) fn key(&self) -> [u8; 32] {
        [0xab; 32]
    }

    /// The URL of the database of PostgreSQL.
    pub(crate) fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// Writes the configuration, and returns where it is.
    fn config(&self) -> String {
        let provider = self.provider.as_deref();
        let store = match &self.database {
            Some(_) => json!({ "postgres": { "env": "DATABASE" } }),
            None => json!({ "sqlite": self.path("gateway.db") }),
        };
        let issuers =
            provider.map(|url| json!({ "issuer": url, "jwksUrl": format!("{url}/jwks") }));
        let oidc = provider.map(|url| {
            json!({ "name": "corp", "issuer": url, "clientId": "gateway",
                "clientSecret": { "env": "PROVIDER_SECRET" }, "keepIdToken": true })
        });
        let client = |id: &str, grant: &str| {
            json!({ "id": id, "secret": { "env": "CLIENT_SECRET" }, "grantTypes": [grant],
                "introspection": true })
        };
        let mut config = json!({
            "publicUrl": ISSUER,
            "sessionKey": { "file": self.path("key") },
            "store": store,
            "auth": {
                "allowedNetworks": ["127.0.0.0/8"],
                "login": { "local": true, "oidc": oidc.into_iter().collect::<Vec<_>>() },
                "oauth": {
                    "clientMetadataDocuments": "always",
                    "assertionIssuers": issuers.into_iter().collect::<Vec<_>>(),
                    "clients": [client("machine", "client_credentials"), client("agent", "jwt-bearer")],
                    "rateLimits": { "authorize": 1_000_000, "register": 1_000_000, "client": 1_000_000 },
                },
            },
        });
        for (key, value) in self.auth.as_object().unwrap() {
            config["auth"][key] = value.clone();
        }
        if self.is_audited {
            config["audit"] = json!({});
        }
        let entries = config.as_object().unwrap().iter();
        let mut text: String = entries
            .map(|(key, value)| format!("{key}: {value}\n"))
            .collect();
        match &self.sections {
            Some(sections) => text.push_str(sections),
            None => text.push_str(&format!("servers: {}\n", self.servers)),
        }
        let path = self.path("gateway.yaml");
        fs::write(&path, text).unwrap();
        path
    }

    /// Returns a command with the configuration.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-gateway"));
        command
            .args(args)
            .args(["--config", &self.config()])
            .env("CLIENT_SECRET", CLIENT_SECRET)
            .env("PROVIDER_SECRET", PROVIDER_SECRET)
            .env("SCENARIO_SECRET", &self.secret)
            .env("MCP_GATEWAY_DATA", self.path("data"))
            .env("DATABASE", self.database.as_deref().unwrap_or_default())
            .env_remove("MCP_GATEWAY_TOKEN")
            .env_remove("MCP_GATEWAY_LOG");
        command
    }

    /// The last line that a command of the operator writes.
    pub(crate) async fn operate(&self, args: &[&str]) -> String {
        let output = self.command(args).output().await.unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{args:?}: {said}");
        said.lines().last().unwrap_or_default().to_owned()
    }

    /// Starts one more gateway.
    pub(crate) async fn start(&self) -> Replica {
        let command = self.command(&["serve", "--listen", "127.0.0.1:0"]);
        let mut process = Process::start(command).unwrap();
        let mut lines: Vec<String> = Vec::new();
        while !lines.last().is_some_and(|line| line.contains("callers ")) {
            lines.push(process.line(SOON).await.unwrap());
        }
        let after = |word: &str| {
            let line = lines.iter().find_map(|line| line.split_once(word));
            line.map(|(_, rest)| rest.trim().to_owned())
        };
        Replica {
            process,
            url: format!("http://{}", after("  listens ").unwrap()),
            password: after(", password "),
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }
}

/// A gateway that runs.
pub(crate) struct Replica {
    process: Process,
    /// Address.
    pub(crate) url: String,
    /// That of the first account, if it was made just now.
    pub(crate) password: Option<String>,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// Response.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) value: Value,
}

impl Reply {
    pub(crate) fn text(&self, name: &str) -> String {
        match self.value[name].as_str() {
            Some(text) => text.to_owned(),
            None => panic!("there is no {name}: {self:?}"),
        }
    }
}

/// Requests to one gateway, also while it ends. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) url: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Replica {
    /// Ends it at once, in the middle of whatever it does.
    pub(crate) async fn kill(mut self) {
        self.process.kill();
        self.process.finish(SOON).await.unwrap();
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint {
            url: self.url.clone(),
            client: self.client.clone(),
        }
    }
}

impl Endpoint {
    /// `None` if there was no answer.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Option<Reply> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(body)).unwrap();
        let (parts, body) = self.client.request(request).await.ok()?.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        Some(Reply {
            status: parts.status,
            headers: parts.headers,
            value: serde_json::from_slice(&body)
                .unwrap_or_else(|_| String::from_utf8_lossy(&body).into()),
        })
    }

    pub(crate) async fn form(
        &self,
        path: &str,
        form: &[(&str, &str)],
        basic: Option<(&str, &str)>,
    ) -> Option<Reply> {
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        if let Some((name, secret)) = basic {
            headers.insert(AUTHORIZATION, authorization(name, secret));
        }
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        self.send(Method::POST, path, &headers, encoded(form)).await
    }

    pub(crate) async fn token(&self, form: &[(&str, &str)]) -> Option<Reply> {
        self.form("/token", form, None).await
    }

    pub(crate) async fn refresh(&self, client: &str, token: &str) -> Option<Reply> {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", client),
            ("refresh_token", token),
        ];
        self.token(&form).await
    }

    /// The status of a request to the gateway with `token`.
    pub(crate) async fn status(&self, token: &str) -> StatusCode {
        self.wire(token)
            .request("tools/list", json!({}))
            .await
            .unwrap()
            .status
    }

    pub(crate) fn wire(&self, token: &str) -> Wire {
        let token = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
        Wire::new(format!("{}/mcp", self.url)).with_header(AUTHORIZATION, token)
    }
}

fn authorization(name: &str, secret: &str) -> HeaderValue {
    use base64::Engine as _;
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{secret}"));
    HeaderValue::from_str(&format!("Basic {pair}")).unwrap()
}

pub(crate) fn encoded(form: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish()
}
