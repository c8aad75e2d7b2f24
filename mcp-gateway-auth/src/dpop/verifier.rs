//! Verification of proofs (RFC 9449, section 4.3).

use http::{HeaderMap, Method};
use serde_json::Value;
use url::Url;

use super::nonces::Nonces;
use super::replays::Replays;
use super::{DPOP, TYPE};
use crate::jose::{Algorithm, Claims, JwtError, SelfSignedJwt};
use crate::{Clock, Keyring, SecretHash};

/// Verifies that the sender of a request has the key that its proof names. Cheap to clone; all
/// clones share the proofs that were accepted.
///
/// A proof is valid for five minutes before and after its time, for one method, URL and access
/// token, and once: the last 100,000 proofs are remembered in memory. Replicas do not share them,
/// so that each of them accepts a proof once.
///
/// # Example
///
/// ```
/// use http::{HeaderMap, HeaderValue, Method};
/// use mcp_gateway_auth::Clock;
/// use mcp_gateway_auth::dpop::{DpopError, DpopKey, DpopTarget, DpopVerifier};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let key = DpopKey::generate()?;
/// let url = "https://gw.example.com/mcp".parse()?;
/// let proof = key.proof(&Method::POST, &url).with_token("a-1").sign()?;
/// let mut headers = HeaderMap::new();
/// headers.insert("dpop", HeaderValue::try_from(proof)?);
///
/// let verifier = DpopVerifier::new(Clock::system());
/// let origins = ["https://gw.example.com".to_owned()];
/// let target = DpopTarget::new(&Method::POST, &origins, "/mcp").with_token("a-1");
/// assert_eq!(verifier.verify(&headers, &target)?, key.thumbprint());
/// assert!(matches!(verifier.verify(&headers, &target), Err(DpopError::Replayed)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct DpopVerifier {
    clock: Clock,
    nonces: Option<Nonces>,
    replays: Replays,
}

/// Request for which a proof must have been signed.
#[derive(Clone, Copy, Debug)]
pub struct DpopTarget<'a> {
    method: &'a Method,
    origins: &'a [String],
    path: &'a str,
    token: Option<&'a str>,
}

/// Reason for which a request has no valid proof.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DpopError {
    /// The proof is malformed, or was signed for another request or at another time.
    #[error("invalid DPoP proof: {0}")]
    Invalid(#[from] JwtError),
    /// The request has no proof.
    #[error("missing DPoP proof")]
    Missing,
    /// The proof has no valid nonce. Contains one.
    #[error("DPoP proof without a valid nonce")]
    Nonce(String),
    /// The proof was accepted before.
    #[error("DPoP proof replayed")]
    Replayed,
    /// The request has several proofs.
    #[error("several DPoP proofs")]
    Several,
}

impl DpopVerifier {
    /// Creates a verifier that requires no nonces.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            nonces: None,
            replays: Replays::new(),
        }
    }

    /// Requires nonces, which are authenticated with `keyring`.
    ///
    /// They limit the time for which proofs can be signed in advance.
    #[must_use]
    pub fn with_nonces(mut self, keyring: Keyring) -> Self {
        self.nonces = Some(Nonces::new(keyring));
        self
    }

    /// Returns the names of the accepted signature algorithms.
    #[must_use]
    pub fn algorithms() -> [&'static str; 9] {
        Algorithm::ALL.map(Algorithm::name)
    }

    /// Returns a nonce for the next proof, if nonces are required.
    #[must_use]
    pub fn nonce(&self) -> Option<String> {
        Some(self.nonces.as_ref()?.issue(&self.clock))
    }

    /// Verifies the proof in `headers` for `target`, and returns the thumbprint of its key.
    ///
    /// # Errors
    ///
    /// A [`DpopError`] with the first check that failed.
    pub fn verify(
        &self,
        headers: &HeaderMap,
        target: &DpopTarget<'_>,
    ) -> Result<String, DpopError> {
        let mut proofs = headers.get_all(DPOP).iter();
        let proof = proofs.next().ok_or(DpopError::Missing)?;
        if proofs.next().is_some() {
            return Err(DpopError::Several);
        }
        let proof = proof.to_str().map_err(|_| JwtError::Malformed)?;
        let proof = SelfSignedJwt::parse(proof, TYPE)?;
        let claims = proof.claims();
        target.check(claims)?;
        self.check_time(claims)?;
        self.check_nonce(claims)?;
        let id = claims.jti.clone().ok_or(JwtError::Missing("jti"))?;
        let thumbprint = proof.verify()?;
        match self.replays.record(&thumbprint, &id) {
            true => Ok(thumbprint),
            false => Err(DpopError::Replayed),
        }
    }

    fn check_time(&self, claims: &Claims) -> Result<(), JwtError> {
        let issued = claims.iat.ok_or(JwtError::Missing("iat"))?;
        let now = self.clock.now();
        if now > issued.saturating_add(WINDOW) {
            return Err(JwtError::Expired);
        }
        match issued <= now.saturating_add(WINDOW) {
            true => Ok(()),
            false => Err(JwtError::NotYet),
        }
    }

    fn check_nonce(&self, claims: &Claims) -> Result<(), DpopError> {
        let Some(nonces) = &self.nonces else {
            return Ok(());
        };
        let nonce = text(claims, "nonce").unwrap_or_default();
        match nonces.accepts(nonce, &self.clock) {
            true => Ok(()),
            false => Err(DpopError::Nonce(nonces.issue(&self.clock))),
        }
    }
}

