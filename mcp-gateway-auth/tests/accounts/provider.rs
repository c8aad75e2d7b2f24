//! An MCP server and its authorization server, with the habits of real ones.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Form, Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use url::Url;

pub(crate) type Parameters = HashMap<String, String>;

/// Deviations of the authorization server from a plain one.
#[derive(Clone, Debug)]
pub(crate) struct Habits {
    /// The second use of a refresh token ends the whole grant.
    pub(crate) kills_family: bool,
    /// Refresh tokens are valid once.
    pub(crate) rotates: bool,
    /// Status of `invalid_grant`.
    pub(crate) invalid_grant: u16,
    /// Status of token responses, without `token_type` and with `expires_in` as text if it is 201.
    pub(crate) success: u16,
    /// Lifetime of access tokens, in seconds.
    pub(crate) lifetime: u64,
    /// Response to all token requests, which are not processed.
    pub(crate) outage: Option<(u16, Value)>,
    /// `Retry-After` of these responses.
    pub(crate) retry_after: &'static str,
    /// Token requests are processed, and the responses are lost.
    pub(crate) loses_responses: bool,
    pub(crate) delay: Duration,
    pub(crate) offers_registration: bool,
    pub(crate) scopes: Vec<&'static str>,
    /// Clients may request only the scopes of their registration.
    pub(crate) binds_scopes: bool,
    /// Scopes in the challenge of the MCP server.
    pub(crate) challenged: Option<&'static str>,
    /// Neither the MCP server nor its authorization server has metadata.
    pub(crate) has_no_metadata: bool,
    /// The resource names the issuer with a slash at its end.
    pub(crate) adds_slash: bool,
    /// The MCP server has no metadata.
    pub(crate) is_old: bool,
    /// Challenge of the MCP server.
    pub(crate) challenge: ChallengeHabit,
    /// Resource in the metadata of the MCP server, instead of its URL.
    pub(crate) resource: Option<&'static str>,
    /// Path of the issuer. The endpoints are not below it.
    pub(crate) issuer_path: &'static str,
    /// Issuer in the metadata of the authorization server, instead of its own.
    pub(crate) claimed_issuer: Option<&'static str>,
    /// The metadata is only where OpenID Connect has it.
    pub(crate) is_openid: bool,
    /// The metadata announces PKCE.
    pub(crate) announces_pkce: bool,
    /// Authentication of clients that are registered dynamically.
    pub(crate) clients: ClientHabit,
    /// The only members that a registration may have; all if empty.
    pub(crate) known_members: &'static [&'static str],
    /// Requests with `resource` are rejected with `invalid_target`.
    pub(crate) refuses_resource: bool,
    /// Token responses have neither a lifetime nor a refresh token.
    pub(crate) issues_access_alone: bool,
    /// Errors of the token endpoint are HTML pages.
    pub(crate) has_html_errors: bool,
    /// The token endpoint redirects to another address.
    pub(crate) redirects_tokens: bool,
    /// A revocation without the parameter `client_secret` is rejected, and the metadata says so.
    pub(crate) wants_secret: bool,
    /// Tokens are bound to keys, and the server says so.
    pub(crate) binds_tokens: bool,
    /// The nonce that proofs must have.
    pub(crate) nonce: Option<&'static str>,
}

/// Challenge of an MCP server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ChallengeHabit {
    /// Names the metadata.
    Complete,
    /// Has no `WWW-Authenticate`.
    Bare,
    /// Is sent to calls of tools only.
    Late,
}

/// Authentication of clients that are registered dynamically.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ClientHabit {
    /// Clients are public.
    Public,
    /// Clients receive an unsolicited secret and no method, and must present it in the form.
    UnsolicitedSecret,
    /// Public clients are rejected, and the secret is accepted in the header alone.
    BasicOnly,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            kills_family: true,
            rotates: true,
            invalid_grant: 400,
            success: 200,
            lifetime: 3600,
            outage: None,
            retry_after: "",
            loses_responses: false,
            delay: Duration::ZERO,
            offers_registration: true,
            scopes: Vec::new(),
            binds_scopes: false,
            challenged: None,
            has_no_metadata: false,
            adds_slash: false,
            is_old: false,
            challenge: ChallengeHabit::Complete,
            resource: None,
            issuer_path: "",
            claimed_issuer: None,
            is_openid: false,
            announces_pkce: true,
            clients: ClientHabit::Public,
            known_members: &[],
            refuses_resource: false,
            issues_access_alone: false,
            has_html_errors: false,
            redirects_tokens: false,
            wants_secret: false,
            binds_tokens: false,
            nonce: None,
        }
    }
}

