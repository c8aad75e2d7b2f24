use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::time;

use super::{Server, Upstream};
use crate::call::Prepared;
use crate::error::UpstreamError;
use crate::limit::{Breaker, Concurrency, Limits};
use crate::protocol::{ListKind, Method};
use crate::reply::{Ending, Outcome};
use crate::route::Feature;
use crate::task::Task;
use crate::{Call, Reply};

/// The servers of a process, by their names. Cheap to clone.
///
/// Several gateways can share a pool; servers can be put in and taken out while calls are made.
#[derive(Clone, Debug, Default)]
pub struct ServerPool {
    servers: Arc<ArcSwap<HashMap<Arc<str>, Arc<PooledServer>>>>,
}

/// A server in a pool, and the bounds of what it may cost.
#[derive(Debug)]
pub struct PooledServer {
    upstream: Arc<dyn Upstream>,
    limits: Limits,
    concurrency: Arc<Concurrency>,
    breaker: Arc<Breaker>,
}

impl ServerPool {
    /// A pool without servers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts in a server, with the default [`Limits`], in the place of one of the same name.
    #[must_use]
    pub fn with(self, name: impl Into<Arc<str>>, upstream: Arc<dyn Upstream>) -> Self {
        self.insert(name, PooledServer::new(upstream, Limits::default()));
        self
    }

    /// Puts in a server by its own name, with the default [`Limits`], in the place of one of that
    /// name.
    #[must_use]
    pub fn with_server(self, server: Arc<Server>) -> Self {
        let name = Arc::clone(server.name());
        self.with(name, server)
    }

    /// Puts in a server, in the place of one of the same name.
    pub fn insert(&self, name: impl Into<Arc<str>>, server: Arc<PooledServer>) {
        let mut servers = HashMap::clone(&self.servers.load());
        servers.insert(name.into(), server);
        self.replace(servers);
    }

    /// Puts `servers` in the place of all that there are.
    ///
    /// A server that is in both goes on undisturbed. One that is not any more finishes the calls
    /// that it has, within their bounds, and is closed.
    pub fn replace(&self, servers: HashMap<Arc<str>, Arc<PooledServer>>) {
        let servers = Arc::new(servers);
        let before = self.servers.swap(Arc::clone(&servers));
        for (name, server) in before.iter() {
            let stays = servers
                .get(name)
                .is_some_and(|now| Arc::ptr_eq(now, server));
            if !stays {
                Task::detach(Arc::clone(server).retire());
            }
        }
    }

    /// The server of the name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<PooledServer>> {
        self.servers.load().get(name).cloned()
    }

    /// Whether a server is known to list `feature`.
    #[must_use]
    pub fn lists(&self, server: &str, feature: &Feature) -> bool {
        self.servers
            .load()
            .get(server)
            .is_some_and(|server| server.upstream.lists(feature))
    }

    /// The names of all servers, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<Arc<str>> {
        let mut names: Vec<_> = self.servers.load().keys().cloned().collect();
        names.sort_unstable();
        names
    }

    /// Ends what goes on with all servers, and takes them out.
    pub async fn close(&self) {
        let servers = self.servers.swap(Arc::default());
        futures_util::future::join_all(servers.values().map(|server| server.upstream.close()))
            .await;
    }
}

impl PooledServer {
    /// A server that may cost what `limits` say.
    #[must_use]
    pub fn new(upstream: Arc<dyn Upstream>, limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            upstream,
            concurrency: limits.concurrency(),
            breaker: limits.breaker(),
            limits,
        })
    }

    /// Whether the server failed so often lately that it is left alone for a while.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.breaker.has_tripped()
    }

    /// Sends `call`, within the bounds of the server.
    pub(crate) async fn send(
        self: Arc<Self>,
        call: Call<Prepared>,
    ) -> Result<Reply, UpstreamError> {
        if call.request().method() == &Method::SubscriptionsListen {
            // A stream that lasts is no call that the server works on.
            return self.upstream.send(call).await;
        }
        self.breaker.admit()?;
        let trial = Trial(Some(Arc::clone(&self.breaker)));
        let permit = self.concurrency.admit().await?;
        let deadline = time::Instant::now() + self.limits.max_duration();
        let reply = match time::timeout(self.limits.timeout(), self.reply(call)).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(error)) => {
                trial.ended(Some(!error.is_failure()));
                return Err(error);
            }
            Err(_) => {
                trial.ended(Some(false));
                return Err(UpstreamError::Timeout);
            }
        };
        let mut reply = reply.with_deadlines(self.limits.timeout(), deadline);
        reply.on_end(move |ending| {
            drop(permit);
            trial.ended(wellness(ending));
            // A server that is taken out meanwhile is closed when its last reply has ended.
            drop(self);
        });
        Ok(reply)
    }

    async fn reply(&self, call: Call<Prepared>) -> Result<Reply, UpstreamError> {
        match ListKind::of(call.request().method()) {
            None => self.upstream.send(call).await,
            Some(kind) => {
                let id = call.request().id().clone();
                let listing = self.upstream.list(kind, call).await?;
                Ok(Reply::listing(&id, listing))
            }
        }
    }

    /// Waits until nobody uses the server any more, as long as a call may take, and closes it.
    async fn retire(self: Arc<Self>) {
        let last = time::Instant::now() + self.limits.max_duration();
        while Arc::strong_count(&self) > 1 && time::Instant::now() < last {
            time::sleep(RETIRE_POLL).await;
        }
        self.upstream.close().await;
    }
}

/// What the end of a reply says about the server.
fn wellness(ending: &Ending) -> Option<bool> {
    match ending.outcome {
        Outcome::Cancelled => None,
        Outcome::Failed => Some(false),
        Outcome::Error { .. } | Outcome::Success | Outcome::ToolError => Some(true),
    }
}

/// A call that the breaker has let through, and that it wants to know the end of.
struct Trial(Option<Arc<Breaker>>);

impl Trial {
    fn ended(mut self, well: Option<bool>) {
        if let Some(breaker) = self.0.take() {
            breaker.ended(well);
        }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if let Some(breaker) = self.0.take() {
            breaker.ended(None);
        }
    }
}

/// How often is looked whether a server that is taken out is still used.
const RETIRE_POLL: time::Duration = time::Duration::from_millis(200);
