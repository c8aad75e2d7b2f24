//! Servers of a process by name, with their limits.
//!
//! The pool resolves the name of a server, the last name in the stack: it looks it up, applies its
//! [`Limits`] and passes the call on. A call passes through these gates, in this order:
//!
//! 1. the circuit breaker, which rejects calls to a failing server at once;
//! 2. the concurrency limit, where a call may wait in the queue;
//! 3. the timeout to the first message, and between messages of a stream;
//! 4. the maximum duration of the call.
//!
//! The permit and the breaker are released when the reply has ended or is dropped.

mod breaker_permit;
mod reply_filter;
mod turns;
mod verified;

use std::sync::Arc;

use arc_swap::ArcSwap;
use foldhash::HashMap;
use tokio::time;

use self::breaker_permit::{BreakerPermit, breaker_result};
use self::turns::TurnQueues;
pub use self::turns::Turns;
use self::verified::VerifiedDefinitions;
use super::{Upstream, UpstreamServer};
use crate::call::Prepared;
use crate::catalog::CatalogEntry;
use crate::credential::CredentialResolver;
use crate::error::UpstreamError;
use crate::limit::{Breaker, Concurrency, Limits};
use crate::protocol::{ListKind, Method};
use crate::reply::FilteredBy;
use crate::results::{self, KeptResults, ResultBudgets, ResultShaper};
use crate::route::Feature;
use crate::task::BackgroundTask;
use crate::{Call, Reply};

/// Registry of the servers of a process by name.
///
/// Cloning is cheap; clones share the registry, and so may several gateways. Servers can be added,
/// replaced and removed while calls are in flight; look-ups are lock-free.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::runtime::InProcess;
/// use mcp_gateway_core::upstream::{UpstreamServer, ServerPool};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let backend = InProcess::new(|_| async { Ok(()) });
/// let pool = ServerPool::new().with_server(UpstreamServer::builder("files", backend));
/// assert_eq!(&*pool.names()[0], "files");
/// assert!(pool.get("github").is_none());
///
/// pool.close().await;
/// assert!(pool.names().is_empty());
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[doc(alias("registry", "backends"))]
pub struct ServerPool {
    servers: Arc<ArcSwap<HashMap<Arc<str>, Arc<PooledServer>>>>,
}

/// A server in a pool, with its limits.
///
/// Its state, such as an open circuit breaker, belongs to the value: a pool that keeps the value
/// across a reload keeps the state.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use mcp_gateway_core::limit::Limits;
/// use mcp_gateway_core::runtime::InProcess;
/// use mcp_gateway_core::upstream::{PooledServer, UpstreamServer, ServerPool};
///
/// let server = UpstreamServer::builder("files", InProcess::new(|_| async { Ok(()) })).build();
/// let limits = Limits::default()
///     .with_timeout(Duration::from_secs(10))
///     .with_concurrency(8, 32);
/// let pooled = PooledServer::new(server, limits);
/// assert!(!pooled.is_breaker_open());
///
/// let pool = ServerPool::new();
/// pool.insert("files", pooled);
/// assert!(pool.get("files").is_some());
/// ```
#[derive(Debug)]
pub struct PooledServer {
    /// Target of the calls.
    upstream: Arc<dyn Upstream>,
    /// Limits of the server.
    limits: Limits,
    /// Limiter of concurrent calls.
    concurrency: Arc<Concurrency>,
    /// Circuit breaker.
    breaker: Arc<Breaker>,
    /// Budgets of results; `None` without any.
    results: Option<ResultShaper>,
    /// Queues of calls that are sent one at a time; `None` if calls are concurrent.
    turns: Option<TurnQueues>,
    /// Resolver of the credentials of calls; `None` for that of the gateway.
    credentials: Option<Arc<dyn CredentialResolver>>,
    /// Definitions that must be approved; `None` if all are.
    definitions: Option<VerifiedDefinitions>,
}

impl ServerPool {
    /// Creates an empty pool.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a server with the default [`Limits`], replacing one of the same name, and returns the
    /// pool.
    #[must_use]
    pub fn with(self, name: impl Into<Arc<str>>, upstream: Arc<dyn Upstream>) -> Self {
        self.insert(name, PooledServer::new(upstream, Limits::default()));
        self
    }

    /// Adds a server under its own name with the default [`Limits`], replacing one of the same
    /// name.
    #[must_use]
    pub fn with_server(self, server: impl Into<Arc<UpstreamServer>>) -> Self {
        let server = server.into();
        let name = Arc::clone(server.name());
        self.with(name, server)
    }

