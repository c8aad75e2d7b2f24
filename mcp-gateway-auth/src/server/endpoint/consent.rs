//! The consent page and its submission.
//!
//! The page contains the authorization request under a seal, bound to the session, with an
//! expiration time and a nonce. An attacker can neither compose a request, nor submit the form for
//! another user, nor submit it twice. A client whose name or redirect URIs have changed since the
//! page was shown is rejected.
//!
//! An accepted form writes the consent, the grant and the used nonce in one batch. The browser is
//! then redirected to the client with the code and `iss` (RFC 9207).

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use mcp_gateway_store::{Batch, CommitOutcome, Store};
use serde::{Deserialize, Serialize};

use super::authorize::{AuthorizationError, AuthorizationRequest};
use super::form::Form;
use super::response::{error_page, see_other};
use crate::clock::system_time;
use crate::pages::{ConsentPage, ErrorPage, PageLink, page};
use crate::secret::random_id;
use crate::server::ProtectedResources;
use crate::server::client::OAuthClient;
use crate::server::client::clients::ClientRegistry;
use crate::server::error::OAuthError;
use crate::server::grant::consents::Consent;
use crate::server::grant::{AuthorizationCode, Grant, GrantState, Grants};
use crate::server::issuer::IssuerUrl;
use crate::{AuthServerError, Clock, Keyring, LoginProvider, UserSession};

/// The content of a consent page, sealed into its form.
#[derive(Debug, Deserialize, Serialize)]
struct ConsentChallenge {
    request: AuthorizationRequest,
    /// Session to which the page was shown.
    session: String,
    expires: u64,
    /// Nonce: the form is accepted once.
    id: String,
}

/// `POST /consent`: accepts the decision of the user.
pub(in crate::server) async fn submit_consent(
    State(endpoint): State<Arc<ConsentEndpoint>>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_FORM).await else {
        return forbidden();
    };
    let response = endpoint.decide(&parts, &body).await;
    response.unwrap_or_else(|error| error.into_response(&endpoint.codes.issuer))
}

/// Consent page, and the endpoint of its form.
#[derive(Debug)]
pub(in crate::server) struct ConsentEndpoint {
    pub(in crate::server) clients: ClientRegistry,
    pub(in crate::server) resources: ProtectedResources,
    pub(in crate::server) login_provider: Arc<dyn LoginProvider>,
    pub(in crate::server) challenges: ConsentChallenges,
    pub(in crate::server) codes: CodeIssuer,
}

/// Seals the content of consent pages, and accepts each of them once.
#[derive(Debug)]
pub(in crate::server) struct ConsentChallenges {
    pub(in crate::server) keyring: Keyring,
    pub(in crate::server) store: Arc<dyn Store>,
    pub(in crate::server) clock: Clock,
    /// Lifetime of a page, in seconds.
    pub(in crate::server) lifetime: u64,
}

/// Issues authorization codes.
#[derive(Debug)]
pub(in crate::server) struct CodeIssuer {
    pub(in crate::server) issuer: IssuerUrl,
    pub(in crate::server) grants: Grants,
    pub(in crate::server) store: Arc<dyn Store>,
    pub(in crate::server) clock: Clock,
    /// Lifetime of a code, in seconds.
    pub(in crate::server) code_lifetime: u64,
    /// Retention of the nonces of consent pages, in seconds.
    pub(in crate::server) nonce_lifetime: u64,
}

impl ConsentChallenges {
    /// Seals the content of the page.
    fn seal(
        &self,
        asked: &AuthorizationRequest,
        session: &UserSession,
    ) -> Result<String, AuthServerError> {
        let challenge = ConsentChallenge {
            request: asked.clone(),
            session: session.id.to_string(),
            expires: self.clock.now() + self.lifetime,
            id: random_id("q_")?,
        };
        let plain = serde_json::to_vec(&challenge).map_err(AuthServerError::document)?;
        let sealed = self.keyring.sealer().seal(PURPOSE, &plain);
        sealed.map_err(|_| AuthServerError::Random)
    }

