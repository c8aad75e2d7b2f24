//! Authorization servers at which identities are exchanged.

use std::sync::Arc;

use tokio::sync::OnceCell;
use url::Url;

use crate::client::http::Reach;
use crate::client::service_client::TokenForm;
use crate::client::token::TokenAnswer;
use crate::client::token_http::TokenFailure;
use crate::client::token_target::{self, TokenEndpoint};
use crate::client::{ClientError, ServiceClient};
use crate::egress::Egress;

/// Authorization server that exchanges identities of callers, and the client that requests it.
///
/// Its token endpoint is discovered with the first exchange (RFC 8414, OpenID Connect Discovery),
/// unless it is [set](Self::with_token_endpoint).
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::client::{ClientError, ClientIdentity, IdentityIssuer, ServiceClient};
/// use mcp_gateway_auth::egress::{Egress, EgressPolicy};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let egress = Egress::new(EgressPolicy::new())?;
/// let client = ServiceClient::from(ClientIdentity::confidential("gateway", "BJ3x0WcQ"));
/// // Tokens would be readable in transit.
/// let insecure = IdentityIssuer::new(egress.clone(), "http://idp.example.com", client.clone());
/// assert!(matches!(insecure, Err(ClientError::Insecure(_))));
/// let issuer = IdentityIssuer::new(egress, "https://idp.example.com", client)?;
/// assert_eq!(issuer.as_str(), "https://idp.example.com");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct IdentityIssuer {
    reach: Reach,
    issuer: Arc<str>,
    client: ServiceClient,
    endpoint: Arc<OnceCell<TokenEndpoint>>,
}

impl IdentityIssuer {
    /// Creates the authorization server `issuer` with a `client` that is registered there.
    ///
    /// # Errors
    ///
    /// [`ClientError::Address`] if `issuer` is not a URL, and [`ClientError::Insecure`] if it is
    /// neither `https` nor on this machine.
    pub fn new(
        egress: Egress,
        issuer: impl Into<Arc<str>>,
        client: ServiceClient,
    ) -> Result<Self, ClientError> {
        let issuer = issuer.into();
        let url = Url::parse(&issuer).map_err(|_| ClientError::Address {
            what: "issuer",
            address: issuer.to_string(),
            reason: "is not a URL",
        })?;
        Ok(Self {
            reach: Reach::new(egress, &url)?,
            issuer,
            client,
            endpoint: Arc::default(),
        })
    }

    /// Sets the token endpoint.
    ///
    /// # Errors
    ///
    /// [`ClientError::Address`] if `url` is neither `https` nor on the machine of the issuer.
    pub fn with_token_endpoint(mut self, url: &Url) -> Result<Self, ClientError> {
        let endpoint = TokenEndpoint {
            issuer: self.issuer.to_string(),
            auth_methods: Vec::new(),
            binds_tokens: false,
            url: self.reach.url("token_endpoint", url.as_str())?,
        };
        self.endpoint = Arc::new(OnceCell::new_with(Some(endpoint)));
        Ok(self)
    }

    /// Returns the issuer identifier.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.issuer
    }

    /// Returns the client.
    pub(super) fn client(&self) -> &ServiceClient {
        &self.client
    }

    /// Sends `form` to the token endpoint, authenticated as the client.
    pub(super) async fn request(&self, form: TokenForm) -> Result<TokenAnswer, TokenFailure> {
        let discovered = || token_target::token_endpoint(&self.reach, &self.issuer);
        let endpoint = self.endpoint.get_or_try_init(discovered).await?;
        self.client
            .request(self.reach.egress(), endpoint, form, None)
            .await
    }
}
