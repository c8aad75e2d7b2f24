use serde_json::{Map, Value};
use url::Url;

use super::client::{Client, ClientKeys, GrantType};
use super::error::OAuthError;
use super::redirect_uri::is_loopback;
use super::{RedirectUri, Scopes};
use crate::pages::clean;

/// What a client says about itself.
///
/// See [RFC 7591](https://www.rfc-editor.org/rfc/rfc7591#section-2).
#[derive(Debug)]
pub(super) struct RegistrationRequest {
    pub(super) redirect_uris: Vec<RedirectUri>,
    pub(super) method: Method,
    pub(super) keys: Option<ClientKeys>,
    pub(super) grant_types: Vec<GrantType>,
    pub(super) name: Option<String>,
    pub(super) scopes: Option<Scopes>,
    pub(super) uri: Option<String>,
    /// Members that mean nothing here, and are repeated.
    pub(super) metadata: Map<String, Value>,
}

/// How a client wants to authenticate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Method {
    Basic,
    None,
    Post,
    PrivateKey,
}

impl RegistrationRequest {
    /// What `body` says.
    pub(super) fn parse(body: &[u8]) -> Result<Self, OAuthError> {
        Self::of(&object(body)?)
    }

    /// What `body` says of `client`, which is all that is true of it from now on
    /// ([RFC 7592](https://www.rfc-editor.org/rfc/rfc7592#section-2.2)).
    pub(super) fn parse_update(body: &[u8], client: &Client) -> Result<Self, OAuthError> {
        let object = object(body)?;
        if object.get("client_id").and_then(Value::as_str) != Some(&client.id) {
            return Err(OAuthError::metadata(
                "client_id has to be that of the client",
            ));
        }
        for name in OURS {
            if object.contains_key(name) {
                let message = format!("{name} is not for the client to say");
                return Err(OAuthError::metadata(message));
            }
        }
        if let Some(secret) = object.get("client_secret") {
            let is_same = secret
                .as_str()
                .is_some_and(|secret| client.has_secret(secret));
            if !is_same {
                return Err(OAuthError::metadata(
                    "client_secret is not that of the client",
                ));
            }
        }
        Self::of(&object)
    }

    /// What `object` says.
    pub(super) fn of(object: &Map<String, Value>) -> Result<Self, OAuthError> {
        let method = method(text(object, "token_endpoint_auth_method")?)?;
        let keys = keys(object)?;
        if (method == Method::PrivateKey) != keys.is_some() {
            let message = "private_key_jwt and jwks or jwks_uri belong together";
            return Err(OAuthError::metadata(message));
        }
        let grant_types = grant_types(object)?;
        check_response_types(object, &grant_types)?;
        let redirect_uris = redirect_uris(object)?;
        let needs_redirect = grant_types.contains(&GrantType::AuthorizationCode);
        if needs_redirect && redirect_uris.is_empty() {
            return Err(OAuthError::InvalidRedirectUri(
                "redirect_uris is missing".into(),
            ));
        }
        let scopes = text(object, "scope")?.map(str::parse).transpose();
        let request = Self {
            redirect_uris,
            method,
            keys,
            grant_types,
            name: name(object)?,
            scopes: scopes.map_err(|_| OAuthError::metadata("scope is not a list of scopes"))?,
            uri: https(object, "client_uri")?,
            metadata: repeated(object)?,
        };
        Ok(request)
    }
}

fn object(body: &[u8]) -> Result<Map<String, Value>, OAuthError> {
    serde_json::from_slice(body)
        .map_err(|_| OAuthError::metadata("the body has to be a JSON object"))
}

/// The text under `name`, if there is any.
fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, OAuthError> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() <= MAX_TEXT => Ok(Some(text)),
        Some(_) => Err(OAuthError::metadata(format!(
            "{name} has to be a short text"
        ))),
    }
}

/// What people are to know the client by; something that they can see.
fn name(object: &Map<String, Value>) -> Result<Option<String>, OAuthError> {
    let name = text(object, "client_name")?.filter(|name| !clean(name).is_empty());
    Ok(name.map(|name| name.chars().take(MAX_NAME).collect()))
}

