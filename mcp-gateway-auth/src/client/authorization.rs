//! Authorization requests and responses (RFC 6749, section 4.1; PKCE; RFC 9207).

use std::collections::HashMap;
use std::fmt;

use oauth2::{CsrfToken, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope};
use serde::{Deserialize, Serialize};
use url::Url;

use super::discovery::AuthorizationTarget;
use super::error::printable;
use super::token::{self, Code};
use super::{ClientError, ClientIdentity, ServerError};
use crate::Secret;
use crate::dpop::DpopKey;

/// Pending authorization request.
///
/// `state` associates the response with its request. The PKCE verifier and the
/// private key of the tokens do not leave this value, except in its serialized form, which must be
/// sealed where it is stored.
#[derive(Deserialize, Serialize)]
pub struct Authorization {
    url: Url,
    state: String,
    verifier: String,
    redirect_uri: Url,
    issuer: String,
    names_itself: bool,
    /// Requested scopes, separated by spaces.
    #[serde(default)]
    scope: Option<String>,
    /// Key to which the tokens are to be bound.
    #[serde(default)]
    key: Option<DpopKey>,
}

/// Parameters of an authorization response.
pub type ResponseParameters = HashMap<String, String>;

impl Authorization {
    /// Creates a request of the client `identity` for a token of `found`.
    pub(super) fn new(
        found: &AuthorizationTarget,
        identity: &ClientIdentity,
        redirect_uri: &Url,
        scope: Option<&str>,
    ) -> Result<Self, ClientError> {
        let verifier = random()?;
        let state = random()?;
        let key = found.new_key()?;
        let client = token::client(identity, &found.server)
            .set_redirect_uri(RedirectUrl::from_url(redirect_uri.clone()));
        let challenge =
            PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(verifier.clone()));
        let scope = scope.or(found.scope.as_deref());
        let scopes = scope.unwrap_or_default().split_whitespace();
        let is_offline = scopes.clone().any(|scope| scope == OFFLINE_ACCESS);
        let mut request = client
            .authorize_url(|| CsrfToken::new(state.clone()))
            .set_pkce_challenge(challenge)
            .add_scopes(scopes.map(|scope| Scope::new(scope.to_owned())));
        if let Some(resource) = found.indicator() {
            request = request.add_extra_param("resource", resource);
        }
        if let Some(key) = &key {
            // A stolen code is useless without the key (RFC 9449, section 10).
            request = request.add_extra_param("dpop_jkt", key.thumbprint());
        }
        if is_offline {
            request = request.add_extra_param("prompt", "consent");
        }
        let (url, _) = request.url();
        Ok(Self {
            url,
            state,
            verifier,
            redirect_uri: redirect_uri.clone(),
            issuer: found.server.issuer.clone(),
            names_itself: found.server.names_itself,
            scope: scope.map(str::to_owned),
            key,
        })
    }

    /// Authorization URL for the browser.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Expected value of `state` in the response.
    #[must_use]
    pub fn state(&self) -> &str {
        &self.state
    }

    /// Requested scopes, separated by spaces.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// Returns `true` if a response with `parameters` belongs to this request.
    #[must_use]
    pub fn is_expected(&self, parameters: &ResponseParameters) -> bool {
        parameters.get("state") == Some(&self.state)
    }

    /// Validates a response, and returns its code with the values that redeem it.
    ///
    /// `state` is not checked here: see [`is_expected`](Self::is_expected).
    ///
    /// # Errors
    ///
    /// [`ClientError::MixUp`] and [`ClientError::NoIssuer`] for the issuer, [`ClientError::Denied`]
    /// for an error response, and [`ClientError::Response`] if it has neither an error nor a code.
    pub(super) fn code(self, parameters: ResponseParameters) -> Result<Code, ClientError> {
        // Checked before other parameters are processed: RFC 9207, section 2.4.
        match parameters.get("iss") {
            Some(iss) if *iss != self.issuer => {
                return Err(ClientError::MixUp {
                    expected: self.issuer,
                    found: printable(iss),
                });
            }
            None if self.names_itself => return Err(ClientError::NoIssuer(self.issuer)),
            Some(_) | None => {}
        }
        if let Some(error) = parameters.get("error") {
            let description = parameters.get("error_description").map(String::as_str);
            return Err(ClientError::Denied(ServerError::new(error, description)));
        }
        let mut parameters = parameters;
        let code = parameters.remove("code").ok_or(ClientError::Response {
            what: "the authorization response",
            reason: "it has neither a code nor an error",
        })?;
        Ok(Code {
            code,
            redirect_uri: RedirectUrl::from_url(self.redirect_uri),
            verifier: PkceCodeVerifier::new(self.verifier),
            key: self.key,
        })
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorization")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

/// Scope of a refresh token. It is ignored without `prompt=consent` (OpenID Connect Core, section
/// 11).
pub(crate) const OFFLINE_ACCESS: &str = "offline_access";

/// Returns a random value of 256 bits, as text.
pub(super) fn random() -> Result<String, ClientError> {
    let secret = Secret::generate("").map_err(|_| ClientError::Random)?;
    Ok(secret.expose().to_owned())
}
