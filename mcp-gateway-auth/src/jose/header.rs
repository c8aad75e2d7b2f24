//! The JOSE header of a JWT (RFC 7515, section 4).

use serde_json::Value;

use super::algorithm::Algorithm;
use super::error::JwtError;
use super::json::StrictJson;

/// The supported parameters of a JOSE header.
///
/// Keys and key addresses in headers (`jwk`, `jku`, `x5c`, `x5u`) are ignored: a sender who could
/// name the key of the signature could sign anything.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::jose::{Algorithm, SigningKey, UnverifiedJwt};
///
/// let key = SigningKey::generate(Algorithm::Es256)?;
/// let token = key.sign("application/at+jwt", &serde_json::json!({}))?;
/// let token = UnverifiedJwt::parse(&token)?;
/// assert_eq!(token.header().algorithm, Algorithm::Es256);
/// assert_eq!(token.header().typ.as_deref(), Some("at+jwt"));
/// assert_eq!(token.header().kid.as_deref(), Some(key.kid()));
/// # Ok::<(), mcp_gateway_auth::jose::JwtError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Header {
    /// Signature algorithm (`alg`).
    pub algorithm: Algorithm,
    /// Type of the token (`typ`), in lower case and without `application/`.
    pub typ: Option<String>,
    /// Key ID of the signing key (`kid`).
    pub kid: Option<String>,
}

impl Header {
    /// Parses the JSON of a header.
    ///
    /// # Errors
    ///
    /// [`JwtError::Malformed`] if `json` is not an object or contains a name twice,
    /// [`JwtError::Algorithm`] if the algorithm is absent or unsupported, and [`JwtError::Header`]
    /// for an unsupported parameter or one with a wrong type.
    pub(super) fn parse(json: &[u8]) -> Result<Self, JwtError> {
        let Ok(StrictJson(Value::Object(fields))) = serde_json::from_slice(json) else {
            return Err(JwtError::Malformed);
        };
        if let Some(name) = REFUSED.into_iter().find(|name| fields.contains_key(*name)) {
            return Err(JwtError::Header(name));
        }
        let text = |name| match fields.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.len() <= MAX_TEXT => Ok(Some(text.as_str())),
            Some(_) => Err(JwtError::Header(name)),
        };
        let algorithm = text("alg")?.and_then(Algorithm::from_name);
        Ok(Self {
            algorithm: algorithm.ok_or(JwtError::Algorithm)?,
            typ: text("typ")?.map(normal_typ),
            kid: text("kid")?.map(str::to_owned),
        })
    }
}

/// Normalizes `typ`: lower case, without the optional prefix `application/` ([RFC 7515, section
/// 4.1.9][rfc]).
///
/// [rfc]: https://www.rfc-editor.org/rfc/rfc7515#section-4.1.9
pub(super) fn normal_typ(typ: &str) -> String {
    let typ = typ.to_ascii_lowercase();
    match typ.strip_prefix("application/") {
        Some(rest) if !rest.contains('/') => rest.to_owned(),
        _ => typ,
    }
}

/// Maximum length of `alg`, `kid` and `typ`, in bytes.
const MAX_TEXT: usize = 256;

/// Parameters that change the meaning of the others.
///
/// [RFC 7515, section 4.1.11][rfc] requires the rejection of extensions in `crit` that are not
/// understood, which here are all. The others belong to encrypted, nested, compressed and unencoded
/// tokens.
///
/// [rfc]: https://www.rfc-editor.org/rfc/rfc7515#section-4.1.11
const REFUSED: [&str; 5] = ["b64", "crit", "cty", "enc", "zip"];
