//! Presentation of access tokens to a server (RFC 6750, section 2.1; RFC 9449, section 7.1).

use std::sync::Arc;

use ::http::HeaderValue;
use ::http::header::AUTHORIZATION;
use mcp_gateway_core::Credential;

use crate::dpop::{self, DpopKey, DpopSigner};

/// Adds the access token `token`, which is bound to `key` unless it is a bearer token.
///
/// Returns `None` if the token has characters that a header must not contain.
pub(crate) fn with_token(
    credential: Credential,
    token: &str,
    key: Option<&DpopKey>,
) -> Option<Credential> {
    let scheme = key.map_or("Bearer", |_| dpop::SCHEME);
    let value = HeaderValue::try_from(format!("{scheme} {token}")).ok()?;
    let credential = credential.with_header(AUTHORIZATION, value);
    Some(match key {
        Some(key) => credential.with_signer(Arc::new(DpopSigner::new(key.clone()))),
        None => credential,
    })
}

/// Returns the `Authorization` header of a credential.
pub(crate) fn presented_token(credential: &Credential) -> Option<&HeaderValue> {
    let mut headers = credential.headers().iter();
    let (_, value) = headers.find(|(name, _)| name == AUTHORIZATION)?;
    Some(value)
}
