//! Token endpoint, through the crate `oauth2`.
//!
//! That crate creates requests and parses errors. Its parser of responses is stricter than servers
//! in use: it rejects a response without `token_type`, with `expires_in` as text or with the status
//! 201, and loses the code of an error that is sent with the status 200. Therefore [`TokenAnswer`]
//! is the type of the response, and [`TokenHttp`] normalizes responses for the crate. Its parse
//! errors contain the whole response with all tokens: they are always dropped.

use std::fmt;
use std::time::Duration;

use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
    BasicTokenType,
};
use oauth2::{
    AccessToken, AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, EndpointNotSet,
    EndpointSet, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, Scope,
    StandardRevocableToken, TokenResponse, TokenUrl,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
#[cfg(feature = "accounts")]
use url::Url;

#[cfg(feature = "accounts")]
use super::authorization::random;
use super::discovery::{AuthorizationServerMetadata, AuthorizationTarget};
#[cfg(feature = "accounts")]
use super::token_http::MAX_ANSWER;
use super::token_http::{TokenFailure, TokenHttp};
use super::{ClientError, ClientIdentity, ServerError};
use crate::dpop::DpopKey;
use crate::egress::{Egress, EgressError};

/// Tokens that an authorization server has issued (RFC 6749, section 5.1).
#[derive(Clone)]
#[non_exhaustive]
pub struct TokenSet {
    /// Access token.
    pub access_token: String,
    /// Key to which the tokens are bound (RFC 9449); `None` for bearer tokens.
    pub key: Option<DpopKey>,
    /// Lifetime of the access token, if the response has one.
    pub expires_in: Option<Duration>,
    /// Refresh token.
    pub refresh_token: Option<String>,
    /// Granted scopes, separated by spaces, if the response has them.
    pub scope: Option<String>,
}

impl fmt::Debug for TokenSet {
    /// Omits the tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSet")
            .field("key", &self.key)
            .field("expires_in", &self.expires_in)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// Authorization code, and the values that its exchange must repeat.
pub(super) struct Code {
    pub(super) code: String,
    pub(super) redirect_uri: RedirectUrl,
    pub(super) verifier: PkceCodeVerifier,
    /// Key to which the tokens are to be bound.
    pub(super) key: Option<DpopKey>,
}

impl Code {
    /// Returns a code that the server of `found` has not issued, for `redirect_uri`.
    #[cfg(feature = "accounts")]
    pub(super) fn unissued(
        found: &AuthorizationTarget,
        redirect_uri: &Url,
    ) -> Result<Self, ClientError> {
        Ok(Self {
            code: random()?,
            redirect_uri: RedirectUrl::from_url(redirect_uri.clone()),
            verifier: PkceCodeVerifier::new(random()?),
            key: found.new_key()?,
        })
    }
}

pub(super) type Client = oauth2::Client<
    BasicErrorResponse,
    TokenAnswer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// Returns the client `identity` of `server`.
pub(super) fn client(identity: &ClientIdentity, server: &AuthorizationServerMetadata) -> Client {
    let client = oauth2::Client::new(ClientId::new(identity.id.clone()))
        .set_auth_uri(AuthUrl::from_url(server.authorization_endpoint.clone()))
        .set_token_uri(TokenUrl::from_url(server.token_endpoint.clone()));
    match &identity.secret {
        Some(secret) => client
            .set_client_secret(ClientSecret::new(secret.clone()))
            .set_auth_type(match identity.is_in_form(&server.auth_methods) {
                true => AuthType::RequestBody,
                false => AuthType::BasicAuth,
            }),
        None => client,
    }
}

/// Redeems an authorization code.
///
/// # Errors
///
/// [`ClientError::Token`] for an error response, [`ClientError::Response`] for a malformed one, and
/// [`ClientError::Egress`] if the endpoint cannot be reached.
pub(super) async fn redeem(
    egress: &Egress,
    (found, identity): (&AuthorizationTarget, &ClientIdentity),
    code: Code,
) -> Result<TokenSet, ClientError> {
    let client = client(identity, &found.server).set_redirect_uri(code.redirect_uri);
    let mut request = client
        .exchange_code(AuthorizationCode::new(code.code))
        .set_pkce_verifier(code.verifier);
    if let Some(resource) = found.indicator() {
        request = request.add_extra_param("resource", resource);
    }
    if let Some(id) = identity.missing_in_form(&found.server.auth_methods) {
        request = request.add_extra_param("client_id", id);
    }
    let key = code.key.as_ref();
    let http = TokenHttp::new(egress, key);
    let answer = request.request_async(&http).await;
    answer.map_err(failed)?.tokens(key)
}

/// Exchanges a refresh token, which is bound to `key` if there is one.
///
/// The response may contain a new one; otherwise `refresh_token` stays valid.
///
/// # Errors
///
/// As [`redeem`], with the delay that the server asks for.
pub(crate) async fn refresh(
    egress: &Egress,
    (found, identity): (&AuthorizationTarget, &ClientIdentity),
    refresh_token: &str,
    key: Option<&DpopKey>,
) -> Result<TokenSet, TokenFailure> {
    let client = client(identity, &found.server);
    let token = RefreshToken::new(refresh_token.to_owned());
    let mut request = client.exchange_refresh_token(&token);
    if let Some(resource) = found.indicator() {
        request = request.add_extra_param("resource", resource);
    }
    if let Some(id) = identity.missing_in_form(&found.server.auth_methods) {
        request = request.add_extra_param("client_id", id);
    }
    let http = TokenHttp::new(egress, key);
    let answer = request.request_async(&http).await;
    let tokens = answer.map_err(failed).and_then(|answer| answer.tokens(key));
    let mut tokens = tokens.map_err(|error| http.failure(error))?;
    if tokens.refresh_token.is_none() {
        tokens.refresh_token = Some(refresh_token.to_owned());
    }
    Ok(tokens)
}

/// Revokes a refresh token, or an access token that has none (RFC 7009).
///
/// Servers without a revocation endpoint are not requested.
///
/// # Errors
///
/// [`ClientError::Egress`] if the endpoint cannot be reached or rejects the request.
#[cfg(feature = "accounts")]
pub(crate) async fn revoke(
    egress: &Egress,
    (found, identity): (&AuthorizationTarget, &ClientIdentity),
    token: &str,
) -> Result<(), ClientError> {
    let server = &found.server;
    let Some(endpoint) = &server.revocation_endpoint else {
        return Ok(());
    };
    let mut form = vec![("token", token)];
    if identity.secret.is_none() {
        form.push(("client_id", &identity.id));
        if expects_secret(&server.revocation_auth_methods) {
            form.push(("client_secret", ""));
        }
    }
    if let Some(id) = identity.missing_in_form(&server.auth_methods) {
        form.push(("client_id", id));
    }
    let request = identity.authentication(&server.auth_methods).request(&form);
    let fetched = match request {
        Ok(request) => egress.send(endpoint.as_str(), request, MAX_ANSWER).await,
        Err(error) => Err(error),
    };
    match fetched {
        // The response is empty.
        Ok(fetched) if fetched.status.is_success() => Ok(()),
        Ok(fetched) => Err(EgressError::Status(fetched.status)),
        Err(error) => Err(error),
    }
    .map_err(|source| ClientError::egress(endpoint, source))
}

/// Returns `true` if `methods` include a secret in the form, and exclude public clients.
///
/// Servers with such metadata accept public clients, but reject a form without a secret. It is empty
/// then ([RFC 6749, section 2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1)).
#[cfg(feature = "accounts")]
fn expects_secret(methods: &[String]) -> bool {
    let has = |name| methods.iter().any(|method| method == name);
    has("client_secret_post") && !has("none")
}

/// Leniently parsed response of a token endpoint.
#[derive(Debug, Serialize)]
pub(super) struct TokenAnswer {
    access_token: AccessToken,
    expires_in: Option<u64>,
    refresh_token: Option<RefreshToken>,
    #[serde(skip)]
    scopes: Option<Vec<Scope>>,
    token_type: BasicTokenType,
    /// Type of the token in the response to an exchange (RFC 8693, section 2.2.1).
    issued_token_type: Option<String>,
}

impl TokenAnswer {
    /// Returns the tokens, which may be bound to `key`.
    pub(super) fn tokens(self, key: Option<&DpopKey>) -> Result<TokenSet, ClientError> {
        let key = match (&self.token_type, key) {
            // The server may have ignored the proof.
            (BasicTokenType::Bearer, _) => None,
            (BasicTokenType::Extension(kind), Some(key)) if kind == "dpop" => Some(key.clone()),
            // A token of another type must not be presented as a bearer token.
            _ => {
                return Err(ClientError::Response {
                    what: WHAT,
                    reason: "the token is not of the type Bearer, and not bound to the key",
                });
            }
        };
        let joined = |scopes: Vec<Scope>| {
            let texts: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
            texts.join(" ")
        };
        Ok(TokenSet {
            access_token: self.access_token.into_secret(),
            key,
            expires_in: self.expires_in.map(Duration::from_secs),
            refresh_token: self.refresh_token.map(RefreshToken::into_secret),
            scope: self.scopes.map(joined).filter(|scope| !scope.is_empty()),
        })
    }
}

#[cfg(feature = "token-exchange")]
impl TokenAnswer {
    /// Returns the token of the type `expected`, which is no access token.
    pub(super) fn issued(self, expected: &str) -> Result<String, ClientError> {
        match self.issued_token_type.as_deref() == Some(expected) {
            true => Ok(self.access_token.into_secret()),
            false => Err(ClientError::Response {
                what: WHAT,
                reason: "the token is not of the requested type",
            }),
        }
    }
}

impl<'de> Deserialize<'de> for TokenAnswer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;

        let members = Map::<String, Value>::deserialize(deserializer)?;
        let text = |key: &str| {
            let text = members.get(key).and_then(Value::as_str);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let access_token = text("access_token");
        let access_token = access_token.ok_or_else(|| D::Error::missing_field("access_token"))?;
        let kind = text("token_type").map(|kind| kind.to_ascii_lowercase());
        Ok(Self {
            access_token: AccessToken::new(access_token),
            expires_in: members.get("expires_in").and_then(seconds),
            refresh_token: text("refresh_token").map(RefreshToken::new),
            issued_token_type: text("issued_token_type"),
            scopes: members.get("scope").map(scopes),
            token_type: match kind.as_deref() {
                None | Some("bearer") => BasicTokenType::Bearer,
                Some(other) => BasicTokenType::Extension(other.to_owned()),
            },
        })
    }
}

impl TokenResponse for TokenAnswer {
    type TokenType = BasicTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &BasicTokenType {
        &self.token_type
    }

    fn expires_in(&self) -> Option<Duration> {
        self.expires_in.map(Duration::from_secs)
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        self.scopes.as_ref()
    }
}

/// Parses a lifetime: a number, or a number as text. A negative one is ignored.
fn seconds(value: &Value) -> Option<u64> {
    let number = match value {
        Value::String(text) => text.trim().parse().ok()?,
        value => value.as_f64()?,
    };
    let duration = Duration::try_from_secs_f64(number).ok()?;
    Some(duration.as_secs())
}

/// Parses scopes: text with spaces, or a list.
fn scopes(value: &Value) -> Vec<Scope> {
    let texts: Vec<&str> = match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        value => value.as_str().into_iter().collect(),
    };
    let names = texts.into_iter().flat_map(str::split_whitespace);
    names.map(|name| Scope::new(name.to_owned())).collect()
}