    /// Adds a server, replacing one of the same name.
    ///
    /// The replaced one is closed as by [`replace`](Self::replace). Concurrent insertions can
    /// overwrite each other; use `replace` for several servers.
    pub fn insert(&self, name: impl Into<Arc<str>>, server: impl Into<Arc<PooledServer>>) {
        let mut servers = HashMap::clone(&self.servers.load());
        servers.insert(name.into(), server.into());
        self.replace(servers);
    }

    /// Replaces all servers by `servers`, atomically.
    ///
    /// Servers present in both are kept, which is decided by the pointer of the upstream: its limits
    /// may be others. Removed ones finish their in-flight calls, within their limits, and are closed
    /// in the background.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime, if a server is removed.
    pub fn replace(&self, servers: impl IntoIterator<Item = (Arc<str>, Arc<PooledServer>)>) {
        let servers: Arc<HashMap<_, _>> = Arc::new(servers.into_iter().collect());
        let before = self.servers.swap(Arc::clone(&servers));
        for (name, server) in before.iter() {
            let stays = servers
                .get(name)
                .is_some_and(|now| now.has_upstream_of(server));
            if !stays {
                BackgroundTask::detach(Arc::clone(server).retire());
            }
        }
    }

    /// Returns the server `name`, which stays usable even if it is removed from the pool meanwhile.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<PooledServer>> {
        self.servers.load().get(name).cloned()
    }

    /// Returns `true` if the server is known to list `feature`.
    ///
    /// `false` for an unknown server. Does not block.
    #[must_use]
    pub fn is_known_to_list(&self, server: &str, feature: &Feature) -> bool {
        self.servers
            .load()
            .get(server)
            .is_some_and(|server| server.upstream.is_known_to_list(feature))
    }

    /// Returns the catalog entry of `feature`, as [`Upstream::entry`] does.
    #[must_use]
    pub fn entry(&self, server: &str, feature: &Feature) -> Option<CatalogEntry> {
        self.servers.load().get(server)?.entry(feature)
    }

    /// Returns the time in which the server must respond; `None` for an unknown server.
    #[must_use]
    pub fn timeout(&self, server: &str) -> Option<time::Duration> {
        let servers = self.servers.load();
        Some(servers.get(server)?.limits.timeout())
    }

    /// Returns the names of all servers, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<Arc<str>> {
        let mut names: Vec<_> = self.servers.load().keys().cloned().collect();
        names.sort_unstable();
        names
    }

    /// Removes all servers and closes their connections.
    ///
    /// Returns when they are closed. In-flight calls fail, so drain the gateway before.
    pub async fn close(&self) {
        let servers = self.servers.swap(Arc::default());
        futures_util::future::join_all(servers.values().map(|server| server.upstream.close()))
            .await;
    }
}

impl PooledServer {
    /// Creates a server with its own circuit breaker and queue, as `limits` describe them.
    #[must_use]
    pub fn new(upstream: Arc<dyn Upstream>, limits: Limits) -> Self {
        Self {
            upstream,
            concurrency: limits.concurrency(),
            breaker: limits.breaker(),
            limits,
            results: None,
            turns: None,
            credentials: None,
            definitions: None,
        }
    }

    /// Sets the resolver of the credentials for this server. Default: that of the gateway.
    ///
    /// A pool replaces server and resolver together, so that a credential is sent to the server for
    /// which it was resolved, and to no other that has its name later.
    ///
    /// # Example
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use mcp_gateway_core::credential::NoCredentials;
    /// use mcp_gateway_core::limit::Limits;
    /// use mcp_gateway_core::runtime::InProcess;
    /// use mcp_gateway_core::upstream::{PooledServer, ServerPool, UpstreamServer};
    ///
    /// let server = UpstreamServer::builder("files", InProcess::new(|_| async { Ok(()) })).build();
    /// let pooled = PooledServer::new(server, Limits::default());
    /// let pool = ServerPool::new();
    /// pool.insert("files", pooled.with_credentials(Arc::new(NoCredentials::new())));
    /// ```
    #[must_use]
    pub fn with_credentials(mut self, resolver: Arc<dyn CredentialResolver>) -> Self {
        self.credentials = Some(resolver);
        self
    }

    /// Sets the callers whose calls are sent one at a time. Default: calls are concurrent, within
    /// the limits.
    ///
    /// It applies to calls of tools, prompts and completions, and to reads of resources. A call
    /// holds its turn until the server has responded, even if its client has gone meanwhile.
    #[must_use]
    pub fn with_turns(mut self, turns: Turns) -> Self {
        self.turns = Some(TurnQueues::new(turns, &self.limits));
        self
    }

