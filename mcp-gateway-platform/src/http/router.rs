//! Router over all paths of the platform.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use axum::Router;
use bytes::Bytes;
use hashbrown::HashMap;
use http::{Request, Response};
use mcp_gateway_auth::users::Role;
use mcp_gateway_auth::{Landing, StaticTokens};
use mcp_gateway_core::Replica;
use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::endpoint::{Body, ReplicaService, RequestError};
use mcp_gateway_core::host_policy::HostPolicy;
use mcp_gateway_core::layer::drain_body::DrainBodyLayer;
use mcp_gateway_core::{BoxError, Gateway};
use tower::{Layer as _, ServiceExt as _};
use tower_service::Service;

use super::cards::ServerCards;
use super::health;
pub(crate) use super::health::ManagementEndpoints;
use super::hidden::HiddenGateways;
use super::path::RoutePath;
use super::restricted::RestrictedGateway;
use crate::reload::verifier::ReloadableVerifier;
use crate::servers::ManagedServer;
use crate::status::ServerStatus;

/// Gateways and endpoints that are currently served. Each apply replaces the whole table.
#[derive(Debug, Default)]
pub(crate) struct RouteTable {
    /// Gateways by the segments of their paths: names and identifiers.
    pub(crate) gateways: HashMap<Arc<str>, Gateway>,
    /// Name of the default gateway.
    pub(crate) default: Arc<str>,
    pub(crate) members: Vec<Arc<ManagedServer>>,
    pub(crate) guard: HostPolicy,
    /// Host guard of the resource metadata, which also accepts the hosts of protected servers.
    pub(crate) metadata_guard: HostPolicy,
    /// Tokens for the metrics, besides callers; `None` if the metrics have a separate address.
    pub(crate) metrics_tokens: Option<StaticTokens>,
    /// Verifiers of restricted gateways by the segments of their paths.
    pub(crate) restricted: HashMap<Arc<str>, Arc<ReloadableVerifier>>,
    /// Verifiers of the gateways of each server that only restricted gateways have.
    pub(crate) confined: HashMap<Arc<str>, Vec<Arc<ReloadableVerifier>>>,
    /// Names without a gateway; `None` if there are no restricted gateways.
    pub(crate) hidden: Option<HiddenGateways>,
    /// Server cards and their catalog, if they are enabled.
    pub(crate) cards: Option<ServerCards>,
    /// Protected resource metadata.
    pub(crate) metadata: Option<Router>,
    /// Authorization server and login.
    pub(crate) router: Option<Router>,
    /// Forward authentication.
    pub(crate) forward: Option<Router>,
}

impl RouteTable {
    pub(super) fn status(&self) -> Vec<ServerStatus> {
        self.members.iter().map(|member| member.status()).collect()
    }

    /// Returns `true` if `principal` may see all gateways: as an administrator, who cannot use those of
    /// users, or because none is restricted to others.
    pub(super) fn may_see_all(&self, principal: &Principal) -> bool {
        let mut roles = principal.roles().iter();
        let mut gateways = self.restricted.values();
        roles.any(|role| **role == *Role::Admin.as_str())
            || gateways.all(|gateway| gateway.may_see(principal))
    }

    /// Returns the gateway at `path`, and its verifier if it is restricted.
    fn gateway(&self, path: RoutePath<'_>) -> Option<(&Gateway, Option<&Arc<ReloadableVerifier>>)> {
        let name = match path {
            RoutePath::Default => &*self.default,
            RoutePath::Named(name) => name,
            RoutePath::Admin
            | RoutePath::Published
            | RoutePath::Authority
            | RoutePath::Console
            | RoutePath::Forward
            | RoutePath::Landing
            | RoutePath::Metadata
            | RoutePath::Operation(_) => return None,
        };
        let gateway = self.gateways.get(name)?;
        Some((gateway, self.restricted.get(name)))
    }
}

/// Service over all paths of a platform. Cheap to clone.
///
/// Requests for unknown paths receive 404. Browsers at `/` are redirected to the console, and those at
/// `/account` and `/login` to the account page, or receive a description of the gateway if it has no
/// login.
///
/// # Example
///
/// ```
/// use http::Request;
/// use mcp_gateway_core::endpoint::Body;
/// use mcp_gateway_platform::Platform;
/// use mcp_gateway_platform::spec::PlatformSpec;
/// use tower::ServiceExt as _;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let address = "127.0.0.1:8080".parse()?;
/// let platform = Platform::start(PlatformSpec::default(), address).await?;
/// for (path, status) in [("/livez", 200), ("/missing", 404)] {
///     let request = Request::get(path).body(Body::empty())?;
///     assert_eq!(platform.service().oneshot(request).await?.status(), status);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct HttpRouter {
    routes: Arc<ArcSwap<RouteTable>>,
    operations: Arc<ManagementEndpoints>,
    /// Endpoint for requests of other replicas.
    replica_service: Option<ReplicaService>,
    /// Admin API.
    admin: Option<Router>,
    /// Web console, which also answers browsers at `/`.
    console: Option<Router>,
    /// Answer to browsers at the landing paths.
    landing: Option<Router>,
    /// Registry API.
    published: Option<Router>,
}

impl HttpRouter {
    pub(crate) fn new(
        routes: Arc<ArcSwap<RouteTable>>,
        operations: Arc<ManagementEndpoints>,
    ) -> Self {
        Self {
            routes,
            operations,
            replica_service: None,
            admin: None,
            console: None,
            landing: None,
            published: None,
        }
    }

    /// Adds the admin API and the registry API.
    pub(crate) fn with_admin(self, admin: Router, published: Router) -> Self {
        Self {
            admin: Some(admin),
            published: Some(published),
            ..self
        }
    }

