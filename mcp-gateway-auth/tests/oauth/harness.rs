use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once};

use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use http::request::Parts;
use http::{HeaderMap, Method, Request, StatusCode, header};
use mcp_gateway_auth::server::{
    AuthorizationServer, AuthorizationServerBuilder, RateLimits, RegistrationPolicy, Resource,
};
use mcp_gateway_auth::token::{BearerVerifier, TokenVerifier};
use mcp_gateway_auth::{AuthServerError, Clock, Keyring, LoginProvider, UserInfo, UserSession};
use mcp_gateway_core::auth::{AuthError, AuthVerifier as _, Principal};
use mcp_gateway_store::{MemoryStore, Store};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use url::{Url, form_urlencoded};

pub(super) use super::host::{claims, machine};

pub(super) const ISSUER: &str = "https://gw.example.com";
/// Issuer of identity assertions.
pub(super) const IDP: &str = "https://idp.example.com";
pub(super) const RESOURCE: &str = "https://gw.example.com/mcp";
pub(super) const OTHER_RESOURCE: &str = "https://gw.example.com/v1/mcp/ops";
pub(super) const CALLBACK: &str = "https://client.example.com/callback";

/// Test vector of RFC 7636, appendix B.
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(super) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Login by the cookie `user={name}`, until that user is removed. Olga is in the team `ops` until she
/// leaves it.
#[derive(Debug, Default)]
pub(super) struct TestUsers {
    pub(super) removed: Mutex<HashSet<String>>,
    pub(super) left: AtomicBool,
}

#[async_trait]
impl LoginProvider for TestUsers {
    async fn session(&self, request: &Parts) -> Result<Option<UserSession>, AuthServerError> {
        let cookie = request.headers.get(header::COOKIE);
        let name = cookie.and_then(|cookie| cookie.to_str().ok()?.strip_prefix("user="));
        let Some(name) = name else { return Ok(None) };
        let user = self.user(name).await?;
        Ok(user.map(|user| UserSession::new(format!("session of {name}"), user, 1)))
    }

    async fn user(&self, id: &str) -> Result<Option<UserInfo>, AuthServerError> {
        let is_removed = self.removed.lock().unwrap().contains(id);
        let mut user = UserInfo::new(id, id.to_uppercase());
        if id == "olga" && !self.left.load(Ordering::Relaxed) {
            user.teams.push("ops".into());
        }
        Ok((!is_removed).then_some(user))
    }

    async fn user_by_identity(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<UserInfo>, AuthServerError> {
        match issuer == IDP && subject != "unknown" {
            true => self.user(subject).await,
            false => Ok(None),
        }
    }

    fn login_url(&self, return_to: &str) -> String {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("return_to", return_to)
            .finish();
        format!("/api/auth/login?{query}")
    }
}

/// An authorization server with two resources and its environment.
pub(super) struct Harness {
    pub(super) server: AuthorizationServer,
    pub(super) clock: Clock,
    pub(super) login_provider: Arc<TestUsers>,
    pub(super) store: Arc<MemoryStore>,
}

/// A response.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Harness {
    pub(super) fn new() -> Self {
        Self::with(|builder| builder)
    }

    /// Creates a harness with a modified builder.
    pub(super) fn with(
        make: impl FnOnce(AuthorizationServerBuilder) -> AuthorizationServerBuilder,
    ) -> Self {
        listen();
        // The store uses the system clock.
        let clock = Clock::fixed(Clock::system().now());
        let login_provider = Arc::new(TestUsers::default());
        let store = Arc::new(MemoryStore::new());
        let builder = builder(&store, &login_provider).with_clock(clock.clone());
        let server = make(builder).build();
        server.set_resources(resources());
        Self {
            server,
            clock,
            login_provider,
            store,
        }
    }

    /// Returns another replica, as after a restart.
    pub(super) fn replica(&self) -> Self {
        self.replica_with(|builder| builder)
    }

