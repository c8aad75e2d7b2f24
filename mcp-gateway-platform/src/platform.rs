//! Platform and its life cycle.

mod assembly;
mod following;
mod objects;
mod options;

use std::future::{Future, pending};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use mcp_gateway_audit::AuditLog;
use mcp_gateway_core::script::ScriptRunner;
use mcp_gateway_core::trace::SpanObserver;
use mcp_gateway_core::{Drain, Serve};
use mcp_gateway_registry::EntryDocument;
use mcp_gateway_store::Store;
use tokio::task::JoinSet;
use url::Url;

use self::following::{background, follow};
use crate::admin;
use crate::approvals;
use crate::auth::{InitialAccount, Services, client_policy};
#[cfg(feature = "console")]
use crate::console;
use crate::controller::Controller;
use crate::error::PlatformError;
use crate::http::router::{HttpRouter, MetricsService};
use crate::orchestrator::Orchestrator;
use crate::registry::{EntryReader, Registry};
use crate::rollout::Rollout;
use crate::running::{self, Running};
use crate::servers::Builtins;
use crate::spec::PlatformSpec;
use crate::state::StateError;
use crate::status::PlatformStatus;
use crate::tools;

/// A platform: servers, gateways, callers, sessions and state, made of a [`PlatformSpec`].
///
/// It is started once, follows its spec through [`apply`](Self::apply), and ends in order: requests
/// are accepted until [`drain`](Self::drain) begins, those in flight finish, then
/// [`close`](Self::close) ends sessions and servers. Dropping it ends its background work, and
/// kills servers that are processes.
///
/// # Example
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use mcp_gateway_platform::Platform;
/// use mcp_gateway_platform::spec::{PlatformSpec, Process, Secret, ServerSpec, Token, ServerRuntime};
///
/// let mut spec = PlatformSpec::default();
/// spec.dynamic.auth.tokens.push(Token::new("alice", Secret::new("wGQ2zX6pSVq0mUuR8a1c")));
/// let platform = Platform::start(spec.clone(), "127.0.0.1:8080".parse()?).await?;
/// let app: axum::Router = axum::Router::new().merge(platform.router());
///
/// let process = Process::new("uvx", ["mcp-server-time"]);
/// spec.dynamic.add_servers([ServerSpec::new("time", ServerRuntime::Process(process))]);
/// assert_eq!(platform.apply(&spec)?.to_string(), "added: time");
/// assert_eq!(platform.status().servers[0].state(), "idle");
///
/// platform.drain().start();
/// platform.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Platform {
    running: Arc<Running>,
    front: HttpRouter,
    metrics: MetricsService,
    address: SocketAddr,
    drain: Drain,
    first_account: Option<InitialAccount>,
    state_location: Option<String>,
    audit: Option<AuditLog>,
    store: Option<Arc<dyn Store>>,
    #[expect(dead_code, reason = "its tasks end when the platform is dropped")]
    background: JoinSet<()>,
}

/// The code of an `async fn` is compiled in each crate that awaits it, together with all that it
/// awaits itself. A boxed future is compiled once.
type Starting = Pin<Box<dyn Future<Output = Result<Platform, PlatformError>> + Send>>;

/// Builder of a [`Platform`].
#[derive(Debug)]
#[must_use = "a platform exists when it has been started"]
pub struct PlatformBuilder {
    spec: PlatformSpec,
    builtins: Builtins,
    address: SocketAddr,
    entries: Option<Arc<dyn EntryReader>>,
    library: Vec<EntryDocument>,
    scripts: Option<Arc<dyn ScriptRunner>>,
    orchestrator: Option<Arc<dyn Orchestrator>>,
    #[cfg(feature = "console")]
    guides: Option<Arc<dyn mcp_gateway_console::ClientGuides>>,
    spans: Option<Arc<dyn SpanObserver>>,
}

impl PlatformBuilder {
    /// Starts the platform. The first call of a server starts or connects it.
    ///
    /// # Errors
    ///
    /// [`PlatformError`] if state cannot be opened, or the spec cannot be applied.
    pub async fn start(self) -> Result<Platform, PlatformError> {
        self.start_boxed().await
    }

