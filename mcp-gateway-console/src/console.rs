//! The console, and the paths of its pages.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{MethodRouter, get, post};
use mcp_gateway_admin::LocalApi;

use crate::failure::Failure;
use crate::guides::ClientGuides;
use crate::login::ConsoleLogin;
use crate::pages;
use crate::path::ROOT;
use crate::site::Site;

/// Console of a gateway.
///
/// See the [crate documentation](crate) for an example.
#[derive(Clone)]
pub struct Console(Site);

impl Console {
    /// Creates the console over `api`, for people who sign in by `login`.
    #[must_use]
    pub fn new(api: LocalApi, login: ConsoleLogin) -> Self {
        Self(Site {
            api,
            login,
            guides: None,
        })
    }

    /// Adds pages with the instructions of `guides`.
    #[must_use]
    pub fn with_guides(mut self, guides: Arc<dyn ClientGuides>) -> Self {
        self.0.guides = Some(guides);
        self
    }

    /// Returns the pages with their full paths below `/console`, to be merged into the router of a
    /// service.
    pub fn router(self) -> Router {
        let routes = routes().into_iter();
        let router = routes.fold(Router::new(), |router, (path, handlers)| {
            router.route(&format!("{ROOT}{path}"), handlers)
        });
        router
            .method_not_allowed_fallback(async || Failure::NotFound)
            .fallback(async || Failure::NotFound)
            .layer(DefaultBodyLimit::max(MAX_FORM))
            .with_state(self.0)
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console")
            .field("login", &self.0.login)
            .finish_non_exhaustive()
    }
}

/// Returns the handlers of the pages, by their paths below `/console`.
fn routes() -> Vec<(&'static str, MethodRouter<Site>)> {
    let mut routes = tools();
    routes.extend(access());
    routes.extend([
        ("", get(pages::overview::show)),
        ("/", get(pages::overview::show)),
        ("/assets/{name}", get(pages::asset::get)),
        (
            "/sign-in",
            get(pages::sign_in::show).post(pages::sign_in::submit),
        ),
        ("/sign-out", post(pages::sign_in::end)),
        ("/audit", get(pages::audit::list)),
        ("/audit/export", get(pages::audit_export::export)),
        ("/usage", get(pages::usage::list)),
    ]);
    routes
}

/// Returns the pages of servers, gateways and the registry.
fn tools() -> Vec<(&'static str, MethodRouter<Site>)> {
    use pages::{
        connect, connections, entries, entry_import, entry_install, gateway_form, gateways,
        requests, server_form, servers,
    };
    vec![
        ("/connect", get(connect::list)),
        ("/connect/{name}", get(connect::show)),
        ("/servers", get(servers::list)),
        (
            "/servers/new",
            get(server_form::show_new).post(server_form::create),
        ),
        ("/servers/{name}", get(servers::show)),
        (
            "/servers/{name}/edit",
            get(server_form::show_edit).post(server_form::replace),
        ),
        ("/servers/{name}/delete", post(servers::delete)),
        ("/servers/{name}/restart", post(servers::restart)),
        ("/servers/{name}/log", get(servers::log)),
        ("/gateways", get(gateways::list)),
        (
            "/gateways/new",
            get(gateway_form::show_new).post(gateway_form::create),
        ),
        ("/gateways/{id}", get(gateways::show)),
        (
            "/gateways/{id}/edit",
            get(gateway_form::show_edit).post(gateway_form::replace),
        ),
        ("/gateways/{id}/delete", post(gateways::delete)),
        ("/registry", get(entries::list)),
        (
            "/registry/import",
            get(entry_import::show).post(entry_import::submit),
        ),
        ("/registry/{name}", get(entries::show)),
        (
            "/registry/{name}/install",
            get(entry_install::show).post(entry_install::submit),
        ),
        ("/registry/{name}/request", post(requests::create)),
        ("/requests", get(requests::list)),
        ("/requests/{id}", get(requests::show)),
        ("/requests/{id}/approve", post(requests::approve)),
        ("/requests/{id}/deny", post(requests::deny)),
        ("/connections", get(connections::list)),
        (
            "/connections/new",
            get(connections::show_new).post(connections::create),
        ),
        ("/connections/{id}/delete", post(connections::delete)),
    ]
}

/// Returns the pages of people, credentials, rules, approvals and pins.
fn access() -> Vec<(&'static str, MethodRouter<Site>)> {
    use pages::{
        approvals, clients, explain, people, person_form, pins, policy, rule_form, tokens,
    };
    vec![
        ("/approvals", get(approvals::list)),
        ("/approvals/{id}", get(approvals::show)),
        ("/approvals/{id}/decision", post(approvals::decide)),
        ("/people", get(people::list)),
        (
            "/people/new",
            get(person_form::show_new).post(person_form::create),
        ),
        (
            "/people/{id}",
            get(person_form::show).post(person_form::update),
        ),
        ("/people/{id}/delete", post(people::delete)),
        ("/tokens", get(tokens::list)),
        ("/tokens/new", get(tokens::show_new).post(tokens::create)),
        ("/tokens/{id}/rotate", post(tokens::rotate)),
        ("/tokens/{id}/revoke", post(tokens::revoke)),
        ("/clients", get(clients::list)),
        ("/clients/new", get(clients::show_new).post(clients::create)),
        ("/clients/{id}", get(clients::show)),
        ("/clients/{id}/delete", post(clients::delete)),
        ("/policy", get(policy::list)),
        (
            "/policy/new",
            get(rule_form::show_new).post(rule_form::create),
        ),
        ("/policy/explain", get(explain::show).post(explain::submit)),
        ("/policy/recent", get(explain::recent)),
        (
            "/policy/rules/{name}",
            get(rule_form::show_edit).post(rule_form::replace),
        ),
        ("/policy/rules/{name}/delete", post(policy::delete)),
        ("/policy/rules/{name}/move", post(policy::shift)),
        ("/pins", get(pins::list)),
        ("/pins/{server}", get(pins::show)),
        ("/pins/{server}/approve", post(pins::approve)),
    ]
}

/// Maximum size of a form in bytes: that of a document of the API, encoded.
const MAX_FORM: usize = 1024 * 1024;
