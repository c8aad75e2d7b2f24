//! Credentials for which the identities of callers are exchanged.

mod backoffs;
mod caller;
mod failure;
mod issuer;
mod profile;
mod slots;
mod subject;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::credential::{Challenge, CredentialError, CredentialResolver};
use mcp_gateway_core::route::Target;
use mcp_gateway_core::{Caller, Credential};

pub use self::backoffs::ServerBackoffs;
use self::caller::{CallerExchange, CallerState};
use self::failure::{ExchangeFailure, IdentityFailure};
pub use self::issuer::IdentityIssuer;
pub use self::profile::ExchangeProfile;
use self::profile::{ID_JAG, RequestedToken};
use self::slots::CallerSlots;
pub use self::subject::{PresentedTokens, SubjectToken, SubjectTokenType, SubjectTokens};
use super::token_http::TokenFailure;
use super::token_slot::IssuedToken;
use super::token_target::TokenTarget;
use super::{ClientError, OAuthClient, ServiceClient, TokenSet};
use crate::token::Revocations;

/// Credential resolver of one server with a token for each caller, for which an authorization server
/// exchanges the identity of the caller.
///
/// The [`ExchangeProfile`] says how. An exchanged token belongs to one principal and to the token
/// with which that proved its identity; no other principal, and no other token, gets it. It is
/// exchanged with the first call, replaced one minute before it expires and after the server has
/// rejected it with 401, and has no refresh token. At most one exchange of a caller is in flight, for
/// which other calls of that caller wait.
///
/// A caller without an identity gets [`CredentialError::IdentityRequired`]; so does one whom the
/// authorization server asks to log in again, to confirm or to consent. Such an answer holds for one
/// minute, unless the caller presents another token. Other failures are
/// [`CredentialError::Unavailable`], or [`CredentialError::ClientRejected`] if an administrator must
/// act. They are classified by their code, and delay further exchanges of that identity; those of [all
/// callers](ServerBackoffs) if the authorization server is overloaded or unreachable, or does not
/// accept the client.
///
/// # Cancel safety
///
/// An exchange ends with the call that has begun it, and the next call begins another one.
#[doc(alias("RFC 8693", "on-behalf-of", "ID-JAG"))]
pub struct TokenExchange {
    server: OAuthClient,
    issuer: IdentityIssuer,
    subjects: Arc<dyn SubjectTokens>,
    profile: ExchangeProfile,
    requested: RequestedToken,
    headers: Credential,
    backoffs: ServerBackoffs,
    /// Authorization server of the server, if the profile requires it.
    target: ArcSwapOption<TokenTarget>,
    slots: CallerSlots<CallerState>,
}

impl TokenExchange {
    /// Prefix of the account of its credentials.
    pub const ACCOUNT: &str = "exchanged/";

    /// Creates a resolver for the server of `server`, which exchanges `subjects` at `issuer`.
    #[must_use]
    pub fn new(
        server: OAuthClient,
        issuer: IdentityIssuer,
        subjects: Arc<dyn SubjectTokens>,
        profile: ExchangeProfile,
    ) -> Self {
        Self {
            server,
            issuer,
            subjects,
            profile,
            requested: RequestedToken::default(),
            headers: Credential::none(),
            backoffs: ServerBackoffs::new(),
            target: ArcSwapOption::empty(),
            slots: CallerSlots::new(),
        }
    }

