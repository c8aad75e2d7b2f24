//! Forwarding of the caller's own identity token to a server.

use std::sync::Arc;

use async_trait::async_trait;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use mcp_gateway_core::auth::{Assertion, Principal};
use mcp_gateway_core::credential::{CredentialError, CredentialResolver};
use mcp_gateway_core::route::Target;
use mcp_gateway_core::{Caller, Credential};

use crate::token::ExternalToken;
use crate::{Clock, SecretHash};

/// Forwards the JWT of an identity provider with which a caller has authenticated at the gateway.
///
/// Only a token of another issuer is forwarded, to a server that is one of its audiences: a token
/// for the gateway alone would let the server act as the caller ([RFC 8707, section 3][rfc]). The
/// verifier of the gateway must [attach](crate::token::BearerVerifier::with_external_assertion)
/// these tokens.
///
/// A credential belongs to the subject, the client and the scopes of its token, so that a refreshed
/// token continues a session of the server, and callers never share one.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::TokenForwarding;
/// use mcp_gateway_core::auth::Principal;
/// use mcp_gateway_core::credential::{CredentialError, CredentialResolver};
/// use mcp_gateway_core::protocol::{Capabilities, ProtocolVersion};
/// use mcp_gateway_core::route::{Feature, Target};
/// use mcp_gateway_core::{Caller, ClientInfo};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let forwarding = TokenForwarding::new(["https://notes.example.com".into()]);
/// // The holder of an API token has no token of an identity provider.
/// let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
/// let caller = Caller::new(Principal::new("alice"), "main", client);
/// let missing = forwarding.resolve(&caller, &Target::new("notes", Feature::Server)).await;
/// assert!(matches!(missing, Err(CredentialError::IdentityTokenRequired { .. })));
/// # }
/// ```
///
/// [rfc]: https://www.rfc-editor.org/rfc/rfc8707#section-3
#[derive(Clone, Debug)]
#[doc(alias("passthrough", "JWT"))]
pub struct TokenForwarding {
    audiences: Vec<String>,
    clock: Clock,
    issuers: Vec<String>,
    rest: Credential,
}

impl TokenForwarding {
    /// Forwards tokens with one of `audiences`, of any issuer that the gateway accepts.
    #[must_use]
    pub fn new(audiences: impl IntoIterator<Item = String>) -> Self {
        Self {
            audiences: audiences.into_iter().collect(),
            clock: Clock::system(),
            issuers: Vec::new(),
            rest: Credential::none(),
        }
    }

    /// Replaces the clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Presents the headers of `credential` too, such as the tenant.
    #[must_use]
    pub fn with_headers_of(mut self, credential: Credential) -> Self {
        self.rest = credential;
        self
    }

    /// Forwards tokens of `issuer`; of no issuer that was not named so.
    #[must_use]
    pub fn with_issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuers.push(issuer.into());
        self
    }

    /// Returns the token of `principal` that may be forwarded now.
    fn token<'a>(&self, principal: &'a Principal) -> Option<&'a Assertion> {
        let external = ExternalToken::of(principal)?;
        let is_trusted =
            self.issuers.is_empty() || self.issuers.iter().any(|one| one == external.issuer());
        let mut audiences = external.audiences().iter();
        let is_meant = audiences.any(|audience| self.audiences.contains(audience));
        let is_valid = self.clock.now() < external.expires_at();
        let may_be_sent = is_trusted && is_meant && is_valid;
        principal.assertion().filter(|_| may_be_sent)
    }

    /// Describes the tokens that may be forwarded.
    fn required(&self) -> Arc<str> {
        let issuer = match &*self.issuers {
            [] => "one".to_owned(),
            issuers => format!("one of {}", issuers.join(" or ")),
        };
        format!("{issuer} with the audience {}", self.audiences.join(" or ")).into()
    }
}

#[async_trait]
impl CredentialResolver for TokenForwarding {
    async fn resolve(
        &self,
        caller: &Caller,
        target: &Target,
    ) -> Result<Credential, CredentialError> {
        let principal = caller.principal();
        let missing = || CredentialError::IdentityTokenRequired {
            required: self.required(),
        };
        let token = self.token(principal).ok_or_else(missing)?;
        let value = HeaderValue::try_from(format!("Bearer {}", token.expose()));
        let value = value.map_err(|_| missing())?;
        let credential = Credential::new(account(principal, &target.server));
        let headers = self.rest.headers().iter().cloned();
        let credential = headers.fold(credential, |all, (name, value)| {
            all.with_header(name, value)
        });
        Ok(credential.with_header(AUTHORIZATION, value))
    }
}

/// Returns the name of the account of `principal` at `server`. Tokens with other rights are other
/// accounts, because lists of the server may depend on these.
fn account(principal: &Principal, server: &str) -> String {
    let mut scopes: Vec<_> = principal.scopes().iter().map(|scope| &**scope).collect();
    scopes.sort_unstable();
    let client = principal.client().unwrap_or_default();
    let rights = SecretHash::digest(&format!("{client}\n{}", scopes.join(" ")));
    format!("token/{}@{server}#{}", principal.subject(), rights.as_str())
}