    /// Adds the console.
    #[cfg(feature = "console")]
    pub(crate) fn with_console(self, console: Router) -> Self {
        Self {
            console: Some(console),
            ..self
        }
    }

    /// Adds the answer to browsers at the landing paths.
    pub(crate) fn with_landing(self, landing: Landing) -> Self {
        Self {
            landing: Some(landing.router()),
            ..self
        }
    }

    /// Adds the endpoint for requests of other replicas.
    pub(crate) fn with_errands(self, replica_service: Option<ReplicaService>) -> Self {
        Self {
            replica_service,
            ..self
        }
    }
}

pub(super) type Answer = Result<Response<Body>, Infallible>;

impl<B> Service<Request<B>> for HttpRouter
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let path = RoutePath::of(request.uri().path());
        if let Some((gateway, None)) = self.routes.load().gateway(path) {
            return gateway.clone().call(request);
        }
        let front = self.clone();
        let route = tower::service_fn(move |request| front.route(request));
        Box::pin(DrainBodyLayer::new().layer(route).oneshot(request))
    }
}

impl HttpRouter {
    /// Routes a request that is not for a public gateway.
    fn route<B>(&self, request: Request<B>) -> Pin<Box<dyn Future<Output = Answer> + Send>>
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let site = self.routes.load();
        let path = RoutePath::of(request.uri().path());
        if let Some((gateway, access)) = site.gateway(path) {
            let Some(access) = access else {
                return gateway.clone().call(request);
            };
            let restricted = RestrictedGateway {
                gateway: gateway.clone(),
                access: Arc::clone(access),
                operations: Arc::clone(&self.operations),
                routes: Arc::clone(&site),
            };
            return Box::pin(restricted.call(request));
        }
        if let (RoutePath::Named(name), Some(hidden)) = (path, &site.hidden) {
            let (hidden, name) = (hidden.clone(), name.to_owned());
            let (operations, site) = (Arc::clone(&self.operations), Arc::clone(&site));
            return Box::pin(async move {
                let nothing = (&*operations, &*site);
                hidden.call(&name, request, nothing).await
            });
        }
        let (router, guard) = match path {
            RoutePath::Admin => (&self.admin, Some(&site.guard)),
            RoutePath::Published => (&self.published, Some(&site.guard)),
            RoutePath::Authority => (&site.router, Some(&site.guard)),
            RoutePath::Metadata => (&site.metadata, Some(&site.metadata_guard)),
            // Some proxies send the `Host` of the original request. DNS rebinding is harmless here,
            // because a token is required.
            RoutePath::Forward => (&site.forward, None),
            RoutePath::Console => (&self.console, Some(&site.guard)),
            RoutePath::Landing if health::is_browser(&request) => {
                let has_console = request.uri().path() == "/" && self.console.is_some();
                let landing = if has_console {
                    &self.console
                } else {
                    &self.landing
                };
                (landing, Some(&site.guard))
            }
            RoutePath::Default
            | RoutePath::Landing
            | RoutePath::Named(_)
            | RoutePath::Operation(_) => (&None, None),
        };
        if let Some(router) = router {
            return Box::pin(serve_auth(router.clone(), guard.cloned(), request));
        }
        if request.uri().path() == Replica::PATH
            && let Some(replica_service) = &self.replica_service
        {
            return replica_service.clone().call(request);
        }
        let operation = path.to_operation();
        let (operations, site) = (Arc::clone(&self.operations), Arc::clone(&site));
        let (parts, _) = request.into_parts();
        if let Some(response) = site.cards.as_ref().and_then(|cards| cards.response(&parts)) {
            return Box::pin(ready(Ok(response)));
        }
        Box::pin(async move { Ok(operations.handle(&parts, operation, &site).await) })
    }
}

/// Forwards a request to `router`, if `guard` accepts its host.
async fn serve_auth<B>(router: Router, guard: Option<HostPolicy>, request: Request<B>) -> Answer
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let (parts, body) = request.into_parts();
    // The router decides about origins, because other web pages may use some of its endpoints. The
    // others require a token, which no web page has.
    if let Some(Err(error @ RequestError::Host { .. })) = guard.map(|guard| guard.check(&parts)) {
        return Ok(health::error_response(&error.into()));
    }
    let request = Request::from_parts(parts, axum::body::Body::new(body));
    let Ok(response) = router.oneshot(request).await;
    // A log that is followed ends with its client only.
    Ok(response.map(Body::wrap))
}

/// Service for a separate address of the metrics. Cheap to clone.
///
/// It does not authenticate callers, and serves `/metrics` only.
///
/// # Example
///
/// ```
/// use http::Request;
/// use mcp_gateway_platform::Platform;
/// use mcp_gateway_platform::spec::PlatformSpec;
/// use tower::ServiceExt as _;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let address = "127.0.0.1:8080".parse()?;
/// let platform = Platform::start(PlatformSpec::default(), address).await?;
/// for (path, status) in [("/metrics", 200), ("/mcp", 404)] {
///     let request = Request::get(path).body(())?;
///     assert_eq!(platform.metrics_service().oneshot(request).await?.status(), status);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MetricsService(HttpRouter);

impl MetricsService {
    pub(crate) fn new(
        site: Arc<ArcSwap<RouteTable>>,
        operations: Arc<ManagementEndpoints>,
    ) -> Self {
        Self(HttpRouter::new(site, operations))
    }
}

impl<B> Service<Request<B>> for MetricsService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Self(HttpRouter {
            routes: site,
            operations,
            ..
        }) = self;
        ready(Ok(match request.uri().path() {
            "/metrics" => operations.rendered(request.headers(), &site.load()),
            _ => health::not_found(&request.into_parts().0),
        }))
    }
}
