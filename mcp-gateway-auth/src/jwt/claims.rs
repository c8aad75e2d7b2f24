use serde::Serialize;
use serde_json::{Map, Value};

use super::error::JwtError;
use super::json::Unambiguous;

/// What a JWT says: the [registered claims][rfc], those of OAuth, and all others.
///
/// Those that were read have the right type and a bounded length; whether they are the right ones
/// is for an [`Expectation`](super::Expectation).
///
/// [rfc]: https://www.iana.org/assignments/jwt
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Claims {
    /// The issuer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// Whom it is about: up to 255 characters, none of them a control character.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// Whom it is for.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "one_or_many")]
    pub aud: Vec<String>,
    /// When it expires, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<u64>,
    /// When it becomes good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// When it was issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iat: Option<u64>,
    /// Its own identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// The OAuth client that it was issued to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// What it grants, separated by spaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// All other claims.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Claims {
    /// Reads the JSON of claims.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, JwtError> {
        let Ok(Unambiguous(Value::Object(mut fields))) = serde_json::from_slice(json) else {
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

    /// Whether the claim is there.
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

    /// What it grants: `scope`, or `scp` in either of the forms that identity providers give it.
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

/// Takes claims out of an object, each with its type.
struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn text(&mut self, name: &'static str, limit: usize) -> Result<Option<String>, JwtError> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) if is_plain(&text, limit) => Ok(Some(text)),
            Some(_) => Err(JwtError::Claim(name)),
        }
    }

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

    /// A number of seconds, whose fraction is left out.
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

    /// A list of words; characters that a scope cannot have do not come through.
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

/// Whether `text` is there, is not too long, and would be harmless in a header or a line of a log.
pub(crate) fn is_plain(text: &str, limit: usize) -> bool {
    !text.is_empty() && text.chars().count() <= limit && !text.chars().any(char::is_control)
}

fn is_printable(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

fn one_or_many<S: serde::Serializer>(values: &Vec<String>, to: S) -> Result<S::Ok, S::Error> {
    match values.as_slice() {
        [one] => one.serialize(to),
        many => many.serialize(to),
    }
}

/// The end of the year 9999.
const LAST_SECOND: f64 = 253_402_300_799.0;

const MAX_AUDIENCES: usize = 32;
const MAX_SCOPE: usize = 4096;
/// As OpenID Connect has it.
const MAX_SUBJECT: usize = 255;
const MAX_URL: usize = 2048;
