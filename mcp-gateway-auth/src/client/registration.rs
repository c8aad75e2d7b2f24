//! Client identity and dynamic client registration (RFC 7591).

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::discovery::AuthorizationServerMetadata;
use super::http::Reach;
use super::{ClientError, ServerError};
#[cfg(feature = "accounts")]
use crate::egress::ClientAuth;
use crate::egress::FetchedDocument;

/// Client, as it is registered with an authorization server.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::client::ClientIdentity;
///
/// let public = ClientIdentity::public("https://app.example.com/client.json");
/// assert_eq!(public.secret, None);
/// let confidential = ClientIdentity::confidential("gateway", "BJ3x0WcQ");
/// // Secrets do not reach logs.
/// assert!(!format!("{confidential:?}").contains("BJ3x0WcQ"));
/// ```
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ClientIdentity {
    /// Identifier of the client.
    pub id: String,
    /// Secret of a confidential client.
    pub secret: Option<String>,
    /// Registered client authentication method, such as `client_secret_post`.
    pub auth_method: Option<String>,
}

impl ClientIdentity {
    /// Creates a public client with the identifier `id`: a registered one, or the URL of a
    /// [client ID metadata document](https://www.ietf.org/archive/id/draft-ietf-oauth-client-id-metadata-document-00.html).
    #[must_use]
    pub fn public(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            secret: None,
            auth_method: None,
        }
    }

    /// Creates a confidential client, which authenticates with `secret` at the token endpoint.
    #[must_use]
    pub fn confidential(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            secret: Some(secret.into()),
            ..Self::public(id)
        }
    }

    /// Returns `true` if the secret is sent in the form instead of the `Authorization` header.
    pub(super) fn is_in_form(&self, server: &AuthorizationServerMetadata) -> bool {
        match &self.auth_method {
            Some(method) => method == "client_secret_post",
            None => {
                let offers = |name| server.auth_methods.iter().any(|method| method == name);
                offers("client_secret_post") && !offers("client_secret_basic")
            }
        }
    }

    /// Returns the identifier for a form that would otherwise lack it.
    ///
    /// With `client_secret_basic` it is redundant in the form, and some servers require it there.
    pub(super) fn missing_in_form(&self, server: &AuthorizationServerMetadata) -> Option<&str> {
        let is_basic = self.secret.is_some() && !self.is_in_form(server);
        is_basic.then_some(&*self.id)
    }

    /// Returns the client authentication at endpoints of `server`.
    #[cfg(feature = "accounts")]
    pub(super) fn authentication(&self, server: &AuthorizationServerMetadata) -> ClientAuth {
        let client_id = self.id.clone();
        match &self.secret {
            None => ClientAuth::None,
            Some(secret) if self.is_in_form(server) => ClientAuth::Post {
                client_id,
                secret: secret.clone(),
            },
            Some(secret) => ClientAuth::Basic {
                client_id,
                secret: secret.clone(),
            },
        }
    }
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientIdentity")
            .field("id", &self.id)
            .field("auth_method", &self.auth_method)
            .finish_non_exhaustive()
    }
}

/// Registers a public client (RFC 7591), or a confidential one where the server rejects it and offers
/// no public clients.
///
/// # Errors
///
/// [`ClientError::NoRegistration`] without a registration endpoint, [`ClientError::Rejected`] for
/// an error response, [`ClientError::Response`] without a `client_id`, and [`ClientError::Egress`].
pub(super) async fn register(
    reach: &Reach,
    server: &AuthorizationServerMetadata,
    [name, redirect_uri]: [&str; 2],
    token: Option<&str>,
) -> Result<ClientIdentity, ClientError> {
    let Some(endpoint) = &server.registration_endpoint else {
        return Err(ClientError::NoRegistration(server.issuer.clone()));
    };
    let attempt = async |method: &str| {
        let request = json!({
            "client_name": name,
            "redirect_uris": [redirect_uri],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": method,
        });
        let fetched = reach.post_json(endpoint, &request, token).await;
        let fetched = fetched.map_err(|source| ClientError::egress(endpoint, source))?;
        document(WHAT, &fetched)
    };
    // Servers accept public clients that they do not announce.
    match (attempt(PUBLIC).await, server.confidential_method()) {
        (Err(ClientError::Rejected { .. }), Some(method)) => {
            identity(&attempt(method).await?, Some(method))
        }
        (document, _) => identity(&document?, None),
    }
}

/// Returns the client in the response to a registration with the client authentication `method`.
fn identity(document: &Value, method: Option<&str>) -> Result<ClientIdentity, ClientError> {
    let text = |key: &str| document[key].as_str().filter(|text| !text.is_empty());
    let missing = ClientError::Response {
        what: WHAT,
        reason: "the response has no client_id",
    };
    Ok(ClientIdentity {
        id: text("client_id").ok_or(missing)?.to_owned(),
        // Some servers issue an unsolicited secret, and require it later.
        secret: text("client_secret").map(str::to_owned),
        auth_method: text("token_endpoint_auth_method")
            .or(method)
            .map(str::to_owned),
    })
}

impl AuthorizationServerMetadata {
    /// Returns the client authentication method of confidential clients, unless the server offers
    /// public ones.
    fn confidential_method(&self) -> Option<&'static str> {
        let offers = |name: &str| self.auth_methods.iter().any(|method| method == name);
        let mut methods = ["client_secret_basic", "client_secret_post"].into_iter();
        methods.find(|method| offers(method) && !offers(PUBLIC))
    }
}

/// Returns the document of a successful response.
fn document(what: &'static str, fetched: &FetchedDocument) -> Result<Value, ClientError> {
    let document: Option<Value> = serde_json::from_slice(&fetched.body).ok();
    if fetched.status.is_success() {
        return document.ok_or(ClientError::Response {
            what,
            reason: "the response is not JSON",
        });
    }
    let document = document.unwrap_or_default();
    let code = document["error"].as_str().unwrap_or_default();
    Err(ClientError::Rejected {
        what,
        status: fetched.status,
        error: ServerError::new(code, document["error_description"].as_str()),
    })
}

/// Client authentication method of public clients.
const PUBLIC: &str = "none";

const WHAT: &str = "the registration";
