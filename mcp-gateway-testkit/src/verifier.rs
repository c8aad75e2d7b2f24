//! Contract of [`AuthVerifier`].

use futures_util::future::join_all;
use http::Request;
use http::header::AUTHORIZATION;
use http::request::Parts;
use mcp_gateway_core::auth::{AuthError, AuthVerifier};

use crate::cancel::poll_once;

/// Verifications that are in flight at the same time.
const CONCURRENT: usize = 16;

/// Checks that `verifier` accepts each request of `accepted` and rejects each of `rejected`.
///
/// 1. An accepted request has a principal with a subject, and the same one each time.
/// 2. A rejected request is the caller's fault: the error is not [`AuthError::Unavailable`].
/// 3. A verification that is dropped leaves the verifier usable.
/// 4. Concurrent verifications do not mix up their principals.
///
/// [`malformed_tokens`] are further requests that a verifier of bearer tokens rejects.
///
/// # Example
///
/// ```
/// use http::Request;
/// use mcp_gateway_auth::StaticTokens;
/// use mcp_gateway_core::auth::Principal;
/// use mcp_gateway_testkit::verifier;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), http::Error> {
/// let token = "a token that is long enough to be one";
/// let tokens = StaticTokens::new().with_token(token, Principal::new("ada"));
/// let request = Request::builder().header("authorization", format!("Bearer {token}")).body(())?;
/// let accepted = [request.into_parts().0];
/// verifier::contract(&tokens, &accepted, &verifier::malformed_tokens()).await;
/// # Ok(())
/// # }
/// ```
pub async fn contract(verifier: &dyn AuthVerifier, accepted: &[Parts], rejected: &[Parts]) {
    for request in accepted.iter().chain(rejected) {
        poll_once(verifier.verify(request)).await;
    }
    let mut subjects = Vec::new();
    for request in accepted {
        let subject = subject(verifier, request).await;
        assert!(!subject.is_empty(), "a principal has a subject");
        subjects.push(subject);
    }
    for request in rejected {
        match verifier.verify(request).await {
            Ok(principal) => panic!("a request to reject is of {:?}", principal.subject()),
            Err(AuthError::Unavailable(error)) => {
                panic!("a rejection is the caller's fault, not: {error}")
            }
            Err(_) => {}
        }
    }
    let expected = accepted.iter().zip(&subjects).cycle();
    let concurrent = expected.take(if accepted.is_empty() { 0 } else { CONCURRENT });
    join_all(concurrent.map(async |(request, expected)| {
        let found = subject(verifier, request).await;
        assert_eq!(found, *expected, "a request has one principal, each time");
    }))
    .await;
}

async fn subject(verifier: &dyn AuthVerifier, request: &Parts) -> String {
    match verifier.verify(request).await {
        Ok(principal) => principal.subject().to_owned(),
        Err(error) => panic!("a request to accept is rejected: {error}"),
    }
}

/// Requests without a usable bearer token: none, empty, of another scheme, malformed, of great
/// length, and two of them.
#[must_use]
pub fn malformed_tokens() -> Vec<Parts> {
    let long = format!("Bearer {}", "a".repeat(64 * 1024));
    let headers: [&[&[u8]]; 8] = [
        &[],
        &[b""],
        &[b"Bearer"],
        &[b"Bearer "],
        &[b"Basic YTpi"],
        &[b"Bearer \xe9\xff"],
        &[long.as_bytes()],
        &[b"Bearer one", b"Bearer two"],
    ];
    let request = |values: &[&[u8]]| {
        let mut builder = Request::builder().uri("/mcp");
        for value in values {
            builder = builder.header(AUTHORIZATION, *value);
        }
        builder.body(()).map(|request| request.into_parts().0)
    };
    headers.into_iter().flat_map(request).collect()
}