/// The list of texts under `name`, if there is one.
fn list<'a>(
    object: &'a Map<String, Value>,
    name: &str,
) -> Result<Option<Vec<&'a str>>, OAuthError> {
    let wrong = || OAuthError::metadata(format!("{name} has to be a short list of texts"));
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) if items.len() <= MAX_ITEMS => {
            let items = items.iter().map(Value::as_str);
            items.collect::<Option<_>>().map(Some).ok_or_else(wrong)
        }
        Some(_) => Err(wrong()),
    }
}

/// A client that does not say how it authenticates is public: those that leave it out keep no
/// secret, whatever the RFC says of the default.
fn method(name: Option<&str>) -> Result<Method, OAuthError> {
    match name {
        None | Some("none") => Ok(Method::None),
        Some("client_secret_basic") => Ok(Method::Basic),
        Some("client_secret_post") => Ok(Method::Post),
        Some("private_key_jwt") => Ok(Method::PrivateKey),
        Some(_) => Err(OAuthError::metadata(
            "token_endpoint_auth_method has to be none, client_secret_basic, client_secret_post or \
             private_key_jwt",
        )),
    }
}

fn keys(object: &Map<String, Value>) -> Result<Option<ClientKeys>, OAuthError> {
    // Keys that somebody could replace on the way prove nothing; on this machine nobody can.
    let remote = https(object, "jwks_uri")?;
    let is_safe = |uri: &String| {
        Url::parse(uri).is_ok_and(|url| url.scheme() == "https" || is_loopback(&url))
    };
    if !remote.iter().all(is_safe) {
        return Err(OAuthError::metadata("jwks_uri has to be a URL of https"));
    }
    match (object.get("jwks"), remote) {
        (Some(_), Some(_)) => Err(OAuthError::metadata("jwks and jwks_uri exclude each other")),
        (Some(jwks), None) => match crate::jwks::KeySet::from_value(jwks) {
            Ok(set) if !set.is_empty() => Ok(Some(ClientKeys::Inline(jwks.clone()))),
            _ => Err(OAuthError::metadata(
                "jwks has no key that signatures can be verified with",
            )),
        },
        (None, Some(uri)) => Ok(Some(ClientKeys::Remote(uri))),
        (None, None) => Ok(None),
    }
}

/// Those that may be registered; a refresh token is for everybody who gets codes.
fn grant_types(object: &Map<String, Value>) -> Result<Vec<GrantType>, OAuthError> {
    let default = || vec![GrantType::AuthorizationCode, GrantType::RefreshToken];
    let Some(names) = list(object, "grant_types")? else {
        return Ok(default());
    };
    // What we do not know is not granted, and the client sees that it was not.
    let known = names.into_iter().filter_map(GrantType::of);
    let known =
        known.filter(|kind| matches!(kind, GrantType::AuthorizationCode | GrantType::RefreshToken));
    let known: Vec<_> = known.collect();
    match known.contains(&GrantType::AuthorizationCode) {
        true => Ok(known),
        false => Err(OAuthError::metadata(
            "grant_types has to include authorization_code; other clients are set up by an operator",
        )),
    }
}

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
        false => Err(OAuthError::metadata(
            "response_types has to be code for authorization_code",
        )),
    }
}

fn redirect_uris(object: &Map<String, Value>) -> Result<Vec<RedirectUri>, OAuthError> {
    let wrong =
        |error: &dyn std::fmt::Display| OAuthError::InvalidRedirectUri(error.to_string().into());
    let uris = match object.get("redirect_uris") {
        Some(_) => list(object, "redirect_uris")?.unwrap_or_default(),
        None => return Ok(Vec::new()),
    };
    let uris = uris.into_iter().map(|uri| {
        uri.parse()
            .map_err(|error| wrong(&format!("{uri:?} cannot be redirected to: {error}")))
    });
    uris.collect()
}

/// A link that people may be shown.
fn https(object: &Map<String, Value>, name: &str) -> Result<Option<String>, OAuthError> {
    let Some(text) = text(object, name)? else {
        return Ok(None);
    };
    let is_web = Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    match is_web {
        true => Ok(Some(text.to_owned())),
        false => Err(OAuthError::metadata(format!(
            "{name} has to be a URL of https"
        ))),
    }
}

/// Members that are only repeated, each of the right type.
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
    metadata
        .entry("response_types")
        .or_insert_with(|| vec!["code"].into());
    Ok(metadata)
}

/// Members that only we say.
const OURS: [&str; 4] = [
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
];

const MAX_ITEMS: usize = 10;

const MAX_NAME: usize = 256;

const MAX_TEXT: usize = 2048;
