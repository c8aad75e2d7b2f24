//! The REST API: its router, and one module for each resource.

mod access;
pub(crate) mod approvals;
mod audit;
mod calls;
pub(crate) mod clients;
mod conditional;
pub(crate) mod connections;
mod deployments;
mod entries;
mod events;
mod extract;
mod gateways;
mod imports;
mod installation;
mod label;
mod lease;
mod openapi;
pub(crate) mod operation;
mod page;
mod parts;
mod pins;
mod policy;
mod policy_test;
mod problem;
mod published;
mod repeatable;
mod requests;
mod rule_entry;
mod secrets;
mod servers;
mod sessions;
mod stream;
pub(crate) mod taints;
mod team_gateways;
pub(crate) mod tokens;
mod usable_gateways;
mod usage;
pub(crate) mod users;
mod version;
pub(crate) mod whoami;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::middleware;
use axum::response::Response;
use mcp_gateway_approval::StoreApprovals;
use mcp_gateway_core::auth::AuthVerifier;
use mcp_gateway_store::Store;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::deployments::LogSlots;
use self::problem::ApiError;
use self::stream::StreamSlots;
use crate::local::LocalPrincipal;
use crate::{
    Administration, AuditTrail, CallFeed, Catalog, ClientSessions, Connections, Deployments,
    EntryRegistry, IdempotencyStore, LocalApi, PinRegistry, PolicyCatalog, Quotas,
};

/// The admin API of a gateway.
///
/// See the [crate documentation](crate) for an example.
#[derive(Clone, Debug)]
pub struct AdminApi(Arc<Parts>);

/// Parts that the API administers.
#[derive(Clone, Debug)]
struct Parts {
    verifier: Arc<dyn AuthVerifier>,
    administration: Option<Administration>,
    approvals: Option<StoreApprovals>,
    audit: Option<Arc<dyn Store>>,
    calls: Option<CallFeed>,
    catalog: Option<Arc<dyn Catalog>>,
    connections: Option<Connections>,
    deployments: Option<Arc<dyn Deployments>>,
    events: Option<Arc<dyn Store>>,
    log_slots: LogSlots,
    policy: Option<Arc<dyn PolicyCatalog>>,
    pins: Option<Arc<dyn PinRegistry>>,
    quotas: Option<Arc<dyn Quotas>>,
    registry: Option<EntryRegistry>,
    results: Option<IdempotencyStore>,
    sessions: Option<Arc<dyn ClientSessions>>,
    stream_slots: StreamSlots,
    taints: Option<Arc<dyn Store>>,
    trail: AuditTrail,
}

impl AdminApi {
    /// Creates an API without resources, for the principals with the role `admin` that `verifier`
    /// authenticates.
    #[must_use]
    pub fn new(verifier: Arc<dyn AuthVerifier>) -> Self {
        Self(Arc::new(Parts {
            verifier,
            administration: None,
            approvals: None,
            audit: None,
            calls: None,
            catalog: None,
            connections: None,
            deployments: None,
            events: None,
            log_slots: LogSlots::default(),
            policy: None,
            pins: None,
            quotas: None,
            registry: None,
            results: None,
            sessions: None,
            stream_slots: StreamSlots::default(),
            taints: None,
            trail: AuditTrail::default(),
        }))
    }

    /// Adds users, tokens and clients.
    #[must_use]
    pub fn with_administration(mut self, administration: Administration) -> Self {
        Arc::make_mut(&mut self.0).administration = Some(administration);
        self
    }

    /// Adds approvals of calls.
    #[must_use]
    pub fn with_approvals(mut self, approvals: StoreApprovals) -> Self {
        Arc::make_mut(&mut self.0).approvals = Some(approvals);
        self
    }

    /// Adds the audit log in `store`.
    #[must_use]
    pub fn with_audit(mut self, store: Arc<dyn Store>) -> Self {
        Arc::make_mut(&mut self.0).audit = Some(store);
        self
    }

    /// Adds servers and gateways, whose changes `trail` records.
    #[must_use]
    pub fn with_catalog(mut self, catalog: Arc<dyn Catalog>, trail: AuditTrail) -> Self {
        let parts = Arc::make_mut(&mut self.0);
        (parts.catalog, parts.trail) = (Some(catalog), trail);
        self
    }

    /// Adds completed calls of this replica, as they end.
    #[must_use]
    pub fn with_calls(mut self, calls: CallFeed) -> Self {
        Arc::make_mut(&mut self.0).calls = Some(calls);
        self
    }

    /// Adds changes of the objects in `store`, by all replicas.
    #[must_use]
    pub fn with_events(mut self, store: Arc<dyn Store>) -> Self {
        Arc::make_mut(&mut self.0).events = Some(store);
        self
    }

    /// Adds sessions of clients.
    #[must_use]
    pub fn with_sessions(mut self, sessions: Arc<dyn ClientSessions>) -> Self {
        Arc::make_mut(&mut self.0).sessions = Some(sessions);
        self
    }

    /// Adds connections.
    #[must_use]
    pub fn with_connections(mut self, connections: Connections) -> Self {
        Arc::make_mut(&mut self.0).connections = Some(connections);
        self
    }

    /// Adds deployments of servers, whose restarts the trail of the catalog records.
    #[must_use]
    pub fn with_deployments(mut self, deployments: Arc<dyn Deployments>) -> Self {
        Arc::make_mut(&mut self.0).deployments = Some(deployments);
        self
    }

