//! Sign-in of people, and the check that a form comes from their session.

use std::fmt;
use std::sync::Arc;

use axum::http::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Request};
use mcp_gateway_auth::{Handle, Keyring, LoginProvider};
use mcp_gateway_core::auth::{AuthError, AuthVerifier, Principal};
use url::Url;

use crate::failure::Failure;
use crate::token_cookie::TokenSession;

/// Ways to sign in to a console: the login of the gateway, a token, or either. Cheap to clone.
///
/// See the [crate documentation](crate) for an example.
#[derive(Clone)]
pub struct ConsoleLogin(Arc<Ways>);

#[derive(Clone)]
struct Ways {
    keyring: Keyring,
    /// Serialized origin at which browsers reach the console.
    origin: String,
    is_secure: bool,
    sessions: Option<Arc<dyn LoginProvider>>,
    tokens: Option<Arc<dyn AuthVerifier>>,
}

/// Session of a person, resolved for one request.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// Identifier, to which CSRF tokens are bound.
    pub(crate) id: String,
    pub(crate) principal: Principal,
    /// Set if the session is that of a token.
    pub(crate) is_token: bool,
}

impl ConsoleLogin {
    /// Creates a login without any way to sign in, for browsers that reach the console at
    /// `public_url`. CSRF tokens and cookies are sealed with `keyring`; all replicas need the same.
    #[must_use]
    pub fn new(keyring: Keyring, public_url: &str) -> Self {
        let url = Url::parse(public_url).ok();
        let origin = url.as_ref().map(|url| url.origin().ascii_serialization());
        Self(Arc::new(Ways {
            keyring,
            is_secure: url.is_some_and(|url| url.scheme() == "https"),
            origin: origin.unwrap_or_default(),
            sessions: None,
            tokens: None,
        }))
    }

    /// Accepts the browser sessions of `provider`.
    #[must_use]
    pub fn with_sessions(mut self, provider: Arc<dyn LoginProvider>) -> Self {
        Arc::make_mut(&mut self.0).sessions = Some(provider);
        self
    }

    /// Accepts the bearer tokens that `verifier` accepts, which people paste once.
    #[must_use]
    pub fn with_tokens(mut self, verifier: Arc<dyn AuthVerifier>) -> Self {
        Arc::make_mut(&mut self.0).tokens = Some(verifier);
        self
    }

    /// Returns the path of the login of the gateway, which returns to `path`.
    pub(crate) fn login_url(&self, path: &str) -> Option<String> {
        let sessions = self.0.sessions.as_ref()?;
        Some(sessions.login_url(path))
    }

    /// Returns `true` if people can sign in with a token.
    pub(crate) fn has_tokens(&self) -> bool {
        self.0.tokens.is_some()
    }

    pub(crate) fn keyring(&self) -> &Keyring {
        &self.0.keyring
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.0.is_secure
    }

    /// Returns the session of the browser that sent `request`. The session of a token is preferred:
    /// it is the one that was chosen for the console.
    pub(crate) async fn session(&self, request: &Parts) -> Result<Option<Session>, Failure> {
        if let Some(session) = self.token_session(&request.headers).await? {
            return Ok(Some(session));
        }
        let Some(sessions) = &self.0.sessions else {
            return Ok(None);
        };
        let found = sessions.session(request).await;
        let found = found.map_err(|_| Failure::Unavailable)?;
        Ok(found.map(|found| Session {
            id: found.id.to_string(),
            principal: found.user.principal(),
            is_token: false,
        }))
    }

    async fn token_session(&self, headers: &HeaderMap) -> Result<Option<Session>, Failure> {
        let found = TokenSession::of(headers, &self.0.keyring, self.0.is_secure);
        let Some(found) = found else {
            return Ok(None);
        };
        let principal = self.verify(&found.token).await?;
        Ok(principal.map(|principal| Session {
            id: found.id,
            principal,
            is_token: true,
        }))
    }