/// Provider on a loopback address.
pub(crate) struct Provider {
    pub(crate) base: String,
    shared: Shared,
    _serving: JoinSet<()>,
}

type Shared = Arc<Mutex<Script>>;

#[derive(Default)]
struct Script {
    base: String,
    habits: Habits,
    clients: HashSet<String>,
    /// Scopes of registered clients.
    registered: HashMap<String, String>,
    /// Users by code.
    codes: HashMap<String, Code>,
    grants: Vec<Grant>,
    /// Forms of the token endpoint.
    requests: Vec<Parameters>,
    /// Proofs of token requests.
    proofs: Vec<Proof>,
    registrations: Vec<Value>,
    authorizations: Vec<Parameters>,
    revocations: Vec<Parameters>,
    numbers: usize,
    killed: usize,
}

struct Code {
    user: String,
    redirect_uri: String,
}

struct Grant {
    user: String,
    client: String,
    access: HashSet<String>,
    refresh: String,
    used: HashSet<String>,
    /// Key of its tokens.
    key: Option<Value>,
    is_ended: bool,
}

/// Header and claims of a proof, whose signature is not verified here.
#[derive(Clone, Debug)]
pub(crate) struct Proof {
    pub(crate) header: Value,
    pub(crate) claims: Value,
}

impl Proof {
    /// Reads the proof among `headers`, if there is one.
    pub(crate) fn read(headers: &HeaderMap) -> Option<Self> {
        let proof = headers.get("dpop")?.to_str().unwrap();
        let mut parts = proof.split('.').map(|part| {
            let part = URL_SAFE_NO_PAD.decode(part).unwrap();
            serde_json::from_slice(&part).unwrap_or_default()
        });
        let (header, claims) = (parts.next()?, parts.next()?);
        Some(Self { header, claims })
    }
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let shared = Shared::default();
        shared.lock().unwrap().base.clone_from(&base);
        let router = Router::new()
            .route("/mcp", post(call))
            .route("/.well-known/oauth-protected-resource/mcp", get(resource))
            .route("/.well-known/oauth-authorization-server", get(metadata))
            .route(
                "/.well-known/oauth-authorization-server/{*path}",
                get(metadata),
            )
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/register", post(register))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .route("/revoke", post(revoke))
            .with_state(Arc::clone(&shared));
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            base,
            shared,
            _serving: serving,
        }
    }

    /// Changes the habits.
    pub(crate) fn habits(&self, change: impl FnOnce(&mut Habits)) {
        change(&mut self.shared.lock().unwrap().habits);
    }

    /// URL of the MCP server.
    pub(crate) fn url(&self) -> Url {
        format!("{}/mcp", self.base).parse().unwrap()
    }

    /// Issues a code for `user`, without a browser.
    pub(crate) fn code(&self, user: &str) -> String {
        let redirect_uri = REDIRECT_URI.to_owned();
        self.shared.lock().unwrap().code(user, redirect_uri)
    }

    /// Returns the refresh tokens that were presented.
    pub(crate) fn refreshes(&self) -> Vec<String> {
        let shared = self.shared.lock().unwrap();
        let refreshes = shared.requests.iter();
        refreshes
            .filter_map(|form| form.get("refresh_token").cloned())
            .collect()
    }

    /// Returns the forms of the token endpoint.
    pub(crate) fn requests(&self) -> Vec<Parameters> {
        self.shared.lock().unwrap().requests.clone()
    }

    /// Returns the proofs of token requests.
    pub(crate) fn proofs(&self) -> Vec<Proof> {
        self.shared.lock().unwrap().proofs.clone()
    }

    pub(crate) fn registrations(&self) -> Vec<Value> {
        self.shared.lock().unwrap().registrations.clone()
    }

    pub(crate) fn authorizations(&self) -> Vec<Parameters> {
        self.shared.lock().unwrap().authorizations.clone()
    }

    pub(crate) fn revocations(&self) -> Vec<Parameters> {
        self.shared.lock().unwrap().revocations.clone()
    }

    /// Waits until there are `count` revocations, and returns them.
    pub(crate) async fn revoked(&self, count: usize) -> Vec<Parameters> {
        let waiting = async {
            loop {
                let revocations = self.revocations();
                if revocations.len() >= count {
                    return revocations;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(30), waiting).await.unwrap()
    }

    /// Forgets all clients.
    pub(crate) fn forget_clients(&self) {
        self.shared.lock().unwrap().clients.clear();
    }

    /// Revokes the grants of `user`.
    pub(crate) fn revoke(&self, user: &str) {
        let mut shared = self.shared.lock().unwrap();
        for grant in shared.grants.iter_mut().filter(|grant| grant.user == user) {
            grant.is_ended = true;
        }
    }

    /// Rejects all access tokens that were issued before.
    pub(crate) fn expire(&self) {
        for grant in &mut self.shared.lock().unwrap().grants {
            grant.access.clear();
        }
    }

    /// Returns the user to whom the access token in the header value `bearer` was issued.
    pub(crate) fn user(&self, bearer: &str) -> Option<String> {
        self.shared.lock().unwrap().user(bearer)
    }

    /// Returns the number of grants that the second use of a refresh token has ended.
    pub(crate) fn killed(&self) -> usize {
        self.shared.lock().unwrap().killed
    }

    /// Adds the client of [`code`](Self::code).
    pub(crate) fn with_client(self, client: &str) -> Self {
        let mut shared = self.shared.lock().unwrap();
        shared.clients.insert(client.to_owned());
        drop(shared);
        self
    }
}

impl Script {
    fn issuer(&self) -> String {
        format!("{}{}", self.base, self.habits.issuer_path)
    }

    fn code(&mut self, user: &str, redirect_uri: String) -> String {
        let code = format!("code-{}", self.number());
        let user = user.to_owned();
        self.codes.insert(code.clone(), Code { user, redirect_uri });
        code
    }

    fn number(&mut self) -> usize {
        self.numbers += 1;
        self.numbers
    }

    fn user(&self, bearer: &str) -> Option<String> {
        let scheme = if self.habits.binds_tokens {
            "DPoP "
        } else {
            "Bearer "
        };
        let token = bearer.strip_prefix(scheme)?;
        // The name in the token is for messages of tests; the grant decides.
        let mut grants = self.grants.iter();
        let grant = grants.find(|grant| grant.access.contains(token))?;
        Some(grant.user.clone())
    }

    /// Returns `true` if a registered client has sent the request.
    fn is_authenticated(&self, headers: &HeaderMap, form: &Parameters) -> bool {
        let client = form.get("client_id").map_or("", String::as_str);
        let basic = format!("Basic {}", STANDARD.encode(format!("{client}:{SECRET}")));
        let is_proven = match self.habits.clients {
            ClientHabit::Public => true,
            ClientHabit::UnsolicitedSecret => form
                .get("client_secret")
                .is_some_and(|secret| secret == SECRET),
            ClientHabit::BasicOnly => {
                let header = headers.get(AUTHORIZATION);
                header.is_some_and(|value| value == basic.as_str())
                    && !form.contains_key("client_secret")
            }
        };
        is_proven && self.clients.contains(client)
    }

    fn token(
        &mut self,
        headers: &HeaderMap,
        form: &Parameters,
    ) -> Result<Value, (u16, &'static str)> {
        let invalid = (self.habits.invalid_grant, "invalid_grant");
        if !self.is_authenticated(headers, form) {
            return Err((401, "invalid_client"));
        }
        if self.habits.refuses_resource && form.contains_key("resource") {
            return Err((400, "invalid_target"));
        }
        let client = form["client_id"].clone();
        let key = self.key(headers)?;
        let number = self.number();
        let index = if let Some(code) = form.get("code") {
            let code = self.codes.remove(code).ok_or(invalid)?;
            if form.get("redirect_uri") != Some(&code.redirect_uri) {
                return Err(invalid);
            }
            self.grants.push(Grant {
                refresh: format!("r-{number}-{}", code.user),
                user: code.user,
                client,
                access: HashSet::new(),
                used: HashSet::new(),
                key: key.clone(),
                is_ended: false,
            });
            self.grants.len() - 1
        } else {
            self.refresh(form, &client, number).ok_or(invalid)?
        };
        let lifetime = self.habits.lifetime;
        let grant = &mut self.grants[index];
        if grant.key != key {
            return Err(invalid);
        }
        let access = format!("a-{number}-{}", grant.user);
        grant.access.insert(access.clone());
        if self.habits.issues_access_alone {
            return Ok(json!({ "access_token": access, "token_type": "bearer" }));
        }
        Ok(match self.habits.success {
            200 => json!({
                "access_token": access,
                "token_type": if key.is_some() { "DPoP" } else { "Bearer" },
                "expires_in": lifetime,
                "refresh_token": grant.refresh,
            }),
            // As servers in use respond, which issue a refresh token only once.
            _ if form.contains_key("refresh_token") && !self.habits.rotates => {
                json!({ "access_token": access, "expires_in": lifetime.to_string() })
            }
            _ => json!({
                "access_token": access,
                "expires_in": lifetime.to_string(),
                "refresh_token": grant.refresh,
            }),
        })
    }

    /// Returns the key to which tokens are bound, if the proof of the request is accepted.
    fn key(&mut self, headers: &HeaderMap) -> Result<Option<Value>, (u16, &'static str)> {
        let proof = Proof::read(headers).filter(|_| self.habits.binds_tokens);
        let Some(proof) = proof else {
            return Ok(None);
        };
        self.proofs.push(proof.clone());
        match self.habits.nonce {
            Some(nonce) if proof.claims["nonce"] != nonce => Err((400, "use_dpop_nonce")),
            _ => Ok(Some(proof.header["jwk"].clone())),
        }
    }

    /// Returns the index of the grant whose refresh token is redeemed.
    fn refresh(&mut self, form: &Parameters, client: &str, number: usize) -> Option<usize> {
        let token = form.get("refresh_token")?;
        let mut grants = self.grants.iter();
        let index =
            grants.position(|grant| grant.refresh == *token || grant.used.contains(token))?;
        let Habits {
            kills_family,
            rotates,
            ..
        } = self.habits;
        let grant = &mut self.grants[index];
        if grant.used.contains(token) && kills_family {
            grant.is_ended = true;
            grant.access.clear();
            self.killed += 1;
        }
        if grant.is_ended || grant.refresh != *token || grant.client != client {
            return None;
        }
        if rotates {
            grant.used.insert(token.clone());
            grant.refresh = format!("r-{number}-{}", grant.user);
        }
        Some(index)
    }
}

/// Responds as an MCP server whose tool tells the user of the access token.
async fn call(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Json(request): Json<Value>,
) -> Response {
    let shared = shared.lock().unwrap();
    let bearer = headers.get(AUTHORIZATION);
    let user = bearer.and_then(|value| shared.user(value.to_str().unwrap()));
    let challenge = shared.habits.challenge;
    let is_open = challenge == ChallengeHabit::Late && request["method"] != "tools/call";
    let user = user.or_else(|| is_open.then(String::new));
    let Some(user) = user else {
        if challenge == ChallengeHabit::Bare {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        let base = &shared.base;
        let metadata = format!("{base}/.well-known/oauth-protected-resource/mcp");
        let scheme = if shared.habits.binds_tokens {
            "DPoP"
        } else {
            "Bearer"
        };
        let mut challenge = format!("{scheme} resource_metadata=\"{metadata}\"");
        if let Some(scope) = shared.habits.challenged {
            challenge.push_str(&format!(", scope=\"{scope}\""));
        }
        if shared.habits.has_no_metadata {
            challenge = "Bearer".to_owned();
        }
        return (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, challenge)]).into_response();
    };
    let result = match request["method"].as_str().unwrap() {
        "server/discover" => json!({
            "supportedVersions": ["2026-07-28"],
            "capabilities": { "tools": {} },
            "ttlMs": 0,
            "cacheScope": "private",
        }),
        "tools/list" => json!({
            "tools": [{ "name": "whoami", "inputSchema": { "type": "object" } }],
            "ttlMs": 0,
            "cacheScope": "private",
        }),
        "completion/complete" | "prompts/get" | "resources/read" => {
            let error = json!({ "code": -32601, "message": "method not found" });
            let response = json!({ "jsonrpc": "2.0", "id": request["id"], "error": error });
            return (StatusCode::NOT_FOUND, Json(response)).into_response();
        }
        _ => json!({ "content": [{ "type": "text", "text": user }] }),
    };
    let mut response = json!({ "jsonrpc": "2.0", "id": request["id"], "result": result });
    response["result"]["resultType"] = "complete".into();
    Json(response).into_response()
}

