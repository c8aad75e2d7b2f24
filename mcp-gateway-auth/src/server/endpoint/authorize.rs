//! The authorization endpoint (RFC 6749, section 4.1.1; RFC 7636; RFC 9207).
//!
//! A request passes these checks in order:
//!
//! 1. The rate limit of the client address, and the length of the query.
//! 2. The client exists, and the redirect URI is registered. Errors so far are shown on a page.
//! 3. The user is logged in. Otherwise the browser is redirected to the login page and returns
//!    afterwards.
//! 4. The remaining parameters: PKCE with `S256` is required, and scopes and resources must be
//!    within those of the client. Errors are returned to the client by redirect, with `iss`.
//! 5. The user may access the resources.
//! 6. The user has given consent before, or gives it now.
//!
//! Before step 4 there is no redirect to the client: it would make the server an open redirector,
//! because anybody can register a client.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use url::form_urlencoded;

use super::consent::ConsentEndpoint;
use super::form::Form;
use super::response::{error_page, see_other};
use crate::server::client::clients::ClientRegistry;
use crate::server::client::{GrantType, OAuthClient};
use crate::server::error::OAuthError;
use crate::server::grant::pkce::CodeChallenge;
use crate::server::issuer::IssuerUrl;
use crate::server::limits::EndpointLimiter;
use crate::server::{ProtectedResources, RedirectUri, Scopes};
use crate::{LoginProvider, SecretHash, UserSession};

/// A validated authorization request.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(in crate::server) struct AuthorizationRequest {
    pub(in crate::server) client: String,
    /// Fingerprint of the client at the time of the request.
    pub(in crate::server) fingerprint: SecretHash,
    pub(in crate::server) redirect_uri: RedirectUri,
    pub(in crate::server) redirect_was_sent: bool,
    pub(in crate::server) scopes: Scopes,
    pub(in crate::server) resources: Vec<String>,
    pub(in crate::server) challenge: CodeChallenge,
    /// Thumbprint of the key to which the code is bound (`dpop_jkt`).
    #[serde(default)]
    pub(in crate::server) key: Option<String>,
    pub(in crate::server) state: Option<String>,
}

/// An error of the authorization endpoint.
pub(in crate::server) enum AuthorizationError {
    /// The client is not validated: shown to the user.
    Page(OAuthError),
    /// Returned to the client (RFC 6749, section 4.1.2.1).
    Redirect {
        to: RedirectUri,
        state: Option<String>,
        error: OAuthError,
    },
}

/// `GET /authorize`: the authorization endpoint.
///
/// See [RFC 6749, section 4.1.1](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.1).
pub(in crate::server) async fn authorize(
    State(endpoint): State<Arc<AuthorizeEndpoint>>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let response = endpoint.authorize(&parts).await;
    response.unwrap_or_else(|error| error.into_response(&endpoint.issuer))
}

/// Authorization endpoint.
#[derive(Debug)]
pub(in crate::server) struct AuthorizeEndpoint {
    pub(in crate::server) issuer: IssuerUrl,
    pub(in crate::server) clients: ClientRegistry,
    pub(in crate::server) resources: ProtectedResources,
    pub(in crate::server) login_provider: Arc<dyn LoginProvider>,
    pub(in crate::server) limits: Arc<EndpointLimiter>,
    pub(in crate::server) consent: Arc<ConsentEndpoint>,
}

