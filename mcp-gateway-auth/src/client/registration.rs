//! Client identity and dynamic client registration (RFC 7591).

use std::fmt;

use mcp_gateway_core::Mask;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::discovery::AuthorizationServerMetadata;
use super::http::Reach;
use super::{ClientError, ServerError};
#[cfg(any(feature = "accounts", feature = "client-credentials"))]
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
    ///
    /// `offered` are the methods of the server.
    pub(super) fn is_in_form(&self, offered: &[String]) -> bool {
        match &self.auth_method {
            Some(method) => method == "client_secret_post",
            None => {
                let offers = |name| offered.iter().any(|method| method == name);
                offers("client_secret_post") && !offers("client_secret_basic")
            }
        }
    }

    /// Returns the identifier for a form that would otherwise lack it.
    ///
    /// With `client_secret_basic` it is redundant in the form, and some servers require it there.
    pub(super) fn missing_in_form(&self, offered: &[String]) -> Option<&str> {
        let is_basic = self.secret.is_some() && !self.is_in_form(offered);
        is_basic.then_some(&*self.id)
    }

    /// Returns the client authentication at endpoints of a server.
    #[cfg(any(feature = "accounts", feature = "client-credentials"))]
    pub(super) fn authentication(&self, offered: &[String]) -> ClientAuth {
        let client_id = self.id.clone();
        match &self.secret {
            None => ClientAuth::None,
            Some(secret) if self.is_in_form(offered) => ClientAuth::Post {
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

/// Request to register a client.
pub(super) struct RegistrationRequest<'a> {
    /// Name, which consent pages show.
    pub(super) name: &'a str,
    pub(super) redirect_uri: &'a Url,
    /// Scopes that the client may request, separated by spaces; those of the server's choice if
    /// `None`.
    pub(super) scope: Option<&'a str>,
    /// Initial access token.
    pub(super) token: Option<&'a str>,
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
    request: &RegistrationRequest<'_>,
) -> Result<ClientIdentity, ClientError> {
    let Some(endpoint) = &server.registration_endpoint else {
        return Err(ClientError::NoRegistration(server.issuer.clone()));
    };
    let mask = request
        .token
        .into_iter()
        .fold(Mask::new(), Mask::with_secret);
    let attempt = async |method: &str, is_typed: bool| {
        let mut document = json!({
            "client_name": request.name,
            "redirect_uris": [request.redirect_uri],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": method,
        });
        if let Some(scope) = request.scope {
            document["scope"] = scope.into();
        }
        if is_typed {
            document["application_type"] = application_type(request.redirect_uri).into();
        }
        let fetched = reach.post_json(endpoint, &document, request.token).await;
        let fetched = fetched.map_err(|source| ClientError::egress(endpoint, source))?;
        answer(WHAT, &fetched).map_err(|error| error.masked(&mask))
    };
    // Servers accept public clients that they do not announce.
    let rejected = match attempt(PUBLIC, true).await {
        Err(rejected @ ClientError::Rejected { .. }) => rejected,
        answer => return identity(&answer?, None),
    };
    if let Some(method) = server.confidential_method()
        && let Ok(answer) = attempt(method, true).await
    {
        return identity(&answer, Some(method));
    }
    // Some servers reject members that they do not know.
    match attempt(PUBLIC, false).await {
        Ok(answer) => identity(&answer, None),
        Err(_) => Err(rejected),
    }
}

/// Returns the client in the response to a registration with the client authentication `method`.
fn identity(answer: &Value, method: Option<&str>) -> Result<ClientIdentity, ClientError> {
    let text = |key: &str| answer[key].as_str().filter(|text| !text.is_empty());
    let missing = ClientError::Response {
        what: WHAT,
        reason: "the response has no client_id",
    };
    let auth_method = text("token_endpoint_auth_method");
    // Some servers issue an unsolicited secret, and require it later.
    let secret = text("client_secret").filter(|_| auth_method != Some(PUBLIC));
    Ok(ClientIdentity {
        id: text("client_id").ok_or(missing)?.to_owned(),
        secret: secret.map(str::to_owned),
        auth_method: auth_method.or(method).map(str::to_owned),
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

/// Returns the kind of a client with `redirect_uri` (OpenID Connect Registration 1.0, section 2):
/// web clients have redirect URIs with `https`.
fn application_type(redirect_uri: &Url) -> &'static str {
    match redirect_uri.scheme() {
        "https" => "web",
        _ => "native",
    }
}

/// Returns the document of a successful response.
fn answer(what: &'static str, fetched: &FetchedDocument) -> Result<Value, ClientError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_a_client_follows_from_its_redirect_uri() {
        for (uri, expected) in [
            ("https://gw.example/connect/callback", "web"),
            ("http://127.0.0.1/callback", "native"),
        ] {
            assert_eq!(application_type(&uri.parse().unwrap()), expected);
        }
    }
}
