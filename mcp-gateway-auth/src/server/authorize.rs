use axum::extract::{Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use url::form_urlencoded;

use super::client::{Client, GrantType};
use super::consents::Consent;
use super::error::OAuthError;
use super::form::Form;
use super::pkce::Challenge;
use super::{AuthorizationServer, RedirectUri, Scopes};
use crate::pages::{ErrorPage, page};
use crate::{Person, SecretHash, UserSession};

/// What a client asks a person for, in so far as it may ask for it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Asked {
    pub(super) client: String,
    /// What the client looked like when it asked.
    pub(super) fingerprint: SecretHash,
    pub(super) redirect_uri: RedirectUri,
    pub(super) redirect_was_sent: bool,
    pub(super) scopes: Scopes,
    pub(super) resources: Vec<String>,
    pub(super) challenge: Challenge,
    pub(super) state: Option<String>,
}

/// Why a browser is not asked.
pub(super) enum Refusal {
    /// The client may not be who it says, so the browser stays here.
    Page(OAuthError),
    /// The client is told.
    Redirect {
        to: RedirectUri,
        state: Option<String>,
        error: OAuthError,
    },
}

/// `GET /authorize`
///
/// See [RFC 6749](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.1).
pub(super) async fn authorize(
    State(server): State<AuthorizationServer>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    match server.authorize(&parts).await {
        Ok(response) => response,
        Err(refusal) => server.refuse(refusal),
    }
}

impl AuthorizationServer {
    async fn authorize(&self, request: &Parts) -> Result<Response, Refusal> {
        self.limits().check_peer(request).map_err(Refusal::Page)?;
        let query = request.uri.query().unwrap_or_default();
        let long = || Refusal::Page(OAuthError::request("the request is too long"));
        if query.len() > MAX_QUERY {
            return Err(long());
        }
        let form = Form::parse(query.as_bytes()).ok_or_else(long)?;
        let (client, redirect_uri) = self.party(&form).await.map_err(Refusal::Page)?;
        let session = self.people().session(request).await;
        let session = session.map_err(|error| Refusal::Page(error.into()))?;
        // Before the browser is sent anywhere, also with an error: a link to this host must not lead
        // strangers to wherever somebody has registered.
        let Some(session) = session.filter(|_| !prompts(&form, "login")) else {
            let query = without_login_prompt(query);
            let path = request.uri.path();
            let login = self.people().login_url(&format!("{path}?{query}"));
            return Ok(see_other(&login));
        };
        let asked = self.asked(&form, &client, redirect_uri.clone());
        let asked = asked.map_err(|error| Refusal::Redirect {
            to: redirect_uri,
            state: form.get("state").map(str::to_owned),
            error,
        })?;
        self.check_visible(&asked, &session)?;
        self.proceed(&client, asked, &session, prompts(&form, "consent"))
            .await
    }

    /// The client that `form` is of, and where the browser is sent back to. Until both are known,
    /// the browser is sent nowhere.
    async fn party(&self, form: &Form) -> Result<(Client, RedirectUri), OAuthError> {
        if let Some(name @ ("client_id" | "redirect_uri")) = form.repeated() {
            return Err(OAuthError::request(format!(
                "{name:?} is given more than once"
            )));
        }
        let id = form.get("client_id");
        let id = id.ok_or_else(|| OAuthError::request("client_id is missing"))?;
        let Some(client) = self.clients().find(id).await? else {
            let message = "this client is not known here. If it has been connected before, \
                           disconnect it and connect it again";
            return Err(OAuthError::client(message));
        };
        let wanted = form.get("redirect_uri");
        let Some(redirect_uri) = client.redirect_uri(wanted) else {
            let registered: Vec<_> = client
                .redirect_uris
                .iter()
                .map(RedirectUri::as_str)
                .collect();
            let wanted = wanted.unwrap_or("nowhere");
            return Err(OAuthError::InvalidRedirectUri(
                format!(
                    "the client wants you to be sent back to {wanted}, but it has registered: {}",
                    registered.join(", ")
                )
                .into(),
            ));
        };
        Ok((client, redirect_uri))
    }

    fn asked(
        &self,
        form: &Form,
        client: &Client,
        redirect_uri: RedirectUri,
    ) -> Result<Asked, OAuthError> {
        if let Some(name) = form.repeated() {
            return Err(OAuthError::request(format!(
                "{name:?} is given more than once"
            )));
        }
        match form.get("response_type") {
            Some("code") => {}
            Some(_) => return Err(OAuthError::UnsupportedResponseType),
            None => return Err(OAuthError::request("response_type is missing")),
        }
        if !client.may_use(GrantType::AuthorizationCode) {
            let message = "the client is not registered for authorization codes";
            return Err(OAuthError::UnauthorizedClient(message.into()));
        }
        if form.get("code_challenge_method") != Some("S256") {
            return Err(OAuthError::request("code_challenge_method has to be S256"));
        }
        let challenge = form.get("code_challenge").and_then(Challenge::parse);
        let challenge = challenge.ok_or_else(|| {
            OAuthError::request("code_challenge has to be the SHA-256 of the verifier")
        })?;
        let (resources, scopes) = self.targets(client, form)?;
        Ok(Asked {
            client: client.id.clone(),
            fingerprint: client.fingerprint(),
            redirect_uri,
            redirect_was_sent: form.get("redirect_uri").is_some(),
            scopes,
            resources,
            challenge,
            state: form.get("state").map(str::to_owned),
        })
    }

