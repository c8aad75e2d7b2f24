//! Parsed public keys, and the choice of candidates for a token (RFC 7517, section 4).
//!
//! Keys come from documents of strangers, such as client metadata. Each key is therefore validated
//! when it is parsed: its use, its algorithm, its curve and its length.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::error::JwksError;
use super::header::Header;
use super::jwk::JwkSet;

/// The public keys of an issuer or a client that verify signatures.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::jose::{KeySet, JwksError};
/// use serde_json::json;
///
/// // RFC 8037, appendix A.2.
/// let ed25519 = json!({
///     "kty": "OKP",
///     "crv": "Ed25519",
///     "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
///     "kid": "a",
/// });
/// let encryption = json!({"kty": "RSA", "use": "enc", "n": "AQAB", "e": "AQAB", "kid": "b"});
/// let keys = KeySet::from_value(&json!({"keys": [ed25519, encryption]}))?;
/// assert_eq!(keys.len(), 1);
/// assert!(keys.contains("a") && !keys.contains("b"));
///
/// assert_eq!(KeySet::parse(b"[]").err(), Some(JwksError::Malformed));
/// # Ok::<(), JwksError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<VerificationKey>,
}

impl KeySet {
    /// Parses a JWK set and keeps its usable keys.
    ///
    /// # Errors
    ///
    /// [`JwksError::Malformed`] if `json` is not a JWK set. Unusable keys are no error.
    pub fn parse(json: &[u8]) -> Result<Self, JwksError> {
        let set: Value = serde_json::from_slice(json).map_err(|_| JwksError::Malformed)?;
        Self::from_value(&set)
    }

    /// Parses a JWK set that is JSON already, such as `jwks` in client metadata. See
    /// [`parse`](Self::parse).
    ///
    /// # Errors
    ///
    /// [`JwksError::Malformed`] if `set` is not a JWK set.
    pub fn from_value(set: &Value) -> Result<Self, JwksError> {
        let keys = set.get("keys").and_then(Value::as_array);
        let keys = keys.ok_or(JwksError::Malformed)?.iter().take(MAX_KEYS);
        Ok(Self {
            keys: keys.filter_map(VerificationKey::from_value).collect(),
        })
    }

    /// Returns `true` if the set has a key with the ID `kid`.
    #[must_use]
    pub fn contains(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid.as_deref() == Some(kid))
    }

    /// Returns the number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Returns `true` if the set has no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Returns the keys that may have signed a JWT with this header: the one with its key ID, or
    /// all keys if it has none, restricted to those for its algorithm.
    pub(crate) fn candidates(&self, header: &Header) -> impl Iterator<Item = &VerificationKey> {
        self.keys.iter().filter(move |key| {
            let is_meant = header.kid.is_none() || key.kid == header.kid;
            is_meant && key.is_for(header.algorithm)
        })
    }
}

impl From<&JwkSet> for KeySet {
    fn from(set: &JwkSet) -> Self {
        let value = serde_json::to_value(set).unwrap_or_default();
        Self::from_value(&value).unwrap_or_default()
    }
}

/// A public key that verifies signatures.
#[derive(Clone)]
pub(crate) struct VerificationKey {
    algorithm: Option<Algorithm>,
    decoding: DecodingKey,
    kid: Option<String>,
    kind: Kind,
}

/// The key types, as far as they determine the algorithm.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Ed25519,
    P256,
    P384,
    Rsa,
}

