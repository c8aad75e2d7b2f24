//! The consent page and its submission.
//!
//! The page contains the authorization request under a seal, bound to the session, with an
//! expiration time and a nonce. An attacker can neither compose a request, nor submit the form for
//! another user, nor submit it twice. A client whose name or redirect URIs have changed since the
//! page was shown is rejected.
//!
//! An accepted form writes the consent, the grant and the used nonce in one batch. The browser is
//! then redirected to the client with the code and `iss` (RFC 9207).

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use mcp_gateway_store::{Batch, CommitOutcome};
use serde::{Deserialize, Serialize};

use super::authorize::{AuthorizationError, AuthorizationRequest};
use super::form::Form;
use super::response::{error_page, see_other};
use crate::clock::system_time;
use crate::pages::{ConsentPage, ErrorPage, page};
use crate::secret::random_id;
use crate::server::AuthorizationServer;
use crate::server::client::OAuthClient;
use crate::server::consents::Consent;
use crate::server::error::OAuthError;
use crate::server::grant::{AuthorizationCode, Grant, GrantState};
use crate::{AuthServerError, UserSession};

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
    State(server): State<AuthorizationServer>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_FORM).await else {
        return forbidden();
    };
    match server.decide(&parts, &body).await {
        Ok(response) => response,
        Err(refusal) => server.error_response(refusal),
    }
}

impl AuthorizationServer {
    /// Shows the consent page to the user of `session`.
    pub(in crate::server) fn consent_page(
        &self,
        client: &OAuthClient,
        asked: &AuthorizationRequest,
        session: &UserSession,
    ) -> Response {
        let Ok(sealed) = self.seal_challenge(asked, session) else {
            return error_page(&AuthServerError::Random.into());
        };
        let resources = self.resources();
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
        let gateway: Vec<_> = names.map(|resource| &*resource.name).collect();
        let documented = url::Url::parse(&client.id).ok();
        let shown = ConsentPage {
            client_name: &client.name,
            client_host: documented.as_ref().and_then(url::Url::host_str),
            redirect_host: &asked.redirect_uri.host(),
            is_loopback_only: client.is_local_only(),
            scopes: &scopes,
            host: self.issuer().split_once("://").map_or("", |(_, host)| host),
            gateway: &gateway.join(", "),
            user: &session.user.name,
            request: &sealed,
        };
        page(StatusCode::OK, &shown, Some(&asked.redirect_uri.source()))
    }

    /// Seals the content of the page.
    fn seal_challenge(
        &self,
        asked: &AuthorizationRequest,
        session: &UserSession,
    ) -> Result<String, AuthServerError> {
        let question = ConsentChallenge {
            request: asked.clone(),
            session: session.id.to_string(),
            expires: self.clock().now() + self.lifetimes().consent_request.as_secs(),
            id: random_id("q_")?,
        };
        let plain = serde_json::to_vec(&question).map_err(AuthServerError::document)?;
        let sealed = self.keyring().sealer().seal(PURPOSE, &plain);
        sealed.map_err(|_| AuthServerError::Random)
    }

    /// Validates a submitted form, and redirects to the client.
    async fn decide(&self, request: &Parts, body: &Bytes) -> Result<Response, AuthorizationError> {
        if !self.is_same_origin(&request.headers) {
            return Ok(forbidden());
        }
        let form = Form::read(&request.headers, body).map_err(AuthorizationError::Page)?;
        let session = self.login_provider().session(request).await;
        let session = session.map_err(|error| AuthorizationError::Page(error.into()))?;
        let question = form
            .get("request")
            .and_then(|sealed| self.open_challenge(sealed));
        let (Some(session), Some(question)) = (session, question) else {
            return Ok(forbidden());
        };
        if *question.session != *session.id || self.clock().now() >= question.expires {
            return Ok(forbidden());
        }
        let asked = question.request.clone();
        match form.get("decision") {
            Some("allow") => {}
            Some("deny") => {
                let answered = self.consume_challenge(Batch::new(), &question);
                return match self.store().commit(answered).await {
                    Ok(CommitOutcome::Committed) => Err(asked.error(OAuthError::AccessDenied)),
                    Ok(CommitOutcome::Conflict) => Ok(forbidden()),
                    Err(error) => Err(AuthorizationError::Page(
                        AuthServerError::from(error).into(),
                    )),
                };
            }
            _ => return Ok(forbidden()),
        }
        let client = self
            .clients()
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
        let consent = self.consent_to(&asked, &client);
        self.grant(asked, consent, &session, Some(&question.id))
            .await
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
        let (user, now) = (&session.user.id, self.clock().now());
        let grant = Grant {
            client: asked.client.clone(),
            user: user.to_string(),
            scopes: asked.scopes.clone(),
            resources: asked.resources.clone(),
            authenticated_at: session.authenticated_at,
            created: now,
            code: AuthorizationCode {
                challenge: asked.challenge.clone(),
                redirect_uri: asked.redirect_uri.to_string(),
                redirect_uri_required: asked.redirect_was_sent,
                expires: now + self.lifetimes().code.as_secs(),
            },
            state: GrantState::CodeIssued,
        };
        let mut batch = Batch::new();
        if let Some(id) = id {
            batch = self.consents().add(batch, user, &consent).map_err(failed)?;
            let expires = system_time(now + self.lifetimes().consent_request.as_secs());
            let key = consent_nonce_key(id);
            batch = batch.if_absent(key.clone()).put_until(key, "", expires);
        }
        let (batch, code) = self.grants().issue_code(&grant, batch).map_err(failed)?;
        let outcome = self.store().commit(batch).await;
        match outcome.map_err(|error| failed(error.into()))? {
            CommitOutcome::Committed => {}
            CommitOutcome::Conflict => return Ok(forbidden()),
        }
        tracing::info!(
            client = asked.client,
            user = &**user,
            "client authorized by user"
        );
        let mut parameters = vec![("code", &*code), ("iss", self.issuer())];
        parameters.extend(asked.state.as_deref().map(|state| ("state", state)));
        Ok(see_other(&asked.redirect_uri.with_parameters(&parameters)))
    }

    /// Adds the use of the nonce to `batch`.
    fn consume_challenge(&self, batch: Batch, question: &ConsentChallenge) -> Batch {
        let key = consent_nonce_key(&question.id);
        batch
            .if_absent(key.clone())
            .put_until(key, "", system_time(question.expires))
    }

    /// Opens the sealed content.
    fn open_challenge(&self, sealed: &str) -> Option<ConsentChallenge> {
        let plain = self.keyring().sealer().open(PURPOSE, sealed)?;
        serde_json::from_slice(&plain).ok()
    }

    /// Returns `true` if no header contradicts that the form was sent by a page of this origin.
    fn is_same_origin(&self, headers: &HeaderMap) -> bool {
        let says = |name: &str, allowed: &[&str]| {
            let value = headers.get(name).map(http::HeaderValue::as_bytes);
            value.is_none_or(|value| allowed.iter().any(|allowed| allowed.as_bytes() == value))
        };
        let origin = self.base().origin().ascii_serialization();
        // Browsers send `null` for pages with the policy `no-referrer`.
        says(header::ORIGIN.as_str(), &[&origin, "null"])
            && says("sec-fetch-site", &["same-origin"])
    }
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
    };
    page(StatusCode::FORBIDDEN, &shown, None)
}

/// Purpose of the seal.
const PURPOSE: &str = "consent";

/// Maximum size of the form, in bytes.
const MAX_FORM: usize = 64 * 1024;
