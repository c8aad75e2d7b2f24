//! The target of proofs of possession (RFC 9449).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, Method};
use mcp_gateway_auth::Clock;
use mcp_gateway_auth::dpop::{DpopError, DpopTarget, DpopVerifier};
use serde_json::Value;

/// A proof: as it is, and with a header and claims that are divided by a line break.
pub fn proof(data: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(data) {
        as_it_is(value);
    }
    let Some(at) = data.iter().position(|byte| *byte == b'\n') else {
        return;
    };
    let parts = [&data[..at], &data[at + 1..], &[7; 64]];
    let unsigned = parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let unsigned = HeaderValue::try_from(unsigned).expect("a header");
    let verified = verify(&DpopVerifier::new(Clock::fixed(NOW)), unsigned);
    assert!(verified.is_err(), "a proof that nobody has signed");
}

fn as_it_is(value: HeaderValue) {
    let verifier = DpopVerifier::new(Clock::fixed(NOW));
    let Ok(thumbprint) = verify(&verifier, value.clone()) else {
        return;
    };
    let mut parts = value.to_str().expect("a text").split('.');
    let mut next = || {
        let part = URL_SAFE_NO_PAD.decode(parts.next().expect("a part"));
        serde_json::from_slice::<Value>(&part.expect("base64url")).expect("JSON")
    };
    let (header, claims) = (next(), next());
    assert_eq!(header["typ"], "dpop+jwt");
    assert!(header["jwk"].get("d").is_none(), "a private key");
    assert_eq!(claims["htm"], "POST");
    assert_eq!(claims["iat"], NOW);
    assert!(claims["jti"].is_string(), "no identifier");
    assert_eq!(thumbprint.len(), 43);
    let again = verify(&verifier, value);
    assert!(matches!(again, Err(DpopError::Replayed)), "accepted twice");
}

fn verify(verifier: &DpopVerifier, proof: HeaderValue) -> Result<String, DpopError> {
    let headers = HeaderMap::from_iter([(http::HeaderName::from_static("dpop"), proof)]);
    let origins = ["https://gw.example.com".to_owned()];
    let target = DpopTarget::new(&Method::POST, &origins, "/mcp").with_token("a-1");
    verifier.verify(&headers, &target)
}

const NOW: u64 = 1_800_000_000;

/// Proofs to begin with.
pub const PROOFS: &[&[u8]] = &[
    b"eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwiY3J2IjoiUC0yNTYiLCJ4IjoiTmJTVFpUek9pU0E4aC1WOE81ak9KZmdlRmt4VmtEY2lnNjFsVkd3NzJ2cyIsInkiOiJCU3pjS01MNWs0ZmlrelUwSUpKNDJoaTZhSVlKYnpUYy11aHl4cU1fd09FIn19.eyJqdGkiOiIxIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vZ3cuZXhhbXBsZS5jb20vbWNwIiwiaWF0IjoxODAwMDAwMDAwLCJhdGgiOiJMNF9tT21Ja01oM2wwS0pNOHdCbjAzbzFod2F4N1Rpd0ZTZ3F0bzNHbXVrIn0.oBZETs0n4g6fSapNKhr4XKVCRQtDSug62NXCozzLYVGpz4hYfqHE7eodj2tJRiS2gR3SRNBa10-Yu9HFTpHF7A",
    br#"{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":"NbSTZTzOiSA8h-V8O5jOJfgeFkxVkDcig61lVGw72vs","y":"BSzcKML5k4fikzU0IJJ42hi6aIYJbzTc-uhyxqM_wOE"}}
{"jti":"1","htm":"POST","htu":"https://gw.example.com/mcp","iat":1800000000,"ath":"L4_mOmIkMh3l0KJM8wBn03o1hwax7TiwFSgqto3Gmuk"}"#,
];

#[test]
fn the_first_proof_is_valid() {
    let value = HeaderValue::from_bytes(PROOFS[0]).expect("a header");
    assert!(verify(&DpopVerifier::new(Clock::fixed(NOW)), value).is_ok());
}