impl AuthorizeEndpoint {
    /// Validates a request, and redirects to the login, to the client, or shows the consent page.
    async fn authorize(&self, request: &Parts) -> Result<Response, AuthorizationError> {
        self.limits
            .check_peer(request)
            .map_err(AuthorizationError::Page)?;
        let query = request.uri.query().unwrap_or_default();
        let long = || {
            AuthorizationError::Page(OAuthError::invalid_request(
                "authorization request too long",
            ))
        };
        if query.len() > MAX_QUERY {
            return Err(long());
        }
        let form = Form::parse(query.as_bytes()).ok_or_else(long)?;
        let (client, redirect_uri) = self
            .validate_client(&form)
            .await
            .map_err(AuthorizationError::Page)?;
        let session = self.login_provider.session(request).await;
        let session = session.map_err(|error| AuthorizationError::Page(error.into()))?;
        // Before any redirect, also with an error: otherwise a link to this host could lead
        // strangers to any registered address.
        let Some(session) = session.filter(|_| !has_prompt(&form, "login")) else {
            let query = without_login_prompt(query);
            let path = request.uri.path();
            let login = self.login_provider.login_url(&format!("{path}?{query}"));
            return Ok(see_other(&login));
        };
        let asked = self.parse_request(&form, &client, redirect_uri.clone());
        let asked = asked.map_err(|error| AuthorizationError::Redirect {
            to: redirect_uri,
            state: form.get("state").map(str::to_owned),
            error,
        })?;
        self.check_access(&asked, &session)?;
        self.authorize_or_ask(&client, asked, &session, has_prompt(&form, "consent"))
            .await
    }

    /// Returns the client and the redirect URI. Until both are validated, there is no redirect.
    async fn validate_client(&self, form: &Form) -> Result<(OAuthClient, RedirectUri), OAuthError> {
        if let Some(name @ ("client_id" | "redirect_uri")) = form.repeated_parameter() {
            return Err(OAuthError::invalid_request(format!(
                "duplicate parameter: {name:?}"
            )));
        }
        let id = form.get("client_id");
        let id = id.ok_or_else(|| OAuthError::invalid_request("missing parameter: client_id"))?;
        let Some(client) = self.clients.find(id).await? else {
            return Err(OAuthError::invalid_client(self.unknown_client(id)));
        };
        let wanted = form.get("redirect_uri");
        let Some(redirect_uri) = client.redirect_uri(wanted) else {
            let registered: Vec<_> = client
                .redirect_uris
                .iter()
                .map(RedirectUri::as_str)
                .collect();
            let wanted = wanted.unwrap_or("no URI");
            return Err(OAuthError::InvalidRedirectUri(
                format!(
                    "the client requests a redirect to {wanted}, but has registered: {}",
                    registered.join(", ")
                )
                .into(),
            ));
        };
        Ok((client, redirect_uri))
    }

