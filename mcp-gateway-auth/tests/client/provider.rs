//! An identity provider that exchanges identities, an MCP server, and its authorization server, on
//! one loopback address.
//!
//! A token is answered by what it says: `mfa` requires an interaction, `expired` is rejected, and so
//! on. Any other token is exchanged for one that names it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Form, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use mcp_gateway_auth::client::{
    ClientIdentity, ExchangeProfile, IdentityIssuer, OAuthClient, PresentedTokens, ServiceClient,
    SubjectTokenType, TokenExchange,
};
use mcp_gateway_auth::egress::{Egress, EgressPolicy};
use mcp_gateway_auth::token::ExternalToken;
use mcp_gateway_core::auth::{Assertion, Principal};
use mcp_gateway_core::credential::{Credential, CredentialError, CredentialResolver};
use mcp_gateway_core::protocol::{Capabilities, ProtocolVersion};
use mcp_gateway_core::{Caller, ClientInfo};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::refresh::target;

pub(crate) type Parameters = HashMap<String, String>;

/// Identity provider with the resources around it.
pub(crate) struct Provider {
    pub(crate) base: String,
    state: Shared,
    _serving: JoinSet<()>,
}

/// Requests to the provider, and its responses.
#[derive(Default)]
struct Requests {
    base: String,
    forms: Vec<Parameters>,
    is_down: bool,
    /// Delay of the response to a subject token.
    delays: HashMap<String, Duration>,
}

type Shared = Arc<Mutex<Requests>>;

impl Provider {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let state = Shared::default();
        state.lock().unwrap().base.clone_from(&base);
        let router = Router::new()
            .route("/mcp", post(async || StatusCode::UNAUTHORIZED))
            .route("/.well-known/oauth-protected-resource/mcp", get(resource))
            .route("/.well-known/openid-configuration", get(metadata))
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

    /// Returns a resolver that exchanges the tokens of callers.
    pub(crate) fn exchange(&self, profile: ExchangeProfile) -> TokenExchange {
        let egress = Egress::new(EgressPolicy::new().with_any_port().with_insecure_loopback());
        let egress = egress.unwrap();
        let server = format!("{}/mcp", self.base).parse().unwrap();
        let server = OAuthClient::new(egress.clone(), server).unwrap();
        let issuer = IdentityIssuer::new(egress, &*self.base, confidential("gateway")).unwrap();
        let kind = SubjectTokenType::AccessToken;
        let subjects = Arc::new(PresentedTokens::new(&*self.base, kind));
        TokenExchange::new(server, issuer, subjects, profile)
    }

    /// Returns the caller `name`, who has presented `token` of the provider.
    pub(crate) fn caller(&self, name: &str, token: &str) -> Caller {
        let principal = Principal::new(name)
            .with_extension(ExternalToken::new(&*self.base, [], u64::MAX))
            .with_assertion(Assertion::new(token));
        of(principal)
    }

    /// Returns the forms of the token endpoint.
    pub(crate) fn forms(&self) -> Vec<Parameters> {
        self.state.lock().unwrap().forms.clone()
    }

    pub(crate) fn set_down(&self, is_down: bool) {
        self.state.lock().unwrap().is_down = is_down;
    }

    /// Delays the responses to `subject`.
    pub(crate) fn delay(&self, subject: &str, delay: Duration) {
        let mut state = self.state.lock().unwrap();
        state.delays.insert(subject.to_owned(), delay);
    }
}

/// Returns a caller.
pub(crate) fn of(principal: Principal) -> Caller {
    let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
    Caller::new(principal, "main", client)
}

/// Returns a client with a secret.
pub(crate) fn confidential(id: &str) -> ServiceClient {
    let mut identity = ClientIdentity::confidential(id, "s3cret");
    identity.auth_method = Some("client_secret_post".to_owned());
    identity.into()
}

/// Returns the token with which `caller` calls the server.
pub(crate) async fn exchanged(
    exchange: &TokenExchange,
    caller: &Caller,
) -> Result<String, CredentialError> {
    let credential = exchange.resolve(caller, &target()).await?;
    Ok(bearer(&credential))
}

/// Returns the token of `credential`.
pub(crate) fn bearer(credential: &Credential) -> String {
    let mut headers = credential.headers().iter();
    let (_, value) = headers.find(|(name, _)| name == "authorization").unwrap();
    let token = value.to_str().unwrap().strip_prefix("Bearer ").unwrap();
    token.to_owned()
}

async fn resource(State(state): State<Shared>) -> Json<Value> {
    let base = &state.lock().unwrap().base;
    Json(json!({ "resource": format!("{base}/mcp"), "authorization_servers": [base] }))
}

async fn metadata(State(state): State<Shared>) -> Json<Value> {
    let base = &state.lock().unwrap().base;
    Json(json!({ "issuer": base, "token_endpoint": format!("{base}/token") }))
}

async fn token(State(state): State<Shared>, Form(form): Form<Parameters>) -> Response {
    let subject = form.get("subject_token").or_else(|| form.get("assertion"));
    let subject = subject.cloned().unwrap_or_default();
    let (is_down, delay, number) = {
        let mut state = state.lock().unwrap();
        state.forms.push(form.clone());
        let delay = state.delays.get(&subject).copied();
        (state.is_down, delay, state.forms.len())
    };
    sleep(delay.unwrap_or_default()).await;
    let (status, body) = match is_down {
        true => (503, json!("<html>")),
        false => answer(&form, &subject, number),
    };
    let status = StatusCode::from_u16(status).unwrap();
    (status, Json(body)).into_response()
}

fn answer(form: &Parameters, subject: &str, number: usize) -> (u16, Value) {
    let requested = form.get("requested_token_type").map(String::as_str);
    match subject {
        // Habits of Microsoft Entra.
        "mfa" => (
            400,
            json!({ "error": "interaction_required", "claims": CLAIMS,
                "error_codes": [50076], "suberror": "basic_action" }),
        ),
        "unasked" => (
            400,
            json!({ "error": "invalid_grant", "suberror": "consent_required" }),
        ),
        "expired" => (500, json!({ "error": "invalid_grant" })),
        // RFC 8693, section 2.2.2.
        "malformed" => (400, json!({ "error": "invalid_request" })),
        "outsider" => (403, json!({ "error": "access_denied" })),
        // zitadel/oidc, for a user who may not be impersonated.
        "outcast" => (400, json!({ "error": "server_error" })),
        "misconfigured" => (401, json!({ "error": "invalid_client" })),
        // A provider that does not support identity assertions.
        "ignorant" => (200, json!({ "access_token": "a", "token_type": "Bearer" })),
        subject if requested == Some(ID_JAG) => (
            200,
            json!({ "access_token": format!("jag:{subject}"), "issued_token_type": ID_JAG,
                "token_type": "N_A", "expires_in": 300 }),
        ),
        subject => (
            200,
            json!({ "access_token": format!("{subject}#{number}"), "token_type": "Bearer",
                "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
                "expires_in": "3600" }),
        ),
    }
}

pub(crate) const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

/// Claims challenge.
pub(crate) const CLAIMS: &str = r#"{"access_token":{"polids":{"essential":true}}}"#;
