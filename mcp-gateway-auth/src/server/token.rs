//! Tokens that the authorization server issues.

pub(super) mod access_token;
pub(super) mod api_tokens;
pub(super) mod issued_tokens;
pub(super) mod opaque;
pub(super) mod revocations;
pub(super) mod tokens;
