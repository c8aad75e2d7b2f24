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
use crate::catalog::{ListKind, Listing};
use crate::error::UpstreamError;
use crate::jsonrpc::Notification;
use crate::protocol::{Era, Version};
use crate::route::Feature;
use crate::seal::SealError;
use crate::session::Attached;
use crate::task::Task;
use crate::{Call, Reply, reply};

/// Something that answers calls: usually a [`Server`].
#[async_trait]
pub trait Upstream: std::fmt::Debug + Send + Sync + 'static {
    /// Sends `call`, and returns the reply when its beginning is known.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] when there is no response. An error that the *server* reports is a
    /// response, and passes through.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped when the client goes away.
    async fn send(&self, call: Call<Prepared>) -> Result<Reply, UpstreamError>;

    /// Returns all that the server lists of `kind`; `call` says for whom.
    ///
    /// By default it sends `call`, whose method is that of the list, and reads one result.
    /// Implementations that keep lists, or read them page by page, do so here.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] when there is no list. A server without the capability has an
    /// [unsupported](Listing::unsupported) one.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped when the client goes away.
    async fn list(
        &self,
        kind: ListKind,
        call: Call<Prepared>,
    ) -> Result<Arc<Listing>, UpstreamError> {
        let server = Arc::clone(&call.target().server);
        reply::listing(self.send(call).await?, &server, kind).await
    }

    /// Whether the server is known to list `feature`.
    ///
    /// Called when a call has ended, to tell what exists from what a client made up.
    fn lists(&self, feature: &Feature) -> bool {
        let _ = feature;
        false
    }

    /// Ends what goes on with the server; called when it is taken out of service.
    async fn close(&self) {}
}

/// Who shares a session with a server, or a process.
///
/// Whatever is chosen, a client of the legacy era that can be asked things gets a session of its
/// own with servers of the legacy era, because those could not say whom they ask otherwise.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum SessionPolicy {
    /// All sessions of one principal share it.
    PerPrincipal,
    /// Each session of a client has its own; clients of the modern era have one per principal.
    PerSession,
    /// All callers whose credential for the server is the same share it.
    #[default]
    Shared,
}

/// An MCP server, with which conversations are had as callers need them.
///
/// # Example
///
/// ```no_run
/// use std::sync::Arc;
///
/// use mcp_gateway_core::upstream::{RuntimeBackend, Server, ServerPool, SessionPolicy};
///
/// fn browser(backend: Arc<dyn RuntimeBackend>) -> Arc<Server> {
///     Server::builder("browser", backend)
///         .with_sessions(SessionPolicy::PerSession)
///         .build()
/// }
/// ```
#[derive(Debug)]
pub struct Server {
    name: Arc<str>,
    dialer: Arc<Dialer>,
    sessions: SessionPolicy,
    idle: Duration,
    /// Where calls wait whose clients are asked something; `None` where there are no random numbers.
    parking: Option<Parking>,
    views: RwLock<HashMap<ViewKey, Arc<View>>>,
    sweeper: OnceLock<Task>,
    this: Weak<Self>,
}

/// Builds a [`Server`].
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
    /// Says how the server is to be talked to, instead of finding it out.
    pub fn with_protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = Some(protocol);
        self
    }

    /// Says who shares a session or a process. By default all callers do.
    pub fn with_sessions(mut self, sessions: SessionPolicy) -> Self {
        self.sessions = sessions;
        self
    }

    /// Ends sessions and processes that nobody has used for `idle`; ten minutes by default.
    pub fn with_idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// Gives the server `timeout` to start and to answer; a minute by default.
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = Some(timeout);
        self
    }

    /// Takes messages of up to `bytes` from the server; 64 MiB by default.
    ///
    /// Documents that answer a request over HTTP pass through without being held, and are not
    /// limited.
    pub fn with_max_message(mut self, bytes: usize) -> Self {
        self.max_message = Some(bytes);
        self
    }

    /// Lets calls wait in `parking` whose clients are asked something. By default a server has one
    /// of its own.
    pub fn with_parking(mut self, parking: Parking) -> Self {
        self.parking = Some(parking);
        self
    }

    /// Sets which roots of callers reach the server.
    ///
    /// By default all reach a server that [runs elsewhere](RuntimeBackend::is_remote), and none any
    /// other one.
    pub fn with_roots(mut self, roots: RootsPolicy) -> Self {
        self.roots = Some(roots);
        self
    }

    /// The server.
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
    /// A server of the name that `backend` runs.
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

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// How many conversations go on with it.
    #[must_use]
    pub fn conversations(&self) -> usize {
        let views = self.views.read().unwrap_or_else(PoisonError::into_inner);
        views.values().filter(|view| view.is_connected()).count()
    }

    /// Why the last attempt to begin a conversation failed, if it did.
    #[must_use]
    pub fn last_failure(&self) -> Option<UpstreamError> {
        self.dialer.failure()
    }

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
            // What one call has done the next one must see, so there is one session.
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
            tracing::debug!(server = %self.name, instance = ?view.key().instance, "idle, closed");
            self.end(&view).await;
        }
    }

    /// Ends a view that has been taken out. Others may go on with its conversation.
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
        // What is rare is boxed, so that what is frequent has less to carry.
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

    async fn close(&self) {
        let views: Vec<_> = {
            let mut views = self.views.write().unwrap_or_else(PoisonError::into_inner);
            views.drain().map(|(_, view)| view).collect()
        };
        let closing = views.iter().map(|view| view.close());
        futures_util::future::join_all(closing).await;
    }
}

/// A view that belongs to one session of a client.
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

/// Makes room for a view, at the cost of the one that has been idle for longest.
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

async fn sweep(server: Weak<Server>, idle: Duration) {
    loop {
        time::sleep((idle / 4).clamp(MIN_SWEEP, MAX_SWEEP)).await;
        match server.upgrade() {
            Some(server) => server.close_idle().await,
            None => return,
        }
    }
}

const DEFAULT_IDLE: Duration = Duration::from_secs(600);

/// How often is looked for what is idle.
const MAX_SWEEP: Duration = Duration::from_secs(30);
const MIN_SWEEP: Duration = Duration::from_millis(100);

/// How many calls of a class of callers can have a session of a server for themselves, besides
/// those that are parked.
const MAX_LEASES: usize = 1024;

/// How many classes of callers a server is shown to at the same time.
///
/// A client can make one by declaring capabilities that nobody else does.
const MAX_VIEWS: usize = 4096;
