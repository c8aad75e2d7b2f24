//! Cost of token verification, in nanoseconds: `cargo bench -p mcp-gateway-auth`.
//!
//! The first line matters most: a cached token, as in nearly every call.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints what it has measured"
)]

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use http::Request;
use http::request::Parts;
use mcp_gateway_auth::Clock;
use mcp_gateway_auth::jose::{Algorithm, JwkSet, JwtVerifier, KeySet, SigningKey, Validation};
use mcp_gateway_auth::token::{
    BearerVerifier, ExternalIssuers, Issuer, RevocationTarget, Revocations,
};
use mcp_gateway_core::auth::AuthVerifier;
use serde_json::json;

const ISSUER: &str = "https://gw.example.com";
const AUDIENCE: &str = "https://gw.example.com/mcp";

fn main() {
    for algorithm in [Algorithm::Es256, Algorithm::Rs256] {
        let key = SigningKey::generate(algorithm).unwrap();
        let keys = KeySet::from(&JwkSet::new([key.public().clone()]));
        let token = token(&key);
        let expectation = Validation::access_token(ISSUER, AUDIENCE);
        println!("{algorithm}, a token of {} bytes", token.len());

        let issuers = ExternalIssuers::new([Issuer::new(expectation.clone(), keys.clone())]);
        let revocations = Revocations::new(Clock::system());
        let bearer = BearerVerifier::new(Arc::new(issuers)).with_revocations(revocations.clone());
        let request = request(&token);
        measure("seen before", 1_000_000, || {
            assert!(ready(bearer.verify(black_box(&request))).is_ok());
        });
        for id in 0..10_000 {
            revocations.revoke(RevocationTarget::Token, id.to_string(), u64::MAX);
        }
        measure("seen before, 10,000 others revoked", 1_000_000, || {
            assert!(ready(bearer.verify(black_box(&request))).is_ok());
        });

        let verifier = JwtVerifier::new(Clock::system());
        measure("verified", 5000, || {
            assert!(
                verifier
                    .verify(black_box(&token), &keys, &expectation)
                    .is_ok()
            );
        });
        measure("signed", 1000, || {
            assert!(key.sign("at+jwt", &json!({"sub": "alice"})).is_ok());
        });
    }
}

fn token(key: &SigningKey) -> String {
    let now = Clock::system().now();
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "9f0a7e1c-6b1d-4b5e-8f1e-2a4c6d8e0f12",
        "client_id": "https://client.example.com/metadata.json", "jti": "n-0S6_WzA2Mj",
        "iat": now, "exp": now + 3600, "scope": "mcp:read mcp:write", "name": "Alice Example",
        "groups": ["engineering", "platform"],
    });
    key.sign("at+jwt", &claims).unwrap()
}

fn request(token: &str) -> Parts {
    let request = Request::post("/mcp").header("authorization", format!("Bearer {token}"));
    request.body(()).unwrap().into_parts().0
}

/// Returns the result of a future that never waits.
fn ready<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("nothing is fetched here"),
    }
}

fn measure(what: &str, times: u32, mut work: impl FnMut()) {
    for _ in 0..times / 10 {
        work();
    }
    let begun = Instant::now();
    for _ in 0..times {
        work();
    }
    println!("  {what}: {} ns", (begun.elapsed() / times).as_nanos());
}
