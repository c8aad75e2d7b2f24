//! Web console of the platform.

use std::sync::Arc;

use axum::response::Redirect;
use axum::routing::get;
use mcp_gateway_admin::AdminApi;
use mcp_gateway_auth::Keyring;
use mcp_gateway_console::{ClientGuides, Console, ConsoleLogin};

use crate::auth::Services;
use crate::error::PlatformError;
use crate::http::router::HttpRouter;
use crate::reload::verifier::ReloadableVerifier;
use crate::spec::PlatformSpec;

/// Parts of a console.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    spec: &'a PlatformSpec,
    /// Verifier of the tokens of the admin API.
    tokens: Arc<ReloadableVerifier>,
    guides: Option<Arc<dyn ClientGuides>>,
}

impl<'a> Parts<'a> {
    pub(crate) fn new(
        spec: &'a PlatformSpec,
        tokens: Arc<ReloadableVerifier>,
        guides: Option<Arc<dyn ClientGuides>>,
    ) -> Self {
        Self {
            spec,
            tokens,
            guides,
        }
    }

    /// Adds the console over `admin` to `front`. It also redirects `/` to itself.
    ///
    /// People log in where the platform has a login. They sign in with a token where there is none, or
    /// where the spec has tokens of administrators, such as that of the owner.
    ///
    /// # Errors
    ///
    /// [`PlatformError::Key`] if the system has no random numbers for the key of the cookies.
    pub(crate) fn mount(
        self,
        front: HttpRouter,
        services: &Services,
        admin: &AdminApi,
    ) -> Result<HttpRouter, PlatformError> {
        let keyring = match &services.keyring {
            Some(keyring) => keyring.clone(),
            None => random_keyring()?,
        };
        let mut login = ConsoleLogin::new(keyring, services.base.as_str());
        if let Some(authority) = &services.authority {
            login = login.with_sessions(Arc::new(authority.sessions.clone()));
        }
        let tokens = &self.spec.dynamic.auth.tokens;
        if services.authority.is_none() || tokens.iter().any(|token| token.is_admin) {
            login = login.with_tokens(self.tokens);
        }
        let console = Console::new(admin.clone().local(), login);
        let console = match self.guides {
            Some(guides) => console.with_guides(guides),
            None => console,
        };
        let redirect = get(async || Redirect::to("/console"));
        Ok(front.with_console(console.router().route("/", redirect)))
    }
}

/// Returns a key for a platform without a store: people sign in again after a restart.
fn random_keyring() -> Result<Keyring, PlatformError> {
    let mut key = [0; 32];
    aws_lc_rs::rand::fill(&mut key).map_err(|error| PlatformError::Key(error.into()))?;
    Keyring::new(&key).map_err(|error| PlatformError::Key(error.into()))
}
