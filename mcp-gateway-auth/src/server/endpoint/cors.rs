//! Access of web pages to the endpoints.

use http::{Method, header};
use tower_http::cors::{Any, CorsLayer};

use crate::dpop;

/// Permits all origins. These endpoints evaluate no cookies, so there is no ambient authority to
/// abuse.
pub(super) fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::HeaderName::from_static("mcp-protocol-version"),
            header::HeaderName::from_static(dpop::DPOP),
        ])
        .expose_headers([
            header::WWW_AUTHENTICATE,
            header::RETRY_AFTER,
            header::HeaderName::from_static(dpop::DPOP_NONCE),
        ])
}
