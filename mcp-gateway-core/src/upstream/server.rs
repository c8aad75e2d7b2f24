//! Upstream server: its views, their eviction and their limits.
//!
//! [`Server`] assigns each call to the view of its class of callers and creates views on demand. A
//! background task closes views that have been idle for a while. The class follows from three
//! things:
//!
//! | part of the key | source |
//! |---|---|
//! | instance | [`SessionPolicy`], and the session of the client where it must be exclusive |
//! | account | upstream credential of the call |
//! | capabilities and protocol version | declaration of the client |

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time;

use super::dialer::Dialer;
use super::probe::Protocol;
use super::roots;
use super::view::View;
use super::view_key::ViewKey;
use super::{Instance, RootsPolicy, RuntimeBackend};
use crate::bridge::Parking;
use crate::call::Prepared;
use crate::catalog::{Entry, ListKind, Listing};
use crate::error::UpstreamError;
use crate::jsonrpc::Notification;
use crate::protocol::{Era, Version};
use crate::route::Feature;
use crate::seal::SealError;
use crate::session::Attached;
use crate::task::Task;
use crate::{Call, Reply, reply};

/// A target of calls; usually a [`Server`].
///
/// Implement it to serve calls by other means than MCP over a transport. Limits, circuit breaker
/// and deadlines are applied by the [`ServerPool`](super::ServerPool), so an implementation has
/// none of its own.
///
/// # Example
///
/// A target that answers every call by itself:
///
/// ```
/// use std::sync::Arc;
///
/// use async_trait::async_trait;
/// use mcp_gateway_core::auth::Principal;
/// use mcp_gateway_core::call::Prepared;
/// use mcp_gateway_core::jsonrpc::{Id, Request};
/// use mcp_gateway_core::protocol::{Capabilities, Method, Version};
/// use mcp_gateway_core::route::{Feature, Target};
/// use mcp_gateway_core::upstream::{Upstream, UpstreamError};
/// use mcp_gateway_core::{Call, Caller, Client, Credential, Reply};
///
/// #[derive(Debug)]
/// struct Fixed;
///
/// #[async_trait]
/// impl Upstream for Fixed {
///     async fn send(&self, call: Call<Prepared>) -> Result<Reply, UpstreamError> {
///         let result = r#"{"content":[{"type":"text","text":"42"}]}"#;
///         Ok(Reply::result(call.request().id(), result))
///     }
///
///     fn lists(&self, feature: &Feature) -> bool {
///         *feature == Feature::Tool("answer".into())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), UpstreamError> {
/// let client = Client::new(Version::LATEST, Capabilities::default());
/// let caller = Caller::new(Principal::new("alice"), "tools", client);
/// let request = Request::new(&Id::from(1), &Method::ToolsCall, r#"{"name":"answer"}"#);
/// let target = Target::new("fixed", Feature::Tool("answer".into()));
/// let call = Call::vouched_for(request, Arc::new(caller))
///     .prepared(Prepared::vouched_for(target, Credential::none()));
///
/// assert!(matches!(Fixed.send(call).await?, Reply::Json { status, .. } if status == 200));
/// assert!(Fixed.lists(&Feature::Tool("answer".into())));
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait Upstream: std::fmt::Debug + Send + Sync + 'static {
    /// Sends `call` and returns the reply as soon as its first message has arrived.
    ///
    /// The names in `call` are those of the server: routing, authorization and credentials are
    /// done.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] if there is no valid response. An error that the *server* reports is a
    /// response and is forwarded.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped when the client disconnects or the timeout expires; so is the reply.
    /// Both must abandon the call.
    async fn send(&self, call: Call<Prepared>) -> Result<Reply, UpstreamError>;

    /// Returns the complete list of `kind` for the caller of `call`.
    ///
    /// By default it sends `call`, whose method is that of the list, and parses one result.
    /// Implementations that cache lists, or read them page by page, override it.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] if the server sends no valid list. A server without the capability has an
    /// [unsupported](Listing::unsupported) one.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped when the client disconnects.
    async fn list(
        &self,
        kind: ListKind,
        call: Call<Prepared>,
    ) -> Result<Arc<Listing>, UpstreamError> {
        let server = Arc::clone(&call.target().server);
        reply::listing(self.send(call).await?, &server, kind).await
    }

    /// Returns `true` if the server is known to list `feature`. `false` by default.
    ///
    /// Called at the end of a call, to distinguish existing names from those that a client
    /// invented: only existing ones become labels of metrics. Must not block.
    fn lists(&self, feature: &Feature) -> bool {
        let _ = feature;
        false
    }

    /// Returns the catalog entry of `feature`, if a cached list contains it and all that do agree.
    /// `None` by default.
    ///
    /// Called when a policy asks for the entry of a call. Must not block.
    fn entry(&self, feature: &Feature) -> Option<Entry> {
        let _ = feature;
        None
    }

    /// Closes all connections. Does nothing by default.
    ///
    /// Called once the server has been removed and its in-flight calls have finished, or at
    /// shutdown.
    async fn close(&self) {}
}

