//! Client authentication at the endpoints (RFC 6749, section 2.3; RFC 7523, section 2.2).
//!
//! A request must use exactly one method. Unknown clients and wrong secrets get the same response
//! after the same work, so that client IDs cannot be enumerated.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::assertions::{AssertionLog, ClientKeySets};
use super::clients::ClientRegistry;
use super::{ClientAuthentication, OAuthClient};
use crate::server::endpoint::form::Form;
use crate::server::error::OAuthError;
use crate::server::issuer::IssuerUrl;
use crate::{Clock, SecretHash};

/// The credentials of a client in a request.
///
/// See [RFC 6749, section 2.3](https://www.rfc-editor.org/rfc/rfc6749#section-2.3) and [RFC 7523,
/// section 2.2](https://www.rfc-editor.org/rfc/rfc7523#section-2.2).
enum ClientCredentials {
    Assertion(String),
    Public(String),
    Secret { id: String, secret: String },
}

/// Authenticates clients at the token, introspection and revocation endpoints. Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::server) struct ClientAuthenticator {
    pub(in crate::server) issuer: IssuerUrl,
    pub(in crate::server) registry: ClientRegistry,
    pub(in crate::server) keys: ClientKeySets,
    pub(in crate::server) assertions: AssertionLog,
    pub(in crate::server) clock: Clock,
}

impl ClientAuthenticator {
    /// Returns the authenticated client of a request. Credentials are removed from `form`.
    ///
    /// # Errors
    ///
    /// `invalid_client` if the authentication fails, and `invalid_request` for several methods at
    /// once.
    pub(in crate::server) async fn authenticate(
        &self,
        headers: &HeaderMap,
        form: &mut Form,
    ) -> Result<OAuthClient, OAuthError> {
        let claim = match self.is_stray_header(headers, form).await? {
            true => presented_credentials(&HeaderMap::new(), form)?,
            false => presented_credentials(headers, form)?,
        };
        let sent = form.get("client_id");
        let client = match claim {
            ClientCredentials::Assertion(assertion) => self.by_assertion(&assertion, sent).await?,
            ClientCredentials::Public(id) => self.public_client(&id).await?,
            // Some OAuth libraries send the ID of a public client with an empty password.
            ClientCredentials::Secret { id, secret } if secret.is_empty() => {
                self.public_client(&id).await?
            }
            ClientCredentials::Secret { id, secret } => self.by_secret(&id, &secret).await?,
        };
        match sent {
            Some(sent) if sent != client.id => Err(OAuthError::invalid_request(
                "client_id does not match the authenticated client",
            )),
            _ => Ok(client),
        }
    }

    /// Returns `true` if the `Authorization` header is not client authentication: the form names
    /// a public client, which has no credentials.
    ///
    /// Some clients send the header that the user has configured for the MCP server with every
    /// request to its host.
    async fn is_stray_header(&self, headers: &HeaderMap, form: &Form) -> Result<bool, OAuthError> {
        let has_other_proof =
            form.get("client_secret").is_some() || form.get("client_assertion").is_some();
        match (form.get("client_id"), headers.get(AUTHORIZATION)) {
            (Some(id), Some(_)) if !has_other_proof => {
                let client = self.registry.find(id).await?;
                Ok(client.is_some_and(|client| client.is_public()))
            }
            _ => Ok(false),
        }
    }

    /// Returns a public client.
    async fn public_client(&self, id: &str) -> Result<OAuthClient, OAuthError> {
        let client = self.registry.find(id).await?;
        match client {
            Some(client) if client.is_public() => Ok(client),
            Some(_) => Err(OAuthError::invalid_client("client authentication required")),
            None => Err(OAuthError::invalid_client(UNKNOWN)),
        }
    }

    /// Authenticates a client by its secret.
    async fn by_secret(&self, id: &str, secret: &str) -> Result<OAuthClient, OAuthError> {
        let client = self.registry.find(id).await?;
        let hash = client
            .as_ref()
            .and_then(|client| match &client.authentication {
                ClientAuthentication::Secret { hash, .. } => Some(hash.clone()),
                ClientAuthentication::None | ClientAuthentication::PrivateKey(_) => None,
            });
        // An unknown client takes the same work.
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| SecretHash::digest("nobody's"));
        match client {
            Some(client) if hash.matches(secret) && known => Ok(client),
            _ => Err(OAuthError::invalid_client(UNKNOWN)),
        }
    }
}

/// Returns `true` if a request has credentials of a client: more than its identifier.
pub(in crate::server) fn has_credentials(headers: &HeaderMap, form: &Form) -> bool {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    values.any(|value| has_basic_scheme(value.as_bytes()))
        || form.get("client_secret").is_some()
        || form.get("client_assertion").is_some()
}

