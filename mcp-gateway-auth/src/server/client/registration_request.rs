//! Validation of client metadata (RFC 7591, section 2).
//!
//! Unknown members are ignored, as the RFC requires. Known ones must have the right type and a
//! bounded size. Grant types, response types, authentication method and keys must be consistent
//! with each other.

use serde_json::{Map, Value};
use url::Url;

use super::redirect_uri::is_loopback;
use super::{BOUND_TOKENS, ClientKeys, GrantType, OAuthClient};
use crate::pages::clean;
use crate::server::error::OAuthError;
use crate::server::{RedirectUri, Scopes};

/// Validated client metadata.
///
/// See [RFC 7591, section 2](https://www.rfc-editor.org/rfc/rfc7591#section-2).
#[derive(Debug)]
pub(in crate::server) struct RegistrationRequest {
    pub(in crate::server) redirect_uris: Vec<RedirectUri>,
    pub(in crate::server) method: AuthMethod,
    pub(in crate::server) keys: Option<ClientKeys>,
    pub(in crate::server) grant_types: Vec<GrantType>,
    pub(in crate::server) name: Option<String>,
    pub(in crate::server) scopes: Option<Scopes>,
    pub(in crate::server) uri: Option<String>,
    /// Members that are returned to the client as they are.
    pub(in crate::server) metadata: Map<String, Value>,
}

/// Requested client authentication method.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::server) enum AuthMethod {
    Basic,
    None,
    Post,
    PrivateKey,
}

impl RegistrationRequest {
    /// Parses a registration request.
    pub(in crate::server) fn parse(body: &[u8]) -> Result<Self, OAuthError> {
        Self::from_object(&object(body)?)
    }

    /// Parses an update of `client`, which replaces all its metadata ([RFC 7592, section
    /// 2.2](https://www.rfc-editor.org/rfc/rfc7592#section-2.2)).
    pub(in crate::server) fn parse_update(
        body: &[u8],
        client: &OAuthClient,
    ) -> Result<Self, OAuthError> {
        let object = object(body)?;
        if object.get("client_id").and_then(Value::as_str) != Some(&client.id) {
            return Err(OAuthError::invalid_client_metadata(
                "client_id does not match the client",
            ));
        }
        for name in OURS {
            if object.contains_key(name) {
                let message = format!("{name} must not be set by the client");
                return Err(OAuthError::invalid_client_metadata(message));
            }
        }
        if let Some(secret) = object.get("client_secret") {
            let is_same = secret
                .as_str()
                .is_some_and(|secret| client.has_secret(secret));
            if !is_same {
                return Err(OAuthError::invalid_client_metadata(
                    "client_secret does not match the client",
                ));
            }
        }
        Self::from_object(&object)
    }

    /// Validates the members of `object`.
    pub(in crate::server) fn from_object(object: &Map<String, Value>) -> Result<Self, OAuthError> {
        let method = method(text(object, "token_endpoint_auth_method")?)?;
        let keys = keys(object)?;
        if (method == AuthMethod::PrivateKey) != keys.is_some() {
            let message = "private_key_jwt requires jwks or jwks_uri, and vice versa";
            return Err(OAuthError::invalid_client_metadata(message));
        }
        let grant_types = grant_types(object)?;
        check_response_types(object, &grant_types)?;
        let redirect_uris = redirect_uris(object)?;
        let needs_redirect = grant_types.contains(&GrantType::AuthorizationCode);
        if needs_redirect && redirect_uris.is_empty() {
            return Err(OAuthError::InvalidRedirectUri(
                "missing member: redirect_uris".into(),
            ));
        }
        let scopes = text(object, "scope")?.map(str::parse).transpose();
        let request = Self {
            redirect_uris,
            method,
            keys,
            grant_types,
            name: name(object)?,
            scopes: scopes.map_err(|_| OAuthError::invalid_client_metadata("invalid scope"))?,
            uri: https(object, "client_uri")?,
            metadata: repeated(object)?,
        };
        Ok(request)
    }
}

/// Parses a JSON object.
fn object(body: &[u8]) -> Result<Map<String, Value>, OAuthError> {
    serde_json::from_slice(body)
        .map_err(|_| OAuthError::invalid_client_metadata("body must be a JSON object"))
}

/// Returns the string member `name`.
fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, OAuthError> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() <= MAX_TEXT => Ok(Some(text)),
        Some(_) => Err(OAuthError::invalid_client_metadata(format!(
            "{name} must be a string of at most 2048 bytes"
        ))),
    }
}

/// Returns the display name, if it has visible characters.
fn name(object: &Map<String, Value>) -> Result<Option<String>, OAuthError> {
    let name = text(object, "client_name")?.filter(|name| !clean(name).is_empty());
    Ok(name.map(|name| name.chars().take(MAX_NAME).collect()))
}

/// Returns the member `name`, an array of strings.
fn list<'a>(
    object: &'a Map<String, Value>,
    name: &str,
) -> Result<Option<Vec<&'a str>>, OAuthError> {
    let wrong = || {
        OAuthError::invalid_client_metadata(format!(
            "{name} must be an array of at most 10 strings"
        ))
    };
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) if items.len() <= MAX_ITEMS => {
            let items = items.iter().map(Value::as_str);
            items.collect::<Option<_>>().map(Some).ok_or_else(wrong)
        }
        Some(_) => Err(wrong()),
    }
}

