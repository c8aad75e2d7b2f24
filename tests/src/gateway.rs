//! A gateway inside the test process.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use http::request::Parts;
use http::{Request, Response, Uri};
use mcp_gateway_core::Replica;
use mcp_gateway_core::RequestBody;
use mcp_gateway_core::auth::{AuthError, AuthVerifier, Principal};
use mcp_gateway_core::credential::{CredentialResolver, NoCredentials};
use mcp_gateway_core::endpoint::{Body, ReplicaService};
use mcp_gateway_core::era::ParkedCalls;
use mcp_gateway_core::limit::Limits;
use mcp_gateway_core::observe::Observer;
use mcp_gateway_core::results::{KeptResults, ResultBudgets};
use mcp_gateway_core::route::PrefixRouter;
use mcp_gateway_core::runtime::{PooledHttpClient, Remote};
use mcp_gateway_core::session::Sessions;
use mcp_gateway_core::upstream::{
    PooledServer, ServerPool, SessionPolicy, Upstream, UpstreamServer, UpstreamServerBuilder,
};
use mcp_gateway_core::{Drain, Gateway, GatewayBuilder, Sealer, Serve};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower_service::Service;

/// A gateway that listens on a port of its own, until it is dropped.
///
/// Its callers are whoever their bearer token says: `Bearer alice` is alice.
#[derive(Debug)]
pub struct TestGateway {
    /// The address of its endpoint.
    pub url: String,
    /// Its servers.
    pub pool: ServerPool,
    /// Its sessions.
    pub sessions: Sessions,
    /// Says that it ends.
    pub drain: Drain,
    task: JoinHandle<()>,
}

/// Server behind a gateway.
#[derive(Debug, Default)]
pub struct Backends {
    servers: Vec<(String, String, Arc<dyn Upstream>, Limits)>,
    results: HashMap<String, ResultBudgets>,
    observer: Option<Arc<dyn Observer>>,
    credentials: Option<Arc<dyn CredentialResolver>>,
    verifier: Option<Arc<dyn AuthVerifier>>,
    isolates_tasks: bool,
}

impl Backends {
    /// No servers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The server at `url`, and nothing else, by the names that it has itself.
    #[must_use]
    pub fn only(url: &str) -> Self {
        Self::new().with("only", "", remote("only", url).build())
    }

    /// Adds a server whose names get a prefix.
    #[must_use]
    pub fn with(self, name: &str, prefix: &str, server: Arc<dyn Upstream>) -> Self {
        self.with_limits(name, prefix, server, Limits::default())
    }

    /// Adds a server with limits of its own.
    #[must_use]
    pub fn with_limits(
        mut self,
        name: &str,
        prefix: &str,
        server: Arc<dyn Upstream>,
        limits: Limits,
    ) -> Self {
        self.servers
            .push((name.to_owned(), prefix.to_owned(), server, limits));
        self
    }

    /// Limits the results of a server.
    #[must_use]
    pub fn with_results(mut self, name: &str, budgets: ResultBudgets) -> Self {
        self.results.insert(name.to_owned(), budgets);
        self
    }

    /// Says that each caller reaches only its own tasks.
    #[must_use]
    pub fn isolating_tasks(mut self) -> Self {
        self.isolates_tasks = true;
        self
    }

    /// Reports what became of calls.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Calls the servers with credentials.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Arc<dyn CredentialResolver>) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// Authenticates callers by other means than the names that are their tokens.
    #[must_use]
    pub fn with_verifier(mut self, verifier: Arc<dyn AuthVerifier>) -> Self {
        self.verifier = Some(verifier);
        self
    }

    /// Starts the gateway.
    pub async fn start(self) -> TestGateway {
        self.start_with(|builder| builder).await
    }

    /// Starts the gateway after some more settings.
    ///
    /// # Panics
    ///
    /// If the system has no free port or no random numbers.
    #[expect(clippy::unwrap_used, reason = "a test panics when it fails")]
    pub async fn start_with(
        self,
        settings: impl FnOnce(GatewayBuilder) -> GatewayBuilder,
    ) -> TestGateway {
        let pairs = self
            .servers
            .iter()
            .map(|(name, prefix, ..)| (name.as_str(), prefix.as_str()));
        let mut router = PrefixRouter::new(pairs).unwrap();
        for (name, ..) in self.servers.iter().filter(|_| self.isolates_tasks) {
            router = router.with_isolated_tasks(&**name);
        }
        let pool = ServerPool::new();
        let (mut budgets, kept) = (self.results, KeptResults::default());
        let pooled = |(name, _, server, limits): (String, _, _, _)| {
            let budgets = budgets.remove(&name).unwrap_or_default();
            let server = PooledServer::new(server, limits).with_results(budgets, kept.clone());
            (name.into(), Arc::new(server))
        };
        let servers: HashMap<Arc<str>, _> = self.servers.into_iter().map(pooled).collect();
        pool.replace(servers);
        let sessions = Sessions::new(Arc::new(Sealer::random().unwrap()));
        let nobodys = || Arc::new(NoCredentials::new()) as _;
        let resolver = self.credentials.unwrap_or_else(nobodys);
        let drain = Drain::new();
        let verifier = self.verifier.unwrap_or_else(|| Arc::new(NamedByToken));
        let mut builder = Gateway::builder(verifier)
            .with_router(router)
            .with_credentials(resolver)
            .with_servers(pool.clone())
            .with_sessions(sessions.clone())
            .with_drain(drain.clone());
        if let Some(observer) = self.observer {
            builder = builder.with_observer(observer);
        }
        let gateway = settings(builder).build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let ending = drain.clone();
        let shutdown = async move { ending.started().await };
        #[expect(clippy::disallowed_methods, reason = "the test gateway owns the task")]
        let task = tokio::spawn(Serve::new(listener).run(gateway, shutdown));
        TestGateway {
            url,
            pool,
            sessions,
            drain,
            task,
        }
    }
}

