//! The routes of the authorization server.

use axum::Router;
use axum::routing::{get, post};
use http::{Method, header};
use tower_http::cors::{Any, CorsLayer};

use super::{
    AuthorizationServer, authorize, consent, introspection, metadata, registration, token,
};

impl AuthorizationServer {
    /// Returns all endpoints, to be mounted at the root of the host.
    ///
    /// Cross-origin requests (CORS) are permitted everywhere but at the authorization and consent
    /// endpoints, which browsers visit.
    pub fn router(&self) -> Router {
        let one = get(registration::read)
            .put(registration::update)
            .delete(registration::delete);
        let open = Router::new()
            .route(
                "/.well-known/oauth-authorization-server",
                get(metadata::server),
            )
            .route(
                "/.well-known/oauth-authorization-server/{*path}",
                get(metadata::server),
            )
            .route("/.well-known/openid-configuration", get(metadata::server))
            .route(
                "/.well-known/openid-configuration/{*path}",
                get(metadata::server),
            )
            .route("/api/auth/oauth2/jwks", get(metadata::keys))
            .route("/api/auth/oauth2/token", post(token::token))
            .route("/token", post(token::token))
            .route("/api/auth/oauth2/register", post(registration::register))
            .route("/register", post(registration::register))
            .route("/api/auth/oauth2/register/{id}", one)
            .route(
                "/api/auth/oauth2/introspect",
                post(introspection::introspect),
            )
            .route("/api/auth/oauth2/revoke", post(introspection::revoke))
            .layer(cors());
        let browsers = Router::new()
            .route("/api/auth/oauth2/authorize", get(authorize::authorize))
            .route("/authorize", get(authorize::authorize))
            .route("/api/auth/oauth2/consent", post(consent::decide));
        let own = open.merge(browsers).with_state(self.clone());
        own.merge(self.protected_resources().router())
    }
}

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
        ])
        .expose_headers([header::WWW_AUTHENTICATE, header::RETRY_AFTER])
}
