//! An OAuth client for MCP servers that require a token.
//!
//! It requires only the URL of the server, as the specification of MCP describes it
//! ([2025-11-25, Authorization](https://modelcontextprotocol.io/specification/2025-11-25/basic/authorization)):
//!
//! 1. A request without a token is rejected with a [`Challenge`].
//! 2. The metadata of the resource names the authorization server, whose metadata names its
//!    endpoints (RFC 9728, RFC 8414, OpenID Connect Discovery).
//! 3. The client has a registered identifier, or a client ID metadata document, or registers
//!    (RFC 7591).
//! 4. A browser returns a code for a request with PKCE. The issuer in the response is validated
//!    (RFC 9207).
//! 5. The code is redeemed for [`TokenSet`] of that one resource (RFC 8707), which can be refreshed.
//!
//! All requests go through an [`Egress`], because servers choose their addresses (SSRF). The
//! feature `loopback` adds [`OAuthClientFlow`], which performs all steps with a browser on this machine.
//!
//! # Example
//!
//! ```
//! use mcp_gateway_auth::client::{ClientError, OAuthClient};
//! use mcp_gateway_auth::egress::{Egress, EgressPolicy};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let egress = Egress::new(EgressPolicy::new())?;
//! // A token would be readable in transit.
//! let refused = OAuthClient::new(egress.clone(), "http://mcp.example.com/mcp".parse()?);
//! assert!(matches!(refused, Err(ClientError::Insecure(_))));
//! // This address is not on the public internet.
//! let client = OAuthClient::new(egress, "https://10.0.0.1/mcp".parse()?)?;
//! assert!(matches!(client.challenge().await, Err(ClientError::Egress { .. })));
//! # Ok(())
//! # }
//! ```

mod authorization;
pub(crate) mod backoff;
#[cfg(any(feature = "accounts", feature = "token-exchange"))]
pub(crate) mod backoffs;
#[cfg(feature = "loopback")]
mod browser;
#[cfg(feature = "client-credentials")]
mod client_credentials;
mod credentials;
mod discovery;
mod error;
#[cfg(feature = "token-exchange")]
mod exchange;
mod grant;
mod http;
#[cfg(feature = "loopback")]
mod loopback;
mod policy;
pub(crate) mod presented;
mod registration;
#[cfg(feature = "client-credentials")]
mod service_client;
#[cfg(feature = "loopback")]
mod sign_in;
pub(crate) mod token;
pub(crate) mod token_http;
#[cfg(feature = "client-credentials")]
mod token_slot;
#[cfg(feature = "client-credentials")]
mod token_target;
#[cfg(feature = "client-credentials")]
mod workload_assertion;

#[cfg(feature = "client-credentials")]
use ::http::HeaderMap;
use ::http::StatusCode;
use mcp_gateway_core::credential::Challenge;
use serde_json::json;
use url::Url;

#[cfg(feature = "accounts")]
pub(crate) use self::authorization::OFFLINE_ACCESS;
pub use self::authorization::{Authorization, ResponseParameters};
#[cfg(feature = "loopback")]
pub use self::browser::open_browser;
#[cfg(feature = "client-credentials")]
pub use self::client_credentials::ClientCredentials;
pub use self::credentials::GrantCredentials;
pub use self::discovery::{AuthorizationServerMetadata, AuthorizationTarget};
pub use self::error::{ClientError, ServerError};
#[cfg(feature = "token-exchange")]
pub use self::exchange::{
    ExchangeProfile, IdentityIssuer, PresentedTokens, ServerBackoffs, SubjectToken,
    SubjectTokenType, SubjectTokens, TokenExchange,
};
pub use self::grant::Grant;
use self::http::Reach;
#[cfg(feature = "loopback")]
pub use self::loopback::Loopback;
pub use self::policy::policy_for;
pub use self::registration::ClientIdentity;
use self::registration::RegistrationRequest;
#[cfg(feature = "client-credentials")]
pub use self::service_client::{ClientKey, ServiceClient};
#[cfg(feature = "loopback")]
pub use self::sign_in::{OAuthClientFlow, SignInEvent};
pub use self::token::TokenSet;
#[cfg(feature = "client-credentials")]
use self::token_target::TokenTarget;
#[cfg(feature = "client-credentials")]
pub use self::workload_assertion::WorkloadAssertion;
use crate::egress::Egress;

/// OAuth client for one MCP server. Cheap to clone.
///
/// See the [module documentation](self) for the steps, each of which is a method.
#[derive(Clone, Debug)]
pub struct OAuthClient {
    reach: Reach,
    url: Url,
    /// Set if tokens may be bound to a key.
    may_bind: bool,
}

impl OAuthClient {
    /// Creates a client for the server at `url`, which sends its requests through `egress`.
    ///
    /// # Errors
    ///
    /// [`ClientError::Insecure`] if `url` is neither `https` nor on this machine.
    pub fn new(egress: Egress, url: Url) -> Result<Self, ClientError> {
        Ok(Self {
            reach: Reach::new(egress, &url)?,
            url,
            may_bind: true,
        })
    }

    /// Requests bearer tokens only, also from servers that bind tokens to a key (RFC 9449).
    ///
    /// For tokens that another program presents.
    #[must_use]
    pub fn with_bearer_tokens(mut self) -> Self {
        self.may_bind = false;
        self
    }