    /// Sets the audience of the token (RFC 8693, section 2.1).
    #[must_use]
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.requested.audience = Some(audience.into());
        self
    }

    /// Shares the delays of requests after failures with other resolvers.
    #[must_use]
    pub fn with_backoffs(mut self, backoffs: ServerBackoffs) -> Self {
        self.backoffs = backoffs;
        self
    }

    /// Adds the headers of `headers` to each credential.
    #[must_use]
    pub fn with_headers(mut self, headers: Credential) -> Self {
        self.headers = headers;
        self
    }

    /// Sets the resource indicator, instead of the URL of the server (RFC 8707).
    #[must_use]
    pub fn with_resource(mut self, resource: impl Into<String>) -> Self {
        self.requested.resource = Some(resource.into());
        self
    }

    /// Drops the exchanged tokens of principals in `revocations`, with the next call of anybody.
    #[must_use]
    pub fn with_revocations(mut self, revocations: Revocations) -> Self {
        self.slots = self.slots.with_revocations(revocations);
        self
    }

    /// Sets the requested scopes, separated by spaces.
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<String>) -> Self {
        self.requested.scope = Some(scope.into());
        self
    }

    /// Drops the exchanged tokens of the principal `subject`, whose access has been revoked.
    pub fn forget(&self, subject: &str) {
        self.slots.forget(subject);
    }

    /// Returns the token with which `principal` proves its identity.
    async fn subject(&self, principal: &Principal) -> Result<SubjectToken, CredentialError> {
        let found = self.subjects.subject_token(principal).await;
        let found = found.map_err(CredentialError::Unavailable)?;
        found.ok_or_else(|| {
            let missing = IdentityFailure::missing(self.issuer.as_str());
            self.identity_required(principal, missing)
        })
    }

    fn identity_required(
        &self,
        principal: &Principal,
        failure: IdentityFailure,
    ) -> CredentialError {
        CredentialError::IdentityRequired {
            issuer: failure.issuer,
            cause: failure.cause,
            claims: failure.claims,
            url: self.subjects.login_url(principal),
        }
    }

    /// Exchanges `subject` for a token of the server.
    async fn exchanged(
        &self,
        subject: &SubjectToken,
        is_rejected: bool,
    ) -> Result<TokenSet, ExchangeFailure> {
        let requested = &self.requested;
        let form = match &self.profile {
            ExchangeProfile::IdentityAssertion { client } => {
                // The server may have moved to another authorization server.
                let target = self.target(is_rejected).await;
                let target = target.map_err(ExchangeFailure::Other)?;
                return self.asserted(subject, client, &target).await;
            }
            ExchangeProfile::OnBehalfOf => requested.on_behalf_of(subject),
            ExchangeProfile::Standard => requested.standard(subject, self.server.url().as_str()),
        };
        let issuer = self.issuer.as_str();
        let request = async { Ok(self.issuer.request(form).await?.tokens(None)?) };
        let issued = self.at_issuer(request).await;
        issued.map_err(|error| ExchangeFailure::new(issuer, error))
    }

    /// Exchanges `subject` for an assertion, and that for a token of `target`.
    async fn asserted(
        &self,
        subject: &SubjectToken,
        client: &ServiceClient,
        target: &TokenTarget,
    ) -> Result<TokenSet, ExchangeFailure> {
        let form = self.requested.identity_assertion(subject, target);
        let request = async { Ok(self.issuer.request(form).await?.issued(ID_JAG)?) };
        let issued = self.at_issuer(request).await;
        let assertion =
            issued.map_err(|error| ExchangeFailure::new(self.issuer.as_str(), error))?;
        let form = self.requested.bearer(assertion, target);
        let (egress, endpoint) = (self.server.egress(), &target.endpoint);
        let bound_to = target.key.as_ref();
        let request = async {
            let answer = client.request(egress, endpoint, form, bound_to).await?;
            Ok(answer.tokens(bound_to)?)
        };
        let key = (&*endpoint.issuer, client.id());
        let issued = self.backoffs.run(key, request).await;
        issued.map_err(|error| ExchangeFailure::new(&endpoint.issuer, error))
    }

    /// Awaits `request` to the issuer, unless an earlier failure delays it.
    async fn at_issuer<T>(
        &self,
        request: impl Future<Output = Result<T, TokenFailure>>,
    ) -> Result<T, ClientError> {
        let key = (self.issuer.as_str(), self.issuer.client().id());
        self.backoffs.run(key, request).await
    }

    /// Returns the authorization server of the server.
    async fn target(&self, is_stale: bool) -> Result<Arc<TokenTarget>, ClientError> {
        if let Some(target) = self.target.load_full().filter(|_| !is_stale) {
            return Ok(target);
        }
        let discovered = async { Ok(self.server.token_target().await?) };
        let key = (self.server.url().as_str(), "discovery");
        let target = Arc::new(self.backoffs.run(key, discovered).await?);
        self.target.store(Some(Arc::clone(&target)));
        Ok(target)
    }

    /// Returns the credential of `principal` for `server` with the token of `tokens`.
    fn credential(
        &self,
        (principal, server): (&Principal, &str),
        mut tokens: TokenSet,
    ) -> Result<IssuedToken, ClientError> {
        tokens.expires_in.get_or_insert(LIFETIME);
        let account = format!("{}{}@{server}", Self::ACCOUNT, principal.subject());
        let headers = self.headers.headers().iter().cloned();
        let rest = headers.fold(Credential::new(account), |all, (name, value)| {
            all.with_header(name, value)
        });
        IssuedToken::new(&tokens, rest)
    }
}

#[async_trait]
impl CredentialResolver for TokenExchange {
    async fn resolve(
        &self,
        caller: &Caller,
        target: &Target,
    ) -> Result<Credential, CredentialError> {
        let principal = caller.principal();
        let subject = &self.subject(principal).await?;
        let all = self;
        let exchange = CallerExchange {
            all,
            principal,
            server: &target.server,
            subject,
        };
        self.slots.get(principal, subject).resolve(&exchange).await
    }

    async fn rejected(
        &self,
        caller: &Caller,
        target: &Target,
        credential: &Credential,
        challenge: &Challenge,
    ) -> Result<Option<Credential>, CredentialError> {
        let principal = caller.principal();
        let subject = &self.subject(principal).await?;
        let all = self;
        let exchange = CallerExchange {
            all,
            principal,
            server: &target.server,
            subject,
        };
        let slot = self.slots.get(principal, subject);
        slot.rejected(&exchange, (credential, challenge)).await
    }
}

impl fmt::Debug for TokenExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenExchange")
            .field("issuer", &self.issuer)
            .field("subjects", &self.subjects)
            .field("profile", &self.profile)
            .field("requested", &self.requested)
            .finish_non_exhaustive()
    }
}

/// Lifetime of a token whose response has none.
const LIFETIME: Duration = Duration::from_secs(300);