    /// Returns the reason for which the client `id` is unknown, for the user.
    fn unknown_client(&self, id: &str) -> &'static str {
        match (id.starts_with("https://"), self.clients.has_documents()) {
            (false, _) => {
                "unknown client. If it has been connected before, \
                 disconnect it and connect it again"
            }
            (true, true) => {
                "unknown client: its metadata document does not exist or is invalid. \
                 The log of the gateway contains the reason"
            }
            (true, false) => {
                "unknown client: client metadata documents are disabled \
                 (auth.oauth.clientMetadataDocuments)"
            }
        }
    }

    /// Validates the remaining parameters, whose errors are returned to the client.
    fn parse_request(
        &self,
        form: &Form,
        client: &OAuthClient,
        redirect_uri: RedirectUri,
    ) -> Result<AuthorizationRequest, OAuthError> {
        if let Some(name) = form.repeated_parameter() {
            return Err(OAuthError::invalid_request(format!(
                "duplicate parameter: {name:?}"
            )));
        }
        match form.get("response_type") {
            Some("code") => {}
            Some(_) => return Err(OAuthError::UnsupportedResponseType),
            None => {
                return Err(OAuthError::invalid_request(
                    "missing parameter: response_type",
                ));
            }
        }
        if !client.may_use(GrantType::AuthorizationCode) {
            let message = "client not registered for grant_type authorization_code";
            return Err(OAuthError::UnauthorizedClient(message.into()));
        }
        if form.get("code_challenge_method") != Some("S256") {
            return Err(OAuthError::invalid_request(
                "code_challenge_method must be S256",
            ));
        }
        let challenge = form.get("code_challenge").and_then(CodeChallenge::parse);
        let challenge = challenge.ok_or_else(|| {
            OAuthError::invalid_request("code_challenge must be a base64url SHA-256")
        })?;
        let key = form.get("dpop_jkt");
        if key.is_some_and(|key| CodeChallenge::parse(key).is_none()) {
            return Err(OAuthError::invalid_request(
                "dpop_jkt must be a base64url SHA-256",
            ));
        }
        let (resources, scopes) = self.resources.snapshot().requested_targets(client, form)?;
        Ok(AuthorizationRequest {
            client: client.id.clone(),
            fingerprint: client.fingerprint(),
            redirect_uri,
            redirect_was_sent: form.get("redirect_uri").is_some(),
            scopes,
            resources,
            challenge,
            key: key.map(str::to_owned),
            state: form.get("state").map(str::to_owned),
        })
    }

    /// Rejects resources that the user must not access. To that user, they look like unknown ones.
    fn check_access(
        &self,
        asked: &AuthorizationRequest,
        session: &UserSession,
    ) -> Result<(), AuthorizationError> {
        match self
            .resources
            .snapshot()
            .admits(&asked.resources, &session.user)
        {
            true => Ok(()),
            false => Err(asked.error(OAuthError::InvalidTarget("unknown resource".into()))),
        }
    }

    /// Issues a code if the user has given consent before. Otherwise asks for consent.
    async fn authorize_or_ask(
        &self,
        client: &OAuthClient,
        asked: AuthorizationRequest,
        session: &UserSession,
        ask_again: bool,
    ) -> Result<Response, AuthorizationError> {
        let codes = &self.consent.codes;
        let consent = codes.consent_to(&asked, client);
        let found = codes
            .grants
            .consents
            .find(&session.user.id, &client.id)
            .await;
        let found = found.map_err(|error| AuthorizationError::Page(error.into()))?;
        let is_covered = found.is_some_and(|found| found.covers(&consent));
        // Any local program can pretend to be a client with a redirect to the user's own machine.
        if is_covered && !ask_again && !asked.redirect_uri.is_local() {
            return codes.grant(asked, consent, session, None).await;
        }
        Ok(self.consent.page(client, &asked, session))
    }
}

impl AuthorizationRequest {
    /// Returns the error redirect for this request.
    pub(in crate::server) fn error(&self, error: OAuthError) -> AuthorizationError {
        AuthorizationError::Redirect {
            to: self.redirect_uri.clone(),
            state: self.state.clone(),
            error,
        }
    }
}

impl AuthorizationError {
    /// Returns the error page, or the error redirect of the server `issuer`.
    pub(in crate::server) fn into_response(self, issuer: &IssuerUrl) -> Response {
        match self {
            Self::Page(error) => error_page(&error),
            Self::Redirect { to, state, error } => {
                error.log();
                let description = error.description();
                let mut parameters = vec![
                    ("error", error.code()),
                    ("error_description", &*description),
                    ("iss", issuer.as_str()),
                ];
                parameters.extend(state.as_deref().map(|state| ("state", state)));
                see_other(&to.with_parameters(&parameters))
            }
        }
    }
}

/// Returns `true` if `prompt` contains `what`, which requests another login or consent (OpenID
/// Connect Core, section 3.1.2.1).
fn has_prompt(form: &Form, what: &str) -> bool {
    let wanted = form.get("prompt").unwrap_or_default();
    wanted.split(' ').any(|wanted| wanted == what)
}

/// Returns `query` without `prompt=login`. Otherwise the user would be asked to log in again after
/// each login.
fn without_login_prompt(query: &str) -> String {
    let mut kept = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name != "prompt" {
            kept.append_pair(&name, &value);
            continue;
        }
        let others = value.split(' ').filter(|wanted| *wanted != "login");
        let others = others.collect::<Vec<_>>().join(" ");
        if !others.is_empty() {
            kept.append_pair(&name, &others);
        }
    }
    kept.finish()
}

/// Maximum length of a query, in bytes. It becomes part of the query of the login page.
const MAX_QUERY: usize = 8 * 1024;