    /// Probes the server with a `ping`, and returns its challenge.
    ///
    /// Returns `None` if it requires no token.
    ///
    /// # Errors
    ///
    /// [`ClientError::Egress`] if the server cannot be reached, and [`ClientError::Status`] if the
    /// status of the response allows no conclusion.
    pub async fn challenge(&self) -> Result<Option<Challenge>, ClientError> {
        let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
        let fetched = self.reach.post_json(&self.url, &ping, None).await;
        let fetched = fetched.map_err(|source| ClientError::egress(&self.url, source))?;
        match fetched.status.as_u16() {
            401 => Ok(Some(Challenge::new(fetched.status, &fetched.headers))),
            // The server may reject the ping, but not because of a missing token.
            200..=299 | 400 | 405 | 406 | 415 | 422 => Ok(None),
            _ => Err(self.status(fetched.status)),
        }
    }

    /// Discovers the token endpoint for the server.
    #[cfg(feature = "client-credentials")]
    async fn token_target(&self) -> Result<TokenTarget, ClientError> {
        let challenge = self.challenge().await?;
        // The server may require a token for some requests only.
        let none = || Challenge::new(StatusCode::UNAUTHORIZED, &HeaderMap::new());
        let challenge = challenge.unwrap_or_else(none);
        token_target::discover_tokens(&self.reach, &self.url, &challenge).await
    }

    /// Returns the URL of the server.
    #[cfg(feature = "token-exchange")]
    fn url(&self) -> &Url {
        &self.url
    }

    #[cfg(feature = "token-exchange")]
    fn egress(&self) -> &Egress {
        self.reach.egress()
    }

    fn status(&self, status: StatusCode) -> ClientError {
        ClientError::Status {
            url: self.url.to_string(),
            status,
        }
    }

    /// Discovers the authorization server of the resource that has sent `challenge`.
    ///
    /// # Errors
    ///
    /// A [`ClientError`] if a document is missing, malformed or for another resource or issuer.
    pub async fn discover(
        &self,
        challenge: &Challenge,
    ) -> Result<AuthorizationTarget, ClientError> {
        let mut found = discovery::discover(&self.reach, &self.url, challenge).await?;
        found.accepts_bound_tokens &= self.may_bind;
        Ok(found)
    }

    /// Registers a public client with `name`, and with an initial access token if present.
    ///
    /// # Errors
    ///
    /// [`ClientError::NoRegistration`] if the server does not support registration, and
    /// [`ClientError::Rejected`] if it rejects this one.
    pub async fn register(
        &self,
        server: &AuthorizationServerMetadata,
        name: &str,
        redirect_uri: &Url,
        token: Option<&str>,
    ) -> Result<ClientIdentity, ClientError> {
        let request = RegistrationRequest {
            name,
            redirect_uri,
            scope: None,
            token,
        };
        registration::register(&self.reach, server, &request).await
    }

    /// Registers a client with `name` that may request `scope`.
    #[cfg(feature = "accounts")]
    pub(crate) async fn register_with_scope(
        &self,
        server: &AuthorizationServerMetadata,
        (name, redirect_uri): (&str, &Url),
        scope: Option<&str>,
    ) -> Result<ClientIdentity, ClientError> {
        let request = RegistrationRequest {
            name,
            redirect_uri,
            scope,
            token: None,
        };
        registration::register(&self.reach, server, &request).await
    }

    /// Returns `false` if the authorization server of `found` does not accept the client `identity`.
    ///
    /// It presents a code that was never issued. A server that cannot be reached has not rejected
    /// the client.
    #[cfg(feature = "accounts")]
    pub(crate) async fn is_accepted(
        &self,
        found: &AuthorizationTarget,
        identity: &ClientIdentity,
        redirect_uri: &Url,
    ) -> Result<bool, ClientError> {
        let code = token::Code::unissued(found, redirect_uri)?;
        let redeemed = token::redeem(self.reach.egress(), (found, identity), code).await;
        Ok(!redeemed.is_err_and(|error| error.is_invalid_client()))
    }

    /// Creates the authorization request, whose URL is opened in a browser.
    ///
    /// # Errors
    ///
    /// [`ClientError::Random`] if the system has no random numbers, and [`ClientError::Egress`] if
    /// the token endpoint has asked for a pause, in which no code could be redeemed.
    pub fn authorize(
        &self,
        found: &AuthorizationTarget,
        identity: &ClientIdentity,
        redirect_uri: &Url,
        scope: Option<&str>,
    ) -> Result<Authorization, ClientError> {
        let endpoint = &found.server.token_endpoint;
        let paused = self.reach.egress().check_pause(endpoint);
        paused.map_err(|source| ClientError::egress(endpoint, source))?;
        Authorization::new(found, identity, redirect_uri, scope)
    }

    /// Redeems the code in `parameters`, the response to `authorization`.
    ///
    /// # Errors
    ///
    /// [`ClientError::MixUp`] and [`ClientError::NoIssuer`] if the response comes from another
    /// server; [`ClientError::Denied`] if it is an error; [`ClientError::Token`] if the code is
    /// rejected.
    pub async fn redeem(
        &self,
        (found, identity): (AuthorizationTarget, ClientIdentity),
        authorization: Authorization,
        parameters: ResponseParameters,
    ) -> Result<Grant, ClientError> {
        let requested = authorization.scope().map(str::to_owned);
        let code = authorization.code(parameters)?;
        let egress = self.reach.egress();
        let tokens = token::redeem(egress, (&found, &identity), code).await?;
        let grant = Grant::new(egress.clone(), (found, identity), tokens);
        Ok(grant.with_requested_scope(requested))
    }
}
