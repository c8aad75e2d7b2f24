//! Identities of callers that are exchanged for tokens of a server.

use super::ClientProof;

/// Gateway as the client that exchanges the identity of each caller for a token of a server.
///
/// # Example
///
/// ```
/// use mcp_gateway_platform::spec::{
///     ClientProof, ExchangeClient, ExchangeKind, Remote, RemoteTokenExchange,
/// };
///
/// let proof = ClientProof::Secret { secret: "BJ3x0WcQ".into(), method: None };
/// let client = ExchangeClient::new("gateway", proof);
/// let exchange = RemoteTokenExchange::new("https://idp.example.com", client);
/// assert_eq!(exchange.kind, ExchangeKind::Standard);
/// let mut remote = Remote::new("https://mcp.example.com/mcp".parse().unwrap());
/// remote.exchange = Some(Box::new(exchange));
/// assert!(!format!("{remote:?}").contains("BJ3x0WcQ"));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RemoteTokenExchange {
    /// Issuer of the tokens of callers, which exchanges them.
    pub issuer: String,
    /// URL of its token endpoint; discovered if `None`.
    pub token_url: Option<String>,
    /// Client that is registered there.
    pub client: ExchangeClient,
    /// Kind of the exchange.
    pub kind: ExchangeKind,
    /// Source of the tokens of callers.
    pub source: SubjectSource,
    /// Type of the tokens of callers.
    pub subject: SubjectKind,
    /// Audience of the token.
    pub audience: Option<String>,
    /// Resource indicator; the URL of the server if `None`.
    pub resource: Option<String>,
    /// Scopes to request; those that the server names, or none, if empty.
    pub scopes: Vec<String>,
}

/// Client that is registered with an authorization server.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ExchangeClient {
    /// Identifier.
    pub id: String,
    /// Authentication.
    pub proof: ClientProof,
}

/// Kind of an exchange.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ExchangeKind {
    /// Identity assertion (ID-JAG), for which the authorization server of the server issues a token
    /// to this client.
    IdentityAssertion(ExchangeClient),
    /// On-behalf-of flow of Microsoft Entra.
    OnBehalfOf,
    /// Token exchange (RFC 8693).
    Standard,
}

/// Source of the tokens of callers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SubjectSource {
    /// ID token with which the user has logged in; see
    /// [`Provider::keeps_id_tokens`](super::Provider::keeps_id_tokens).
    Login,
    /// Token that the caller presents to the gateway.
    Presented,
}

/// Type of the tokens of callers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SubjectKind {
    /// Access token.
    AccessToken,
    /// ID token.
    IdToken,
    /// JWT of another purpose.
    Jwt,
}

impl ExchangeClient {
    /// Creates the client `id` with `proof`.
    #[must_use]
    pub fn new(id: impl Into<String>, proof: ClientProof) -> Self {
        let id = id.into();
        Self { id, proof }
    }
}

impl RemoteTokenExchange {
    /// Creates an exchange (RFC 8693) of access tokens at `issuer`.
    #[must_use]
    pub fn new(issuer: impl Into<String>, client: ExchangeClient) -> Self {
        Self {
            issuer: issuer.into(),
            token_url: None,
            client,
            kind: ExchangeKind::Standard,
            source: SubjectSource::Presented,
            subject: SubjectKind::AccessToken,
            audience: None,
            resource: None,
            scopes: Vec::new(),
        }
    }

    /// Returns its clients.
    pub fn clients(&self) -> impl Iterator<Item = &ExchangeClient> {
        let own = match &self.kind {
            ExchangeKind::IdentityAssertion(client) => Some(client),
            ExchangeKind::OnBehalfOf | ExchangeKind::Standard => None,
        };
        std::iter::once(&self.client).chain(own)
    }
}