/// Sharing of upstream sessions and processes between callers.
///
/// Sessions of legacy servers and processes can hold state, such as a browser with open pages. The
/// policy decides which callers share that state.
///
/// Regardless of the policy, a legacy client to which servers may send requests gets exclusive
/// sessions on legacy servers, because such servers could not address it otherwise.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum SessionPolicy {
    /// Calls of one principal share a session, in all sessions of its clients.
    PerPrincipal,
    /// Each session of a client has a session of its own. Modern clients, which have no sessions,
    /// have one per principal.
    PerSession,
    /// All callers with the same credential for the server share a session.
    ///
    /// Suited to servers that keep no state between calls.
    #[default]
    Shared,
}

/// An MCP server, to which connections are opened on demand.
///
/// Callers are divided into classes that may share a connection; see [`SessionPolicy`]. Idle
/// connections are closed, and broken ones are replaced. A call that a closed connection did not
/// deliver is sent again once.
///
/// At most 4,096 classes exist at the same time; beyond that, the class with the longest idle time
/// is evicted, and calls are rejected with [`UpstreamError::Overloaded`] if none is idle.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use mcp_gateway_core::runtime::InProcess;
/// use mcp_gateway_core::upstream::{Server, SessionPolicy};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let backend = InProcess::new(|_| async { Ok(()) });
/// let server = Server::builder("browser", backend)
///     .with_sessions(SessionPolicy::PerSession)
///     .with_idle(Duration::from_secs(120))
///     .build();
/// assert_eq!(&**server.name(), "browser");
/// // Nothing is connected before the first call.
/// assert_eq!(server.conversations(), 0);
/// assert!(server.last_failure().is_none());
/// # }
/// ```
#[derive(Debug)]
pub struct Server {
    /// Name, for logs and routing.
    name: Arc<str>,
    /// Connector, shared by all views, so that the era is detected once.
    dialer: Arc<Dialer>,
    /// Sharing of sessions.
    sessions: SessionPolicy,
    /// Idle time after which a view is closed.
    idle: Duration,
    /// Store of parked calls; `None` if the system has no randomness.
    parking: Option<Parking>,
    /// One view per class of callers.
    views: RwLock<HashMap<ViewKey, Arc<View>>>,
    /// Task that closes idle views; started on first use.
    sweeper: OnceLock<Task>,
    /// Reference to itself, for background tasks.
    this: Weak<Self>,
}

/// Builder of a [`Server`], from [`Server::builder`].
#[derive(Debug)]
#[must_use]
pub struct ServerBuilder {
    name: Arc<str>,
    backend: Arc<dyn RuntimeBackend>,
    protocol: Option<Protocol>,
    sessions: SessionPolicy,
    idle: Duration,
    connect_timeout: Option<Duration>,
    max_message: Option<usize>,
    parking: Option<Parking>,
    roots: Option<RootsPolicy>,
}