/// Returns the authentication method. The default is `none`, against RFC 7591: real clients that
/// omit it are public.
fn method(name: Option<&str>) -> Result<AuthMethod, OAuthError> {
    match name {
        None | Some("none") => Ok(AuthMethod::None),
        Some("client_secret_basic") => Ok(AuthMethod::Basic),
        Some("client_secret_post") => Ok(AuthMethod::Post),
        Some("private_key_jwt") => Ok(AuthMethod::PrivateKey),
        Some(_) => Err(OAuthError::invalid_client_metadata(
            "token_endpoint_auth_method must be none, client_secret_basic, client_secret_post or \
             private_key_jwt",
        )),
    }
}

/// Returns the keys of the client.
fn keys(object: &Map<String, Value>) -> Result<Option<ClientKeys>, OAuthError> {
    // Keys that an attacker can replace in transit prove nothing. On this machine nobody can.
    let remote = https(object, "jwks_uri")?;
    let is_safe = |uri: &String| {
        Url::parse(uri).is_ok_and(|url| url.scheme() == "https" || is_loopback(&url))
    };
    if !remote.iter().all(is_safe) {
        return Err(OAuthError::invalid_client_metadata(
            "jwks_uri must be an https URL",
        ));
    }
    match (object.get("jwks"), remote) {
        (Some(_), Some(_)) => Err(OAuthError::invalid_client_metadata(
            "jwks and jwks_uri are mutually exclusive",
        )),
        (Some(jwks), None) => match crate::jose::KeySet::from_value(jwks) {
            Ok(set) if !set.is_empty() => Ok(Some(ClientKeys::Inline(jwks.clone()))),
            _ => Err(OAuthError::invalid_client_metadata(
                "jwks has no usable signature key",
            )),
        },
        (None, Some(uri)) => Ok(Some(ClientKeys::Remote(uri))),
        (None, None) => Ok(None),
    }
}

/// Returns the grant types that may be registered. Every client with codes may use refresh tokens.
fn grant_types(object: &Map<String, Value>) -> Result<Vec<GrantType>, OAuthError> {
    let default = || vec![GrantType::AuthorizationCode, GrantType::RefreshToken];
    let Some(names) = list(object, "grant_types")? else {
        return Ok(default());
    };
    // Unknown grant types are not granted, which the client sees in the response.
    let known = names.into_iter().filter_map(GrantType::from_name);
    let known =
        known.filter(|kind| matches!(kind, GrantType::AuthorizationCode | GrantType::RefreshToken));
    let known: Vec<_> = known.collect();
    match known.contains(&GrantType::AuthorizationCode) {
        true => Ok(known),
        false => Err(OAuthError::invalid_client_metadata(
            "grant_types must include authorization_code; other clients are configured by an operator",
        )),
    }
}

/// Validates that `response_types` matches the grant types.
fn check_response_types(
    object: &Map<String, Value>,
    grant_types: &[GrantType],
) -> Result<(), OAuthError> {
    let Some(types) = list(object, "response_types")? else {
        return Ok(());
    };
    let has_code = types.contains(&"code");
    match has_code == grant_types.contains(&GrantType::AuthorizationCode) {
        true => Ok(()),
        false => Err(OAuthError::invalid_client_metadata(
            "response_types must be [\"code\"] for authorization_code",
        )),
    }
}

/// Returns the redirect URIs.
fn redirect_uris(object: &Map<String, Value>) -> Result<Vec<RedirectUri>, OAuthError> {
    let wrong =
        |error: &dyn std::fmt::Display| OAuthError::InvalidRedirectUri(error.to_string().into());
    let uris = match object.get("redirect_uris") {
        Some(_) => list(object, "redirect_uris")?.unwrap_or_default(),
        None => return Ok(Vec::new()),
    };
    let uris = uris.into_iter().map(|uri| {
        uri.parse()
            .map_err(|error| wrong(&format!("invalid redirect URI {uri:?}: {error}")))
    });
    uris.collect()
}

/// Returns the member `name`, a URL that may be shown to users.
fn https(object: &Map<String, Value>, name: &str) -> Result<Option<String>, OAuthError> {
    let Some(text) = text(object, name)? else {
        return Ok(None);
    };
    let is_web = Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    match is_web {
        true => Ok(Some(text.to_owned())),
        false => Err(OAuthError::invalid_client_metadata(format!(
            "{name} must be an https URL"
        ))),
    }
}

/// Returns the members that are returned to the client as they are, each with the right type.
fn repeated(object: &Map<String, Value>) -> Result<Map<String, Value>, OAuthError> {
    let mut metadata = Map::new();
    for name in ["logo_uri", "policy_uri", "tos_uri"] {
        if let Some(uri) = https(object, name)? {
            metadata.insert(name.to_owned(), uri.into());
        }
    }
    for name in ["software_id", "software_version", "application_type"] {
        if let Some(text) = text(object, name)? {
            metadata.insert(name.to_owned(), text.into());
        }
    }
    for name in ["contacts", "response_types"] {
        if let Some(items) = list(object, name)? {
            metadata.insert(name.to_owned(), items.into());
        }
    }
    match object.get(BOUND_TOKENS) {
        None | Some(Value::Null) => {}
        Some(Value::Bool(flag)) => {
            metadata.insert(BOUND_TOKENS.to_owned(), (*flag).into());
        }
        Some(_) => {
            let message = format!("{BOUND_TOKENS} must be true or false");
            return Err(OAuthError::invalid_client_metadata(message));
        }
    }
    metadata
        .entry("response_types")
        .or_insert_with(|| vec!["code"].into());
    Ok(metadata)
}

/// Members that only the server sets.
const OURS: [&str; 4] = [
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
];

/// Maximum number of array items.
const MAX_ITEMS: usize = 10;

/// Maximum length of a name, in characters.
const MAX_NAME: usize = 256;

/// Maximum length of a string, in bytes.
const MAX_TEXT: usize = 2048;