    /// Returns the principal of `token`, if it is valid.
    pub(crate) async fn verify(&self, token: &str) -> Result<Option<Principal>, Failure> {
        let Some(tokens) = &self.0.tokens else {
            return Ok(None);
        };
        let Ok(mut value) = HeaderValue::try_from(format!("Bearer {token}")) else {
            return Ok(None);
        };
        value.set_sensitive(true);
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.headers.insert(AUTHORIZATION, value);
        match tokens.verify(&parts).await {
            Ok(principal) => Ok(Some(principal)),
            Err(AuthError::Unavailable(_)) => Err(Failure::Unavailable),
            Err(_) => Ok(None),
        }
    }

    /// Returns the CSRF token for the forms of the session `id`.
    pub(crate) fn csrf(&self, id: &str) -> String {
        self.0.keyring.issue(CSRF, Handle::new(id, 0))
    }

    /// Checks that a form with the CSRF token `csrf` was shown to the session `id`, and sent by a page
    /// of this origin.
    pub(crate) fn check_form(
        &self,
        headers: &HeaderMap,
        csrf: &str,
        id: &str,
    ) -> Result<(), Failure> {
        let shown = self.0.keyring.verify(CSRF, csrf);
        let is_shown = shown.is_some_and(|handle| handle == Handle::new(id, 0));
        match is_shown && self.sent(headers) != Some(false) {
            true => Ok(()),
            false => Err(Failure::Forged),
        }
    }

    /// Returns whether a page of this origin has sent a request; `None` if the browser does not tell.
    pub(crate) fn sent(&self, headers: &HeaderMap) -> Option<bool> {
        let site = headers.get(SEC_FETCH_SITE);
        let is_same_site = site.map(|site| site == "same-origin");
        let mut origins = headers.get_all(ORIGIN).iter();
        let is_ours = match (origins.next(), origins.next()) {
            (None, _) => None,
            (Some(origin), None) => Some(self.is_ours(origin, headers)),
            (Some(_), Some(_)) => Some(false),
        };
        match (is_same_site, is_ours) {
            (None, None) => None,
            (site, origin) => Some(site != Some(false) && origin != Some(false)),
        }
    }

    /// Returns `true` if `origin` is the public origin, or that of the host to which the request was
    /// sent: the gateway rejects other hosts than its own.
    fn is_ours(&self, origin: &HeaderValue, headers: &HeaderMap) -> bool {
        let Ok(origin) = origin.to_str() else {
            return false;
        };
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        origin == self.0.origin || (authority.is_some() && authority == host)
    }
}

impl fmt::Debug for ConsoleLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsoleLogin")
            .field("origin", &self.0.origin)
            .field("sessions", &self.0.sessions)
            .field("has_tokens", &self.has_tokens())
            .finish_non_exhaustive()
    }
}

/// Purpose of the handles that are CSRF tokens.
const CSRF: &str = "console-csrf";

/// Fetch metadata header with the relation of the origins.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r20_forms_of_other_sites_are_told_by_what_browsers_say() {
        let keyring = Keyring::new(&[7; 32]).unwrap();
        let login = ConsoleLogin::new(keyring, "https://gw.example/base");
        for (origin, site, expected) in [
            (Some("https://gw.example"), Some("same-origin"), Some(true)),
            (Some("http://127.0.0.1:1"), Some("same-origin"), Some(true)),
            (None, Some("same-origin"), Some(true)),
            (Some("https://gw.example"), None, Some(true)),
            (None, None, None),
            (Some("null"), None, Some(false)),
            (Some("https://evil.example"), None, Some(false)),
            (Some("https://gw.example"), Some("cross-site"), Some(false)),
            (Some("https://gw.example"), Some("same-site"), Some(false)),
            (None, Some("none"), Some(false)),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static("127.0.0.1:1"));
            if let Some(origin) = origin {
                headers.insert(ORIGIN, HeaderValue::from_static(origin));
            }
            if let Some(site) = site {
                headers.insert(SEC_FETCH_SITE, HeaderValue::from_static(site));
            }
            assert_eq!(login.sent(&headers), expected, "{origin:?} {site:?}");
        }
    }
}
