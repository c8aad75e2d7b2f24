//! Private keys that sign JWTs, and their public halves (RFC 7518, section 3; RFC 7638).

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Serialize;
use serde_json::Value;

use super::algorithm::Algorithm;
use super::error::JwtError;
use super::jwk::Jwk;

/// A private key that signs JWTs. Cheap to clone.
///
/// The key ID is the [thumbprint][rfc] of the public key. Replicas and restarts therefore derive
/// the same ID from the same key.
///
/// `Debug` does not show the private key.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::jose::{Algorithm, Claims, JwtError, SigningKey};
///
/// # fn main() -> Result<(), JwtError> {
/// let key = SigningKey::generate(Algorithm::Es256)?;
/// let same = SigningKey::from_pkcs8(Algorithm::Es256, &key.to_pkcs8()?)?;
/// assert_eq!(key.kid(), same.kid());
///
/// let mut claims = Claims::default();
/// claims.sub = Some("alice".to_owned());
/// let token = key.sign("at+jwt", &claims)?;
/// assert_eq!(token.split('.').count(), 3);
///
/// // Only ES256 and RS256 can be signed with; all algorithms can be verified.
/// assert!(matches!(SigningKey::generate(Algorithm::Ps512), Err(JwtError::Algorithm)));
/// # Ok(())
/// # }
/// ```
///
/// [rfc]: https://www.rfc-editor.org/rfc/rfc7638
#[derive(Clone)]
pub struct SigningKey(Arc<Inner>);

struct Inner {
    pair: Pair,
    public: Jwk,
    kid: String,
}

enum Pair {
    Es256(EcdsaKeyPair),
    Rs256(RsaKeyPair),
}

