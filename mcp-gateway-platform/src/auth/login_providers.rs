//! Identity providers with which users have logged in.

use std::collections::HashMap;
use std::sync::Arc;

use mcp_gateway_auth::login::{KeptIdTokens, LoginIdentities};
use mcp_gateway_core::BoxError;
use url::Url;

use crate::spec::Login;

/// Identity providers whose ID tokens are kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct LoginProviders {
    /// ID tokens; `None` if users cannot log in.
    tokens: Option<KeptIdTokens>,
    /// Addresses at which users log in, by issuer.
    urls: HashMap<String, Arc<str>>,
}

impl LoginProviders {
    /// Returns the providers of `login` at `base` that keep ID tokens, which are in `tokens`.
    pub(crate) fn new(login: &Login, base: &Url, tokens: Option<KeptIdTokens>) -> Self {
        let origin = base.origin().ascii_serialization();
        let kept = login.providers.iter().filter(|it| it.keeps_id_tokens);
        let urls = kept.map(|provider| {
            let url = format!("{origin}/api/auth/login/{}", provider.name);
            (provider.issuer.clone(), url.into())
        });
        Self {
            tokens,
            urls: urls.collect(),
        }
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
