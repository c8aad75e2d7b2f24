use std::sync::Arc;

use mcp_gateway_core::auth::Principal;

use crate::jwt::Claims;

/// What a token stands for.
#[derive(Clone, Debug)]
pub struct VerifiedToken {
    expires_at: u64,
    fresh_until: u64,
    grant: Option<Arc<str>>,
    issued_at: Option<u64>,
    principal: Principal,
    token_id: Option<Arc<str>>,
}

impl VerifiedToken {
    /// A token of `principal` that expires at `expires_at`, in seconds since 1970.
    #[must_use]
    pub fn new(principal: Principal, expires_at: u64) -> Self {
        Self {
            expires_at,
            fresh_until: expires_at,
            grant: None,
            issued_at: None,
            principal,
            token_id: None,
        }
    }

    /// Has to be verified again at `moment`, if it has not expired before.
    #[must_use]
    pub fn with_fresh_until(mut self, moment: u64) -> Self {
        self.fresh_until = moment.min(self.expires_at);
        self
    }

    /// Was issued under the grant `grant`, and ends with it.
    #[must_use]
    pub fn with_grant(mut self, grant: impl Into<Arc<str>>) -> Self {
        self.grant = Some(grant.into());
        self
    }

    /// Was issued at `moment`, in seconds since 1970.
    #[must_use]
    pub fn with_issued_at(mut self, moment: u64) -> Self {
        self.issued_at = Some(moment);
        self
    }

    /// Has the identifier `id`, a `jti`.
    #[must_use]
    pub fn with_token_id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.token_id = Some(id.into());
        self
    }

    /// Has the identifier and the time of issue that are in `claims`, if they are.
    pub(crate) fn identified_by(mut self, claims: &Claims) -> Self {
        self.issued_at = claims.iat;
        self.token_id = claims.jti.as_deref().map(Arc::from);
        self
    }

    /// The OAuth client that it was issued to.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.principal.client()
    }

    /// When it expires, in seconds since 1970.
    #[must_use]
    pub fn expires_at(&self) -> u64 {
        self.expires_at
    }

    /// Until when it is believed without being verified again; not after it expires.
    #[must_use]
    pub fn fresh_until(&self) -> u64 {
        self.fresh_until
    }

    /// The grant that it was issued under.
    #[must_use]
    pub fn grant(&self) -> Option<&str> {
        self.grant.as_deref()
    }

    /// When it was issued, in seconds since 1970, if that is known.
    #[must_use]
    pub fn issued_at(&self) -> Option<u64> {
        self.issued_at
    }

    /// Whose it is.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// What it grants.
    #[must_use]
    pub fn scopes(&self) -> &[Arc<str>] {
        self.principal.scopes()
    }

    /// Its identifier.
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.token_id.as_deref()
    }
}
