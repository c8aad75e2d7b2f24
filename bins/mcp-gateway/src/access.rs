//! Who may call, as the configuration says it at present.

use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use http::request::Parts;
use mcp_gateway_auth::StaticTokens;
use mcp_gateway_core::auth::{AllowAnonymous, AuthError, AuthVerifier, Principal};

use crate::config::{Anonymous, Auth};

/// Verifies callers by rules that can be exchanged while calls are made.
#[derive(Debug)]
pub(crate) struct Access(ArcSwap<Rules>);

#[derive(Debug)]
struct Rules {
    tokens: StaticTokens,
    anonymous: bool,
}

impl Access {
    pub(crate) fn new(auth: &Auth) -> Arc<Self> {
        Arc::new(Self(ArcSwap::from_pointee(Rules::of(auth))))
    }

    /// Exchanges the rules.
    pub(crate) fn replace(&self, auth: &Auth) {
        self.0.store(Arc::new(Rules::of(auth)));
    }
}

impl Rules {
    fn of(auth: &Auth) -> Self {
        let token = |tokens: StaticTokens, token: &crate::config::Token| {
            tokens.with_token(
                token.secret.expose(),
                Principal::new(Arc::clone(&token.name)),
            )
        };
        Self {
            tokens: auth.tokens.iter().fold(StaticTokens::new(), token),
            anonymous: auth.anonymous != Anonymous::Never,
        }
    }
}

#[async_trait]
impl AuthVerifier for Access {
    async fn verify(&self, request: &Parts) -> Result<Principal, AuthError> {
        let rules = self.0.load_full();
        match rules.tokens.verify(request).await {
            // Whoever presents a token wants to be somebody, so a wrong one is an error still.
            Err(AuthError::MissingToken) if rules.anonymous => {
                AllowAnonymous::new().verify(request).await
            }
            verified => verified,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http::header::AUTHORIZATION;

    use super::*;
    use crate::config::{Secret, Token};

    fn auth(token: &str, anonymous: Anonymous) -> Auth {
        Auth {
            tokens: vec![Token {
                name: "alice".into(),
                secret: Secret::new(token),
            }],
            anonymous,
        }
    }

    async fn verify(access: &Access, token: Option<&str>) -> Result<String, String> {
        let mut request = Request::new(());
        if let Some(token) = token {
            let value = format!("Bearer {token}").parse().unwrap();
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let verified = access.verify(&request.into_parts().0).await;
        verified
            .map(|principal| principal.subject().to_owned())
            .map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_wrong_token_does_not_make_anonymous() {
        let access = Access::new(&auth("one", Anonymous::Local));
        assert_eq!(verify(&access, Some("one")).await.as_deref(), Ok("alice"));
        assert_eq!(verify(&access, None).await.as_deref(), Ok("anonymous"));
        assert!(verify(&access, Some("two")).await.is_err());
    }

    #[tokio::test]
    async fn rules_are_exchanged_as_a_whole() {
        let access = Access::new(&auth("one", Anonymous::Local));
        access.replace(&auth("two", Anonymous::Never));
        assert_eq!(verify(&access, Some("two")).await.as_deref(), Ok("alice"));
        assert!(verify(&access, Some("one")).await.is_err());
        assert!(verify(&access, None).await.is_err());
    }
}