    /// Refuses what the person of `session` may not use.
    fn check_visible(&self, asked: &Asked, session: &UserSession) -> Result<(), Refusal> {
        match self.admits(&asked.resources, &session.person) {
            true => Ok(()),
            false => Err(asked.refused(OAuthError::InvalidTarget(
                "there is no such resource for this person".into(),
            ))),
        }
    }

    /// Whether `person` may use all of `resources`.
    pub(super) fn admits(&self, resources: &[String], person: &Person) -> bool {
        let known = self.resources();
        resources.iter().all(|uri| {
            let found = known.find(uri);
            found.is_some_and(|resource| resource.admits(&person.roles, &person.teams))
        })
    }

    /// Sends the browser on if the person has agreed before, or else asks.
    async fn proceed(
        &self,
        client: &Client,
        asked: Asked,
        session: &UserSession,
        ask_again: bool,
    ) -> Result<Response, Refusal> {
        let consent = self.consent_to(&asked, client);
        let found = self.consents().find(&session.person.id, &client.id).await;
        let found = found.map_err(|error| Refusal::Page(error.into()))?;
        let is_covered = found.is_some_and(|found| found.covers(&consent));
        // Any program may claim to be a client that is reached on the person's own machine.
        if is_covered && !ask_again && !asked.redirect_uri.is_local() {
            return self.grant(asked, consent, session, None).await;
        }
        Ok(self.ask(client, &asked, session))
    }

    pub(super) fn consent_to(&self, asked: &Asked, client: &Client) -> Consent {
        Consent {
            client: client.id.clone(),
            name: client.name.clone(),
            redirect_uri: asked.redirect_uri.to_string(),
            scopes: asked.scopes.clone(),
            resources: asked.resources.clone(),
            at: self.clock().now(),
            fingerprint: asked.fingerprint.clone(),
        }
    }

    /// Tells whoever has to know.
    pub(super) fn refuse(&self, refusal: Refusal) -> Response {
        match refusal {
            Refusal::Page(error) => error_page(&error),
            Refusal::Redirect { to, state, error } => {
                error.log();
                let description = error.description();
                let mut parameters = vec![
                    ("error", error.code()),
                    ("error_description", &*description),
                    ("iss", self.issuer()),
                ];
                parameters.extend(state.as_deref().map(|state| ("state", state)));
                see_other(&to.with_parameters(&parameters))
            }
        }
    }
}

impl Asked {
    /// That the client is told of `error`.
    pub(super) fn refused(&self, error: OAuthError) -> Refusal {
        Refusal::Redirect {
            to: self.redirect_uri.clone(),
            state: self.state.clone(),
            error,
        }
    }
}

/// What a person sees of an error that their client cannot be told of.
pub(super) fn error_page(error: &OAuthError) -> Response {
    error.log();
    let status = match error {
        OAuthError::InvalidClient { .. } => StatusCode::BAD_REQUEST,
        other => other.status(),
    };
    let detail = format!("{}: {error}", error.code());
    let shown = ErrorPage {
        title: "This client cannot be connected",
        message: "It has not got access to anything. Go back to it and try again. If that does not \
                  help, whoever makes it may want to know the reason:",
        detail: Some(&detail),
    };
    page(status, &shown, None)
}

/// Sends the browser to `url` with `GET`: a form, which may hold a password, is not sent again.
pub(super) fn see_other(url: &str) -> Response {
    let mut response = Redirect::to(url).into_response();
    let headers = response.headers_mut();
    let no_store = http::HeaderValue::from_static("no-store");
    headers.insert(http::header::CACHE_CONTROL, no_store);
    let no_referrer = http::HeaderValue::from_static("no-referrer");
    headers.insert(http::header::REFERRER_POLICY, no_referrer);
    response
}

/// Whether the client wants the person to be asked for `what`, whatever they have done before.
fn prompts(form: &Form, what: &str) -> bool {
    let wanted = form.get("prompt").unwrap_or_default();
    wanted.split(' ').any(|wanted| wanted == what)
}

/// `query`, so that whoever has logged in is not asked to log in again.
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

/// Far more than any client sends; it comes back as part of another query.
const MAX_QUERY: usize = 8 * 1024;
