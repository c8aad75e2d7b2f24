//! Public keys in their published form (RFC 7517, section 4; RFC 7518, section 6).

use serde::Serialize;

use super::algorithm::Algorithm;

/// A public signature key in its published form.
///
/// The type has no field for a private parameter, so that a private key cannot be published by
/// accident.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::jose::{Algorithm, SigningKey};
///
/// let key = SigningKey::generate(Algorithm::Es256)?;
/// let json = serde_json::to_value(key.public()).unwrap();
/// assert_eq!(json["kty"], "EC");
/// assert_eq!(json["use"], "sig");
/// assert_eq!(json["kid"], key.kid());
/// assert!(json.get("d").is_none());
/// # Ok::<(), mcp_gateway_auth::jose::JwtError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Jwk {
    /// Key type: `EC` or `RSA`.
    pub kty: &'static str,
    /// Use: always `sig`.
    #[serde(rename = "use")]
    pub usage: &'static str,
    /// Signature algorithm.
    pub alg: &'static str,
    /// Key ID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// Curve of an EC key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crv: Option<&'static str>,
    /// First coordinate of an EC key, as base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// Second coordinate of an EC key, as base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    /// Modulus of an RSA key, as base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    /// Public exponent of an RSA key, as base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
}

impl Jwk {
    /// Creates an EC key from base64url coordinates.
    pub(crate) fn ec(algorithm: Algorithm, crv: &'static str, x: String, y: String) -> Self {
        Self {
            crv: Some(crv),
            x: Some(x),
            y: Some(y),
            ..Self::empty("EC", algorithm)
        }
    }

    /// Creates an RSA key from its base64url modulus and exponent.
    pub(crate) fn rsa(algorithm: Algorithm, n: String, e: String) -> Self {
        Self {
            n: Some(n),
            e: Some(e),
            ..Self::empty("RSA", algorithm)
        }
    }

    /// Returns the input of the [thumbprint](https://www.rfc-editor.org/rfc/rfc7638#section-3.2):
    /// the required members in lexicographic order, without whitespace.
    pub(crate) fn canonical(&self) -> String {
        let part = |value: &Option<String>| value.clone().unwrap_or_default();
        match self.crv {
            Some(crv) => format!(
                r#"{{"crv":"{crv}","kty":"{}","x":"{}","y":"{}"}}"#,
                self.kty,
                part(&self.x),
                part(&self.y),
            ),
            None => format!(
                r#"{{"e":"{}","kty":"{}","n":"{}"}}"#,
                part(&self.e),
                self.kty,
                part(&self.n),
            ),
        }
    }

    /// Creates a key without parameters.
    fn empty(kty: &'static str, algorithm: Algorithm) -> Self {
        Self {
            kty,
            usage: "sig",
            alg: algorithm.name(),
            kid: None,
            crv: None,
            x: None,
            y: None,
            n: None,
            e: None,
        }
    }
}

/// A JWK set, as an issuer publishes it at its `jwks_uri`.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct JwkSet {
    /// The published keys.
    pub keys: Vec<Jwk>,
}

impl JwkSet {
    /// Creates a set of `keys`.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = Jwk>) -> Self {
        Self {
            keys: keys.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::{SHA256, digest};
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    /// The example of RFC 7638, section 3.1.
    #[test]
    fn the_thumbprint_is_that_of_the_rfc() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1\
                 L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4\
                 QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbO\
                 pbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csF\
                 Cur-kEgU8awapJzKnqDKgw";
        let jwk = Jwk::rsa(Algorithm::Rs256, n.to_owned(), "AQAB".to_owned());
        let digest = digest(&SHA256, jwk.canonical().as_bytes());
        let thumbprint = URL_SAFE_NO_PAD.encode(digest.as_ref());
        assert_eq!(thumbprint, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }
}
