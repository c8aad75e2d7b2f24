//! Identities of callers that the platform can exchange.

use std::collections::HashMap;
use std::sync::Arc;

use mcp_gateway_auth::login::{KeptIdTokens, LoginIdentities};
use mcp_gateway_auth::token::Revocations;
use mcp_gateway_core::BoxError;
use url::Url;

use super::AuthorizationServices;
use crate::spec::Login;

/// Logins whose ID tokens are kept, and the end of access of their users.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallerIdentities {
    /// ID tokens; `None` if users cannot log in.
    tokens: Option<KeptIdTokens>,
    /// Addresses at which users log in, by issuer.
    urls: HashMap<String, Arc<str>>,
    /// Revocations of the authorization server; `None` without one.
    revocations: Option<Revocations>,
}

impl CallerIdentities {
    /// Returns the identities of users who log in at `base` as `login` says.
    ///
    /// Without `authority`, nobody does.
    pub(crate) fn new(
        login: &Login,
        base: &Url,
        authority: Option<&AuthorizationServices>,
    ) -> Self {
        let origin = base.origin().ascii_serialization();
        let kept = login.providers.iter().filter(|it| it.keeps_id_tokens);
        let urls = kept.map(|provider| {
            let url = format!("{origin}/api/auth/login/{}", provider.name);
            (provider.issuer.clone(), url.into())
        });
        Self {
            tokens: authority.map(|authority| authority.id_tokens.clone()),
            urls: urls.collect(),
            revocations: authority.map(|authority| authority.server.revocations()),
        }
    }

    /// Returns the list of principals whose access has ended.
    pub(crate) fn revocations(&self) -> Option<&Revocations> {
        self.revocations.as_ref()
    }

    /// Returns the identities of users who have logged in with `issuer`.
    ///
    /// # Errors
    ///
    /// A message if no provider of this issuer keeps ID tokens.
    pub(crate) fn of_issuer(&self, issuer: &str) -> Result<LoginIdentities, BoxError> {
        let url = self.urls.get(issuer);
        match (&self.tokens, url) {
            (Some(tokens), Some(url)) => Ok(LoginIdentities::new(
                tokens.clone(),
                issuer,
                Arc::clone(url),
            )),
            _ => Err(format!("no login with {issuer} keeps ID tokens").into()),
        }
    }
}