async fn resource(State(shared): State<Shared>) -> Response {
    let shared = shared.lock().unwrap();
    let Script { base, habits, .. } = &*shared;
    if habits.is_old || habits.has_no_metadata {
        return StatusCode::NOT_FOUND.into_response();
    }
    let slash = if habits.adds_slash { "/" } else { "" };
    let resource = habits.resource.map(str::to_owned);
    let document = json!({
        "resource": resource.unwrap_or_else(|| format!("{base}/mcp")),
        "authorization_servers": [format!("{}{slash}", shared.issuer())],
        "scopes_supported": ["read", "write"],
    });
    Json(document).into_response()
}

async fn metadata(State(shared): State<Shared>, uri: Uri) -> Response {
    let shared = shared.lock().unwrap();
    let Script { base, habits, .. } = &*shared;
    if habits.has_no_metadata {
        return StatusCode::NOT_FOUND.into_response();
    }
    let known = match habits.is_openid {
        true => "/.well-known/openid-configuration",
        false => "/.well-known/oauth-authorization-server",
    };
    if uri.path() != format!("{known}{}", habits.issuer_path) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let claimed = habits.claimed_issuer.map(str::to_owned);
    let mut document = json!({
        "issuer": claimed.unwrap_or_else(|| shared.issuer()),
        "authorization_endpoint": format!("{base}/authorize"),
        "token_endpoint": format!("{base}/token"),
        "revocation_endpoint": format!("{base}/revoke"),
        "authorization_response_iss_parameter_supported": true,
        "scopes_supported": habits.scopes,
    });
    if habits.wants_secret {
        document["revocation_endpoint_auth_methods_supported"] =
            json!(["client_secret_post", "client_secret_basic"]);
    }
    if habits.binds_tokens {
        document["dpop_signing_alg_values_supported"] = json!(["RS256", "ES256"]);
    }
    if habits.announces_pkce {
        document["code_challenge_methods_supported"] = json!(["S256"]);
    }
    if habits.offers_registration {
        document["registration_endpoint"] = format!("{base}/register").into();
    }
    let methods = match habits.clients {
        ClientHabit::Public => None,
        ClientHabit::UnsolicitedSecret => Some("client_secret_post"),
        ClientHabit::BasicOnly => Some("client_secret_basic"),
    };
    if let Some(method) = methods {
        document["token_endpoint_auth_methods_supported"] = json!([method]);
    }
    Json(document).into_response()
}