    /// Starts the platform, without code in the crate of the caller.
    #[inline(never)]
    fn start_boxed(self) -> Starting {
        Box::pin(self.start_services())
    }

    async fn start_services(self) -> Result<Platform, PlatformError> {
        let Self {
            spec,
            mut builtins,
            address,
            entries,
            library,
            scripts,
            orchestrator,
            #[cfg(feature = "console")]
            guides,
            spans,
        } = self;
        check(&spec, address)?;
        let tools = tools::add(&mut builtins)?;
        let base = Url::parse(&spec.fixed.base_url(address))
            .map_err(|error| PlatformError::BaseUrl(error.into()))?;
        let mut foundation = Services::lay(&spec, base).await?;
        (foundation.scripts, foundation.orchestrator) = (scripts, orchestrator);
        foundation.spans = spans;
        let registry = servers_of_store(&foundation, entries).await?;
        let merged = running::merge(&spec.dynamic, registry.as_ref());
        let whole = PlatformSpec::new(spec.fixed.clone(), merged.spec.clone());
        let controller = Controller::new(&whole, builtins, &foundation)?;
        let (front, metrics) = (controller.front(), controller.metrics_front());
        let access = Arc::clone(controller.admin_access());
        let drain = controller.drain().clone();
        let policy = client_policy(&spec.fixed.auth.allowed_networks);
        let audit = foundation.audit.clone();
        let running = Arc::new(Running::new(controller, spec, (merged, registry), audit));
        let entries = assembly::entry_registry(&foundation, &running, library, policy);
        let admin = admin::api(Arc::clone(&access), &running, &foundation, entries);
        tools::link(&tools, &admin, foundation.keyring.as_ref());
        #[cfg(feature = "console")]
        let front =
            console::Parts::new(&whole, access, guides).mount(front, &foundation, &admin)?;
        let published = admin.clone().registry_router();
        let landing = assembly::landing(&foundation);
        let mut background = background(foundation.authority, foundation.audit.clone());
        background.spawn(approvals::follow(foundation.approvals));
        follow(&running, &mut background);
        Ok(Platform {
            front: front
                .with_admin(admin.router(), published)
                .with_landing(landing),
            metrics,
            drain,
            address,
            running,
            first_account: foundation.first_account,
            state_location: foundation.location,
            audit: foundation.audit,
            store: foundation.store,
            background,
        })
    }
}

impl Platform {
    /// Starts a platform as `spec` describes it, whose program listens at `address`.
    ///
    /// Clients reach it there if the spec has no public URL.
    ///
    /// # Errors
    ///
    /// [`PlatformError`] if state cannot be opened, or the spec cannot be applied.
    pub async fn start(spec: PlatformSpec, address: SocketAddr) -> Result<Self, PlatformError> {
        Self::builder(spec, address).start().await
    }

    /// Returns a builder of a platform with servers that are built in.
    pub fn builder(spec: PlatformSpec, address: SocketAddr) -> PlatformBuilder {
        PlatformBuilder {
            spec,
            builtins: Builtins::new(),
            address,
            entries: None,
            library: Vec::new(),
            scripts: None,
            orchestrator: None,
            #[cfg(feature = "console")]
            guides: None,
            spans: None,
        }
    }

    /// Makes the platform match `spec`, without disturbing what stays the same.
    ///
    /// The servers of the store are added to those of `spec`. Only the
    /// [dynamic](PlatformSpec::dynamic) half is applied;
    /// [`Rollout::restart`] has the keys of the other one that differ.
    ///
    /// # Errors
    ///
    /// [`PlatformError`] if the spec cannot be applied; then nothing has changed.
    pub fn apply(&self, spec: &PlatformSpec) -> Result<Rollout, PlatformError> {
        check(spec, self.address)?;
        self.running.apply(spec)
    }

    /// Returns the observed state.
    #[must_use]
    pub fn status(&self) -> PlatformStatus {
        let state = self.running.state();
        PlatformStatus {
            servers: state.controller.status(),
            sessions: state.controller.sessions().count(),
            is_draining: self.drain.is_draining(),
        }
    }

    /// Returns the service that answers all requests to the platform; others are answered with 404.
    #[must_use]
    pub fn service(&self) -> HttpRouter {
        self.front.clone()
    }

