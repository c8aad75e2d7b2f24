use std::sync::Arc;
use std::time::Duration;

use http::{Method, header};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::guard::{self, Guard};
use crate::protocol::header as mcp;

/// What web pages may do that may call the gateway.
pub(super) fn cors(guard: Arc<Guard>) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, parts| {
            guard.may_call(origin.as_bytes(), guard::authority(parts).as_deref())
        }))
        .allow_methods([Method::DELETE, Method::GET, Method::POST])
        // The headers that mirror arguments have names of the servers' own.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([
            header::RETRY_AFTER,
            header::WWW_AUTHENTICATE,
            mcp::MCP_PROTOCOL_VERSION,
            mcp::MCP_SESSION_ID,
        ])
        .max_age(Duration::from_secs(600))
}