async fn register(State(shared): State<Shared>, Json(request): Json<Value>) -> Response {
    let mut shared = shared.lock().unwrap();
    let Habits {
        clients,
        known_members,
        ..
    } = shared.habits;
    let mut members = request.as_object().unwrap().keys();
    let is_strict = !known_members.is_empty();
    let is_refused = is_strict && members.any(|name| !known_members.contains(&name.as_str()))
        || clients == ClientHabit::BasicOnly && request["token_endpoint_auth_method"] == "none";
    if is_refused {
        let answer = json!({ "error": "invalid_client_metadata" });
        return (StatusCode::BAD_REQUEST, Json(answer)).into_response();
    }
    let client = format!("client-{}", shared.number());
    shared.clients.insert(client.clone());
    let scope = request["scope"].as_str().unwrap_or("read").to_owned();
    shared.registered.insert(client.clone(), scope);
    shared.registrations.push(request);
    let answer = match clients {
        ClientHabit::Public => json!({ "client_id": client, "token_endpoint_auth_method": "none" }),
        ClientHabit::UnsolicitedSecret => json!({ "client_id": client, "client_secret": SECRET }),
        ClientHabit::BasicOnly => json!({
            "client_id": client,
            "client_secret": SECRET,
            "token_endpoint_auth_method": "client_secret_basic",
        }),
    };
    (StatusCode::CREATED, Json(answer)).into_response()
}

