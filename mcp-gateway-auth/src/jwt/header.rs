use serde_json::Value;

use super::algorithm::Algorithm;
use super::error::JwtError;
use super::json::Unambiguous;

/// The header of a JWT, as far as it means something here.
///
/// Keys and addresses of keys in headers (`jwk`, `jku`, `x5c`, `x5u`) are not read.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Header {
    /// The algorithm of the signature.
    pub algorithm: Algorithm,
    /// What the JWT is for, in lower case and without `application/`.
    pub typ: Option<String>,
    /// The key of the signature.
    pub kid: Option<String>,
}

impl Header {
    /// Reads the JSON of a header.
    pub(super) fn parse(json: &[u8]) -> Result<Self, JwtError> {
        let Ok(Unambiguous(Value::Object(fields))) = serde_json::from_slice(json) else {
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

/// `typ` without what may be left out, as [RFC 7515, section 4.1.9][rfc] has it.
///
/// [rfc]: https://www.rfc-editor.org/rfc/rfc7515#section-4.1.9
pub(super) fn normal_typ(typ: &str) -> String {
    let typ = typ.to_ascii_lowercase();
    match typ.strip_prefix("application/") {
        Some(rest) if !rest.contains('/') => rest.to_owned(),
        _ => typ,
    }
}

/// The longest `alg`, `kid` and `typ`.
const MAX_TEXT: usize = 256;

/// Parameters that change what the rest means. [RFC 7515, section 4.1.11][rfc] wants those in
/// `crit` refused that are not understood, which here are all; the others are of encrypted, nested,
/// compressed and unencoded ones.
///
/// [rfc]: https://www.rfc-editor.org/rfc/rfc7515#section-4.1.11
const REFUSED: [&str; 5] = ["b64", "crit", "cty", "enc", "zip"];
