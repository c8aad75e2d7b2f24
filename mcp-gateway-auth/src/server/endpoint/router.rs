//! Routes of the authorization server.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::cors::cors;
use super::{Endpoints, authorize, consent, introspection, metadata, registration, token};

impl Endpoints {
    /// Returns the routes of all endpoints.
    pub(in crate::server) fn router(&self) -> Router {
        Router::new()
            .merge(self.metadata_routes())
            .merge(self.token_routes())
            .merge(self.registration_routes())
            .layer(cors())
            .merge(self.browser_routes())
    }

    fn metadata_routes(&self) -> Router {
        let mut router = Router::new().route("/api/auth/oauth2/jwks", get(metadata::keys));
        for name in ["oauth-authorization-server", "openid-configuration"] {
            let path = format!("/.well-known/{name}");
            router = router
                .route(&path, get(metadata::server))
                .route(&format!("{path}/{{*path}}"), get(metadata::server));
        }
        router.with_state(Arc::clone(&self.metadata))
    }

    fn token_routes(&self) -> Router {
        let tokens = Router::new()
            .route("/api/auth/oauth2/token", post(token::token))
            .route("/token", post(token::token))
            .with_state(Arc::clone(&self.token));
        let introspection = Router::new()
            .route(
                "/api/auth/oauth2/introspect",
                post(introspection::introspect),
            )
            .route("/api/auth/oauth2/revoke", post(introspection::revoke))
            .with_state(Arc::clone(&self.introspection));
        tokens.merge(introspection)
    }

    fn registration_routes(&self) -> Router {
        let one = get(registration::read)
            .put(registration::update)
            .delete(registration::delete);
        Router::new()
            .route("/api/auth/oauth2/register", post(registration::register))
            .route("/register", post(registration::register))
            .route("/api/auth/oauth2/register/{id}", one)
            .with_state(Arc::clone(&self.registration))
    }

    /// Returns the routes that browsers visit, without CORS.
    fn browser_routes(&self) -> Router {
        let authorize = Router::new()
            .route("/api/auth/oauth2/authorize", get(authorize::authorize))
            .route("/authorize", get(authorize::authorize))
            .with_state(Arc::clone(&self.authorize));
        let consent = Router::new()
            .route("/api/auth/oauth2/consent", post(consent::submit_consent))
            .with_state(Arc::clone(&self.consent));
        authorize.merge(consent)
    }
}