    pub(super) fn replica_with(
        &self,
        make: impl FnOnce(AuthorizationServerBuilder) -> AuthorizationServerBuilder,
    ) -> Self {
        let builder = builder(&self.store, &self.login_provider).with_clock(self.clock.clone());
        let server = make(builder).build();
        server.set_resources(resources());
        Self {
            server,
            clock: self.clock.clone(),
            login_provider: Arc::clone(&self.login_provider),
            store: Arc::clone(&self.store),
        }
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.server.router().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Reply {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    pub(super) async fn get(&self, path: &str, user: Option<&str>) -> Reply {
        let mut request = Request::get(path);
        if let Some(user) = user {
            request = request.header(header::COOKIE, format!("user={user}"));
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub(super) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Reply {
        self.post_with(path, form, &[]).await
    }

    pub(super) async fn post_with(
        &self,
        path: &str,
        form: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Reply {
        let request =
            Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        self.send(request.body(encoded(form).into()).unwrap()).await
    }

    pub(super) async fn json(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: &Value,
    ) -> Reply {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        self.send(request.body(body.to_string().into()).unwrap())
            .await
    }

    /// Registers a public client with the redirect URI [`CALLBACK`].
    pub(super) async fn client(&self) -> String {
        let registered = self.register(&json!({ "redirect_uris": [CALLBACK] })).await;
        registered["client_id"].as_str().unwrap().to_owned()
    }

    pub(super) async fn register(&self, metadata: &Value) -> Value {
        let reply = self
            .json(Method::POST, "/api/auth/oauth2/register", None, metadata)
            .await;
        assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.text);
        reply.value()
    }

    /// Returns the consent page for `user`.
    pub(super) async fn asked(&self, query: &[(&str, &str)], user: &str) -> Reply {
        let path = format!("/api/auth/oauth2/authorize?{}", encoded(query));
        self.get(&path, Some(user)).await
    }

    /// Submits the decision of `user` on the consent page `asked`.
    pub(super) async fn decide(&self, asked: &Reply, user: &str, decision: &str) -> Reply {
        let request = asked.field("request");
        let form = [("request", &*request), ("decision", decision)];
        let cookie = format!("user={user}");
        let headers = [("cookie", &*cookie), ("sec-fetch-site", "same-origin")];
        self.post_with("/api/auth/oauth2/consent", &form, &headers)
            .await
    }

    /// Returns a code for `client` with the consent of `user`.
    pub(super) async fn code(&self, client: &str, user: &str) -> String {
        let asked = self.asked(&wanted(client), user).await;
        // No consent page after an earlier consent.
        if let Some(code) = asked.parameter("code") {
            return code;
        }
        assert_eq!(asked.status, StatusCode::OK, "{}", asked.text);
        let decided = self.decide(&asked, user, "allow").await;
        decided.parameter("code").unwrap()
    }

    /// Redeems `code` as `client`.
    pub(super) async fn redeem(&self, client: &str, code: &str) -> Reply {
        self.post("/api/auth/oauth2/token", &redemption(client, code))
            .await
    }

    pub(super) async fn refresh(&self, client: &str, token: &str) -> Reply {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", client),
            ("refresh_token", token),
        ];
        self.post("/token", &form).await
    }

    /// Returns a new client with tokens of `user`.
    pub(super) async fn tokens(&self, user: &str) -> (String, Value) {
        let client = self.client().await;
        let code = self.code(&client, user).await;
        let tokens = self.redeem(&client, &code).await;
        assert_eq!(tokens.status, StatusCode::OK, "{}", tokens.text);
        (client, tokens.value())
    }

    /// Returns the principal of `token` at `resource`.
    pub(super) async fn bearer(&self, resource: &str, token: &str) -> Result<Principal, AuthError> {
        let resource = resources()
            .into_iter()
            .find(|known| known.uri.as_str() == resource);
        let verifier: Arc<dyn TokenVerifier> = Arc::new(self.server.verifier(resource.as_ref()));
        let verifier = BearerVerifier::new(verifier)
            .with_clock(self.clock.clone())
            .with_revocations(self.server.revocations());
        let request = Request::get("/mcp").header(header::AUTHORIZATION, format!("Bearer {token}"));
        verifier
            .verify(&request.body(()).unwrap().into_parts().0)
            .await
    }

    /// Returns the content of the store as text.
    pub(super) async fn stored(&self) -> String {
        let entries = self.store.list("", None, usize::MAX).await.unwrap();
        let texts = entries.iter().map(|entry| {
            let value = String::from_utf8_lossy(&entry.document.value).into_owned();
            format!("{} = {value}\n", entry.key)
        });
        texts.collect()
    }
}

/// Enables all log levels in all tests, without output: `tracing` caches that a call site is
/// disabled, and a later subscriber would not receive its events.
fn listen() {
    static LISTENING: Once = Once::new();
    LISTENING.call_once(|| {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(std::io::sink);
        tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
    });
}

fn builder(
    store: &Arc<MemoryStore>,
    login_provider: &Arc<TestUsers>,
) -> AuthorizationServerBuilder {
    let limits = {
        let mut limits = RateLimits::default();
        limits.register = 1_000_000;
        limits.authorize = 1_000_000;
        limits.client = 1_000_000;
        limits
    };
    AuthorizationServer::builder(
        ISSUER.parse().unwrap(),
        Arc::clone(store) as _,
        Keyring::new(&[7; 32]).unwrap(),
        Arc::clone(login_provider) as _,
    )
    .with_registration(RegistrationPolicy::Open)
    .with_rate_limits(limits)
}

pub(super) fn resources() -> [Resource; 2] {
    [
        Resource::new(RESOURCE.parse().unwrap(), "main").with_scope("mcp:admin", "Change things"),
        Resource::new(OTHER_RESOURCE.parse().unwrap(), "ops").with_teams(["ops".into()]),
    ]
}

/// Returns a valid authorization request.
pub(super) fn wanted(client: &str) -> Vec<(&str, &str)> {
    vec![
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", CALLBACK),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("resource", RESOURCE),
        ("scope", "mcp"),
        ("state", "a b&c"),
    ]
}

/// Returns a valid token request for a code.
pub(super) fn redemption<'a>(client: &'a str, code: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("code", code),
        ("code_verifier", VERIFIER),
        ("redirect_uri", CALLBACK),
    ]
}

/// Returns `parameters` with another value for `name`, or without it.
pub(super) fn but<'a>(
    parameters: &[(&'a str, &'a str)],
    name: &'a str,
    value: Option<&'a str>,
) -> Vec<(&'a str, &'a str)> {
    let others = parameters
        .iter()
        .copied()
        .filter(|(other, _)| *other != name);
    others.chain(value.map(|value| (name, value))).collect()
}

