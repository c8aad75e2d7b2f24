//! Clients that obtain tokens for themselves (RFC 6749, section 4.4; RFC 7523, section 2.2).

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::discovery::TokenTarget;
use super::error::ServerError;
use super::token::TokenAnswer;
use super::token_http::{TokenFailure, TokenHttp};
use super::{ClientError, ClientIdentity, TokenSet};
use crate::egress::{ClientAuth, Egress};
use crate::jose::SigningKey;
use crate::{Clock, Secret};

/// Client of an authorization server, which authenticates as itself with a secret or a key.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::client::{ClientIdentity, ClientKey, ServiceClient};
/// use mcp_gateway_auth::jose::{Algorithm, JwtError, SigningKey};
///
/// # fn main() -> Result<(), JwtError> {
/// let with_secret = ServiceClient::from(ClientIdentity::confidential("gateway", "BJ3x0WcQ"));
/// assert_eq!(with_secret.id(), "gateway");
///
/// let key = ClientKey::new(SigningKey::generate(Algorithm::Es256)?).with_id("2026");
/// let with_key = ServiceClient::with_key("gateway", key);
/// assert!(format!("{with_key:?}").contains("2026"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ServiceClient {
    identity: ClientIdentity,
    key: Option<ClientKey>,
}

/// Private key of a client, whose signature authenticates it (`private_key_jwt`).
#[derive(Clone)]
pub struct ClientKey {
    key: SigningKey,
    id: Option<String>,
    audience: Option<String>,
}

impl From<ClientIdentity> for ServiceClient {
    /// Creates a client with the secret of `identity`.
    fn from(identity: ClientIdentity) -> Self {
        let key = None;
        Self { identity, key }
    }
}

impl ServiceClient {
    /// Creates the client `id`, which signs its requests with `key`.
    #[must_use]
    pub fn with_key(id: impl Into<String>, key: ClientKey) -> Self {
        Self {
            identity: ClientIdentity::public(id),
            key: Some(key),
        }
    }

    /// Returns the identifier of the client.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.identity.id
    }

    /// Requests a token of `target` with `scope`.
    pub(super) async fn token(
        &self,
        egress: &Egress,
        target: &TokenTarget,
        scope: Option<&str>,
    ) -> Result<TokenSet, TokenFailure> {
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("resource", &target.resource.resource),
        ];
        form.extend(scope.map(|scope| ("scope", scope)));
        let http = TokenHttp::new(egress, target.key.as_ref());
        let Some(key) = &self.key else {
            let auth = self.identity.authentication(&target.auth_methods);
            let id = self.identity.missing_in_form(&target.auth_methods);
            form.extend(id.map(|id| ("client_id", id)));
            return post(&http, target, &auth, &form).await;
        };
        let assertion = key.assertion(self.id(), &target.resource.issuer);
        let assertion = assertion.map_err(|error| http.failure(error))?;
        form.extend([
            ("client_id", self.id()),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", &assertion),
        ]);
        post(&http, target, &ClientAuth::None, &form).await
    }
}

/// Posts `form` to the token endpoint of `target`.
async fn post(
    http: &TokenHttp,
    target: &TokenTarget,
    auth: &ClientAuth,
    form: &[(&str, &str)],
) -> Result<TokenSet, TokenFailure> {
    let answer = answer(http, target, auth, form).await;
    answer.map_err(|error| http.failure(error))
}

async fn answer(
    http: &TokenHttp,
    target: &TokenTarget,
    auth: &ClientAuth,
    form: &[(&str, &str)],
) -> Result<TokenSet, ClientError> {
    let endpoint = &target.token_endpoint;
    let failed = |source| ClientError::egress(endpoint, source);
    let mut request = auth.request(form).map_err(failed)?.map(Vec::from);
    *request.uri_mut() = endpoint
        .as_str()
        .parse()
        .map_err(|_| ClientError::Response {
            what: "the token endpoint",
            reason: "its address is not a request target",
        })?;
    let response = oauth2::AsyncHttpClient::call(http, request).await;
    let response = response.map_err(failed)?;
    let malformed = |_| ClientError::Response {
        what: "the token endpoint",
        reason: "the response has no access_token",
    };
    if response.status().is_success() {
        let answer: TokenAnswer = serde_json::from_slice(response.body()).map_err(malformed)?;
        return answer.tokens(target.key.as_ref());
    }
    let error: Value = serde_json::from_slice(response.body()).map_err(malformed)?;
    let code = error["error"].as_str().unwrap_or_default();
    let description = error["error_description"].as_str();
    Err(ClientError::Token(ServerError::new(code, description)))
}

impl ClientKey {
    /// Creates a client key, whose identifier is the thumbprint of the public key.
    #[must_use]
    pub fn new(key: SigningKey) -> Self {
        Self {
            key,
            id: None,
            audience: None,
        }
    }

    /// Sets the identifier under which the public key is registered (`kid`).
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Sets the audience of assertions, instead of the issuer of the authorization server. Some
    /// servers require the URL of their token endpoint.
    #[must_use]
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Returns an assertion of `client` for the authorization server `issuer`, which is valid once.
    fn assertion(&self, client: &str, issuer: &str) -> Result<String, ClientError> {
        let now = Clock::system().now();
        let id = Secret::generate("").map_err(|_| ClientError::Random)?;
        let claims = AssertionClaims {
            iss: client,
            sub: client,
            aud: self.audience.as_deref().unwrap_or(issuer),
            jti: id.expose(),
            iat: now,
            exp: now.saturating_add(LIFETIME),
        };
        let kid = self.id.as_deref().unwrap_or_else(|| self.key.kid());
        let signed = self.key.sign_as(kid, "JWT", &claims);
        signed.map_err(|error| ClientError::Sign(error.into()))
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientKey")
            .field("key", &self.key)
            .field("id", &self.id)
            .field("audience", &self.audience)
            .finish()
    }
}

/// Claims of a client assertion (RFC 7523, section 3).
#[derive(Serialize)]
struct AssertionClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    jti: &'a str,
    iat: u64,
    exp: u64,
}

/// Lifetime of an assertion, in seconds.
const LIFETIME: u64 = 60;

/// Type of client assertions (RFC 7523, section 2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