impl SigningKey {
    /// Generates a key for `algorithm`: ES256, or RS256 with 2048 bits for clients that support
    /// nothing else.
    ///
    /// # Errors
    ///
    /// [`JwtError::Algorithm`] for all other algorithms, and [`JwtError::Key`] if the cryptographic
    /// library fails.
    pub fn generate(algorithm: Algorithm) -> Result<Self, JwtError> {
        let pair = match algorithm {
            Algorithm::Es256 => {
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Pair::Es256)
            }
            Algorithm::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048).map(Pair::Rs256),
            _ => return Err(JwtError::Algorithm),
        };
        pair.map_err(|_| JwtError::Key).map(Self::of)
    }

    /// Parses the PKCS#8 document `der`.
    ///
    /// # Errors
    ///
    /// [`JwtError::Algorithm`] for algorithms other than ES256 and RS256, and [`JwtError::Key`] if
    /// `der` is not a private key for `algorithm`.
    pub fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, JwtError> {
        let pair = match algorithm {
            Algorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map(Pair::Es256)
            }
            Algorithm::Rs256 => RsaKeyPair::from_pkcs8(der).map(Pair::Rs256),
            _ => return Err(JwtError::Algorithm),
        };
        pair.map_err(|_| JwtError::Key).map(Self::of)
    }

    /// Parses the PEM document `text`, a PKCS#8 private key (`BEGIN PRIVATE KEY`): an elliptic curve
    /// key for ES256, or an RSA key for RS256.
    ///
    /// # Errors
    ///
    /// [`JwtError::Key`] if `text` is neither.
    pub fn from_pem(text: &str) -> Result<Self, JwtError> {
        let document = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes());
        let document = document.map_err(|_| JwtError::Key)?;
        let der = document.secret_pkcs8_der();
        let elliptic = Self::from_pkcs8(Algorithm::Es256, der);
        elliptic.or_else(|_| Self::from_pkcs8(Algorithm::Rs256, der))
    }

    /// Returns the private key as a PKCS#8 document. Encrypt it before it is stored, for example
    /// with a [`Keyring`](crate::Keyring).
    ///
    /// # Errors
    ///
    /// [`JwtError::Key`] if the cryptographic library cannot serialize the key.
    pub fn to_pkcs8(&self) -> Result<Vec<u8>, JwtError> {
        let bytes = match &self.0.pair {
            Pair::Es256(pair) => pair.to_pkcs8v1().map(|document| document.as_ref().to_vec()),
            Pair::Rs256(pair) => {
                let document: Result<Pkcs8V1Der<'_>, _> = pair.as_der();
                document.map(|document| document.as_ref().to_vec())
            }
        };
        bytes.map_err(|_| JwtError::Key)
    }

    /// Returns the algorithm of the key.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match self.0.pair {
            Pair::Es256(_) => Algorithm::Es256,
            Pair::Rs256(_) => Algorithm::Rs256,
        }
    }

    /// Returns the key ID: the base64url SHA-256 thumbprint of the public key.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.0.kid
    }

    /// Returns the public key, to be published in a JWK set.
    #[must_use]
    pub fn public(&self) -> &Jwk {
        &self.0.public
    }

    /// Signs a JWT with the header `typ` and the claims `claims`.
    ///
    /// The header contains `alg`, `typ` and `kid`.
    ///
    /// # Errors
    ///
    /// [`JwtError::Sign`] if `claims` cannot be serialized as JSON, or the cryptographic library
    /// fails.
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, JwtError> {
        self.sign_as(&self.0.kid, typ, claims)
    }

    /// Signs a JWT as [`sign`](Self::sign) does, with the key ID `kid` under which another server
    /// has registered the public key.
    ///
    /// # Errors
    ///
    /// The same as those of [`sign`](Self::sign).
    pub fn sign_as(
        &self,
        kid: &str,
        typ: &str,
        claims: &impl Serialize,
    ) -> Result<String, JwtError> {
        self.sign_naming(KeyReference::Kid(kid), typ, claims)
    }

    /// Signs a JWT as [`sign`](Self::sign) does, with the public key itself in the header.
    pub(crate) fn sign_with_public_key(
        &self,
        typ: &str,
        claims: &impl Serialize,
    ) -> Result<String, JwtError> {
        let jwk = serde_json::from_str(&self.0.public.canonical());
        let jwk = jwk.map_err(|_| JwtError::Sign)?;
        self.sign_naming(KeyReference::Jwk(jwk), typ, claims)
    }

    /// Signs a JWT whose header has `key`.
    fn sign_naming(
        &self,
        key: KeyReference<'_>,
        typ: &str,
        claims: &impl Serialize,
    ) -> Result<String, JwtError> {
        let header = Head {
            alg: self.algorithm().name(),
            typ,
            key,
        };
        let mut token = encode(&header)?;
        token.push('.');
        token.push_str(&encode(claims)?);
        let signature = self.signature(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// Returns the signature of `message` in the encoding of RFC 7518: for ES256, `r` and `s` with
    /// a fixed length instead of DER.
    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, JwtError> {
        let random = SystemRandom::new();
        let signature = match &self.0.pair {
            Pair::Es256(pair) => pair
                .sign(&random, message)
                .map(|signature| signature.as_ref().to_vec()),
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map(|()| signature)
            }
        };
        signature.map_err(|_| JwtError::Sign)
    }

    /// Derives the public key and the key ID of a pair.
    fn of(pair: Pair) -> Self {
        let mut public = match &pair {
            Pair::Es256(pair) => {
                // An uncompressed point: 0x04, then x and y with equal lengths.
                let point = pair.public_key().as_ref();
                let (x, y) = point.get(1..).unwrap_or_default().split_at(point.len() / 2);
                Jwk::ec(Algorithm::Es256, "P-256", text(x), text(y))
            }
            Pair::Rs256(pair) => {
                let key = pair.public_key();
                let n = key.modulus().big_endian_without_leading_zero();
                let e = key.exponent().big_endian_without_leading_zero();
                Jwk::rsa(Algorithm::Rs256, text(n), text(e))
            }
        };
        let kid = text(digest(&SHA256, public.canonical().as_bytes()).as_ref());
        public.kid = Some(kid.clone());
        Self(Arc::new(Inner { pair, public, kid }))
    }
}

impl fmt::Debug for SigningKey {
    /// Does not show the private key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm())
            .field("kid", &self.kid())
            .finish_non_exhaustive()
    }
}

/// The JOSE header of issued tokens.
#[derive(Serialize)]
struct Head<'a> {
    alg: &'a str,
    typ: &'a str,
    #[serde(flatten)]
    key: KeyReference<'a>,
}

/// The parameter of a header that determines the key.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum KeyReference<'a> {
    Jwk(Value),
    Kid(&'a str),
}

/// Encodes a part of a token as base64url JSON.
fn encode(part: &impl Serialize) -> Result<String, JwtError> {
    let json = serde_json::to_vec(part).map_err(|_| JwtError::Sign)?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}

/// Encodes bytes as base64url.
fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn pem(label: &str, der: &[u8]) -> String {
        let text = STANDARD.encode(der);
        format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
    }

    #[test]
    fn keys_are_read_from_pem() {
        for algorithm in [Algorithm::Es256, Algorithm::Rs256] {
            let key = SigningKey::generate(algorithm).unwrap();
            let der = key.to_pkcs8().unwrap();
            let read = SigningKey::from_pem(&pem("PRIVATE KEY", &der)).unwrap();
            assert_eq!((read.kid(), read.algorithm()), (key.kid(), algorithm));
            for text in [pem("RSA PRIVATE KEY", &der), pem("PRIVATE KEY", &der[1..])] {
                assert!(matches!(SigningKey::from_pem(&text), Err(JwtError::Key)));
            }
        }
    }
}
