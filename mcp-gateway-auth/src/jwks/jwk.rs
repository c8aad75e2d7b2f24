use serde::Serialize;

use crate::jwt::Algorithm;

/// A public key that verifies signatures, in the form that it is published in.
///
/// There is no field that a private member could be in.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Jwk {
    /// The kind of key: `EC` or `RSA`.
    pub kty: &'static str,
    /// What it is for: `sig`.
    #[serde(rename = "use")]
    pub usage: &'static str,
    /// The algorithm that it is for.
    pub alg: &'static str,
    /// Its identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// The curve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crv: Option<&'static str>,
    /// The first coordinate of the point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// The second coordinate of the point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    /// The modulus.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    /// The exponent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
}

impl Jwk {
    pub(crate) fn ec(algorithm: Algorithm, crv: &'static str, x: String, y: String) -> Self {
        Self {
            crv: Some(crv),
            x: Some(x),
            y: Some(y),
            ..Self::empty("EC", algorithm)
        }
    }

    pub(crate) fn rsa(algorithm: Algorithm, n: String, e: String) -> Self {
        Self {
            n: Some(n),
            e: Some(e),
            ..Self::empty("RSA", algorithm)
        }
    }

    /// What a [thumbprint](https://www.rfc-editor.org/rfc/rfc7638#section-3.2) is the digest of.
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

/// The keys that an issuer publishes.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct JwkSet {
    /// The keys.
    pub keys: Vec<Jwk>,
}

impl JwkSet {
    /// A set of `keys`.
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
