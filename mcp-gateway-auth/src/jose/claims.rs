//! The claims of a JWT: parsing with types and bounds (RFC 7519, section 4).
//!
//! Parsing rejects claims of a wrong type or size, so that no later code has to handle them. Values
//! are compared with what is expected in [`Validation`](super::Validation).

use serde::Serialize;
use serde_json::{Map, Value};

use super::error::JwtError;
use super::json::StrictJson;

/// The claims of a JWT: the [registered claims][rfc], those of OAuth, and all others.
///
/// Parsed claims have the right type and a bounded length. A [`Validation`](super::Validation)
/// validates their values.
///
/// The serialized form omits absent claims and writes a single audience as a string.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::jose::Claims;
///
/// let mut claims = Claims::default();
/// claims.sub = Some("alice".to_owned());
/// claims.aud = vec!["https://gw.example.com/mcp".to_owned()];
/// claims.scope = Some("read write".to_owned());
/// assert_eq!(claims.scopes().collect::<Vec<_>>(), ["read", "write"]);
///
/// let json = serde_json::to_value(&claims)?;
/// assert_eq!(json["aud"], "https://gw.example.com/mcp");
/// assert!(json.get("exp").is_none());
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// [rfc]: https://www.iana.org/assignments/jwt
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Claims {
    /// Issuer: up to 2048 characters, compared as an exact string.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// Subject: up to 255 characters without control characters, unique within the issuer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// Audiences: up to 32, each of up to 2048 characters. Empty if the claim is absent.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "one_or_many")]
    pub aud: Vec<String>,
    /// Expiration time, in seconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<u64>,
    /// Start of the validity, in seconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// Time of issue, in seconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iat: Option<u64>,
    /// JWT ID: up to 255 characters, unique within the issuer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// OAuth client to which the token was issued (RFC 8693, section 4.3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Granted scopes, separated by spaces: up to 4096 printable ASCII characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// All other claims, of any type.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Claims {
    /// Parses the JSON of a claims set.
    ///
    /// # Errors
    ///
    /// [`JwtError::Malformed`] if `json` is not an object or contains a name twice, and
    /// [`JwtError::Claim`] if a known claim has a wrong type or is out of bounds.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, JwtError> {
        let Ok(StrictJson(Value::Object(mut fields))) = serde_json::from_slice(json) else {
            return Err(JwtError::Malformed);
        };
        let mut fields = Fields(&mut fields);
        let claims = Self {
            iss: fields.text("iss", MAX_URL)?,
            sub: fields.text("sub", MAX_SUBJECT)?,
            aud: fields.audience()?,
            exp: fields.date("exp")?,
            nbf: fields.date("nbf")?,
            iat: fields.date("iat")?,
            jti: fields.text("jti", MAX_SUBJECT)?,
            client_id: fields.text("client_id", MAX_URL)?,
            scope: fields.scope()?,
            extra: Map::new(),
        };
        Ok(Self {
            extra: std::mem::take(fields.0),
            ..claims
        })
    }

    /// Returns `true` if the claim is present. A claim with the value `null` counts as absent.
    pub(super) fn has(&self, name: &str) -> bool {
        match name {
            "iss" => self.iss.is_some(),
            "sub" => self.sub.is_some(),
            "aud" => !self.aud.is_empty(),
            "exp" => self.exp.is_some(),
            "nbf" => self.nbf.is_some(),
            "iat" => self.iat.is_some(),
            "jti" => self.jti.is_some(),
            "client_id" => self.client_id.is_some(),
            "scope" => self.scope.is_some(),
            _ => self.extra.get(name).is_some_and(|value| !value.is_null()),
        }
    }

    /// Returns the granted scopes.
    ///
    /// They are in `scope`, or otherwise in `scp`, which identity providers write as a string or as
    /// an array.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        let scp = self.extra.get("scp");
        let text = self
            .scope
            .as_deref()
            .or_else(|| scp.and_then(Value::as_str));
        let list = match text {
            Some(_) => None,
            None => scp.and_then(Value::as_array),
        };
        let words = text.unwrap_or_default().split(' ');
        let items = list.into_iter().flatten().filter_map(Value::as_str);
        words.chain(items).filter(|scope| !scope.is_empty())
    }
}

/// Typed access to the members of a claims set. Each one is removed when it is read, so that the
/// remaining ones are the extra claims.
struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    /// Removes a string of up to `limit` characters.
    fn text(&mut self, name: &'static str, limit: usize) -> Result<Option<String>, JwtError> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) if is_plain(&text, limit) => Ok(Some(text)),
            Some(_) => Err(JwtError::Claim(name)),
        }
    }

    /// Removes `aud`, which is a string or an array of strings (RFC 7519, section 4.1.3).
    fn audience(&mut self) -> Result<Vec<String>, JwtError> {
        let values = match self.0.remove("aud") {
            None => return Ok(Vec::new()),
            Some(Value::Array(values)) if values.len() <= MAX_AUDIENCES => values,
            Some(Value::Array(_)) => return Err(JwtError::Claim("aud")),
            Some(value) => vec![value],
        };
        let texts = values.into_iter().map(|value| match value {
            Value::String(text) if is_plain(&text, MAX_URL) => Ok(text),
            _ => Err(JwtError::Claim("aud")),
        });
        texts.collect()
    }

    /// Removes a `NumericDate` (RFC 7519, section 2) and truncates its fraction.
    fn date(&mut self, name: &'static str) -> Result<Option<u64>, JwtError> {
        let Some(value) = self.0.remove(name) else {
            return Ok(None);
        };
        let number = value.as_f64().filter(|_| value.is_number());
        match number {
            Some(number) if (0.0..=LAST_SECOND).contains(&number) => Ok(Some(number as u64)),
            _ => Err(JwtError::Claim(name)),
        }
    }

    /// Removes `scope` and rejects characters that a scope token must not contain (RFC 6749,
    /// section 3.3).
    fn scope(&mut self) -> Result<Option<String>, JwtError> {
        match self.0.remove("scope") {
            None => Ok(None),
            Some(Value::String(text)) if text.len() <= MAX_SCOPE && is_printable(&text) => {
                Ok(Some(text))
            }
            Some(_) => Err(JwtError::Claim("scope")),
        }
    }
}

/// Returns `true` if `text` is not empty, has at most `limit` characters, and contains no control
/// characters. Such a text is harmless in a header and in a line of the log.
pub(crate) fn is_plain(text: &str, limit: usize) -> bool {
    !text.is_empty() && text.chars().count() <= limit && !text.chars().any(char::is_control)
}

/// Returns `true` if `text` consists of spaces and printable ASCII characters.
fn is_printable(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

/// Serializes a single audience as a string, which every consumer accepts, and several ones as an
/// array.
fn one_or_many<S: serde::Serializer>(values: &Vec<String>, to: S) -> Result<S::Ok, S::Error> {
    match values.as_slice() {
        [one] => one.serialize(to),
        many => many.serialize(to),
    }
}

/// Last second of the year 9999: a bound at which an `f64` is still exact.
const LAST_SECOND: f64 = 253_402_300_799.0;

const MAX_AUDIENCES: usize = 32;
const MAX_SCOPE: usize = 4096;
/// Maximum length of `sub`, as in OpenID Connect Core, section 2.
const MAX_SUBJECT: usize = 255;
const MAX_URL: usize = 2048;
