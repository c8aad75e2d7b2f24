//! Secrets of outgoing requests.

use http::{Request, header};
use mcp_gateway_core::Mask;
use url::form_urlencoded;

/// Returns the secrets of `request`, which an error of its recipient may quote.
pub(crate) fn mask_of(request: &Request<Vec<u8>>) -> Mask {
    let is_secret = |name: &header::HeaderName, value: &header::HeaderValue| {
        *name == header::AUTHORIZATION || value.is_sensitive()
    };
    let headers = request.headers().iter();
    let headers = headers.filter(|(name, value)| is_secret(name, value));
    let mask = headers.fold(Mask::new(), |mask, (_, value)| mask.with_header(value));
    let fields = form_urlencoded::parse(request.body());
    let fields = fields.filter(|(name, _)| SECRET_FIELDS.contains(&&**name));
    fields.fold(mask, |mask, (_, value)| mask.with_secret(&value))
}

/// Secret fields of requests to token and revocation endpoints (RFC 6749, RFC 7009, RFC 7521, RFC
/// 7636, RFC 8693).
const SECRET_FIELDS: [&str; 10] = [
    "actor_token",
    "assertion",
    "client_assertion",
    "client_secret",
    "code",
    "code_verifier",
    "password",
    "refresh_token",
    "subject_token",
    "token",
];
