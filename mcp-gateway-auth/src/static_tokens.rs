//! Bearer tokens that an operator has issued.

use std::collections::HashMap;
use std::fmt;

use async_trait::async_trait;
use http::request::Parts;
use mcp_gateway_core::auth::{AuthError, AuthVerifier, Principal};

use crate::bearer::{TokenDigest, bearer_token};
#[cfg(feature = "jwt")]
use crate::token::{TokenVerifier, VerifiedToken};

/// Authenticates callers by bearer tokens that an operator has issued.
///
/// Only the SHA-256 of a token is kept. Tokens must be random, with 128 bits or more: a leaked
/// digest of a guessable token can be inverted by trying all guesses.
///
/// A request without a bearer token fails with [`MissingToken`]. A request with an unknown or
/// malformed token fails with [`InvalidToken`].
///
/// # Example
///
/// ```
/// use http::Request;
/// use http::header::AUTHORIZATION;
/// use mcp_gateway_auth::StaticTokens;
/// use mcp_gateway_core::auth::{AuthError, AuthVerifier, Principal};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let tokens = StaticTokens::new().with_token("wU3mtk8x", Principal::new("alice"));
/// let verify = async |authorization: &str| {
///     let request = Request::builder().header(AUTHORIZATION, authorization);
///     tokens.verify(&request.body(()).unwrap().into_parts().0).await
/// };
///
/// assert_eq!(verify("Bearer wU3mtk8x").await.unwrap().subject(), "alice");
/// assert!(matches!(verify("Bearer wU3mtk8y").await, Err(AuthError::InvalidToken)));
/// assert!(matches!(verify("Basic YWxpY2U6").await, Err(AuthError::MissingToken)));
/// # }
/// ```
///
/// [`InvalidToken`]: AuthError::InvalidToken
/// [`MissingToken`]: AuthError::MissingToken
#[derive(Clone, Default)]
#[doc(alias("API key"))]
pub struct StaticTokens {
    principals: HashMap<TokenDigest, Principal>,
}

impl StaticTokens {
    /// Creates an empty set, which rejects every token.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Accepts `token` as the principal `principal`.
    ///
    /// A principal may have several tokens, so that one can be replaced while the other is still in
    /// use. If the token exists already, its principal is replaced.
    #[must_use]
    pub fn with_token(mut self, token: &str, principal: Principal) -> Self {
        self.principals.insert(TokenDigest::of(token), principal);
        self
    }

    /// Returns the number of tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        self.principals.len()
    }

    /// Returns `true` if there is no token.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.principals.is_empty()
    }
}

#[async_trait]
impl AuthVerifier for StaticTokens {
    async fn verify(&self, request: &Parts) -> Result<Principal, AuthError> {
        let token = bearer_token(request, MAX_TOKEN)?;
        let principal = self.principals.get(&TokenDigest::of(token));
        principal.cloned().ok_or(AuthError::InvalidToken)
    }
}

#[cfg(feature = "jwt")]
#[async_trait]
impl TokenVerifier for StaticTokens {
    /// Returns the principal of the token, which does not expire.
    async fn verify_token(&self, token: &str) -> Result<Option<VerifiedToken>, AuthError> {
        let principal = match token.len() <= MAX_TOKEN {
            true => self.principals.get(&TokenDigest::of(token)),
            false => None,
        };
        Ok(principal.map(|principal| VerifiedToken::new(principal.clone(), u64::MAX)))
    }
}

impl fmt::Debug for StaticTokens {
    /// Shows neither tokens nor their digests.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticTokens")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// Maximum length of a token, in bytes. Longer ones are rejected without hashing.
const MAX_TOKEN: usize = 4096;

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;
    use http::{HeaderValue, Request};

    use super::*;

    fn tokens() -> StaticTokens {
        StaticTokens::new()
            .with_token("first", Principal::new("alice"))
            .with_token("second", Principal::new("alice"))
            .with_token("third", Principal::new("bob"))
    }

    fn request(authorizations: &[&[u8]]) -> Parts {
        let (mut parts, ()) = Request::new(()).into_parts();
        for value in authorizations {
            let value = HeaderValue::from_bytes(value).unwrap();
            parts.headers.append(AUTHORIZATION, value);
        }
        parts
    }

    /// The headers of a request, with the expected principal or error.
    type Case<'a> = (&'a [&'a [u8]], Result<&'a str, &'a str>);

    async fn verify(authorizations: &[&[u8]]) -> Result<String, &'static str> {
        match tokens().verify(&request(authorizations)).await {
            Ok(principal) => Ok(principal.subject().to_owned()),
            Err(AuthError::InvalidToken) => Err("invalid"),
            Err(AuthError::MissingToken) => Err("missing"),
            Err(error) => panic!("{error}"),
        }
    }

    #[tokio::test]
    async fn only_the_holder_of_a_token_is_believed() {
        let table: [Case<'_>; 18] = [
            (&[b"Bearer first"], Ok("alice")),
            (&[b"Bearer second"], Ok("alice")),
            (&[b"Bearer third"], Ok("bob")),
            (&[b"bearer first"], Ok("alice")),
            (&[b"BEARER \t first \t"], Ok("alice")),
            (&[b"Bearer\tfirst"], Ok("alice")),
            (&[], Err("missing")),
            (&[b""], Err("missing")),
            (&[b"Bearer"], Err("missing")),
            (&[b"Bearer  "], Err("missing")),
            (&[b"Basic first"], Err("missing")),
            (&[b"first"], Err("missing")),
            (&[b"Bearerfirst"], Err("missing")),
            (&[b"Bearer FIRST"], Err("invalid")),
            (&[b"Bearer first third"], Err("invalid")),
            (&[b"Bearer f\xc3\xbcrst"], Err("invalid")),
            (&[b"Bearer firs"], Err("invalid")),
            (&[b"Bearer first", b"Bearer third"], Err("invalid")),
        ];
        for (authorizations, expected) in table {
            let actual = verify(authorizations).await;
            assert_eq!(
                actual.as_deref(),
                expected.as_ref().copied(),
                "{authorizations:?}"
            );
        }
        let long = format!("Bearer {}", "x".repeat(MAX_TOKEN + 1));
        assert_eq!(verify(&[long.as_bytes()]).await, Err("invalid"));
    }

    #[tokio::test]
    async fn the_last_principal_of_a_token_has_it() {
        let tokens = tokens().with_token("first", Principal::new("carol"));
        let principal = tokens.verify(&request(&[b"Bearer first"])).await.unwrap();
        assert_eq!((principal.subject(), tokens.len()), ("carol", 3));
        assert!(StaticTokens::new().is_empty() && !tokens.is_empty());
    }

    #[test]
    fn nothing_secret_is_shown() {
        assert_eq!(format!("{:?}", tokens()), "StaticTokens { len: 3, .. }");
    }
}
