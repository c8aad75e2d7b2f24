use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde_json::{Map, Value};

use super::KeysError;
use super::jwk::JwkSet;
use crate::jwt::{Algorithm, Header};

/// Public keys that verify signatures.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<VerificationKey>,
}

impl KeySet {
    /// Reads a JWK set, of which it keeps the keys that can be used.
    ///
    /// # Errors
    ///
    /// When `json` is not a JWK set at all.
    pub fn parse(json: &[u8]) -> Result<Self, KeysError> {
        let set: Value = serde_json::from_slice(json).map_err(|_| KeysError::Malformed)?;
        Self::from_value(&set)
    }

    /// As [`parse`](Self::parse), of JSON that was read before, such as `jwks` in the metadata of a
    /// client.
    ///
    /// # Errors
    ///
    /// When `set` is not a JWK set at all.
    pub fn from_value(set: &Value) -> Result<Self, KeysError> {
        let keys = set.get("keys").and_then(Value::as_array);
        let keys = keys.ok_or(KeysError::Malformed)?.iter().take(MAX_KEYS);
        Ok(Self {
            keys: keys.filter_map(VerificationKey::from_value).collect(),
        })
    }

    /// Whether there is a key of that identifier.
    #[must_use]
    pub fn contains(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid.as_deref() == Some(kid))
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys that a JWT with that header may have been signed with: those of its `kid`, or all
    /// where it has none, as far as they are for its algorithm.
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

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Ed25519,
    P256,
    P384,
    Rsa,
}

impl VerificationKey {
    pub(crate) fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }

    /// The key of an entry; nothing if it cannot be used.
    fn from_value(jwk: &Value) -> Option<Self> {
        let jwk = jwk.as_object()?;
        // Whoever publishes a private key has no secret: anybody may have signed with it.
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

    fn is_for(&self, algorithm: Algorithm) -> bool {
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

fn is_for_signatures(jwk: &Map<String, Value>) -> bool {
    let is_used = jwk.get("use").is_none_or(|usage| usage == "sig");
    let verifies = |ops: &Value| {
        let ops = ops.as_array();
        ops.is_some_and(|ops| ops.iter().any(|op| op == "verify"))
    };
    is_used && jwk.get("key_ops").is_none_or(verifies)
}

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

/// How long a number is without leading zeros.
fn bits(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    match number.get(zeros) {
        Some(first) => (number.len() - zeros) * 8 - first.leading_zeros() as usize,
        None => 0,
    }
}

/// How many keys of a set are looked at.
const MAX_KEYS: usize = 64;

const MAX_KID: usize = 256;

/// The members that only secret keys have.
const PRIVATE: [&str; 9] = ["d", "dp", "dq", "k", "oth", "p", "priv", "q", "qi"];

/// Shorter keys can be broken, and longer ones cost more than tokens are worth.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// What a point begins with that has both of its coordinates.
const UNCOMPRESSED: u8 = 4;
