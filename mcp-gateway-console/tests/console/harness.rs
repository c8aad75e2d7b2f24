//! The console over an API with a store in memory, and browsers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use http::header::{CONTENT_TYPE, COOKIE, HOST, LOCATION};
use http::request::Parts;
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use mcp_gateway_admin::{AdminApi, Administration, AuditTrail, Connections, EntryRegistry};
use mcp_gateway_approval::StoreApprovals;
use mcp_gateway_audit::{AuditKey, AuditLog};
use mcp_gateway_auth::accounts::{AccountCredentials, ConnectedAccounts, Input, InputServer};
use mcp_gateway_auth::egress::{Egress, EgressPolicy};
use mcp_gateway_auth::login::LoginSessions;
use mcp_gateway_auth::server::AuthorizationServer;
use mcp_gateway_auth::users::Users;
use mcp_gateway_auth::{AdministeredTeams, Clock, Keyring, StaticTokens};
use mcp_gateway_console::{ClientGuide, ClientGuides, Console, ConsoleLogin};
use mcp_gateway_core::approval::{
    ApprovalRequest, ApprovalSubject, ApprovalTerms, Approvals as _, Approvers,
};
use mcp_gateway_core::auth::{AuthError, AuthVerifier, Principal};
use mcp_gateway_registry::Entries;
use mcp_gateway_store::MemoryStore;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::objects::{self, Objects};

pub(crate) const ADMIN: &str = "token-of-alice";
pub(crate) const TEAM_ADMIN: &str = "token-of-bob";
pub(crate) const MEMBER: &str = "token-of-carol";

/// Origin of the console.
pub(crate) const ORIGIN: &str = "https://gw.example.com";

/// The console, and the parts behind it.
#[derive(Debug)]
pub(crate) struct Site {
    router: Router,
    tokens: Arc<Tokens>,
    pub(crate) objects: Arc<Objects>,
    approvals: StoreApprovals,
}

/// Tokens that can be revoked.
#[derive(Debug)]
struct Tokens {
    valid: StaticTokens,
    is_revoked: AtomicBool,
}

#[async_trait]
impl AuthVerifier for Tokens {
    async fn verify(&self, request: &Parts) -> Result<Principal, AuthError> {
        match self.is_revoked.load(Ordering::Relaxed) {
            true => Err(AuthError::InvalidToken),
            false => self.valid.verify(request).await,
        }
    }
}

#[derive(Debug)]
struct Guides(String);

impl ClientGuides for Guides {
    fn endpoint(&self, name: Option<&str>) -> String {
        format!("{ORIGIN}/v1/mcp/{}", name.unwrap_or("default"))
    }

    fn guides(&self, _: Option<&str>) -> Vec<ClientGuide> {
        let steps = format!("In a shell:\n\nclient add {}", self.0);
        vec![ClientGuide::new("client", &self.0, steps)]
    }
}

impl Site {
    pub(crate) async fn new() -> Self {
        Self::with(Objects::plain(), "Client").await
    }

    /// A site whose objects have markup in all of their texts.
    pub(crate) async fn marked() -> Self {
        Self::with(Objects::marked(), objects::MARK).await
    }

    async fn with(objects: Objects, text: &str) -> Self {
        let (objects, text) = (Arc::new(objects), text.to_owned());
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
        let approvals = StoreApprovals::new(store.clone(), &keyring, Clock::system()).unwrap();
        let login = LoginSessions::new(users.clone(), keyring.clone(), ORIGIN);
        let login = login.unwrap().with_local_accounts();
        let base = ORIGIN.parse().unwrap();
        let server =
            AuthorizationServer::builder(base, store.clone(), keyring.clone(), Arc::new(login));
        let log = AuditLog::builder(store.clone(), AuditKey::new(&[7; 32]));
        let trail = AuditTrail::new(Some(log.open().await.unwrap()));
        let administration = Administration::new(users, server.build(), trail.clone());
        let entries = Entries::new(store.clone(), [objects.entry()]);
        let registry = EntryRegistry::new(entries, store.clone(), EgressPolicy::new());
        let principals = [
            (ADMIN, objects.person("alice").with_role("admin")),
            (TEAM_ADMIN, team_admin(objects.person("bob"))),
            (MEMBER, objects.person("carol")),
        ];
        let valid = principals
            .into_iter()
            .fold(StaticTokens::new(), |tokens, (token, principal)| {
                tokens.with_token(token, principal)
            });
        let tokens = Arc::new(Tokens {
            valid,
            is_revoked: AtomicBool::new(false),
        });
        let api = AdminApi::new(tokens.clone())
            .with_administration(administration.with_accounts(accounts))
            .with_approvals(approvals.clone())
            .with_audit(store.clone())
            .with_catalog(objects.clone(), trail)
            .with_connections(Connections::new(connections))
            .with_deployments(objects.clone())
            .with_pins(objects.clone())
            .with_policy(objects.clone())
            .with_quotas(objects.clone())
            .with_registry(registry);
        let login = ConsoleLogin::new(keyring, ORIGIN).with_tokens(tokens.clone());
        let console = Console::new(api.local(), login).with_guides(Arc::new(Guides(text)));
        Self {
            router: console.router(),
            tokens,
            objects,
            approvals,
        }
    }