/// Converts an error, and drops the response that a parse error contains.
pub(super) fn failed(error: RequestTokenError<EgressError, BasicErrorResponse>) -> ClientError {
    match error {
        RequestTokenError::ServerResponse(error) => ClientError::Token(ServerError::new(
            error.error().as_ref(),
            error.error_description().map(String::as_str),
        )),
        RequestTokenError::Request(source) => ClientError::Egress {
            url: WHAT.to_owned(),
            source,
        },
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => ClientError::Response {
            what: WHAT,
            reason: "the response has no access_token",
        },
    }
}

const WHAT: &str = "the token endpoint";

#[cfg(test)]
mod tests {
    use ::http::StatusCode;
    use mcp_gateway_core::Mask;
    use serde_json::json;

    use super::super::token_http::normal;
    use super::*;

    fn read(status: u16, document: Value) -> Result<TokenSet, String> {
        let Value::Object(document) = document else {
            panic!("not an object");
        };
        let response = normal(
            StatusCode::from_u16(status).unwrap(),
            document,
            &Mask::new(),
        );
        if response.status() != StatusCode::OK {
            let error: BasicErrorResponse = serde_json::from_slice(response.body()).unwrap();
            return Err(error.error().as_ref().to_owned());
        }
        let answer: TokenAnswer =
            serde_json::from_slice(response.body()).map_err(|error| error.to_string())?;
        answer.tokens(None).map_err(|error| error.to_string())
    }

