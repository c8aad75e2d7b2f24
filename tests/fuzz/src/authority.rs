//! An authorization server, a login and a forward-auth endpoint, without a network.

use std::cell::RefCell;
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use mcp_gateway_auth::egress::{Egress, EgressPolicy};
use mcp_gateway_auth::forward::{ForwardAuth, ProtectedUpstream};
use mcp_gateway_auth::login::{GithubProvider, LoginPages, LoginSessions};
use mcp_gateway_auth::server::{
    AuthorizationServer, ClientAuthentication, GrantType, OAuthClient, RateLimits,
    RegistrationPolicy, Resource,
};
use mcp_gateway_auth::users::Users;
use mcp_gateway_auth::{
    AuthServerError, Clock, Keyring, LoginProvider, SecretHash, StaticTokens, UserInfo, UserSession,
};
use mcp_gateway_core::auth::Principal;
use mcp_gateway_store::MemoryStore;
use tokio::runtime::Runtime;
use tower::ServiceExt;
use url::Url;

pub(crate) const ISSUER: &str = "https://gw.example.com";
pub(crate) const CALLBACK: &str = "https://client.example.com/callback";

/// Login of a user by the cookie `user=alice`.
#[derive(Debug)]
struct TestUsers(LoginSessions);

#[async_trait]
impl LoginProvider for TestUsers {
    async fn session(&self, request: &Parts) -> Result<Option<UserSession>, AuthServerError> {
        if request
            .headers
            .get(header::COOKIE)
            .is_none_or(|cookie| cookie != "user=alice")
        {
            return self.0.session(request).await;
        }
        Ok(Some(UserSession::new(
            "s",
            UserInfo::new("alice", "Alice"),
            1,
        )))
    }

    async fn user(&self, id: &str) -> Result<Option<UserInfo>, AuthServerError> {
        Ok((id == "alice").then(|| UserInfo::new("alice", "Alice")))
    }

    fn login_url(&self, return_to: &str) -> String {
        self.0.login_url(return_to)
    }
}

/// Everything that strangers reach of the authorization server, and what drives it.
pub(crate) struct Authority {
    runtime: Runtime,
    router: Router,
    /// Number of answered requests.
    answered: u32,
}

/// Response.
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Authority {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_time().build().expect("a runtime");
        let store = Arc::new(MemoryStore::new());
        let keyring = Keyring::new(&[7; 32]).expect("a key");
        let users = Users::new(Arc::clone(&store) as _, Clock::system());
        let egress = Egress::new(EgressPolicy::default()).expect("a client");
        let github = GithubProvider::new("id", "secret", egress);
        let login = LoginSessions::new(users, keyring.clone(), ISSUER).expect("a login");
        let login = login.with_local_accounts().with_github(github);
        let login_provider = Arc::new(TestUsers(login.clone()));
        let issuer = ISSUER.parse().expect("a URL");
        let server = AuthorizationServer::builder(issuer, store, keyring, login_provider)
            .with_registration(RegistrationPolicy::Open)
            .with_rate_limits(unlimited())
            .build();
        server.set_clients([client(), machine()]);
        let resource =
            |path| Resource::new(format!("{ISSUER}{path}").parse().expect("a URL"), path);
        server.set_resources([resource("/mcp"), resource("/v1/mcp/ops")]);
        let tokens = StaticTokens::new().with_token("t", Principal::new("alice"));
        let forward = ForwardAuth::new()
            .with_resource(ProtectedUpstream::new(resource("/mcp"), Arc::new(tokens)));
        Self {
            runtime,
            router: server
                .router()
                .merge(LoginPages::new(login).router())
                .merge(forward.router()),
            answered: 0,
        }
    }

    /// The answer to `request`; `None` if there can be no such request.
    fn send(&mut self, request: Request<Body>) -> Answered {
        self.answered += 1;
        let router = self.router.clone();
        self.runtime.block_on(async {
            let response = router
                .oneshot(request)
                .await
                .unwrap_or_else(|never| match never {});
            let (parts, body) = response.into_parts();
            Answered {
                status: parts.status,
                headers: parts.headers,
                body: to_bytes(body, usize::MAX).await.expect("a body"),
            }
        })
    }
}

fn unlimited() -> RateLimits {
    let mut limits = RateLimits::default();
    (limits.authorize, limits.register, limits.client) = (u32::MAX, u32::MAX, u32::MAX);
    limits
}

fn client() -> OAuthClient {
    OAuthClient::new("editor", "Editor").with_redirect_uri(CALLBACK.parse().expect("a URI"))
}

fn machine() -> OAuthClient {
    let hash = SecretHash::digest("s3cret");
    OAuthClient::new("build", "Build")
        .with_authentication(ClientAuthentication::Secret {
            hash,
            in_body: true,
        })
        .with_grant_types([GrantType::ClientCredentials])
        .with_introspection()
}

/// The answer to the request in `data`: a line with the method and the path, one for each header, an
/// empty one, and the body. `None` if there can be no such request.
pub(crate) fn answer(data: &[u8]) -> Option<Answered> {
    let request = request(data)?;
    AUTHORITY.with_borrow_mut(|authority| {
        // What it keeps must not become more and more.
        if authority
            .as_ref()
            .is_none_or(|authority| authority.answered > MAX_ANSWERED)
        {
            *authority = Some(Authority::new());
        }
        authority.as_mut().map(|authority| authority.send(request))
    })
}

fn request(data: &[u8]) -> Option<Request<Body>> {
    let end = data.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = data.split_at(end.unwrap_or(data.len()));
    let mut lines = head.split(|byte| *byte == b'\n');
    let (method, target) = split(lines.next()?, b' ')?;
    let mut request = Request::new(Body::from(body.get(2..).unwrap_or_default().to_vec()));
    *request.method_mut() = Method::from_bytes(method).ok()?;
    *request.uri_mut() = http::Uri::try_from(target).ok()?;
    for line in lines {
        let (name, value) = split(line, b':')?;
        let name = HeaderName::from_bytes(name).ok()?;
        let value = HeaderValue::from_bytes(value.trim_ascii()).ok()?;
        request.headers_mut().append(name, value);
    }
    Some(request)
}

fn split(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == at)?;
    Some((&text[..at], &text[at + 1..]))
}

/// Returns the redirect target of `answered`.
pub(crate) fn location(answered: &Answered) -> Option<Url> {
    let location = answered.headers.get(header::LOCATION)?;
    let location = location.to_str().expect("a location that is no text");
    let own = Url::parse(ISSUER).expect("a URL");
    Some(own.join(location).expect("a location that is no URL"))
}

const MAX_ANSWERED: u32 = 10_000;

thread_local! {
    static AUTHORITY: RefCell<Option<Authority>> = const { RefCell::new(None) };
}
