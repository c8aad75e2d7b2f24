//! Credentials of streams, which outlast the requests that they have authenticated.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use futures_util::future::{self, BoxFuture, FutureExt as _};
use futures_util::stream::{self, Stream, StreamExt as _};
use mcp_gateway_auth::AdministeredTeams;
use mcp_gateway_core::auth::{AuthVerifier, Principal};

use super::problem::ApiError;

/// Credential of a request, for a stream that ends with it.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    verifier: Arc<dyn AuthVerifier>,
    head: Arc<Parts>,
    principal: Principal,
}

impl Lease {
    /// Creates the lease of the request `head`, which `verifier` has accepted as of `principal`.
    pub(super) fn new(
        verifier: Arc<dyn AuthVerifier>,
        head: &Parts,
        principal: &Principal,
    ) -> Self {
        Self {
            verifier,
            head: Arc::new(head.clone()),
            principal: principal.clone(),
        }
    }

    /// Returns `events` until the credential is revoked or expires, or its principal has lost or won
    /// a role or team.
    pub(super) fn guard<T: Send + 'static>(
        self,
        events: impl Stream<Item = T> + Send + 'static,
    ) -> impl Stream<Item = T> + Send {
        let ended = self.ended();
        let guarded = (self, events.boxed(), Instant::now());
        let checked = stream::unfold(guarded, |(lease, mut events, mut checked)| async move {
            let event = events.next().await?;
            if checked.elapsed() >= RECHECK {
                if !lease.holds().await {
                    return None;
                }
                checked = Instant::now();
            }
            Some((event, (lease, events, checked)))
        });
        checked.take_until(ended)
    }

    /// Returns the end of the credential.
    fn ended(&self) -> BoxFuture<'static, ()> {
        let revoked = self.verifier.revocation(&self.head, &self.principal);
        let revoked = revoked.unwrap_or_else(|| Box::pin(future::pending()));
        let left = self.principal.expires_at().map(|end| {
            let left = end.duration_since(SystemTime::now());
            left.unwrap_or_default()
        });
        async move {
            let expired = async {
                match left {
                    Some(left) => tokio::time::sleep(left).await,
                    None => future::pending().await,
                }
            };
            future::select(revoked, Box::pin(expired)).await;
        }
        .boxed()
    }

    /// Returns `true` if the credential is still one of a principal with the same roles and teams.
    async fn holds(&self) -> bool {
        let Ok(now) = self.verifier.verify_again(&self.head).await else {
            return false;
        };
        let before = &self.principal;
        now == *before
            && now.roles() == before.roles()
            && now.teams() == before.teams()
            && AdministeredTeams::of(&now) == AdministeredTeams::of(before)
    }
}

impl<S: Sync> FromRequestParts<S> for Lease {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get().cloned().ok_or(ApiError::Forbidden)
    }
}

/// Minimum time between two verifications of the credential of a stream.
const RECHECK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use mcp_gateway_core::auth::{AuthError, Revocation};
    use tokio::sync::watch;

    use super::*;

    /// Accepts everybody until it is revoked.
    #[derive(Debug)]
    struct Revocable(watch::Sender<bool>);

    #[async_trait]
    impl AuthVerifier for Revocable {
        async fn verify(&self, _: &Parts) -> Result<Principal, AuthError> {
            Ok(Principal::new("alice"))
        }

        fn revocation(&self, _: &Parts, _: &Principal) -> Option<Revocation> {
            let mut revoked = self.0.subscribe();
            Some(Box::pin(async move {
                let _ = revoked.wait_for(|is_revoked| *is_revoked).await;
            }))
        }
    }

    fn head() -> Parts {
        http::Request::new(()).into_parts().0
    }

    #[tokio::test]
    async fn r1_a_stream_ends_with_its_credential() {
        let verifier = Arc::new(Revocable(watch::Sender::new(false)));
        let alice = Principal::new("alice");
        let lease = Lease::new(Arc::clone(&verifier) as _, &head(), &alice);
        let events = stream::iter([1]).chain(stream::pending());
        let mut guarded = Box::pin(lease.guard(events));
        assert_eq!(guarded.next().await, Some(1));
        verifier.0.send_replace(true);
        assert_eq!(guarded.next().await, None);

        let expired = alice.with_expiry(SystemTime::now());
        let lease = Lease::new(verifier, &head(), &expired);
        let mut guarded = Box::pin(lease.guard(stream::pending::<u8>()));
        assert_eq!(guarded.next().await, None);
    }

    #[tokio::test]
    async fn r1_a_stream_ends_with_the_role() {
        let verifier = Arc::new(Revocable(watch::Sender::new(false)));
        let admin = Principal::new("alice").with_role("admin");
        let lease = Lease::new(verifier, &head(), &admin);
        assert!(!lease.holds().await);
    }
}
