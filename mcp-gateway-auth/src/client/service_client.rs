//! Clients that obtain tokens for themselves (RFC 6749, section 4.4; RFC 7523, section 2).

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::error::ServerError;
use super::token::TokenAnswer;
use super::token_http::{TokenFailure, TokenHttp};
use super::token_target::{TokenEndpoint, TokenTarget};
use super::{ClientError, ClientIdentity, TokenSet, WorkloadAssertion};
use crate::dpop::DpopKey;
use crate::egress::{ClientAuth, Egress};
use crate::jose::SigningKey;
use crate::{Clock, Secret};

/// Client of an authorization server, which authenticates as itself with a secret, a key or an
/// assertion of its platform.
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
    proof: ClientProof,
}

/// Proof of a client that it is the registered one.
#[derive(Clone, Debug)]
enum ClientProof {
    /// Assertion of the platform, which authenticates the client.
    Assertion(WorkloadAssertion),
    /// Assertion of the platform, which is the grant of a public client.
    Grant(WorkloadAssertion),
    /// Signature.
    Key(ClientKey),
    /// Secret of the identity, if it has one.
    Secret,
}

/// Private key of a client, whose signature authenticates it (`private_key_jwt`).
#[derive(Clone)]
pub struct ClientKey {
    key: SigningKey,
    id: Option<String>,
    audience: Option<String>,
}

/// Parameters of a token request.
pub(super) type TokenForm = Vec<(&'static str, String)>;

impl From<ClientIdentity> for ServiceClient {
    /// Creates a client with the secret of `identity`.
    fn from(identity: ClientIdentity) -> Self {
        let proof = ClientProof::Secret;
        Self { identity, proof }
    }
}

impl ServiceClient {
    /// Creates the client `id`, which signs its requests with `key`.
    #[must_use]
    pub fn with_key(id: impl Into<String>, key: ClientKey) -> Self {
        Self::with_proof(id, ClientProof::Key(key))
    }

    /// Creates the client `id`, which `assertion` authenticates (RFC 7523, section 2.2).
    #[must_use]
    pub fn with_assertion(id: impl Into<String>, assertion: WorkloadAssertion) -> Self {
        Self::with_proof(id, ClientProof::Assertion(assertion))
    }

    /// Creates the client `id`, to which tokens are issued for `assertion` (RFC 7523, section 2.1).
    ///
    /// The client does not authenticate otherwise.
    #[must_use]
    pub fn with_assertion_grant(id: impl Into<String>, assertion: WorkloadAssertion) -> Self {
        Self::with_proof(id, ClientProof::Grant(assertion))
    }

    fn with_proof(id: impl Into<String>, proof: ClientProof) -> Self {
        let identity = ClientIdentity::public(id);
        Self { identity, proof }
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
        let mut form = match &self.proof {
            ClientProof::Grant(assertion) => {
                let assertion = assertion.current().await?;
                vec![
                    ("grant_type", JWT_BEARER.to_owned()),
                    ("assertion", assertion.expose().to_owned()),
                ]
            }
            _ => vec![("grant_type", "client_credentials".to_owned())],
        };
        form.push(("resource", target.resource.resource.clone()));
        form.extend(scope.map(|scope| ("scope", scope.to_owned())));
        let key = target.key.as_ref();
        let answer = self.request(egress, &target.endpoint, form, key).await?;
        Ok(answer.tokens(key)?)
    }

    /// Sends `form` to `endpoint`, authenticated as the client, for a token that is bound to `key` if
    /// there is one.
    pub(super) async fn request(
        &self,
        egress: &Egress,
        endpoint: &TokenEndpoint,
        mut form: TokenForm,
        key: Option<&DpopKey>,
    ) -> Result<TokenAnswer, TokenFailure> {
        let auth = self.authenticate(endpoint, &mut form).await?;
        let http = TokenHttp::new(egress, key);
        let answer = answer(&http, endpoint, &auth, &form).await;
        answer.map_err(|error| http.failure(error))
    }

    /// Adds the client and its assertion to `form`, and returns the rest of its authentication.
    async fn authenticate(
        &self,
        endpoint: &TokenEndpoint,
        form: &mut TokenForm,
    ) -> Result<ClientAuth, ClientError> {
        let assertion = match &self.proof {
            ClientProof::Assertion(assertion) => {
                Some(assertion.current().await?.expose().to_owned())
            }
            ClientProof::Key(key) => Some(key.assertion(self.id(), &endpoint.issuer)?),
            ClientProof::Grant(_) | ClientProof::Secret => None,
        };
        let auth = self.identity.authentication(&endpoint.auth_methods);
        // The client is in all forms, because some servers require it there.
        if !matches!(auth, ClientAuth::Post { .. }) {
            form.push(("client_id", self.id().to_owned()));
        }
        if let Some(assertion) = assertion {
            form.push(("client_assertion_type", ASSERTION_TYPE.to_owned()));
            form.push(("client_assertion", assertion));
        }
        Ok(auth)
    }
}

/// Posts `form` to the token endpoint `endpoint`.
async fn answer(
    http: &TokenHttp,
    endpoint: &TokenEndpoint,
    auth: &ClientAuth,
    form: &TokenForm,
) -> Result<TokenAnswer, ClientError> {
    let url = &endpoint.url;
    let failed = |source| ClientError::egress(url, source);
    let form: Vec<_> = form.iter().map(|(name, value)| (*name, &**value)).collect();
    let mut request = auth.request(&form).map_err(failed)?.map(Vec::from);
    *request.uri_mut() = url.as_str().parse().map_err(|_| ClientError::Response {
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
        return serde_json::from_slice(response.body()).map_err(malformed);
    }
    let error: Value = serde_json::from_slice(response.body()).map_err(malformed)?;
    Err(ClientError::Token(ServerError::parse(&error)))
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

/// Grant with an assertion (RFC 7523, section 2.1).
pub(super) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