impl ServerBuilder {
    /// Sets the protocol of the server and disables the detection.
    ///
    /// Saves the failed attempts of the first connection. For a stdio server that ignores unknown
    /// requests, such an attempt lasts 10 seconds.
    pub fn with_protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = Some(protocol);
        self
    }

    /// Sets the sharing of sessions and processes. Default: [`SessionPolicy::Shared`].
    pub fn with_sessions(mut self, sessions: SessionPolicy) -> Self {
        self.sessions = sessions;
        self
    }

    /// Sets the idle time after which sessions and processes are closed. Default: 10 minutes.
    ///
    /// It is checked at a quarter of that interval, at least every 30 seconds.
    pub fn with_idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// Sets the maximum time for the server to start and complete the handshake. Default: 1 minute.
    ///
    /// It includes the installation of a package by `npx` or `uvx`. After it, the call fails with
    /// [`UpstreamError::Timeout`].
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = Some(timeout);
        self
    }

    /// Sets the maximum size of a message from the server in bytes. Default: 64 MiB.
    ///
    /// A larger message fails its call with [`UpstreamError::TooLarge`]; over stdio it closes the
    /// connection. JSON documents over HTTP are streamed and have no limit.
    pub fn with_max_message(mut self, bytes: usize) -> Self {
        self.max_message = Some(bytes);
        self
    }

    /// Sets the store of parked calls, which wait for the input of their clients.
    ///
    /// By default each server has one of its own, without a replica. With several replicas, a store
    /// from [`Parking::with_replica`] is required for retries that reach another one.
    pub fn with_parking(mut self, parking: Parking) -> Self {
        self.parking = Some(parking);
        self
    }

    /// Sets the policy for the roots of callers.
    ///
    /// By default they all reach a [remote](RuntimeBackend::is_remote) server, and none reaches any
    /// other server.
    pub fn with_roots(mut self, roots: RootsPolicy) -> Self {
        self.roots = Some(roots);
        self
    }

    /// Builds the server. Nothing is connected or started.
    #[must_use]
    pub fn build(self) -> Arc<Server> {
        let roots = match (self.roots, self.backend.is_remote()) {
            (Some(roots), _) => roots,
            (None, true) => RootsPolicy::Unchecked,
            (None, false) => RootsPolicy::Off,
        };
        let mut dialer = Dialer::new(self.backend, self.protocol).with_roots(roots);
        if let Some(timeout) = self.connect_timeout {
            dialer = dialer.with_timeout(timeout);
        }
        if let Some(limit) = self.max_message {
            dialer = dialer.with_limit(limit);
        }
        Arc::new_cyclic(|this| Server {
            name: self.name,
            dialer: Arc::new(dialer),
            sessions: self.sessions,
            idle: self.idle,
            parking: self.parking.or_else(|| Parking::ephemeral().ok()),
            views: RwLock::default(),
            sweeper: OnceLock::new(),
            this: this.clone(),
        })
    }
}

impl Server {
    /// Creates a builder for the server `name` that `backend` runs.
    pub fn builder(name: impl Into<Arc<str>>, backend: Arc<dyn RuntimeBackend>) -> ServerBuilder {
        ServerBuilder {
            name: name.into(),
            backend,
            protocol: None,
            sessions: SessionPolicy::default(),
            idle: DEFAULT_IDLE,
            connect_timeout: None,
            max_message: None,
            parking: None,
            roots: None,
        }
    }

    /// Returns the name, under which routers and logs refer to the server.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Returns the number of views with an open connection. Exclusive connections are not counted.
    #[must_use]
    pub fn conversations(&self) -> usize {
        let views = self.views.read().unwrap_or_else(PoisonError::into_inner);
        views.values().filter(|view| view.is_connected()).count()
    }

    /// Returns the error of the last connection attempt, if it failed.
    ///
    /// `None` before the first attempt and after a successful one.
    #[must_use]
    pub fn last_failure(&self) -> Option<UpstreamError> {
        self.dialer.failure()
    }

