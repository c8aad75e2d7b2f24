//! Proofs with the requests to a server (RFC 9449, sections 7 and 9).

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, StatusCode};
use mcp_gateway_core::credential::{Challenge, RequestSigner};
use url::Url;

use super::{DPOP, DPOP_NONCE, DpopKey, USE_NONCE};
use crate::jose::JwtError;

/// Signer of requests to one server, with the nonce that the server has provided last.
#[derive(Debug)]
pub(crate) struct DpopSigner {
    key: DpopKey,
    nonce: ArcSwapOption<String>,
}

impl DpopSigner {
    /// Creates a signer without a nonce.
    pub(crate) fn new(key: DpopKey) -> Self {
        Self {
            key,
            nonce: ArcSwapOption::empty(),
        }
    }

    /// Adds a proof for the access token of the request.
    fn try_sign(&self, request: &mut Request<Bytes>) -> Result<(), JwtError> {
        let url = request.uri().to_string();
        let url = Url::parse(&url).map_err(|_| JwtError::Sign)?;
        let nonce = self.nonce.load();
        let nonce = nonce.as_ref().map(|nonce| nonce.as_str());
        let proof = self.key.proof(request.method(), &url).with_nonce(nonce);
        let token = request.headers().get(AUTHORIZATION);
        let token = token.and_then(|value| value.to_str().ok()?.split_once(' '));
        let proof = match token {
            Some((_, token)) => proof.with_token(token),
            None => proof,
        };
        let proof = proof.header()?;
        request.headers_mut().insert(DPOP, proof);
        Ok(())
    }
}

impl RequestSigner for DpopSigner {
    fn sign(&self, request: &mut Request<Bytes>) {
        if let Err(error) = self.try_sign(request) {
            tracing::warn!(%error, "DPoP proof not signed");
        }
    }

    fn is_challenged(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        let nonce = headers
            .get(DPOP_NONCE)
            .and_then(|nonce| nonce.to_str().ok());
        let Some(nonce) = nonce else {
            return false;
        };
        self.nonce.store(Some(Arc::new(nonce.to_owned())));
        status == StatusCode::UNAUTHORIZED
            && Challenge::new(status, headers).error() == Some(USE_NONCE)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use http::HeaderValue;
    use http::header::WWW_AUTHENTICATE;
    use serde_json::Value;

    use super::*;

    /// Signs a request, and returns the claims of the proof.
    fn claims(signer: &DpopSigner) -> Value {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = "https://a.example/mcp?x=1".parse().unwrap();
        let token = HeaderValue::from_static("DPoP a-1");
        request.headers_mut().insert(AUTHORIZATION, token);
        signer.sign(&mut request);
        let proof = request.headers()[DPOP].to_str().unwrap();
        let claims = proof.split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
    }

    #[test]
    fn the_last_nonce_of_the_server_is_in_the_next_proof() {
        let signer = DpopSigner::new(DpopKey::generate().unwrap());
        let first = claims(&signer);
        assert_eq!(first["htu"], "https://a.example/mcp");
        assert!(first["ath"].is_string() && first["nonce"].is_null());
        let wanted = "Bearer realm=\"x\", DPoP error=\"use_dpop_nonce\", algs=\"ES256\"";
        let table = [
            (401, Some("n-1"), wanted, true),
            (401, None, wanted, false),
            (401, Some("n-2"), "DPoP error=\"invalid_token\"", false),
            (200, Some("n-3"), "", false),
        ];
        for (status, nonce, challenge, expected) in table {
            let mut headers = HeaderMap::new();
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            if let Some(nonce) = nonce {
                headers.insert(DPOP_NONCE, HeaderValue::from_static(nonce));
            }
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(signer.is_challenged(status, &headers), expected);
            let kept = nonce.unwrap_or("n-1");
            assert_eq!(claims(&signer)["nonce"], kept);
        }
    }
}