impl<'a> DpopTarget<'a> {
    /// Creates the target of a request with `method` to `path` at one of `origins`.
    #[must_use]
    pub fn new(method: &'a Method, origins: &'a [String], path: &'a str) -> Self {
        Self {
            method,
            origins,
            path,
            token: None,
        }
    }

    /// Sets the access token of the request.
    #[must_use]
    pub fn with_token(self, token: &'a str) -> Self {
        let token = Some(token);
        Self { token, ..self }
    }

    /// Validates the claims about the request.
    fn check(&self, claims: &Claims) -> Result<(), JwtError> {
        let method = text(claims, "htm").ok_or(JwtError::Missing("htm"))?;
        let url = text(claims, "htu").ok_or(JwtError::Missing("htu"))?;
        if method != self.method.as_str() {
            return Err(JwtError::Claim("htm"));
        }
        if !self.is_at(url) {
            return Err(JwtError::Claim("htu"));
        }
        let Some(token) = self.token else {
            return Ok(());
        };
        let hash = text(claims, "ath").ok_or(JwtError::Missing("ath"))?;
        match hash == SecretHash::digest(token).as_str() {
            true => Ok(()),
            false => Err(JwtError::Claim("ath")),
        }
    }

    /// Returns `true` if `url` is that of the request. Query and fragment are ignored, and so is a
    /// trailing slash.
    fn is_at(&self, url: &str) -> bool {
        let Ok(url) = Url::parse(url) else {
            return false;
        };
        let origin = url.origin().ascii_serialization();
        let path = url.path().trim_end_matches('/');
        self.origins.contains(&origin) && path == self.path.trim_end_matches('/')
    }
}

/// Returns a claim that is text.
fn text<'a>(claims: &'a Claims, name: &str) -> Option<&'a str> {
    claims.extra.get(name).and_then(Value::as_str)
}