/// Authorizes the user of the parameter `login`, which a test adds, or denies the request without.
async fn authorize(State(shared): State<Shared>, Query(query): Query<Parameters>) -> Response {
    if query.is_empty() {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let mut shared = shared.lock().unwrap();
    let mut url = Url::parse(&query["redirect_uri"]).unwrap();
    let registered = shared.registered.get(&query["client_id"]);
    let registered = registered.map(String::as_str).unwrap_or_default();
    let scope = query.get("scope").map(String::as_str).unwrap_or_default();
    let mut scopes = scope.split_whitespace();
    let is_bound = shared.habits.binds_scopes
        && !scopes.all(|scope| registered.split(' ').any(|known| known == scope));
    let is_refused = shared.habits.refuses_resource && query.contains_key("resource");
    let answer = match query.get("login") {
        _ if is_refused => ("error", "invalid_target".to_owned()),
        _ if is_bound => ("error", "invalid_scope".to_owned()),
        Some(user) => ("code", shared.code(user, query["redirect_uri"].clone())),
        None => ("error", "access_denied".to_owned()),
    };
    url.query_pairs_mut()
        .append_pair(answer.0, &answer.1)
        .append_pair("state", &query["state"])
        .append_pair("iss", &shared.issuer());
    shared.authorizations.push(query);
    Redirect::to(url.as_str()).into_response()
}

async fn token(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Form(form): Form<Parameters>,
) -> Response {
    let delay = shared.lock().unwrap().habits.delay;
    sleep(delay).await;
    let mut shared = shared.lock().unwrap();
    shared.requests.push(form.clone());
    if let Some((status, body)) = shared.habits.outage.clone() {
        let header = [("retry-after", shared.habits.retry_after)];
        return (StatusCode::from_u16(status).unwrap(), header, Json(body)).into_response();
    }
    if shared.habits.redirects_tokens {
        return Redirect::temporary("/token/").into_response();
    }
    let answer = shared.token(&headers, &form);
    let nonce = [("dpop-nonce", shared.habits.nonce.unwrap_or_default())];
    if shared.habits.loses_responses {
        return (StatusCode::BAD_GATEWAY, "<html>").into_response();
    }
    let (status, body) = match answer {
        Ok(body) => (shared.habits.success, body),
        Err((status, _)) if shared.habits.has_html_errors => {
            let status = StatusCode::from_u16(status).unwrap();
            return (status, Html("<h1>Bad request</h1>")).into_response();
        }
        Err((status, code)) => (status, json!({ "error": code })),
    };
    (StatusCode::from_u16(status).unwrap(), nonce, Json(body)).into_response()
}

async fn revoke(State(shared): State<Shared>, Form(form): Form<Parameters>) -> StatusCode {
    let mut shared = shared.lock().unwrap();
    if shared.habits.wants_secret && !form.contains_key("client_secret") {
        return StatusCode::BAD_REQUEST;
    }
    let token = form["token"].clone();
    for grant in &mut shared.grants {
        if grant.refresh == token {
            grant.is_ended = true;
            grant.access.clear();
        }
    }
    shared.revocations.push(form);
    StatusCode::OK
}

/// Secret of all registered clients that have one.
const SECRET: &str = "secret-of-registered-clients";

pub(crate) const REDIRECT_URI: &str = "http://127.0.0.1:1/callback";