    /// Opens the sealed content.
    fn open(&self, sealed: &str) -> Option<ConsentChallenge> {
        let plain = self.keyring.sealer().open(PURPOSE, sealed)?;
        serde_json::from_slice(&plain).ok()
    }

    /// Returns `true` if the page has not expired and was shown to `session`.
    fn is_valid(&self, challenge: &ConsentChallenge, session: &UserSession) -> bool {
        *challenge.session == *session.id && self.clock.now() < challenge.expires
    }

    /// Records the use of the nonce. Fails with a conflict if it was used before.
    async fn consume(
        &self,
        challenge: &ConsentChallenge,
    ) -> Result<CommitOutcome, AuthServerError> {
        let key = consent_nonce_key(&challenge.id);
        let batch =
            Batch::new()
                .if_absent(key.clone())
                .put_until(key, "", system_time(challenge.expires));
        Ok(self.store.commit(batch).await?)
    }
}

impl CodeIssuer {
    /// Returns the consent that the request asks for.
    pub(in crate::server) fn consent_to(
        &self,
        asked: &AuthorizationRequest,
        client: &OAuthClient,
    ) -> Consent {
        Consent {
            client: client.id.clone(),
            name: client.name.clone(),
            redirect_uri: asked.redirect_uri.to_string(),
            scopes: asked.scopes.clone(),
            resources: asked.resources.clone(),
            at: self.clock.now(),
            fingerprint: asked.fingerprint.clone(),
        }
    }

    /// Stores the grant and redirects to the client with a code. `id` is the nonce of the consent
    /// page, if there was one.
    pub(in crate::server) async fn grant(
        &self,
        asked: AuthorizationRequest,
        consent: Consent,
        session: &UserSession,
        id: Option<&str>,
    ) -> Result<Response, AuthorizationError> {
        let failed = |error: AuthServerError| AuthorizationError::Page(error.into());
        let (user, now) = (&session.user.id, self.clock.now());
        let grant = Grant {
            client: asked.client.clone(),
            user: user.to_string(),
            scopes: asked.scopes.clone(),
            resources: asked.resources.clone(),
            authenticated_at: session.authenticated_at,
            created: now,
            key: None,
            code: AuthorizationCode {
                challenge: asked.challenge.clone(),
                redirect_uri: asked.redirect_uri.to_string(),
                redirect_uri_required: asked.redirect_was_sent,
                key: asked.key.clone(),
                expires: now + self.code_lifetime,
            },
            state: GrantState::CodeIssued,
        };
        let mut batch = Batch::new();
        if let Some(id) = id {
            batch = self
                .grants
                .consents
                .add(batch, user, &consent)
                .map_err(failed)?;
            let expires = system_time(now + self.nonce_lifetime);
            let key = consent_nonce_key(id);
            batch = batch.if_absent(key.clone()).put_until(key, "", expires);
        }
        let (batch, code) = self
            .grants
            .store
            .issue_code(&grant, batch)
            .map_err(failed)?;
        let outcome = self.store.commit(batch).await;
        match outcome.map_err(|error| failed(error.into()))? {
            CommitOutcome::Committed => {}
            CommitOutcome::Conflict => return Ok(forbidden()),
        }
        tracing::info!(
            client = asked.client,
            user = &**user,
            "client authorized by user"
        );
        let mut parameters = vec![("code", &*code), ("iss", self.issuer.as_str())];
        parameters.extend(asked.state.as_deref().map(|state| ("state", state)));
        Ok(see_other(&asked.redirect_uri.with_parameters(&parameters)))
    }
}

