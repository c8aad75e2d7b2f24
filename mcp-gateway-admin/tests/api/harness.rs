//! The API over a store in memory.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use http_body_util::BodyExt as _;
use mcp_gateway_admin::{AdminApi, Administration, AuditTrail, Connections};
use mcp_gateway_approval::StoreApprovals;
use mcp_gateway_audit::{AuditKey, AuditLog};
use mcp_gateway_auth::accounts::{
    AccountCredentials, ConnectedAccounts, ConnectionProbe, Input, InputServer, ProbeError,
};
use mcp_gateway_auth::egress::{Egress, EgressPolicy};
use mcp_gateway_auth::login::LoginSessions;
use mcp_gateway_auth::server::{AuthorizationServer, OAuthClient};
use mcp_gateway_auth::token::TokenVerifier as _;
use mcp_gateway_auth::users::Users;
use mcp_gateway_auth::{Clock, Keyring, StaticTokens};
use mcp_gateway_core::Credential;
use mcp_gateway_core::auth::Principal;
use mcp_gateway_store::{Batch, CommitOutcome, MemoryStore, Store as _};
use serde_json::Value;
use tower::ServiceExt as _;

pub(crate) const ADMIN: &str = "token-of-alice";
pub(crate) const MEMBER: &str = "token-of-mallory";

/// Members of the team `finance`: two users, and an API token of the team.
pub(crate) const FINANCE: [(&str, &str); 3] = [
    ("token-of-bob", "bob"),
    ("token-of-carol", "carol"),
    ("token-of-finance", "token:t-1"),
];

/// Store prefix of connected accounts.
const ACCOUNTS: &str = "account/connected/";

/// The API, and the parts behind it.
#[derive(Debug)]
pub(crate) struct Site {
    router: Router,
    server: AuthorizationServer,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) log: AuditLog,
    pub(crate) connections: AccountCredentials,
    pub(crate) approvals: StoreApprovals,
}

/// Server that accepts the token `valid`, and is unreachable for the token `later`.
#[derive(Debug)]
struct Probe;

#[async_trait]
impl ConnectionProbe for Probe {
    async fn probe(
        &self,
        _: Principal,
        _: &InputServer,
        found: Credential,
    ) -> Result<(), ProbeError> {
        match found.value("token") {
            Some("valid") => Ok(()),
            Some("later") => Err(ProbeError::Unreachable("connection refused".to_owned())),
            _ => Err(ProbeError::Rejected("not accepted".to_owned())),
        }
    }
}

/// Response of the API.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) media_type: String,
    pub(crate) location: Option<String>,
    /// Body; null if it is empty.
    pub(crate) body: Value,
}

impl Site {
    pub(crate) async fn new() -> Self {
        let (store, keyring) = (
            Arc::new(MemoryStore::new()),
            Keyring::new(&[7; 32]).unwrap(),
        );
        let users = Users::new(store.clone(), Clock::system());
        let accounts = ConnectedAccounts::new(store.clone(), &keyring, Clock::system()).unwrap();
        let egress = Egress::new(EgressPolicy::new()).unwrap();
        let connections = AccountCredentials::new(accounts.clone(), egress);
        let github = InputServer::new("github", [Input::new("token")], "https://mcp.example.com");
        connections.replace_input_servers([github]);
        let base = "https://gw.example.com";
        let approvals = StoreApprovals::new(store.clone(), &keyring, Clock::system()).unwrap();
        let login = LoginSessions::new(users.clone(), keyring.clone(), base);
        let login = login.unwrap().with_local_accounts();
        let base = base.parse().unwrap();
        let server = AuthorizationServer::builder(base, store.clone(), keyring, Arc::new(login));
        let server = server.build();
        server.set_clients([OAuthClient::new("configured", "Configured")]);
        let log = AuditLog::builder(store.clone(), AuditKey::new(&[7; 32]))
            .open()
            .await
            .unwrap();
        let approvals = approvals.with_audit(Some(log.clone()));
        let trail = AuditTrail::new(Some(log.clone()));
        let administration = Administration::new(users, server.clone(), trail);
        let administration = administration.with_accounts(accounts);
        let api = api()
            .with_administration(administration)
            .with_approvals(approvals.clone())
            .with_connections(Connections::new(connections.clone()).with_probe(Arc::new(Probe)))
            .with_audit(store.clone());
        Self {
            router: api.router(),
            server,
            store,
            log,
            connections,
            approvals,
        }
    }