/// Time before and after the time of a proof in which it is valid, in seconds. MCP servers must
/// accept proofs within it.
pub(super) const WINDOW: u64 = 300;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderValue;
    use serde_json::json;

    use super::*;
    use crate::jose::SigningKey;

    const NOW: u64 = 1_800_000_000;

    struct Harness {
        clock: Clock,
        key: SigningKey,
        verifier: DpopVerifier,
    }

    impl Harness {
        fn new() -> Self {
            let clock = Clock::fixed(NOW);
            Self {
                verifier: DpopVerifier::new(clock.clone()),
                key: SigningKey::generate(Algorithm::Es256).unwrap(),
                clock,
            }
        }

        /// Verifies a proof with `claims` besides the valid ones; those that are null are left out.
        fn verify(&self, claims: &Value) -> Result<String, String> {
            let mut all = json!({
                "jti": crate::secret::random_id("").unwrap(),
                "htm": "POST",
                "htu": "https://gw.example/mcp",
                "iat": self.clock.now(),
                "ath": SecretHash::digest("a-1").as_str(),
            });
            let members = all.as_object_mut().unwrap();
            members.extend(claims.as_object().unwrap().clone());
            members.retain(|_, value| !value.is_null());
            self.present(&[&self.key.sign_with_public_key(TYPE, &all).unwrap()])
        }

        fn present(&self, proofs: &[&str]) -> Result<String, String> {
            let mut headers = HeaderMap::new();
            for proof in proofs {
                headers.append(DPOP, HeaderValue::from_str(proof).unwrap());
            }
            let origins = [
                "https://gw.example".to_owned(),
                "http://localhost".to_owned(),
            ];
            let target = DpopTarget::new(&Method::POST, &origins, "/mcp").with_token("a-1");
            let verified = self.verifier.verify(&headers, &target);
            verified.map_err(|error| error.to_string())
        }
    }

    #[test]
    fn o111_a_proof_is_valid_for_its_request_alone() {
        let harness = Harness::new();
        let invalid = [
            (json!({ "htm": "GET" }), "claim \"htm\""),
            (json!({ "htm": null }), "missing claim \"htm\""),
            (json!({ "htm": 1 }), "missing claim \"htm\""),
            (
                json!({ "htu": "https://gw.example/other" }),
                "claim \"htu\"",
            ),
            (
                json!({ "htu": "https://evil.example/mcp" }),
                "claim \"htu\"",
            ),
            (json!({ "htu": "http://gw.example/mcp" }), "claim \"htu\""),
            (json!({ "htu": "/mcp" }), "claim \"htu\""),
            (json!({ "htu": null }), "missing claim \"htu\""),
            (
                json!({ "ath": SecretHash::digest("a-2").as_str() }),
                "claim \"ath\"",
            ),
            (json!({ "ath": null }), "missing claim \"ath\""),
            (json!({ "jti": null }), "missing claim \"jti\""),
            (json!({ "jti": "" }), "claim \"jti\""),
            (json!({ "iat": null }), "missing claim \"iat\""),
            (json!({ "iat": "1800000000" }), "claim \"iat\""),
            (json!({ "iat": NOW - 301 }), "expired"),
            (json!({ "iat": NOW + 301 }), "not yet valid"),
        ];
        for (claims, expected) in invalid {
            let error = harness.verify(&claims).unwrap_err();
            assert!(error.contains(expected), "{claims}: {error}");
        }
        let valid = [
            json!({ "iat": NOW - 300 }),
            json!({ "iat": NOW + 300 }),
            json!({ "htu": "https://GW.example:443/mcp/?x=1#y" }),
            json!({ "htu": "http://localhost/mcp" }),
            json!({ "nonce": "of another server" }),
        ];
        for claims in valid {
            let verified = harness.verify(&claims);
            assert_eq!(verified.as_deref(), Ok(harness.key.kid()), "{claims}");
        }
    }

    #[test]
    fn o112_a_proof_is_accepted_once() {
        let harness = Harness::new();
        let claims = json!({ "jti": "1" });
        assert!(harness.verify(&claims).is_ok());
        assert!(harness.verify(&claims).unwrap_err().contains("replayed"));
        let copy = harness.verifier.clone();
        let other = Harness {
            verifier: copy,
            ..Harness::new()
        };
        assert!(other.verify(&claims).is_ok(), "of another key");
        // A proof that is rejected for something else is not spent.
        harness.clock.advance(Duration::from_secs(301));
        assert!(harness.verify(&json!({ "jti": "2", "iat": NOW })).is_err());
        assert!(harness.verify(&json!({ "jti": "2" })).is_ok());
    }

    #[test]
    fn o113_a_request_has_one_proof_that_its_own_key_has_signed() {
        let harness = Harness::new();
        let claims = json!({
            "jti": "1", "htm": "POST", "htu": "https://gw.example/mcp", "iat": NOW,
            "ath": SecretHash::digest("a-1").as_str(),
        });
        let signed = harness.key.sign_with_public_key(TYPE, &claims).unwrap();
        let other = harness.key.sign_with_public_key("at+jwt", &claims).unwrap();
        let foreign = Harness::new()
            .key
            .sign_with_public_key(TYPE, &claims)
            .unwrap();
        let (start, _) = signed.rsplit_once('.').unwrap();
        let (_, signature) = foreign.rsplit_once('.').unwrap();
        let forged = format!("{start}.{signature}");
        let named = harness.key.sign(TYPE, &claims).unwrap();
        let long = "a".repeat(20_000);
        for (proofs, expected) in [
            (vec![], "missing DPoP proof"),
            (vec![&*signed, &foreign], "several"),
            (vec![&*other], "type mismatch"),
            (vec![&*forged], "invalid signature"),
            (vec![&*named], "no matching key"),
            (vec!["a.b"], "malformed"),
            (vec![&*long], "too long"),
        ] {
            let error = harness.present(&proofs).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        assert!(harness.present(&[&signed]).is_ok());
    }

    #[test]
    fn o114_a_proof_has_the_nonce_of_the_server() {
        let mut harness = Harness::new();
        let keyring = Keyring::new(&[7; 32]).unwrap();
        harness.verifier = DpopVerifier::new(harness.clock.clone()).with_nonces(keyring);
        let nonce = harness.verifier.nonce().unwrap();
        for claims in [
            json!({}),
            json!({ "nonce": 1 }),
            json!({ "nonce": "1.0.x" }),
        ] {
            let error = harness.verify(&claims).unwrap_err();
            assert!(error.contains("nonce"), "{error}");
        }
        assert!(harness.verify(&json!({ "nonce": nonce })).is_ok());
        assert_eq!(DpopVerifier::new(Clock::system()).nonce(), None);
    }
}
