//! The routes of the authorization server.

use axum::Router;
use axum::routing::{get, post};
use http::{Method, header};
use tower_http::cors::{Any, CorsLayer};

use super::{authorize, consent, introspection, metadata, registration, token};
use crate::server::AuthorizationServer;

impl AuthorizationServer {
    /// Returns all endpoints, to be mounted at the root of the host.
    ///
    /// Cross-origin requests (CORS) are permitted everywhere but at the authorization and consent
    /// endpoints, which browsers visit.
    ///
    /// # Example
    ///
    /// ```
    /// # use std::sync::Arc;
    /// use axum::body::{Body, to_bytes};
    /// use http::Request;
    /// # use mcp_gateway_auth::login::LoginSessions;
    /// use mcp_gateway_auth::server::AuthorizationServer;
    /// # use mcp_gateway_auth::users::Users;
    /// # use mcp_gateway_auth::{Clock, Keyring};
    /// # use mcp_gateway_store::MemoryStore;
    /// use serde_json::{Value, json};
    /// use tower::ServiceExt;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (store, keyring) = (Arc::new(MemoryStore::new()), Keyring::new(&[7; 32])?);
    /// # let users = Users::new(store.clone(), Clock::system());
    /// # let login = Arc::new(LoginSessions::new(users, keyring.clone(), "https://gw.example.com")?);
    /// # let base = "https://gw.example.com".parse()?;
    /// let server = AuthorizationServer::builder(base, store, keyring, login).build();
    /// let router = server.router();
    ///
    /// let request = Request::get("/.well-known/oauth-authorization-server").body(Body::empty())?;
    /// let response = router.clone().oneshot(request).await?;
    /// let body = to_bytes(response.into_body(), 64 * 1024).await?;
    /// let metadata: Value = serde_json::from_slice(&body)?;
    /// assert_eq!(metadata["issuer"], "https://gw.example.com");
    /// assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));
    /// // Registration is off by default.
    /// assert!(metadata.get("registration_endpoint").is_none());
    ///
    /// // An unknown client is rejected.
    /// let request = Request::post("/token")
    ///     .header("content-type", "application/x-www-form-urlencoded")
    ///     .body(Body::from("grant_type=authorization_code&code=1&client_id=unknown"))?;
    /// let response = router.oneshot(request).await?;
    /// assert_eq!(response.status(), 401);
    /// let body = to_bytes(response.into_body(), 64 * 1024).await?;
    /// assert_eq!(serde_json::from_slice::<Value>(&body)?["error"], "invalid_client");
    /// # Ok(())
    /// # }
    /// ```
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
            .route("/api/auth/oauth2/consent", post(consent::submit_consent));
        let own = open.merge(browsers).with_state(self.clone());
        own.merge(self.protected_resources().router())
    }
}

/// Permits all origins. These endpoints evaluate no cookies, so there is no ambient authority to
/// abuse.
pub(in crate::server) fn cors() -> CorsLayer {
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