    /// Adds rules, whose changes the trail of the catalog records.
    #[must_use]
    pub fn with_policy(mut self, policy: Arc<dyn PolicyCatalog>) -> Self {
        Arc::make_mut(&mut self.0).policy = Some(policy);
        self
    }

    /// Adds the approved definitions of servers.
    #[must_use]
    pub fn with_pins(mut self, pins: Arc<dyn PinRegistry>) -> Self {
        Arc::make_mut(&mut self.0).pins = Some(pins);
        self
    }

    /// Adds the use of quotas.
    #[must_use]
    pub fn with_quotas(mut self, quotas: Arc<dyn Quotas>) -> Self {
        Arc::make_mut(&mut self.0).quotas = Some(quotas);
        self
    }

    /// Adds a registry, from whose entries servers are installed.
    #[must_use]
    pub fn with_registry(mut self, registry: EntryRegistry) -> Self {
        Arc::make_mut(&mut self.0).registry = Some(registry);
        self
    }

    /// Adds results of requests with an `Idempotency-Key`.
    #[must_use]
    pub fn with_idempotency(mut self, results: IdempotencyStore) -> Self {
        Arc::make_mut(&mut self.0).results = Some(results);
        self
    }

    /// Adds the taints in `store`.
    #[must_use]
    pub fn with_taints(mut self, store: Arc<dyn Store>) -> Self {
        Arc::make_mut(&mut self.0).taints = Some(store);
        self
    }

    /// Authenticates the principals with `verifier` instead.
    fn with_verifier(mut self, verifier: Arc<dyn AuthVerifier>) -> Self {
        Arc::make_mut(&mut self.0).verifier = verifier;
        self
    }

    /// Returns the API for callers of the same process that have authenticated a principal.
    #[must_use]
    pub fn local(self) -> LocalApi {
        LocalApi::new(self.with_verifier(Arc::new(LocalPrincipal)).router())
    }

    /// Returns the router of the registry API v0.1, at `/v0.1` and `/v0`, for registry clients.
    ///
    /// Everybody may read the entries of the organization if the [`Catalog`] says so; otherwise a
    /// token is required.
    pub fn registry_router(self) -> Router {
        published::router().with_state(self)
    }

    /// Returns the router of `/api/v1`, which answers all paths below with problem documents.
    pub fn router(self) -> Router {
        let (router, _) = resources().split_for_parts();
        let router = router
            .merge(openapi::router(&document()))
            .fallback(async || ApiError::NotFound)
            .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
            .layer(DefaultBodyLimit::max(MAX_BODY));
        // A layer wraps each handler by itself, and an object is read by another one.
        let objects: Router = router.clone().with_state(self.clone());
        router
            .layer(middleware::from_fn_with_state(
                objects,
                conditional::compare,
            ))
            .layer(middleware::from_fn_with_state(
                self.clone(),
                repeatable::repeat,
            ))
            .layer(middleware::from_fn_with_state(
                self.clone(),
                access::authorize,
            ))
            .layer(middleware::map_response(without_cache))
            .with_state(self)
    }
}

/// Returns the routes of all resources, with their documentation.
fn resources() -> OpenApiRouter<AdminApi> {
    let below = OpenApiRouter::new()
        .routes(routes!(users::list, users::create))
        .routes(routes!(users::get, users::update, users::delete))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::get, tokens::revoke))
        .routes(routes!(tokens::rotate))
        .routes(routes!(clients::list, clients::create))
        .routes(routes!(clients::get, clients::delete))
        .routes(routes!(connections::list, connections::create))
        .routes(routes!(connections::get, connections::delete))
        .routes(routes!(approvals::list))
        .routes(routes!(approvals::get))
        .routes(routes!(approvals::decide))
        .routes(routes!(audit::list))
        .routes(routes!(calls::watch))
        .routes(routes!(events::watch))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::end))
        .routes(routes!(taints::list))
        .routes(routes!(taints::clear))
        .routes(routes!(usable_gateways::list))
        .routes(routes!(usable_gateways::get))
        .routes(routes!(usage::list))
        .routes(routes!(whoami::get))
        .routes(routes!(entries::list, entries::create))
        .routes(routes!(entries::get, entries::replace, entries::delete))
        .routes(routes!(entries::export))
        .routes(routes!(imports::create))
        .routes(routes!(policy::list, policy::create))
        .routes(routes!(policy::get, policy::replace, policy::delete))
        .routes(routes!(policy::order, policy::reorder))
        .routes(routes!(policy::explain))
        .routes(routes!(policy_test::test))
        .routes(routes!(requests::list, requests::create))
        .routes(routes!(requests::get))
        .routes(routes!(requests::approve))
        .routes(routes!(requests::deny))
        .routes(routes!(pins::list))
        .routes(routes!(pins::approve))
        .routes(routes!(servers::list, servers::create))
        .routes(routes!(servers::get, servers::replace, servers::delete))
        .routes(routes!(deployments::restart))
        .routes(routes!(deployments::logs))
        .routes(routes!(gateways::list, gateways::create))
        .routes(routes!(gateways::get, gateways::replace, gateways::delete));
    OpenApiRouter::with_openapi(openapi::description()).nest(BASE, below)
}

/// Returns the document of all resources.
fn document() -> OpenApi {
    let (_, mut document) = resources().split_for_parts();
    openapi::describe_responses(&mut document);
    document
}

/// Forbids caches to keep `response`.
async fn without_cache(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Path of the API.
pub(crate) const BASE: &str = "/api/v1";

/// Maximum size of a request body in bytes.
const MAX_BODY: usize = 256 * 1024;

#[cfg(test)]
mod tests;