    /// Returns `true` if `token` is a valid API token.
    pub(crate) async fn accepts(&self, token: &str) -> bool {
        let verified = self.server.api_tokens().verify_token(token).await;
        let verified = verified.unwrap();
        verified.is_some_and(|token| !self.server.revocations().is_revoked(&token))
    }

    /// Writes an account of `user` at `server`, sealed with another key.
    pub(crate) async fn connect(&self, user: &str, server: &str) {
        let owner = URL_SAFE_NO_PAD.encode(format!("user/{user}"));
        let key = format!("{ACCOUNTS}{owner}/{server}");
        let batch = Batch::new().put(key, r#"{"sealed":""}"#);
        assert_eq!(
            self.store.commit(batch).await.unwrap(),
            CommitOutcome::Committed
        );
    }

    /// Returns the number of accounts.
    pub(crate) async fn accounts(&self) -> usize {
        self.store.list(ACCOUNTS, None, 10).await.unwrap().len()
    }

    /// Returns an API of a gateway without state.
    pub(crate) fn without_resources() -> Bare {
        Bare(api().router())
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("get", path, Some(ADMIN), None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("post", path, Some(ADMIN), Some(body)).await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> Answer {
        let body = body.map_or_else(String::new, |body| body.to_string());
        let request = request(method, path, token).header(CONTENT_TYPE, "application/json");
        answer(&self.router, request.body(Body::from(body)).unwrap()).await
    }

    /// Sends a body of another type.
    pub(crate) async fn raw(&self, method: &str, path: &str, kind: &str, body: String) -> Answer {
        let request = request(method, path, Some(ADMIN)).header(CONTENT_TYPE, kind);
        answer(&self.router, request.body(Body::from(body)).unwrap()).await
    }

    /// Returns the identifiers on all pages of a list.
    pub(crate) async fn all(&self, path: &str, limit: usize) -> Vec<String> {
        let (mut ids, mut after) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("{path}?limit={limit}{after}")).await.body;
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= limit, "{page}");
            ids.extend(
                items
                    .iter()
                    .map(|item| item["id"].as_str().unwrap().to_owned()),
            );
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return ids,
            }
        }
    }
}

/// An API without resources.
#[derive(Debug)]
pub(crate) struct Bare(Router);

impl Bare {
    pub(crate) async fn get(&self, path: &str) -> Answer {
        let request = request("get", path, Some(ADMIN));
        answer(&self.0, request.body(Body::empty()).unwrap()).await
    }
}

fn api() -> AdminApi {
    let tokens = StaticTokens::new()
        .with_token(ADMIN, Principal::new("alice").with_role("admin"))
        .with_token(MEMBER, Principal::new("mallory").with_role("member"));
    let tokens = FINANCE
        .into_iter()
        .fold(tokens, |tokens, (token, subject)| {
            tokens.with_token(token, Principal::new(subject).with_team("finance"))
        });
    AdminApi::new(Arc::new(tokens))
}

fn request(method: &str, path: &str, token: Option<&str>) -> http::request::Builder {
    let request = Request::builder()
        .method(method.to_ascii_uppercase().as_str())
        .uri(format!("/api/v1{path}"));
    match token {
        Some(token) => request.header(AUTHORIZATION, format!("Bearer {token}")),
        None => request,
    }
}

async fn answer(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let header = |name| {
        let value = response.headers().get(name);
        value.map(|value: &http::HeaderValue| value.to_str().unwrap().to_owned())
    };
    assert_eq!(
        header(http::header::CACHE_CONTROL).as_deref(),
        Some("no-store")
    );
    let (media_type, location) = (header(CONTENT_TYPE).unwrap_or_default(), header(LOCATION));
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    Answer {
        status,
        media_type,
        location,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    }
}