    /// Serves the platform on the listener of `serve` until it drains.
    ///
    /// The same as [`run`](Serve::run) with [`service`](Self::service) and [`drain`](Self::drain),
    /// but compiled once.
    ///
    /// # Cancel safety
    ///
    /// That of [`run`](Serve::run).
    #[inline(never)]
    pub fn serve(&self, serve: Serve) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let (service, drain) = (self.service(), self.drain.clone());
        Box::pin(async move { serve.run(service, drain.started()).await })
    }

    /// Serves the metrics alone on the listener of `serve`.
    ///
    /// # Cancel safety
    ///
    /// That of [`run`](Serve::run). The future never completes.
    #[inline(never)]
    pub fn serve_metrics(&self, serve: Serve) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(serve.run(self.metrics_service(), pending()))
    }

    /// Returns a router with the paths of the platform alone, to be merged into that of a program.
    /// Those for browsers (`/`, `/account` and `/login`) are left to the program.
    ///
    /// Serve it [with connection info](Router::into_make_service_with_connect_info), so that
    /// requests to log in are limited by the addresses of their senders.
    pub fn router<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        let routes = crate::http::path::ROUTES.iter();
        routes.fold(Router::new(), |router, path| {
            router.route_service(path, self.service())
        })
    }

    /// Returns the service for an address that is for metrics alone.
    #[must_use]
    pub fn metrics_service(&self) -> MetricsService {
        self.metrics.clone()
    }

    /// Returns the switch by which the platform stops to accept calls.
    #[must_use]
    pub fn drain(&self) -> &Drain {
        &self.drain
    }

    /// Returns a future that begins to drain when `signal` completes, and then completes: what
    /// `axum::serve` takes for a graceful shutdown.
    pub fn shutdown_on<T>(
        &self,
        signal: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let drain = self.drain.clone();
        async move {
            signal.await;
            drain.start();
        }
    }

    /// Returns the account that was created because there was none, if there is one.
    #[must_use]
    pub fn first_account(&self) -> Option<&InitialAccount> {
        self.first_account.as_ref()
    }

    /// Returns a description of the place of the state, if there is any state.
    #[must_use]
    pub fn state_location(&self) -> Option<&str> {
        self.state_location.as_deref()
    }

    /// Ends the sessions of clients, then those with servers, and waits until processes have ended,
    /// accounts of callers are refreshed, unused shares of quotas are returned, the audit log is in the store and the store is closed.
    ///
    /// Call it when requests have been drained.
    ///
    /// # Cancel safety
    ///
    /// A server that has not ended when the future is dropped is killed with the platform.
    pub async fn close(&self) {
        let (pool, accounts, limiter) = {
            let state = self.running.state();
            let controller = &state.controller;
            controller.sessions().close();
            let limiter = Arc::clone(controller.limiter());
            (controller.pool().clone(), controller.accounts(), limiter)
        };
        pool.close().await;
        limiter.close().await;
        if let Some(accounts) = accounts {
            accounts.close().await;
        }
        if let Some(audit) = &self.audit
            && let Err(error) = audit.close().await
        {
            let error = mcp_gateway_core::error_chain(&error);
            tracing::error!(error, "audit records stay in the journal");
        }
        if let Some(store) = &self.store {
            store.close().await;
        }
    }
}

/// Returns the servers in the state store, if there is one that `entries` can read.
async fn servers_of_store(
    services: &Services,
    entries: Option<Arc<dyn EntryReader>>,
) -> Result<Option<Registry>, PlatformError> {
    let (Some(store), Some(keyring), Some(entries)) = (&services.store, &services.keyring, entries)
    else {
        return Ok(None);
    };
    let registry = Registry::new(Arc::clone(store), keyring.clone(), entries);
    let registry = registry.with_accounts(services.authority.is_some());
    let registry = registry.with_cluster(services.orchestrator.is_some());
    registry.load().await.map_err(StateError::read)?;
    Ok(Some(registry))
}

/// Rejects a spec with [`Anonymous::Local`](crate::spec::Anonymous::Local) that other machines
/// reach.
fn check(spec: &PlatformSpec, address: SocketAddr) -> Result<(), PlatformError> {
    match spec.opens(address) {
        Some(address) => Err(PlatformError::Open { address }),
        None => Ok(()),
    }
}
