//! Contract of [`AuthVerifier`].

use std::time::Duration;

use futures_util::future::{join_all, poll_immediate};
use http::Request;
use http::header::AUTHORIZATION;
use http::request::Parts;
use mcp_gateway_core::auth::{AuthError, AuthVerifier, Principal, Revocation};
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::cancel::poll_once;

/// Verifications that are in flight at the same time.
const CONCURRENT: usize = 16;

/// Maximum time from a revocation to its signals.
const SOON: Duration = Duration::from_secs(10);

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

/// Checks the signals of `verifier` for the revocation of the credential in `request`, which `revoke`
/// performs. The credentials in `kept` remain valid.
///
/// 1. An accepted request has a signal, which does not complete while its credential is valid.
/// 2. Every signal of a revoked credential completes, and so does one that is requested after the
///    revocation: a stream may begin meanwhile.
/// 3. A dropped signal leaves the others as they are.
/// 4. A revocation completes no signal of another credential.
/// 5. A credential whose signal has completed is rejected.
///
/// Needs a runtime of tokio with a timer.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use http::Request;
/// use mcp_gateway_auth::token::{BearerVerifier, RevocationTarget, Revocations};
/// use mcp_gateway_auth::{Clock, StaticTokens};
/// use mcp_gateway_core::auth::Principal;
/// use mcp_gateway_testkit::verifier;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), http::Error> {
/// let tokens = StaticTokens::new()
///     .with_token("the token of ada", Principal::new("ada"))
///     .with_token("the token of bob", Principal::new("bob"));
/// let revocations = Revocations::new(Clock::system());
/// let bearer = BearerVerifier::new(Arc::new(tokens)).with_revocations(revocations.clone());
/// let request = |token| {
///     let request = Request::get("/mcp").header("authorization", format!("Bearer {token}"));
///     Ok::<_, http::Error>(request.body(())?.into_parts().0)
/// };
/// let (ada, bob) = (request("the token of ada")?, request("the token of bob")?);
/// let revoke = async || revocations.revoke(RevocationTarget::Subject, "ada", u64::MAX);
/// verifier::revocation_contract(&bearer, &ada, &[bob], revoke).await;
/// # Ok(())
/// # }
/// ```
pub async fn revocation_contract(
    verifier: &dyn AuthVerifier,
    request: &Parts,
    kept: &[Parts],
    revoke: impl AsyncFnOnce(),
) {
    let principal = principal(verifier, request).await;
    let mut signals: Vec<_> = (0..3)
        .map(|_| signal(verifier, request, &principal))
        .collect();
    let mut others = Vec::new();
    for request in kept {
        let principal = self::principal(verifier, request).await;
        others.push(signal(verifier, request, &principal));
    }
    expect_pending(&mut signals).await;
    expect_pending(&mut others).await;
    drop(signals.pop());
    expect_pending(&mut signals).await;
    revoke().await;
    signals.push(signal(verifier, request, &principal));
    let all = timeout(SOON, join_all(signals)).await;
    assert!(
        all.is_ok(),
        "a signal of a revoked credential completes within {SOON:?}"
    );
    expect_pending(&mut others).await;
    assert!(
        verifier.verify(request).await.is_err(),
        "a revoked credential is rejected"
    );
    for request in kept {
        self::principal(verifier, request).await;
    }
}

/// Returns the signal of the revocation of the credential in `request`.
fn signal(verifier: &dyn AuthVerifier, request: &Parts, principal: &Principal) -> Revocation {
    match verifier.revocation(request, principal) {
        Some(signal) => signal,
        None => panic!("an accepted request has a signal of its revocation"),
    }
}

/// Checks that none of `signals` completes.
async fn expect_pending(signals: &mut [Revocation]) {
    for _ in 0..8 {
        yield_now().await;
        for signal in &mut *signals {
            let completed = poll_immediate(signal).await;
            assert!(completed.is_none(), "a valid credential is not revoked");
        }
    }
}

async fn principal(verifier: &dyn AuthVerifier, request: &Parts) -> Principal {
    match verifier.verify(request).await {
        Ok(principal) => principal,
        Err(error) => panic!("a request to accept is rejected: {error}"),
    }
}

async fn subject(verifier: &dyn AuthVerifier, request: &Parts) -> String {
    principal(verifier, request).await.subject().to_owned()
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
