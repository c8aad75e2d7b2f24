use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::{Form, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::Url;

/// A fake of GitHub's OAuth endpoints and API.
#[derive(Clone)]
pub(crate) struct Octo {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<Now>>,
    _server: Arc<JoinSet<()>>,
}

/// The user at the browser, and the issued codes and tokens.
#[derive(Default)]
pub(crate) struct Now {
    pub(crate) id: u64,
    pub(crate) login: String,
    pub(crate) organizations: Vec<String>,
    pub(crate) emails: Value,
    /// `true` if the user presses "Cancel".
    pub(crate) cancels: bool,
    pub(crate) is_down: bool,
    codes: HashMap<String, HashMap<String, String>>,
    tokens: HashMap<String, String>,
    issued: u32,
}

type Parameters = HashMap<String, String>;

impl Octo {
    pub(crate) async fn start(id: u64, login: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let state = Arc::new(Mutex::new(Now {
            id,
            login: login.to_owned(),
            emails: json!([]),
            ..Now::default()
        }));
        let service = Router::new()
            .route("/login/oauth/authorize", get(authorize))
            .route("/login/oauth/access_token", post(token))
            .route("/api/user", get(user))
            .route("/api/user/orgs", get(organizations))
            .route("/api/user/emails", get(emails))
            .with_state(Arc::clone(&state));
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, service).await.unwrap() });
        Self {
            address,
            state,
            _server: Arc::new(server),
        }
    }

    pub(crate) fn now(&self) -> MutexGuard<'_, Now> {
        self.state.lock().unwrap()
    }
}

async fn authorize(
    State(state): State<Arc<Mutex<Now>>>,
    Query(query): Query<Parameters>,
) -> Response {
    let mut now = state.lock().unwrap();
    let is_known = query["client_id"] == "app" && query["redirect_uri"].ends_with(CALLBACK);
    if !is_known || query["code_challenge_method"] != "S256" {
        return StatusCode::NOT_FOUND.into_response();
    }
    let mut url = Url::parse(&query["redirect_uri"]).unwrap();
    if now.cancels {
        url.query_pairs_mut()
            .append_pair("error", "access_denied")
            .append_pair("error_description", "<script>alert(1)</script>");
    } else {
        now.issued += 1;
        let code = format!("code{}", now.issued);
        url.query_pairs_mut().append_pair("code", &code);
        now.codes.insert(code, query.clone());
    }
    url.query_pairs_mut().append_pair("state", &query["state"]);
    Redirect::to(url.as_str()).into_response()
}

async fn token(State(state): State<Arc<Mutex<Now>>>, Form(form): Form<Parameters>) -> Response {
    let mut now = state.lock().unwrap();
    if now.is_down {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let error = |error: &str| Json(json!({"error": error})).into_response();
    if form["client_id"] != "app" || form["client_secret"] != "app-secret" {
        return error("incorrect_client_credentials");
    }
    let Some(query) = now.codes.remove(&form["code"]) else {
        return error("bad_verification_code");
    };
    let challenge = digest(&SHA256, form["code_verifier"].as_bytes());
    if URL_SAFE_NO_PAD.encode(challenge) != query["code_challenge"] {
        return error("bad_verification_code");
    }
    if form["redirect_uri"] != query["redirect_uri"] {
        return error("redirect_uri_mismatch");
    }
    let token = format!("gho_{}", form["code"]);
    now.tokens.insert(token.clone(), query["scope"].clone());
    Json(json!({"access_token": token, "token_type": "bearer"})).into_response()
}

async fn user(State(state): State<Arc<Mutex<Now>>>, headers: HeaderMap) -> Response {
    let now = state.lock().unwrap();
    let user = json!({"id": now.id, "login": now.login, "name": "Somebody", "type": "User"});
    match scope(&now, &headers) {
        Some(_) => Json(user).into_response(),
        None => StatusCode::UNAUTHORIZED.into_response(),
    }
}

async fn organizations(
    State(state): State<Arc<Mutex<Now>>>,
    Query(query): Query<Parameters>,
    headers: HeaderMap,
) -> Response {
    let now = state.lock().unwrap();
    let (size, page): (usize, usize) = (
        query["per_page"].parse().unwrap(),
        query["page"].parse().unwrap(),
    );
    match scope(&now, &headers) {
        Some(scope) if scope.contains("read:org") => {
            let pages = now.organizations.iter().skip((page - 1) * size).take(size);
            let pages: Vec<_> = pages
                .map(|login| json!({"login": login, "id": 1}))
                .collect();
            Json(pages).into_response()
        }
        Some(_) => Json(json!([])).into_response(),
        None => StatusCode::UNAUTHORIZED.into_response(),
    }
}

async fn emails(State(state): State<Arc<Mutex<Now>>>, headers: HeaderMap) -> Response {
    let now = state.lock().unwrap();
    match scope(&now, &headers) {
        Some(scope) if scope.contains("user:email") => Json(now.emails.clone()).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn scope<'a>(now: &'a Now, headers: &HeaderMap) -> Option<&'a String> {
    // GitHub rejects requests without a `User-Agent`.
    headers.get("user-agent")?;
    let token = headers.get("authorization")?.to_str().ok()?;
    now.tokens.get(token.strip_prefix("Bearer ")?)
}

const CALLBACK: &str = "/api/auth/callback/github";