    /// Sets the budgets for the results of tools; whole results are kept in `kept`. Default: none.
    #[must_use]
    pub fn with_results(mut self, budgets: ResultBudgets, kept: KeptResults) -> Self {
        self.results = ResultShaper::new(budgets, kept);
        self
    }

    /// Returns the resolver of the credentials for this server, if it has one of its own.
    pub(crate) fn credentials(&self) -> Option<&dyn CredentialResolver> {
        self.credentials.as_deref()
    }

    /// Returns `true` if both send their calls to the same upstream.
    fn has_upstream_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.upstream, &other.upstream)
    }

    /// Returns `true` if the circuit breaker of the server is open or half-open.
    #[must_use]
    pub fn is_breaker_open(&self) -> bool {
        self.breaker.is_open()
    }

    /// Sends `call` within the limits of the server.
    ///
    /// `subscriptions/listen` is exempt: a long-lived stream would occupy a permit, and its
    /// deadline would end it.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Unavailable`] if the breaker is open, [`UpstreamError::Overloaded`] if the
    /// queue is full or the wait in it too long, [`UpstreamError::Timeout`] after the limit,
    /// otherwise those of the server.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future releases the permit. To the breaker it is no evidence.
    pub(crate) async fn send(
        self: Arc<Self>,
        call: Call<Prepared>,
    ) -> Result<Reply, UpstreamError> {
        if call.request().method() == &Method::SubscriptionsListen {
            // A long-lived stream is not a call that occupies the server.
            return self.subscribe(call).await;
        }
        if let Feature::Resource(uri) = &call.target().feature
            && results::is_reserved(uri)
        {
            return self.read_kept(&call).await;
        }
        match (&self.results, &self.turns, call.extensions().get()) {
            (None, None, None::<&FilteredBy>) => self.send_limited(call).await,
            // The rare path is boxed to keep the future of the frequent one small.
            (Some(_), _, _) | (_, Some(_), _) | (_, _, Some(_)) => {
                Box::pin(self.send_in_turn(call)).await
            }
        }
    }

    /// Sends `call` with a permit of the breaker and of the concurrency limit.
    async fn send_limited(self: Arc<Self>, call: Call<Prepared>) -> Result<Reply, UpstreamError> {
        self.breaker.try_acquire()?;
        let trial = BreakerPermit::new(Arc::clone(&self.breaker));
        let permit = self.concurrency.acquire().await?;
        let deadline = time::Instant::now() + self.limits.max_duration();
        let is_merged = call.is_merged();
        // Boxed because the future that holds it exceeds a kilobyte otherwise.
        let replied = Box::pin(time::timeout(self.limits.timeout(), self.reply(call)));
        let reply = match replied.await {
            Ok(Ok(reply)) => reply,
            Ok(Err(error)) => {
                // A server for which others do not wait may answer later.
                let is_late = is_merged && matches!(error, UpstreamError::Timeout);
                trial.record((!is_late).then(|| !error.is_failure()));
                return Err(error);
            }
            Err(_) => {
                trial.record(Some(false));
                return Err(UpstreamError::Timeout);
            }
        };
        let mut reply = reply.with_deadlines(self.limits.timeout(), deadline);
        reply.on_complete(move |ending| {
            drop(permit);
            trial.record(breaker_result(ending));
            // A server that is taken out meanwhile is closed when its last reply has ended.
            drop(self);
        });
        Ok(reply)
    }

    /// Sends `call`, or requests the complete list if its method is that of a list.
    async fn reply(&self, call: Call<Prepared>) -> Result<Reply, UpstreamError> {
        if let Some(definitions) = &self.definitions {
            // The rare path is boxed to keep the future of the frequent one small.
            return Box::pin(definitions.reply(&*self.upstream, call)).await;
        }
        match ListKind::from_method(call.request().method()) {
            Some(kind) if !call.is_for_page() => {
                let id = call.request().id().clone();
                let listing = self.upstream.list(kind, call).await?;
                Ok(Reply::listing(&id, listing))
            }
            Some(_) | None => self.upstream.send(call).await,
        }
    }

    /// Waits until the server is unused, at most for the maximum duration of a call, and closes it.
    async fn retire(self: Arc<Self>) {
        let last = time::Instant::now() + self.limits.max_duration();
        while Arc::strong_count(&self) > 1 && time::Instant::now() < last {
            time::sleep(RETIRE_POLL).await;
        }
        self.upstream.close().await;
    }
}

/// Interval between checks if a removed server is still in use.
const RETIRE_POLL: time::Duration = time::Duration::from_millis(200);