/// Returns the credentials of a request, which must use exactly one method.
fn presented_credentials(
    headers: &HeaderMap,
    form: &mut Form,
) -> Result<ClientCredentials, OAuthError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let header = values.next();
    if values.next().is_some() {
        return Err(OAuthError::invalid_request(
            "duplicate Authorization header",
        ));
    }
    // Other schemes are not client authentication.
    let header = header.filter(|value| has_basic_scheme(value.as_bytes()));
    let basic = header.map(|value| basic(value.as_bytes())).transpose()?;
    let secret = form.remove("client_secret");
    let assertion = form.remove("client_assertion");
    let kind = form.remove("client_assertion_type");
    let ways = [basic.is_some(), secret.is_some(), assertion.is_some()];
    if ways.into_iter().filter(|used| *used).count() > 1 {
        return Err(OAuthError::invalid_request(
            "multiple client authentication methods",
        ));
    }
    if let Some(claim) = basic {
        return Ok(claim);
    }
    match (assertion, kind.as_deref(), secret, form.get("client_id")) {
        (Some(assertion), Some(ASSERTION_TYPE), _, _) => {
            Ok(ClientCredentials::Assertion(assertion))
        }
        (Some(_), _, _, _) => Err(OAuthError::invalid_request(
            "client_assertion_type must be urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        )),
        (None, _, Some(secret), Some(id)) => Ok(ClientCredentials::Secret {
            id: id.to_owned(),
            secret,
        }),
        (None, _, None, Some(id)) => Ok(ClientCredentials::Public(id.to_owned())),
        (None, _, _, None) => Err(OAuthError::invalid_client("missing parameter: client_id")),
    }
}

/// Returns `true` if an `Authorization` header has the scheme `Basic`.
fn has_basic_scheme(value: &[u8]) -> bool {
    let scheme = value.split(|byte| *byte == b' ').next();
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"Basic"))
}

/// Parses an `Authorization` header of the scheme `Basic`.
fn basic(value: &[u8]) -> Result<ClientCredentials, OAuthError> {
    let wrong = || OAuthError::invalid_client("invalid Basic credentials");
    let text = std::str::from_utf8(value).map_err(|_| wrong())?;
    let (_, credentials) = text.split_once(' ').ok_or_else(wrong)?;
    let decoded = STANDARD.decode(credentials.trim()).map_err(|_| wrong())?;
    let decoded = String::from_utf8(decoded).map_err(|_| wrong())?;
    let (id, secret) = decoded.split_once(':').ok_or_else(wrong)?;
    Ok(ClientCredentials::Secret {
        id: form_decoded(id).ok_or_else(wrong)?,
        secret: form_decoded(secret).ok_or_else(wrong)?,
    })
}

/// Decodes a part of the Basic credentials, which is form-encoded (RFC 6749, section 2.3.1).
fn form_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let digits = std::str::from_utf8(&digits).ok()?;
                let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                is_hex
                    .then(|| u8::from_str_radix(digits, 16).ok())
                    .flatten()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

/// The only supported `client_assertion_type`.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Description that does not reveal whether the client exists.
const UNKNOWN: &str = "unknown client, or invalid client credentials";

#[cfg(test)]
mod tests {
    use super::*;

    fn basic_of(text: &str) -> Result<(String, String), String> {
        let value = format!("Basic {}", STANDARD.encode(text));
        match basic(value.as_bytes()) {
            Ok(ClientCredentials::Secret { id, secret }) => Ok((id, secret)),
            Ok(_) => unreachable!(),
            Err(error) => Err(error.code().to_owned()),
        }
    }

    #[test]
    fn o32_basic_credentials_are_decoded_as_forms_are() {
        assert_eq!(basic_of("a%3Ab:c+d%2B"), Ok(("a:b".into(), "c d+".into())));
        for text in ["no colon", "a:%", "a:%2", "a:%zz", "a:%ff", "a:%+1"] {
            assert_eq!(basic_of(text), Err("invalid_client".into()), "{text}");
        }
        for value in [
            "Bearer abc",
            "Basic",
            "Basic !!",
            "Basic /w==",
            "Basic \u{e4}",
        ] {
            assert!(basic(value.as_bytes()).is_err(), "{value}");
        }
    }

    #[test]
    fn o32_a_client_authenticates_in_one_way() {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, "Basic YTpi".parse().unwrap());
        let mut form = Form::parse(b"client_id=a&client_secret=b").unwrap();
        assert_eq!(
            presented_credentials(&headers, &mut form)
                .err()
                .unwrap()
                .code(),
            "invalid_request"
        );
        headers.append(AUTHORIZATION, "Basic YTpi".parse().unwrap());
        let mut form = Form::parse(b"").unwrap();
        assert_eq!(
            presented_credentials(&headers, &mut form)
                .err()
                .unwrap()
                .code(),
            "invalid_request"
        );
    }
}