    /// Returns the class of callers to which `call` belongs.
    ///
    /// While the era of the server is unknown, calls are assigned as for a legacy server, the
    /// stricter case.
    fn key(&self, call: &Call<Prepared>) -> ViewKey {
        let client = call.client();
        let modern = self.dialer.found() == Some(Era::Modern);
        let session = client.session();
        let own = match self.sessions {
            SessionPolicy::PerSession => true,
            SessionPolicy::PerPrincipal | SessionPolicy::Shared => {
                let interactive = client.capabilities().interactive();
                !modern && session.is_some_and(|session| interactive || session.needs_own())
            }
        };
        let principal = || Instance::Principal(call.principal().subject().into());
        ViewKey {
            instance: match (session.filter(|_| own), self.sessions) {
                (Some(session), _) => Instance::Session(Arc::clone(session.key())),
                (None, SessionPolicy::Shared) => Instance::Shared,
                (None, SessionPolicy::PerPrincipal | SessionPolicy::PerSession) => principal(),
            },
            account: Arc::clone(call.credential().account()),
            capabilities: client.capabilities().clone(),
            version: match modern {
                true => Version::LATEST,
                false => client.version().min(Version::LATEST_LEGACY),
            },
        }
    }

    /// Returns the view of `call`, creating it if necessary.
    ///
    /// A view of a single session is attached to that session, and closed with it.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Overloaded`] if [`MAX_VIEWS`] views are in use, [`UpstreamError::Connect`]
    /// if the system has no randomness to seal the state of parked calls.
    fn view(&self, call: &Call<Prepared>) -> Result<Arc<View>, UpstreamError> {
        let key = self.key(call);
        let views = self.views.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(view) = views.get(&key) {
            return Ok(Arc::clone(view));
        }
        drop(views);
        self.sweeper
            .get_or_init(|| Task::spawn(sweep(self.this.clone(), self.idle)));
        let mut views = self.views.write().unwrap_or_else(PoisonError::into_inner);
        if views.len() >= MAX_VIEWS && !evict(&mut views) {
            return Err(UpstreamError::Overloaded {
                retry_after: Duration::from_secs(10),
            });
        }
        let parking = self
            .parking
            .clone()
            .ok_or_else(|| UpstreamError::connect(SealError))?;
        let leases = match self.sessions {
            // The next call must see the effects of the previous one, so they share one session.
            SessionPolicy::PerSession => 1,
            SessionPolicy::PerPrincipal | SessionPolicy::Shared => {
                MAX_LEASES.saturating_add(parking.max())
            }
        };
        let new = || View::new(key.clone(), Arc::clone(&self.dialer), parking, leases);
        let view = Arc::clone(views.entry(key.clone()).or_insert_with(new));
        drop(views);
        if let (Instance::Session(_), Some(session)) = (&key.instance, call.client().session()) {
            let server = self.this.clone();
            session.attach(Arc::new(SessionView {
                server,
                view: Arc::downgrade(&view),
                key,
            }));
        }
        Ok(view)
    }

    /// Closes the view `key`, because its session has ended. A view that is closed already is
    /// ignored.
    async fn close_view(&self, key: &ViewKey) {
        let view = self
            .views
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(key);
        if let Some(view) = view {
            self.end(&view).await;
        }
    }

    /// Closes idle views.
    ///
    /// They are removed first and closed without the lock, so that a new call gets a new view
    /// instead of one that is being closed.
    async fn close_idle(&self) {
        let idle: Vec<_> = {
            let mut views = self.views.write().unwrap_or_else(PoisonError::into_inner);
            let is_idle = |view: &&Arc<View>| view.idle().is_some_and(|idle| idle >= self.idle);
            let idle = views.values().filter(is_idle).map(Arc::clone);
            let idle: Vec<_> = idle.collect();
            for view in &idle {
                views.remove(view.key());
            }
            idle
        };
        for view in idle {
            tracing::debug!(server = %self.name, instance = ?view.key().instance, "idle view closed");
            self.end(&view).await;
        }
    }

    /// Closes a removed view; its connection stays open if other views share it.
    async fn end(&self, view: &View) {
        let shared = {
            let views = self.views.read().unwrap_or_else(PoisonError::into_inner);
            views.values().any(|other| other.shares(view))
        };
        match shared {
            true => view.leave().await,
            false => view.close().await,
        }
    }
}