impl TestGateway {
    /// Ends the gateway, and waits until its servers have ended.
    pub async fn stop(self) {
        self.drain.start();
        self.pool.close().await;
    }
}

impl Drop for TestGateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Several gateways that stand for the same one, in front of the server at `url`.
///
/// # Panics
///
/// If the system has no free port or no random numbers.
pub async fn replicas(url: &str, count: usize) -> Vec<TestGateway> {
    replicas_with(url, count, &ResultBudgets::default()).await
}

/// The same, with budgets for results.
///
/// # Panics
///
/// If the system has no free port or no random numbers.
#[expect(clippy::unwrap_used, reason = "a test panics when it fails")]
pub async fn replicas_with(url: &str, count: usize, budgets: &ResultBudgets) -> Vec<TestGateway> {
    let sealer = Arc::new(Sealer::random().unwrap());
    let mut gateways = Vec::new();
    for _ in 0..count {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base: Uri = format!("http://{}", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let replica = Replica::new(&base, PooledHttpClient::new().unwrap(), Arc::clone(&sealer));
        let parked_calls = ParkedCalls::new(Arc::clone(&sealer)).with_replica(replica.clone());
        let sessions = Sessions::new(Arc::clone(&sealer)).with_replica(replica.clone());
        let pool = ServerPool::new();
        let server = remote("only", url)
            .with_parked_calls(parked_calls.clone())
            .build();
        let kept = KeptResults::default().with_replica(replica.clone());
        let server = PooledServer::new(server, Limits::default());
        pool.insert("only", server.with_results(budgets.clone(), kept.clone()));
        let drain = Drain::new();
        let gateway = Gateway::builder(NamedByToken)
            .with_router(PrefixRouter::new([("only", "")]).unwrap())
            .with_servers(pool.clone())
            .with_sessions(sessions.clone())
            .with_drain(drain.clone())
            .build()
            .unwrap();
        let front = ReplicaFront {
            gateway,
            replica_service: ReplicaService::new(replica, parked_calls, sessions.clone())
                .with_kept_results(kept),
        };
        let ending = drain.clone();
        let shutdown = async move { ending.started().await };
        #[expect(clippy::disallowed_methods, reason = "the test gateway owns the task")]
        let task = tokio::spawn(Serve::new(listener).run(front, shutdown));
        gateways.push(TestGateway {
            url: format!("{base}mcp"),
            pool,
            sessions,
            drain,
            task,
        });
    }
    gateways
}

/// A gateway, and what it does for other replicas.
#[derive(Clone, Debug)]
struct ReplicaFront {
    gateway: Gateway,
    replica_service: ReplicaService,
}

impl Service<Request<RequestBody>> for ReplicaFront {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        match request.uri().path() {
            Replica::PATH => self.replica_service.call(request),
            _ => self.gateway.call(request),
        }
    }
}

/// A server at `url`, still to be built.
///
/// # Panics
///
/// If `url` is no URL.
#[expect(clippy::unwrap_used, reason = "a test panics when it fails")]
pub fn remote(name: &str, url: &str) -> UpstreamServerBuilder<Remote> {
    let uri: Uri = url.parse().unwrap();
    let client = PooledHttpClient::new().unwrap();
    UpstreamServer::builder(name, Remote::new(uri, client))
        .with_session_policy(SessionPolicy::Shared)
}

/// Believes every token to be the name of its bearer.
#[derive(Debug)]
struct NamedByToken;

#[async_trait]
impl AuthVerifier for NamedByToken {
    async fn verify(&self, request: &Parts) -> Result<Principal, AuthError> {
        let header = request.headers.get(http::header::AUTHORIZATION);
        let header = header.ok_or(AuthError::MissingToken)?;
        let token = header
            .to_str()
            .ok()
            .and_then(|header| header.strip_prefix("Bearer "));
        token.map(Principal::new).ok_or(AuthError::InvalidToken)
    }
}
