//! JWTs that are signed with the key in their own header (RFC 9449, section 4.2).

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::claims::Claims;
use super::error::JwtError;
use super::json::StrictJson;
use super::set::VerificationKey;
use super::token::{UnverifiedJwt, decode};
use super::verifier::is_signed;

/// Parsed JWT with a key in its header, whose signature has not been verified.
///
/// The signature proves that the sender has the private key, and nothing else: the thumbprint must
/// be compared with that of a key that is expected or bound.
#[derive(Debug)]
pub(crate) struct SelfSignedJwt<'a> {
    token: UnverifiedJwt<'a>,
    key: VerificationKey,
    thumbprint: String,
}

impl<'a> SelfSignedJwt<'a> {
    /// Parses `token`, which must be of the type `typ`.
    ///
    /// # Errors
    ///
    /// Those of [`UnverifiedJwt::parse`], [`JwtError::Type`], and [`JwtError::Key`] if the header has
    /// no public key for its algorithm.
    pub(crate) fn parse(token: &'a str, typ: &str) -> Result<Self, JwtError> {
        let parsed = UnverifiedJwt::parse(token)?;
        if parsed.header().typ.as_deref() != Some(typ) {
            return Err(JwtError::Type);
        }
        let (header, _) = token.split_once('.').ok_or(JwtError::Malformed)?;
        let Ok(StrictJson(Value::Object(header))) = serde_json::from_slice(&decode(header)?) else {
            return Err(JwtError::Malformed);
        };
        let jwk = header.get("jwk").ok_or(JwtError::Key)?;
        let key = VerificationKey::from_value(jwk);
        let key = key.filter(|key| key.is_for(parsed.header().algorithm));
        Ok(Self {
            key: key.ok_or(JwtError::Key)?,
            thumbprint: jwk.as_object().and_then(thumbprint).ok_or(JwtError::Key)?,
            token: parsed,
        })
    }

    /// Returns the unverified claims.
    pub(crate) fn claims(&self) -> &Claims {
        &self.token.claims
    }

    /// Verifies the signature, and returns the thumbprint of the key (RFC 7638).
    ///
    /// # Errors
    ///
    /// [`JwtError::Signature`].
    pub(crate) fn verify(self) -> Result<String, JwtError> {
        match is_signed(&self.token, &self.key) {
            true => Ok(self.thumbprint),
            false => Err(JwtError::Signature),
        }
    }
}

/// Returns the thumbprint of a public key: the hash of its required members in lexicographic order
/// (RFC 7638, section 3; RFC 8037, section 2).
fn thumbprint(jwk: &Map<String, Value>) -> Option<String> {
    let names: &[&str] = match jwk.get("kty")?.as_str()? {
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        "RSA" => &["e", "kty", "n"],
        _ => return None,
    };
    let members = names
        .iter()
        .map(|name| Some(format!("{name:?}:{}", jwk.get(*name)?)));
    let members: Vec<_> = members.collect::<Option<_>>()?;
    let text = format!("{{{}}}", members.join(","));
    Some(URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jose::{Algorithm, SigningKey};

    #[test]
    fn thumbprints_are_those_of_the_rfcs() {
        // RFC 8037, appendix A.3.
        let ed25519 = json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            "kid": "ignored",
        });
        let found = thumbprint(ed25519.as_object().unwrap());
        assert_eq!(
            found.unwrap(),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
        for algorithm in [Algorithm::Es256, Algorithm::Rs256] {
            let key = SigningKey::generate(algorithm).unwrap();
            let jwk = serde_json::to_value(key.public()).unwrap();
            assert_eq!(thumbprint(jwk.as_object().unwrap()).unwrap(), key.kid());
        }
        assert_eq!(
            thumbprint(json!({ "kty": "oct" }).as_object().unwrap()),
            None
        );
    }

    #[test]
    fn the_key_in_the_header_verifies_the_signature() {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let token = key
            .sign_with_public_key("dpop+jwt", &json!({ "jti": "1" }))
            .unwrap();
        let parsed = SelfSignedJwt::parse(&token, "dpop+jwt").unwrap();
        assert_eq!(parsed.claims().jti.as_deref(), Some("1"));
        assert_eq!(parsed.verify().unwrap(), key.kid());
        let (start, _) = token.rsplit_once('.').unwrap();
        let other = SigningKey::generate(Algorithm::Es256).unwrap();
        let other = other
            .sign_with_public_key("dpop+jwt", &json!({ "jti": "1" }))
            .unwrap();
        let (_, signature) = other.rsplit_once('.').unwrap();
        let forged = format!("{start}.{signature}");
        let forged = SelfSignedJwt::parse(&forged, "dpop+jwt").unwrap();
        assert!(matches!(forged.verify(), Err(JwtError::Signature)));
        assert!(matches!(
            SelfSignedJwt::parse(&token, "at+jwt"),
            Err(JwtError::Type)
        ));
        let unnamed = key.sign("dpop+jwt", &json!({})).unwrap();
        assert!(matches!(
            SelfSignedJwt::parse(&unnamed, "dpop+jwt"),
            Err(JwtError::Key)
        ));
    }
}
