//! Key of a client, and the proofs that it signs (RFC 9449, section 4.2).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
#[cfg(feature = "client")]
use http::HeaderValue;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

use super::TYPE;
use crate::jose::{Algorithm, JwtError, SigningKey};
use crate::{Clock, Secret, SecretHash};

/// Key to which the tokens of a client are bound. Cheap to clone.
///
/// The serialized form contains the private key, and must be sealed; `Debug` omits it.
///
/// # Example
///
/// ```
/// use http::Method;
/// use mcp_gateway_auth::dpop::DpopKey;
/// use mcp_gateway_auth::jose::JwtError;
///
/// # fn main() -> Result<(), JwtError> {
/// let key = DpopKey::generate()?;
/// let stored = serde_json::to_string(&key).unwrap();
/// let restored: DpopKey = serde_json::from_str(&stored).unwrap();
/// assert_eq!(restored.thumbprint(), key.thumbprint());
///
/// let url = "https://mcp.example.com/mcp".parse().unwrap();
/// let proof = key.proof(&Method::POST, &url).with_token("a-1").sign()?;
/// assert_eq!(proof.split('.').count(), 3);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct DpopKey(SigningKey);

impl DpopKey {
    /// Generates a key for ES256.
    ///
    /// # Errors
    ///
    /// [`JwtError::Key`] if the cryptographic library fails.
    pub fn generate() -> Result<Self, JwtError> {
        SigningKey::generate(Algorithm::Es256).map(Self)
    }

    /// Returns the thumbprint of the public key (RFC 7638), which bound tokens have in `cnf.jkt`.
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        self.0.kid()
    }

    /// Begins a proof for a request with `method` to `url`, whose query is not part of it.
    #[must_use]
    pub fn proof<'a>(&'a self, method: &'a http::Method, url: &'a Url) -> DpopProof<'a> {
        DpopProof {
            key: &self.0,
            method,
            url,
            token: None,
            nonce: None,
        }
    }
}

impl fmt::Debug for DpopKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DpopKey").field(&self.thumbprint()).finish()
    }
}

impl Serialize for DpopKey {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let document = self.0.to_pkcs8().map_err(S::Error::custom)?;
        STANDARD_NO_PAD.encode(document).serialize(to)
    }
}

impl<'de> Deserialize<'de> for DpopKey {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let document = STANDARD_NO_PAD.decode(text).map_err(D::Error::custom)?;
        let key = SigningKey::from_pkcs8(Algorithm::Es256, &document);
        key.map(Self).map_err(D::Error::custom)
    }
}

/// Proof for one request, before it is signed.
#[derive(Clone, Copy, Debug)]
pub struct DpopProof<'a> {
    key: &'a SigningKey,
    method: &'a http::Method,
    url: &'a Url,
    token: Option<&'a str>,
    nonce: Option<&'a str>,
}

impl<'a> DpopProof<'a> {
    /// Sets the access token with which the request is sent.
    #[must_use]
    pub fn with_token(self, token: &'a str) -> Self {
        let token = Some(token);
        Self { token, ..self }
    }

    /// Sets the nonce that the server has provided.
    #[must_use]
    pub fn with_nonce(self, nonce: Option<&'a str>) -> Self {
        Self { nonce, ..self }
    }

    /// Signs the proof, which is valid once.
    ///
    /// # Errors
    ///
    /// [`JwtError::Sign`] if the system has no random numbers or the cryptographic library fails.
    pub fn sign(self) -> Result<String, JwtError> {
        let id = Secret::generate("").map_err(|_| JwtError::Sign)?;
        let mut url = self.url.clone();
        url.set_query(None);
        url.set_fragment(None);
        let hash = self.token.map(SecretHash::digest);
        let claims = ProofClaims {
            jti: id.expose(),
            htm: self.method.as_str(),
            htu: url.as_str(),
            iat: Clock::system().now(),
            ath: hash.as_ref().map(SecretHash::as_str),
            nonce: self.nonce,
        };
        self.key.sign_with_public_key(TYPE, &claims)
    }

    /// Signs the proof as the value of a header.
    #[cfg(feature = "client")]
    pub(crate) fn header(self) -> Result<HeaderValue, JwtError> {
        HeaderValue::try_from(self.sign()?).map_err(|_| JwtError::Sign)
    }
}

/// Claims of a proof.
#[derive(Serialize)]
struct ProofClaims<'a> {
    jti: &'a str,
    htm: &'a str,
    htu: &'a str,
    iat: u64,
    /// Hash of the access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    ath: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use http::Method;
    use serde_json::{Value, json};

    use super::*;

    fn parts(proof: &str) -> (Value, Value) {
        let mut parts = proof.split('.').map(|part| {
            let json = URL_SAFE_NO_PAD.decode(part).unwrap();
            serde_json::from_slice(&json).unwrap_or_default()
        });
        (parts.next().unwrap(), parts.next().unwrap())
    }

    #[test]
    fn a_proof_has_the_public_key_and_the_claims_of_its_request() {
        let key = DpopKey::generate().unwrap();
        let url: Url = "https://MCP.example.com:443/mcp?page=1#top"
            .parse()
            .unwrap();
        // The example of RFC 9449, section 7.1.
        let token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
        let proof = key.proof(&Method::POST, &url).with_token(token);
        let proof = proof.with_nonce(Some("n-1")).sign().unwrap();
        let (header, claims) = parts(&proof);
        let members: Vec<_> = header["jwk"].as_object().unwrap().keys().collect();
        assert_eq!(members, ["crv", "kty", "x", "y"]);
        assert_eq!(header["typ"], "dpop+jwt");
        assert_eq!(header["alg"], "ES256");
        assert!(header.get("kid").is_none());
        assert_eq!(claims["htm"], "POST");
        assert_eq!(claims["htu"], "https://mcp.example.com/mcp");
        assert_eq!(claims["ath"], "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
        assert_eq!(claims["nonce"], "n-1");
        assert!(claims["iat"].is_u64());

        let plain = key.proof(&Method::POST, &url).sign().unwrap();
        let (_, others) = parts(&plain);
        assert_ne!(others["jti"], claims["jti"]);
        assert_eq!(
            (&others["ath"], &others["nonce"]),
            (&json!(null), &json!(null))
        );
    }

    #[test]
    fn a_key_is_not_shown() {
        let key = DpopKey::generate().unwrap();
        let stored = serde_json::to_string(&key).unwrap();
        assert_eq!(
            format!("{key:?}"),
            format!("DpopKey({:?})", key.thumbprint())
        );
        assert!(!format!("{key:?}").contains(stored.trim_matches('"')));
        assert!(serde_json::from_str::<DpopKey>("\"AAAA\"").is_err());
    }
}