impl VerificationKey {
    /// Returns the key as the type of the `jsonwebtoken` crate.
    pub(crate) fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }

    /// Parses a JWK. Returns `None` if it cannot be used.
    pub(super) fn from_value(jwk: &Value) -> Option<Self> {
        let jwk = jwk.as_object()?;
        // A published private key is no secret: anybody may have signed with it.
        if PRIVATE.iter().any(|name| jwk.contains_key(*name)) || !is_for_signatures(jwk) {
            return None;
        }
        let kid = match jwk.get("kid") {
            None => None,
            Some(kid) => Some(kid.as_str().filter(|kid| kid.len() <= MAX_KID)?.to_owned()),
        };
        let (kind, decoding) = public_key(jwk)?;
        let key = Self {
            algorithm: None,
            decoding,
            kid,
            kind,
        };
        match jwk.get("alg") {
            None => Some(key),
            Some(name) => {
                let algorithm = Algorithm::from_name(name.as_str()?)?;
                key.is_for(algorithm).then_some(Self {
                    algorithm: Some(algorithm),
                    ..key
                })
            }
        }
    }

    /// Returns `true` if the key fits `algorithm`: the key type must match, and `alg` if present.
    pub(super) fn is_for(&self, algorithm: Algorithm) -> bool {
        let kind = match algorithm {
            Algorithm::EdDsa => Kind::Ed25519,
            Algorithm::Es256 => Kind::P256,
            Algorithm::Es384 => Kind::P384,
            Algorithm::Ps256
            | Algorithm::Ps384
            | Algorithm::Ps512
            | Algorithm::Rs256
            | Algorithm::Rs384
            | Algorithm::Rs512 => Kind::Rsa,
        };
        self.kind == kind && self.algorithm.is_none_or(|own| own == algorithm)
    }
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerificationKey")
            .field("kid", &self.kid)
            .field("kind", &self.kind)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// Returns `true` if `use` and `key_ops` permit the verification of signatures (RFC 7517, sections
/// 4.2 and 4.3).
fn is_for_signatures(jwk: &Map<String, Value>) -> bool {
    let is_used = jwk.get("use").is_none_or(|usage| usage == "sig");
    let verifies = |ops: &Value| {
        let ops = ops.as_array();
        ops.is_some_and(|ops| ops.iter().any(|op| op == "verify"))
    };
    is_used && jwk.get("key_ops").is_none_or(verifies)
}

/// Parses the public parameters. The lengths of coordinates are fixed, and the RSA exponent is an
/// odd number of at most 32 bits other than 1.
fn public_key(jwk: &Map<String, Value>) -> Option<(Kind, DecodingKey)> {
    let text = |name: &str| jwk.get(name)?.as_str();
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
    let point = |length: usize| {
        let (x, y) = (bytes("x")?, bytes("y")?);
        let is_whole = x.len() == length && y.len() == length;
        is_whole.then(|| DecodingKey::from_ec_der(&[&[UNCOMPRESSED], &*x, &*y].concat()))
    };
    match (text("kty")?, text("crv")) {
        ("EC", Some("P-256")) => Some((Kind::P256, point(32)?)),
        ("EC", Some("P-384")) => Some((Kind::P384, point(48)?)),
        ("OKP", Some("Ed25519")) => {
            let x = bytes("x").filter(|x| x.len() == 32)?;
            Some((Kind::Ed25519, DecodingKey::from_ed_der(&x)))
        }
        ("RSA", None) => {
            let (n, e) = (bytes("n")?, bytes("e")?);
            let is_sound = RSA_BITS.contains(&bits(&n)) && e.len() <= 4 && e.last()? & 1 == 1;
            let is_sound = is_sound && e != [1];
            is_sound.then(|| (Kind::Rsa, DecodingKey::from_rsa_raw_components(&n, &e)))
        }
        _ => None,
    }
}

/// Returns the length of a big-endian number in bits, without leading zeros.
fn bits(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    match number.get(zeros) {
        Some(first) => (number.len() - zeros) * 8 - first.leading_zeros() as usize,
        None => 0,
    }
}

/// Maximum number of keys that are read from a set.
const MAX_KEYS: usize = 64;

/// Maximum length of a key ID, in bytes.
const MAX_KID: usize = 256;

/// Members that only private and symmetric keys have.
const PRIVATE: [&str; 9] = ["d", "dp", "dq", "k", "oth", "p", "priv", "q", "qi"];

/// Accepted lengths of RSA keys. Shorter keys can be factored; longer ones make verification too
/// expensive.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// First byte of an uncompressed point, which contains both coordinates.
const UNCOMPRESSED: u8 = 4;
