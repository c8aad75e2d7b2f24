use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcp_gateway_auth::Clock;
use mcp_gateway_auth::egress::{Egress, EgressPolicy};
use mcp_gateway_auth::jose::{JwtError, JwtVerifier, KeySet, Validation, VerifiedJwt};
use serde_json::{Value, json};

pub(crate) const NOW: u64 = 1_800_000_000;
pub(crate) const ISSUER: &str = "https://idp.example.com";
pub(crate) const AUDIENCE: &str = "https://gw.example.com/mcp";

/// A key pair that signs arbitrary headers and claims.
pub(crate) enum Pair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl Pair {
    pub(crate) fn p256() -> Self {
        Self::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub(crate) fn p384() -> Self {
        Self::P384(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap())
    }

    pub(crate) fn ed25519() -> Self {
        Self::Ed25519(Ed25519KeyPair::generate().unwrap())
    }

    /// Shared by all tests, because RSA keys are expensive to generate.
    pub(crate) fn rsa() -> &'static Self {
        static PAIR: OnceLock<Pair> = OnceLock::new();
        PAIR.get_or_init(|| Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()))
    }

    /// Returns the public JWK.
    pub(crate) fn jwk(&self, kid: Option<&str>) -> Value {
        let point = |crv: &str, pair: &EcdsaKeyPair| {
            let point = &pair.public_key().as_ref()[1..];
            let (x, y) = point.split_at(point.len() / 2);
            json!({"kty": "EC", "crv": crv, "x": b64(x), "y": b64(y)})
        };
        let mut jwk = match self {
            Self::Ed25519(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": b64(pair.public_key())})
            }
            Self::P256(pair) => point("P-256", pair),
            Self::P384(pair) => point("P-384", pair),
            Self::Rsa(pair) => {
                let key = pair.public_key();
                let n = key.modulus().big_endian_without_leading_zero();
                json!({"kty": "RSA", "n": b64(n), "e": "AQAB"})
            }
        };
        if let Some(kid) = kid {
            jwk["kid"] = kid.into();
        }
        jwk
    }

    /// Signs `message`; for RSA with the padding of `algorithm`.
    pub(crate) fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Self::P256(pair) | Self::P384(pair) => {
                pair.sign(&random, message).unwrap().as_ref().to_vec()
            }
            Self::Rsa(pair) => {
                let encoding: &'static dyn RsaEncoding = match algorithm {
                    "PS256" => &RSA_PSS_SHA256,
                    "RS512" => &RSA_PKCS1_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut signature)
                    .unwrap();
                signature
            }
        }
    }

    /// Returns a token with exactly this header and these claims.
    pub(crate) fn token(&self, header: &Value, claims: &Value) -> String {
        self.raw(&header.to_string(), &claims.to_string())
    }

    /// Like [`token`](Self::token), for text that need not be JSON.
    pub(crate) fn raw(&self, header: &str, claims: &str) -> String {
        let fields: Value = serde_json::from_str(header).unwrap_or_default();
        let algorithm = fields["alg"].as_str().unwrap_or_default();
        let message = format!("{}.{}", b64(header), b64(claims));
        let signature = self.sign(algorithm, message.as_bytes());
        format!("{message}.{}", b64(signature))
    }
}

/// A key pair, its published set, and a verifier at [`NOW`].
pub(crate) struct Harness {
    pub(crate) clock: Clock,
    pub(crate) keys: KeySet,
    pub(crate) pair: Pair,
}

impl Harness {
    pub(crate) fn new() -> Self {
        let pair = Pair::p256();
        Self {
            clock: Clock::fixed(NOW),
            keys: key_set(&[pair.jwk(Some("k1"))]),
            pair,
        }
    }

    /// Returns a valid token with `claims` replaced.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.pair.token(&header(), claims)
    }

    pub(crate) fn verify(&self, token: &str) -> Result<VerifiedJwt, JwtError> {
        self.verify_as(token, &access_token())
    }

    pub(crate) fn verify_as(
        &self,
        token: &str,
        expectation: &Validation,
    ) -> Result<VerifiedJwt, JwtError> {
        JwtVerifier::new(self.clock.clone()).verify(token, &self.keys, expectation)
    }

    /// Verifies a token. Returns `ok` or the name of the error.
    pub(crate) fn outcome(&self, token: &str) -> String {
        outcome(self.verify(token))
    }

    /// Verifies a valid token with `claims` replaced.
    pub(crate) fn claims(&self, claims: &Value) -> String {
        self.outcome(&self.token(claims))
    }
}

pub(crate) fn outcome<T>(result: Result<T, JwtError>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

pub(crate) fn access_token() -> Validation {
    Validation::access_token(ISSUER, AUDIENCE)
}

pub(crate) fn header() -> Value {
    json!({"alg": "ES256", "typ": "at+jwt", "kid": "k1"})
}

/// Returns the claims of a valid access token.
pub(crate) fn claims() -> Value {
    json!({
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "alice",
        "client_id": "editor",
        "jti": "1",
        "iat": NOW - 10,
        "exp": NOW + 300,
    })
}

/// Returns `object` with another value for `name`, or without it if that is null.
pub(crate) fn with(mut object: Value, name: &str, value: Value) -> Value {
    match value {
        Value::Null => drop(object.as_object_mut().unwrap().remove(name)),
        value => object[name] = value,
    }
    object
}

pub(crate) fn key_set(keys: &[Value]) -> KeySet {
    KeySet::from_value(&json!({"keys": keys})).unwrap()
}

pub(crate) fn egress() -> Egress {
    Egress::new(EgressPolicy::new().with_insecure_loopback()).unwrap()
}

pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