pub(super) fn encoded(parameters: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters)
        .finish()
}

impl Reply {
    pub(super) fn value(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// Returns the `error` of the response.
    pub(super) fn error(&self) -> String {
        self.value()["error"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Returns `true` for the error response `code` that must not be cached.
    pub(super) fn is_error(&self, status: u16, code: &str) -> bool {
        self.status == status
            && self.error() == code
            && self.header("cache-control") == "no-store"
            && self.header("content-type") == "application/json"
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Returns the target of a redirect.
    pub(super) fn location(&self) -> Option<Url> {
        let location = self.headers.get(header::LOCATION)?.to_str().unwrap();
        assert_eq!(self.status, StatusCode::SEE_OTHER);
        Some(Url::parse(ISSUER).unwrap().join(location).unwrap())
    }

    /// Returns a parameter of the redirect.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        let location = self.location()?;
        let mut pairs = location.query_pairs();
        let found = pairs.find(|(other, _)| other == name);
        found.map(|(_, value)| value.into_owned())
    }

    /// Returns the value of the hidden field `name`.
    pub(super) fn field(&self, name: &str) -> String {
        let marker = format!("name=\"{name}\" value=\"");
        let (_, rest) = self.text.split_once(&marker).unwrap();
        rest.split('"').next().unwrap().to_owned()
    }
}
