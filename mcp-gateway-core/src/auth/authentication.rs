//! Authentication of a request, for streams that outlast it.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use http::request::Parts;
use tokio::time;

use super::{AuthError, AuthVerifier, Principal, Revocation};

/// Authentication of one request.
///
/// A stream lasts longer than the request that opened it. With its authentication, it ends when a
/// new request with the same credential would be rejected.
pub(crate) struct Authentication {
    principal: Principal,
    /// `None` if the caller was authenticated by other means.
    verified: Option<VerifiedHead>,
}

/// Head of a request, and the verifier that has accepted it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct VerifiedHead {
    verifier: Arc<dyn AuthVerifier>,
    head: Arc<Parts>,
    /// Set if the caller outlives the request, whose credential may expire before.
    is_lasting: bool,
}

/// End of an authentication.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum AuthenticationEnd {
    /// The credential has expired. Its principal may have another one.
    Expired,
    /// The credential has been revoked.
    Revoked,
}

/// Watch over the end of an authentication. The default has no end.
#[derive(Default)]
pub(crate) struct AuthenticationWatch {
    /// Authentication, until it is watched for the first time.
    authentication: Option<Authentication>,
    /// Completes with the revocation; `None` if there is no such signal.
    revocation: Option<Revocation>,
    /// Expiration time that is still to be reported.
    expires_at: Option<SystemTime>,
}

impl Authentication {
    /// Creates the authentication of `principal`, whose request has the head `verified`.
    pub(crate) fn new(principal: Principal, verified: Option<VerifiedHead>) -> Self {
        Self {
            principal: principal.without_assertion(),
            verified,
        }
    }

    /// Returns the authenticated principal.
    pub(crate) fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Starts to watch over the end. It costs nothing until it is awaited.
    pub(crate) fn watch(self) -> AuthenticationWatch {
        AuthenticationWatch {
            expires_at: self.principal.expires_at(),
            authentication: Some(self),
            revocation: None,
        }
    }
}

impl VerifiedHead {
    /// Creates the head of a request that `verifier` has accepted.
    pub(crate) fn new(verifier: Arc<dyn AuthVerifier>, head: Arc<Parts>) -> Self {
        Self {
            verifier,
            head,
            is_lasting: false,
        }
    }

    /// Returns the head of the request; `None` if the caller outlives it.
    pub(crate) fn of_request(&self) -> Option<&Parts> {
        (!self.is_lasting).then_some(&*self.head)
    }

    /// Returns the head for a caller that outlives the request.
    pub(crate) fn lasting(self) -> Self {
        Self {
            is_lasting: true,
            ..self
        }
    }

    /// Authenticates the request again; `None` if the caller outlives it.
    pub(crate) async fn verify(&self) -> Result<Option<Principal>, AuthError> {
        match self.is_lasting {
            true => Ok(None),
            false => self.verifier.verify_again(&self.head).await.map(Some),
        }
    }
}

impl AuthenticationWatch {
    /// Returns `true` if the authentication has an end.
    pub(crate) fn can_end(&mut self) -> bool {
        self.can_be_revoked() || self.expires_at.is_some()
    }

    /// Returns `true` if there is a signal of the revocation.
    pub(crate) fn can_be_revoked(&mut self) -> bool {
        self.start();
        self.revocation.is_some()
    }

    /// Waits for the end of the authentication. After [`AuthenticationEnd::Expired`], only its
    /// revocation is left to be waited for.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub(crate) async fn ended(&mut self) -> AuthenticationEnd {
        let expires_at = self.expires_at;
        let end = tokio::select! {
            () = self.revoked() => AuthenticationEnd::Revoked,
            () = expired(expires_at) => AuthenticationEnd::Expired,
        };
        if end == AuthenticationEnd::Expired {
            self.expires_at = None;
        }
        end
    }

    /// Waits for the revocation, whether or not the credential expires before.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub(crate) async fn revoked(&mut self) {
        self.start();
        match &mut self.revocation {
            Some(revocation) => revocation.await,
            None => std::future::pending().await,
        }
    }

    /// Requests the signal of the revocation from the verifier, once.
    fn start(&mut self) {
        if let Some(Authentication {
            principal,
            verified: Some(VerifiedHead { verifier, head, .. }),
        }) = self.authentication.take()
        {
            self.revocation = verifier.revocation(&head, &principal);
        }
    }
}

/// Waits for the time `at`; forever if there is none.
async fn expired(at: Option<SystemTime>) {
    let Some(at) = at else {
        return std::future::pending().await;
    };
    // Repeated in case the clock has been set back.
    while let Ok(left) = at.duration_since(SystemTime::now())
        && !left.is_zero()
    {
        time::sleep(left).await;
    }
}

impl fmt::Debug for Authentication {
    /// Omits the head of the request, which contains the credential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authentication")
            .field("principal", &self.principal)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for VerifiedHead {
    /// Omits the head of the request, which contains the credential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedHead").finish_non_exhaustive()
    }
}

impl fmt::Debug for AuthenticationWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthenticationWatch")
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;
    use http::Request;

    use super::*;
    use crate::auth::AllowAnonymous;

    fn authentication(principal: Principal) -> AuthenticationWatch {
        let (head, ()) = Request::new(()).into_parts();
        let verified = VerifiedHead::new(Arc::new(AllowAnonymous::new()), Arc::new(head));
        Authentication::new(principal, Some(verified)).watch()
    }

    #[tokio::test]
    async fn an_expiry_is_reported_once() {
        let soon = SystemTime::now() + Duration::from_millis(20);
        let mut watch = authentication(Principal::new("alice").with_expiry(soon));
        assert!(watch.ended().now_or_never().is_none());
        assert_eq!(watch.ended().await, AuthenticationEnd::Expired);
        assert!(watch.ended().now_or_never().is_none(), "not revoked");
    }

    #[tokio::test]
    async fn a_request_is_authenticated_again_unless_its_caller_outlives_it() {
        let (head, ()) = Request::new(()).into_parts();
        let head = VerifiedHead::new(Arc::new(AllowAnonymous::new()), Arc::new(head));
        let again = head.verify().await.unwrap();
        assert_eq!(again, Some(AllowAnonymous::principal()));
        assert!(head.lasting().verify().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn an_authentication_without_signals_has_no_end() {
        let mut watch = authentication(Principal::new("alice"));
        assert!(watch.ended().now_or_never().is_none());
        assert!(watch.revocation.is_none());
    }
}
