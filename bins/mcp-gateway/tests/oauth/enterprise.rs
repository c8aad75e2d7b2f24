//! Person whose identity an enterprise manages, in the scenario of the conformance suite for that.
//!
//! The identity provider of the scenario publishes no keys, so that nobody can log in with it. The
//! person has a token of another provider, which passes exchanges on with the token of the scenario.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Form, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use mcp_gateway_auth::Clock;
use mcp_gateway_auth::jose::{Algorithm, JwkSet, SigningKey};
use mcp_gateway_tests::conformance::ScenarioServer;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::harness::{Harness, Kind, encoded};

/// Identity provider before that of the scenario.
struct Relay {
    issuer: String,
    key: SigningKey,
    _serving: JoinSet<()>,
}

/// Token of the person, and the provider that exchanges it.
struct Identity {
    endpoint: String,
    token: String,
}

impl Relay {
    async fn start(context: &Value) -> Self {
        let text = |name: &str| context[name].as_str().unwrap().to_owned();
        let identity = Arc::new(Identity {
            endpoint: text("idp_token_endpoint"),
            token: text("idp_id_token"),
        });
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let keys = JwkSet::new([key.public().clone()]);
        let router = Router::new()
            .route("/jwks", get(async move || Json(keys)))
            .route("/token", post(exchange))
            .with_state(identity);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            issuer,
            key,
            _serving: serving,
        }
    }

    /// Returns an ID token of the person.
    fn token(&self) -> String {
        let now = Clock::system().now();
        let claims = json!({
            "iss": self.issuer, "sub": "person", "aud": AUDIENCE, "iat": now, "exp": now + 600,
        });
        self.key.sign("JWT", &claims).unwrap()
    }
}

/// Exchanges the token of the person as that of the scenario.
async fn exchange(
    State(identity): State<Arc<Identity>>,
    Form(mut form): Form<HashMap<String, String>>,
) -> (StatusCode, Json<Value>) {
    form.insert("subject_token".to_owned(), identity.token.clone());
    let form: Vec<_> = form
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    let request = Request::post(&identity.endpoint)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::<Bytes>::from(encoded(&form)))
        .unwrap();
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, Json(serde_json::from_slice(&body).unwrap()))
}

/// Calls `tool` of the server of a scenario. Returns `true` if that succeeded.
pub(crate) async fn act(scenario: &ScenarioServer, tool: &str) -> bool {
    let context = &scenario.context;
    let relay = Relay::start(context).await;
    let secret = json!({ "env": "SCENARIO_SECRET" });
    let auth = json!({ "tokenExchange": {
        "issuer": relay.issuer,
        "tokenUrl": format!("{}/token", relay.issuer),
        "client": { "clientId": context["idp_client_id"], "clientSecret": secret },
        "profile": "identityAssertion",
        "serverClient": { "clientId": context["client_id"], "clientSecret": secret },
    } });
    let servers = json!([{ "name": "suite", "remote": { "url": scenario.url, "auth": auth } }]);
    let harness = Harness::new(Kind::Sqlite).await.with_servers(servers);
    let harness = harness
        .with_secret(context["client_secret"].as_str().unwrap())
        .with_auth(json!({ "issuers": [{
            "issuer": relay.issuer, "jwksUrl": format!("{}/jwks", relay.issuer),
            "audience": AUDIENCE, "types": ["JWT"],
        }] }));
    let replica = harness.start().await;
    let wire = replica.endpoint().wire(&relay.token());
    let reply = wire.call(tool, json!({})).await.unwrap();
    let result = &reply.answer()["result"];
    result["content"].is_array() && result["isError"] != true
}

/// Audience of the tokens of the person.
const AUDIENCE: &str = "gateway";