impl ConsentEndpoint {
    /// Shows the consent page to the user of `session`.
    pub(in crate::server) fn page(
        &self,
        client: &OAuthClient,
        asked: &AuthorizationRequest,
        session: &UserSession,
    ) -> Response {
        let Ok(sealed) = self.challenges.seal(asked, session) else {
            return error_page(&AuthServerError::Random.into());
        };
        let resources = self.resources.snapshot();
        let scopes: Vec<_> = asked
            .scopes
            .iter()
            .map(|scope| (scope.to_owned(), resources.describe(scope)))
            .collect();
        let scopes: Vec<_> = scopes
            .iter()
            .map(|(name, text)| (&**name, &**text))
            .collect();
        let names = asked.resources.iter().filter_map(|uri| resources.find(uri));
        let gateway: Vec<_> = names.map(|resource| Arc::clone(&resource.name)).collect();
        let documented = url::Url::parse(&client.id).ok();
        let shown = ConsentPage {
            client_name: &client.name,
            client_host: documented.as_ref().and_then(url::Url::host_str),
            redirect_host: &asked.redirect_uri.host(),
            is_loopback_only: client.is_local_only(),
            scopes: &scopes,
            host: self.codes.issuer.host(),
            gateway: &gateway.join(", "),
            user: &session.user.name,
            request: &sealed,
        };
        page(StatusCode::OK, &shown, Some(&asked.redirect_uri.source()))
    }

    /// Validates a submitted form, and redirects to the client.
    async fn decide(&self, request: &Parts, body: &Bytes) -> Result<Response, AuthorizationError> {
        if !is_same_origin(&self.codes.issuer, &request.headers) {
            return Ok(forbidden());
        }
        let form = Form::read(&request.headers, body).map_err(AuthorizationError::Page)?;
        let session = self.login_provider.session(request).await;
        let session = session.map_err(|error| AuthorizationError::Page(error.into()))?;
        let challenge = form
            .get("request")
            .and_then(|sealed| self.challenges.open(sealed));
        let (Some(session), Some(challenge)) = (session, challenge) else {
            return Ok(forbidden());
        };
        if !self.challenges.is_valid(&challenge, &session) {
            return Ok(forbidden());
        }
        let asked = challenge.request.clone();
        match form.get("decision") {
            Some("allow") => {}
            Some("deny") => {
                return match self.challenges.consume(&challenge).await {
                    Ok(CommitOutcome::Committed) => Err(asked.error(OAuthError::AccessDenied)),
                    Ok(CommitOutcome::Conflict) => Ok(forbidden()),
                    Err(error) => Err(AuthorizationError::Page(error.into())),
                };
            }
            _ => return Ok(forbidden()),
        }
        let client = self
            .clients
            .find(&asked.client)
            .await
            .map_err(AuthorizationError::Page)?;
        let same = |client: &OAuthClient| {
            client.fingerprint().as_str() == asked.fingerprint.as_str()
                && client
                    .redirect_uri(Some(asked.redirect_uri.as_str()))
                    .is_some()
        };
        // The consent applies to the client as it was shown.
        let Some(client) = client.filter(same) else {
            return Ok(forbidden());
        };
        let consent = self.codes.consent_to(&asked, &client);
        let nonce = Some(&*challenge.id);
        self.codes.grant(asked, consent, &session, nonce).await
    }
}

/// Returns `true` if no header contradicts that the form was sent by a page of this origin.
fn is_same_origin(issuer: &IssuerUrl, headers: &HeaderMap) -> bool {
    let says = |name: &str, allowed: &[&str]| {
        let value = headers.get(name).map(http::HeaderValue::as_bytes);
        value.is_none_or(|value| allowed.iter().any(|allowed| allowed.as_bytes() == value))
    };
    // Browsers send `null` for pages with the policy `no-referrer`.
    says(header::ORIGIN.as_str(), &[issuer.as_str(), "null"])
        && says("sec-fetch-site", &["same-origin"])
}

/// Returns the store key of a used nonce.
fn consent_nonce_key(id: &str) -> String {
    format!("auth/answered/{id}")
}

/// Returns the page for a form that is expired, replayed, or was shown to another session.
fn forbidden() -> Response {
    let shown = ErrorPage {
        title: "This page is out of date",
        message: "It has expired, was submitted already, or belongs to another user. \
                  Go back to the application, and connect it again.",
        detail: None,
        links: &[PageLink::ACCOUNT],
    };
    page(StatusCode::FORBIDDEN, &shown, None)
}

/// Purpose of the seal.
const PURPOSE: &str = "consent";

/// Maximum size of the form, in bytes.
const MAX_FORM: usize = 64 * 1024;
