use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::{Form, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, StatusCode};
use mcp_gateway_auth::jose::{Algorithm, JwkSet, SigningKey};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::Url;

/// A configurable OpenID Connect provider.
#[derive(Clone)]
pub(crate) struct Idp {
    pub(crate) issuer: String,
    state: Arc<Mutex<Now>>,
    _server: Arc<JoinSet<()>>,
}

pub(crate) struct Now {
    /// Additional claims of the ID token.
    pub(crate) claims: Value,
    pub(crate) userinfo: Value,
    /// Value of `iss` in the authorization response.
    pub(crate) iss: Option<String>,
    pub(crate) discovery: Value,
    pub(crate) key: SigningKey,
    /// Published JWK set, unless it is that of the key.
    pub(crate) published: Option<SigningKey>,
    pub(crate) typ: String,
    codes: HashMap<String, HashMap<String, String>>,
    issuer: String,
    issued: u32,
    time: u64,
}

type Parameters = HashMap<String, String>;
type Shared = State<Arc<Mutex<Now>>>;

impl Idp {
    pub(crate) async fn start(time: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(Now {
            claims: json!({
                "sub": "s-1",
                "name": "Ada",
                "email": "ada@example.com",
                "email_verified": true,
                "groups": ["eng"],
            }),
            userinfo: json!({"sub": "s-1"}),
            iss: Some(issuer.clone()),
            discovery: json!({
                "issuer": issuer,
                "authorization_endpoint": format!("{issuer}/authorize?tenant=1"),
                "token_endpoint": format!("{issuer}/token"),
                "userinfo_endpoint": format!("{issuer}/me"),
                "jwks_uri": format!("{issuer}/jwks"),
                "authorization_response_iss_parameter_supported": true,
            }),
            key: SigningKey::generate(Algorithm::Es256).unwrap(),
            published: None,
            typ: "JWT".to_owned(),
            codes: HashMap::new(),
            issuer: issuer.clone(),
            issued: 0,
            time,
        }));
        let service = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .route("/me", get(userinfo))
            .route("/jwks", get(jwks))
            .with_state(Arc::clone(&state));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, service).await.unwrap() });
        Self {
            issuer,
            state,
            _server: Arc::new(server),
        }
    }

    pub(crate) fn now(&self) -> MutexGuard<'_, Now> {
        self.state.lock().unwrap()
    }
}

impl Now {
    pub(crate) fn unused_codes(&self) -> usize {
        self.codes.len()
    }
}

async fn discovery(State(state): Shared) -> Json<Value> {
    Json(state.lock().unwrap().discovery.clone())
}

async fn jwks(State(state): Shared) -> Json<Value> {
    let now = state.lock().unwrap();
    let key = now.published.as_ref().unwrap_or(&now.key);
    Json(serde_json::to_value(JwkSet::new([key.public().clone()])).unwrap())
}

async fn authorize(State(state): Shared, Query(query): Query<Parameters>) -> Response {
    let mut now = state.lock().unwrap();
    let is_valid = query["client_id"] == "gateway"
        && query["tenant"] == "1"
        && query["response_type"] == "code"
        && query["code_challenge_method"] == "S256"
        && query["scope"].split(' ').any(|scope| scope == "openid");
    if !is_valid {
        return StatusCode::BAD_REQUEST.into_response();
    }
    now.issued += 1;
    let code = format!("code{}", now.issued);
    let mut url = Url::parse(&query["redirect_uri"]).unwrap();
    url.query_pairs_mut()
        .append_pair("code", &code)
        .append_pair("state", &query["state"]);
    if let Some(iss) = &now.iss {
        url.query_pairs_mut().append_pair("iss", iss);
    }
    now.codes.insert(code, query);
    Redirect::to(url.as_str()).into_response()
}

async fn token(State(state): Shared, headers: HeaderMap, Form(form): Form<Parameters>) -> Response {
    let mut now = state.lock().unwrap();
    let basic = format!("Basic {}", STANDARD.encode("gateway:s%C3%A9cret"));
    let is_basic = headers
        .get("authorization")
        .is_some_and(|value| *value == *basic);
    let is_post = form
        .get("client_secret")
        .is_some_and(|secret| secret == "sécret");
    let refused =
        |status: StatusCode, error: &str| (status, Json(json!({"error": error}))).into_response();
    if is_basic == is_post {
        return refused(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    let Some(query) = now.codes.remove(&form["code"]) else {
        return refused(StatusCode::BAD_REQUEST, "invalid_grant");
    };
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, form["code_verifier"].as_bytes()));
    let is_same = form["redirect_uri"] == query["redirect_uri"];
    if form["grant_type"] != "authorization_code"
        || challenge != query["code_challenge"]
        || !is_same
    {
        return refused(StatusCode::BAD_REQUEST, "invalid_grant");
    }
    let mut claims = json!({
        "iss": now.issuer,
        "aud": "gateway",
        "iat": now.time,
        "exp": now.time + 300,
        "nonce": query["nonce"],
    });
    let fields = claims.as_object_mut().unwrap();
    for (name, value) in now.claims.as_object().unwrap() {
        match value.is_null() {
            true => fields.remove(name),
            false => fields.insert(name.clone(), value.clone()),
        };
    }
    let id_token = now.key.sign(&now.typ, &claims).unwrap();
    Json(json!({"access_token": "at-1", "token_type": "Bearer", "id_token": id_token}))
        .into_response()
}

async fn userinfo(State(state): Shared, headers: HeaderMap) -> Response {
    match headers.get("authorization") {
        Some(value) if value == "Bearer at-1" => {
            Json(state.lock().unwrap().userinfo.clone()).into_response()
        }
        _ => StatusCode::UNAUTHORIZED.into_response(),
    }
}