    #[test]
    fn responses_of_real_servers_are_read() {
        let lifetimes = [
            (json!(3600), Some(3600)),
            (json!("3600"), Some(3600)),
            (json!(3599.5), Some(3599)),
            (json!(-1), None),
            (json!(null), None),
        ];
        for (expires_in, expected) in lifetimes {
            let document = json!({ "access_token": "a", "expires_in": expires_in });
            let tokens = read(200, document).unwrap();
            assert_eq!(tokens.expires_in, expected.map(Duration::from_secs));
        }
        let scopes = [
            (json!("a b"), Some("a b")),
            (json!(["a", "b"]), Some("a b")),
            (json!(""), None),
            (json!(null), None),
        ];
        for (scope, expected) in scopes {
            let document = json!({ "access_token": "a", "token_type": "BEARER", "scope": scope });
            assert_eq!(read(201, document).unwrap().scope.as_deref(), expected);
        }
        let empty = json!({ "access_token": "a", "refresh_token": "" });
        assert_eq!(read(200, empty).unwrap().refresh_token, None);
    }

    #[test]
    fn errors_keep_their_code() {
        let table = [
            (
                200,
                json!({ "error": "bad_verification_code" }),
                "bad_verification_code",
            ),
            (
                401,
                json!({ "error": "invalid_grant", "error_uri": 1 }),
                "invalid_grant",
            ),
            (500, json!({ "error": { "message": "x" } }), "500"),
            (400, json!({}), "400"),
        ];
        for (status, document, code) in table {
            assert_eq!(read(status, document).unwrap_err(), code);
        }
        assert!(read(200, json!({ "access_token": "" })).is_err());
        for kind in ["DPoP", "N_A"] {
            let other = json!({ "access_token": "a", "token_type": kind });
            assert!(read(200, other).unwrap_err().contains("Bearer"));
        }
    }

    #[test]
    fn tokens_are_bound_if_their_type_says_so() {
        let key = DpopKey::generate().unwrap();
        for (kind, is_bound) in [("DPoP", Some(true)), ("bearer", Some(false)), ("MAC", None)] {
            let answer = json!({ "access_token": "a", "token_type": kind });
            let answer: TokenAnswer = serde_json::from_value(answer).unwrap();
            let tokens = answer.tokens(Some(&key)).ok();
            assert_eq!(
                tokens.map(|tokens| tokens.key.is_some()),
                is_bound,
                "{kind}"
            );
        }
    }
}
