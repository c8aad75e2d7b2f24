//! An MCP server and its authorization server, on one loopback address.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Form, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use mcp_gateway_auth::client::{ClientIdentity, Grant, OAuthClient};
use mcp_gateway_auth::egress::{Egress, EgressPolicy};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::sleep;

pub(crate) type Parameters = HashMap<String, String>;

/// A server with a token endpoint that sends scripted responses in their order.
pub(crate) struct Harness {
    base: String,
    state: Arc<Mutex<Script>>,
    _serving: JoinSet<()>,
}

/// Responses to come, and requests that have arrived.
#[derive(Default)]
struct Script {
    base: String,
    responses: VecDeque<(u16, Value)>,
    /// `Retry-After` of the responses.
    retry_after: &'static str,
    requests: Vec<Parameters>,
    delay: Duration,
}

type Shared = Arc<Mutex<Script>>;

impl Harness {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let state = Shared::default();
        state.lock().unwrap().base.clone_from(&base);
        let router = Router::new()
            .route("/mcp", post(challenge))
            .route("/.well-known/oauth-protected-resource/mcp", get(resource))
            .route("/.well-known/oauth-authorization-server", get(server))
            .route("/token", post(token))
            .with_state(Arc::clone(&state));
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            base,
            state,
            _serving: serving,
        }
    }

    /// Adds a response of the token endpoint.
    pub(crate) fn respond(&self, status: u16, body: Value) {
        let mut state = self.state.lock().unwrap();
        state.responses.push_back((status, body));
    }

    /// Sets the `Retry-After` of later responses of the token endpoint.
    pub(crate) fn retry_after(&self, value: &'static str) {
        self.state.lock().unwrap().retry_after = value;
    }

    /// Returns the forms of the token endpoint, with the header as `authorization`.
    pub(crate) fn requests(&self) -> Vec<Parameters> {
        self.state.lock().unwrap().requests.clone()
    }

    /// Returns a client for the MCP server.
    pub(crate) fn client(&self) -> OAuthClient {
        let egress = Egress::new(EgressPolicy::new().with_any_port().with_insecure_loopback());
        OAuthClient::new(egress.unwrap(), self.url().parse().unwrap()).unwrap()
    }

    /// Delays later responses of the token endpoint.
    pub(crate) fn delay(&self, delay: Duration) {
        self.state.lock().unwrap().delay = delay;
    }

    /// Returns the refresh tokens that have been presented.
    pub(crate) fn presented(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let refreshes = state.requests.iter();
        let refreshes = refreshes.filter(|form| form["grant_type"] == "refresh_token");
        refreshes
            .map(|form| form["refresh_token"].clone())
            .collect()
    }

    /// Returns the last request to the token endpoint.
    pub(crate) fn last(&self) -> Parameters {
        self.state.lock().unwrap().requests.last().unwrap().clone()
    }

    /// Returns the URL of the MCP server.
    pub(crate) fn url(&self) -> String {
        format!("{}/mcp", self.base)
    }

    /// Redeems a code for `tokens`.
    pub(crate) async fn grant(&self, tokens: Value) -> Grant {
        let client = self.client();
        let challenge = client.challenge().await.unwrap().unwrap();
        let found = client.discover(&challenge).await.unwrap();
        let identity = ClientIdentity::public("c-1");
        let redirect_uri = "http://127.0.0.1:1/callback".parse().unwrap();
        let authorization = client
            .authorize(&found, &identity, &redirect_uri, None)
            .unwrap();
        let response = [
            ("code", "code-1"),
            ("state", authorization.state()),
            ("iss", &self.base),
        ];
        let response = response.map(|(name, value)| (name.to_owned(), value.to_owned()));
        self.respond(200, tokens);
        let grant = client.redeem((found, identity), authorization, response.into());
        grant.await.unwrap()
    }
}

/// Returns a token response.
pub(crate) fn tokens(access: &str, expires_in: u64, refresh: Option<&str>) -> Value {
    json!({
        "access_token": access,
        "token_type": "Bearer",
        "expires_in": expires_in,
        "refresh_token": refresh,
    })
}

async fn challenge(State(state): State<Shared>) -> Response {
    let base = &state.lock().unwrap().base;
    let metadata = format!("{base}/.well-known/oauth-protected-resource/mcp");
    let challenge = format!("Bearer resource_metadata=\"{metadata}\"");
    (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, challenge)]).into_response()
}

async fn resource(State(state): State<Shared>) -> Json<Value> {
    let base = &state.lock().unwrap().base;
    Json(json!({
        "resource": format!("{base}/mcp"),
        "authorization_servers": [base],
        "scopes_supported": ["read", "write"],
    }))
}

async fn server(State(state): State<Shared>) -> Json<Value> {
    let base = &state.lock().unwrap().base;
    Json(json!({
        "issuer": base,
        "authorization_endpoint": format!("{base}/authorize"),
        "token_endpoint": format!("{base}/token"),
        "code_challenge_methods_supported": ["S256"],
        "response_types_supported": ["code"],
    }))
}

async fn token(
    State(state): State<Shared>,
    headers: HeaderMap,
    Form(mut form): Form<Parameters>,
) -> Response {
    let (delay, header, (status, body)) = {
        let mut state = state.lock().unwrap();
        if let Some(value) = headers.get(AUTHORIZATION) {
            let value = value.to_str().unwrap().to_owned();
            form.insert("authorization".to_owned(), value);
        }
        state.requests.push(form);
        let header = [("retry-after", state.retry_after)];
        (state.delay, header, state.responses.pop_front().unwrap())
    };
    sleep(delay).await;
    let status = StatusCode::from_u16(status).unwrap();
    (status, header, Json(body)).into_response()
}