#[async_trait]
impl Upstream for Server {
    async fn send(&self, call: Call<Prepared>) -> Result<Reply, UpstreamError> {
        let roots = self.dialer.roots();
        if !roots.concerns(&call) {
            return self.view(&call)?.send(call).await;
        }
        // The rare branch is boxed to keep the future of the frequent one small.
        Box::pin(async {
            let hidden = roots.hides_from(&call);
            let call = roots.confine(call).await?;
            let reply = self.view(&call)?.send(call).await?;
            match hidden {
                true => roots::without_question(reply).await,
                false => Ok(reply),
            }
        })
        .await
    }

    async fn list(
        &self,
        kind: ListKind,
        call: Call<Prepared>,
    ) -> Result<Arc<Listing>, UpstreamError> {
        let roots = self.dialer.roots();
        let call = match roots.concerns(&call) {
            true => roots.confine(call).await?,
            false => call,
        };
        self.view(&call)?.list(kind, &call).await
    }

    fn lists(&self, feature: &Feature) -> bool {
        let views = self.views.read().unwrap_or_else(PoisonError::into_inner);
        views.values().any(|view| view.lists(feature))
    }

    fn entry(&self, feature: &Feature) -> Option<Entry> {
        let views = self.views.read().unwrap_or_else(PoisonError::into_inner);
        let mut entries = views.values().filter_map(|view| view.entry(feature));
        let first = entries.next()?;
        entries
            .all(|entry| entry.json() == first.json())
            .then_some(first)
    }

    async fn close(&self) {
        let views: Vec<_> = {
            let mut views = self.views.write().unwrap_or_else(PoisonError::into_inner);
            views.drain().map(|(_, view)| view).collect()
        };
        let closing = views.iter().map(|view| view.close());
        futures_util::future::join_all(closing).await;
    }
}

/// A view that belongs to one session of a client, attached to that session.
struct SessionView {
    server: Weak<Server>,
    view: Weak<View>,
    key: ViewKey,
}

#[async_trait]
impl Attached for SessionView {
    async fn notify(&self, notification: &Notification) {
        if let Some(view) = self.view.upgrade() {
            view.notify(notification).await;
        }
    }

    async fn end(&self) {
        if let Some(server) = self.server.upgrade() {
            server.close_view(&self.key).await;
        }
    }
}

/// Evicts the view with the longest idle time; returns `false` if all views are in use.
///
/// The view is closed in the background, because the caller must not wait for that.
#[expect(
    clippy::mutable_key_type,
    reason = "what capabilities cache takes no part in Eq and Hash"
)]
fn evict(views: &mut HashMap<ViewKey, Arc<View>>) -> bool {
    let idle = views
        .values()
        .filter_map(|view| Some((view.idle()?, view.key().clone())));
    let Some((_, key)) = idle.max_by_key(|(idle, _)| *idle) else {
        return false;
    };
    if let Some(view) = views.remove(&key) {
        let shared = views.values().any(|other| other.shares(&view));
        Task::detach(async move {
            match shared {
                true => view.leave().await,
                false => view.close().await,
            }
        });
    }
    true
}

/// Closes idle views until the server is dropped, which the weak reference detects.
async fn sweep(server: Weak<Server>, idle: Duration) {
    loop {
        time::sleep((idle / 4).clamp(MIN_SWEEP, MAX_SWEEP)).await;
        match server.upgrade() {
            Some(server) => server.close_idle().await,
            None => return,
        }
    }
}

/// Default idle time.
const DEFAULT_IDLE: Duration = Duration::from_secs(600);

/// Longest interval between idle sweeps.
const MAX_SWEEP: Duration = Duration::from_secs(30);
/// Shortest interval between idle sweeps.
const MIN_SWEEP: Duration = Duration::from_millis(100);

/// Maximum number of exclusive sessions per class of callers, besides those of parked calls.
const MAX_LEASES: usize = 1024;

/// Maximum number of views of a server at the same time.
///
/// A client can create one by declaring a unique set of capabilities, so the number must be
/// bounded.
const MAX_VIEWS: usize = 4096;