    /// Signs in with `token`.
    pub(crate) async fn sign_in(&self, token: &str) -> Browser {
        let mut browser = Browser::new(self);
        let headers = [("origin", Some(ORIGIN))];
        let form = format!("token={token}");
        let answer = browser.send("/console/sign-in", form, &headers).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        let cookie = answer.header("set-cookie");
        browser.cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        browser
    }

    /// Revokes all tokens.
    pub(crate) fn revoke(&self) {
        self.tokens.is_revoked.store(true, Ordering::Relaxed);
    }

    /// Asks the team `ops` for the approval of a call; returns its identifier.
    pub(crate) async fn ask(&self, caller: &str) -> String {
        let text = self.objects.text("refund");
        let terms = ApprovalTerms::default().with_reason(text);
        let terms = terms.with_approvers(Approvers::others([], ["ops"]));
        let subject = ApprovalSubject::new(caller, "main").with_tool("billing", "refund");
        let arguments = serde_json::json!({ "note": text }).to_string();
        let call = ApprovalRequest::new(subject, &arguments, "refunds", Arc::new(terms));
        let open = self.approvals.open(&call.unwrap()).await;
        open.unwrap().id.to_string()
    }

    /// Returns the number of changes of servers, gateways and rules.
    pub(crate) fn changes(&self) -> usize {
        self.objects.changes.lock().unwrap().len()
    }

    /// Returns the entry that was written last.
    pub(crate) fn last_entry(&self) -> Value {
        self.objects.changes.lock().unwrap().last().unwrap().clone()
    }
}

fn team_admin(principal: Principal) -> Principal {
    let teams = AdministeredTeams::new(["ops".into()]);
    principal.with_team("ops").with_extension(teams)
}

/// A browser.
#[derive(Debug)]
pub(crate) struct Browser {
    router: Router,
    cookie: String,
}

/// Response to a browser.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: HeaderMap,
    pub(crate) location: Option<String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).map(|value| value.to_str().unwrap());
        value.unwrap_or_default()
    }
}

impl Browser {
    /// A browser without a session.
    pub(crate) fn new(site: &Site) -> Self {
        Self {
            router: site.router.clone(),
            cookie: String::new(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let request = self.request("GET", path);
        self.exchange(request.body(Body::empty()).unwrap()).await
    }

    /// Sends a form from a page of the console.
    pub(crate) async fn post(&self, path: &str, form: &str) -> Answer {
        let headers = [
            ("origin", Some(ORIGIN)),
            ("sec-fetch-site", Some("same-origin")),
        ];
        self.send(path, form.to_owned(), &headers).await
    }

    /// Sends the form of the page at `path` to that page.
    pub(crate) async fn submit(&self, path: &str, form: &str) -> Answer {
        self.submit_from(path, path, form).await
    }

    /// Sends a form of the page `from` to `path`.
    pub(crate) async fn submit_from(&self, from: &str, path: &str, form: &str) -> Answer {
        let csrf = self.csrf(from).await;
        self.post(path, &format!("csrf={csrf}&{form}")).await
    }

    pub(crate) async fn send(
        &self,
        path: &str,
        form: String,
        headers: &[(&str, Option<&str>)],
    ) -> Answer {
        let mut request = self.request("POST", path);
        request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (name, value) in headers {
            if let Some(value) = value {
                request = request.header(*name, *value);
            }
        }
        self.exchange(request.body(Body::from(form)).unwrap()).await
    }

    /// Returns the CSRF token of the forms of `page`.
    pub(crate) async fn csrf(&self, page: &str) -> String {
        let body = self.get(page).await.body;
        let (_, rest) = body.split_once("name=\"csrf\" value=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    }

    fn request(&self, method: &str, path: &str) -> http::request::Builder {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(HOST, "gw.example.com");
        match self.cookie.is_empty() {
            true => request,
            false => request.header(COOKIE, &self.cookie),
        }
    }

    async fn exchange(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let location = parts.headers.get(LOCATION);
        Answer {
            status: parts.status.as_u16(),
            location: location.map(|location| location.to_str().unwrap().to_owned()),
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }
}
