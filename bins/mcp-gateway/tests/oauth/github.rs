//! Stand-in for the MCP server of GitHub, which is called with personal access tokens.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Era of the stand-in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Era {
    Legacy,
    Modern,
}

/// Server whose tool tells the user of the token.
pub(crate) struct GitHub {
    pub(crate) url: String,
    shared: Arc<Shared>,
    _server: JoinSet<()>,
}

struct Shared {
    era: Era,
    /// Number of issued tokens.
    issued: AtomicUsize,
    /// Users by valid values of `Authorization`.
    users: Mutex<BTreeMap<String, String>>,
    /// Each presented value of `Authorization`.
    presented: Mutex<Vec<String>>,
}

impl GitHub {
    /// Starts a server without users.
    pub(crate) async fn start(era: Era) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp/", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            era,
            issued: AtomicUsize::default(),
            users: Mutex::default(),
            presented: Mutex::default(),
        });
        let router = Router::new()
            .route("/mcp/", post(answer))
            .route("/acme/mcp/", post(answer));
        let router = router.with_state(Arc::clone(&shared));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            url,
            shared,
            _server: server,
        }
    }

    /// Creates a token of `user`.
    pub(crate) fn issue(&self, user: &str) -> String {
        let number = self.shared.issued.fetch_add(1, Ordering::Relaxed);
        let token = format!("github_pat_{number}_{user}");
        let mut users = self.shared.users.lock().unwrap();
        users.insert(format!("Bearer {token}"), user.to_owned());
        token
    }

    /// Revokes all tokens.
    pub(crate) fn revoke(&self) {
        self.shared.users.lock().unwrap().clear();
    }

    /// Returns the presented tokens that no user has.
    pub(crate) fn strangers(&self) -> Vec<String> {
        let users = self.shared.users.lock().unwrap();
        let presented = self.shared.presented.lock().unwrap();
        let strangers = presented.iter().filter(|token| !users.contains_key(*token));
        strangers.cloned().collect()
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Json(request): Json<Value>,
) -> Response {
    let token = headers.get(AUTHORIZATION);
    let token = token.map_or("", |token| token.to_str().unwrap()).to_owned();
    let user = shared.users.lock().unwrap().get(&token).cloned();
    shared.presented.lock().unwrap().push(token);
    let Some(user) = user else {
        let challenge = [(WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")];
        return (StatusCode::UNAUTHORIZED, challenge).into_response();
    };
    if request.get("id").is_none() {
        return StatusCode::ACCEPTED.into_response();
    }
    let method = request["method"].as_str().unwrap();
    let mut result = match (shared.era, method) {
        (Era::Modern, "server/discover") => json!({
            "supportedVersions": ["2026-07-28"],
            "capabilities": { "tools": {} },
        }),
        (Era::Legacy, "initialize") => json!({
            "protocolVersion": "2025-06-18",
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "github", "version": "1" },
        }),
        (_, "tools/list") => json!({
            "tools": [{ "name": "get_me", "inputSchema": { "type": "object" } }],
        }),
        (_, "tools/call") => json!({ "content": [{ "type": "text", "text": user }] }),
        _ => {
            let error = json!({ "code": -32601, "message": "Method not found" });
            return Json(json!({ "jsonrpc": "2.0", "id": request["id"], "error": error }))
                .into_response();
        }
    };
    if shared.era == Era::Modern {
        result["resultType"] = "complete".into();
        result["ttlMs"] = 0.into();
        result["cacheScope"] = "private".into();
    }
    Json(json!({ "jsonrpc": "2.0", "id": request["id"], "result": result })).into_response()
}
