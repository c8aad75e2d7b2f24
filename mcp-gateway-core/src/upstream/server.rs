//! Upstream server and its views.
//!
//! [`UpstreamServer`] assigns each call to the view of its class of callers and creates views on demand. A
//! background task closes views that have been idle for a while. The class follows from four
//! things:
//!
//! | part of the key | source |
//! |---|---|
//! | instance | [`SessionPolicy`], and the session of the client where it must be exclusive |
//! | account | upstream credential of the call |
//! | capabilities and protocol version | declaration of the client |
//! | name and version of the client | likewise, where a legacy server receives them |

mod builder;
mod eviction;
mod policy;
mod session_view;

use std::sync::{Arc, OnceLock, PoisonError, RwLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use foldhash::HashMap;
use tokio::time::timeout;

pub use self::builder::UpstreamServerBuilder;
use self::eviction::{evict, sweep};
pub use self::policy::SessionPolicy;
use self::session_view::SessionView;
use super::LintCounts;
use super::connector::Connector;
use super::roots;
use super::view::View;
use super::view_key::ViewKey;
use super::{InstanceKey, InstanceOwner, RuntimeBackend, Upstream};
use crate::call::Prepared;
use crate::catalog::{CatalogEntry, ListKind, Listing};
use crate::era::ParkedCalls;
use crate::error::UpstreamError;
use crate::protocol::{Era, ProtocolVersion};
use crate::route::Feature;
use crate::seal::SealError;
use crate::task::BackgroundTask;
use crate::{Call, Reply};

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
/// use mcp_gateway_core::upstream::{UpstreamServer, SessionPolicy};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let backend = InProcess::new(|_| async { Ok(()) });
/// let server = UpstreamServer::builder("browser", backend)
///     .with_session_policy(SessionPolicy::PerSession)
///     .with_idle(Duration::from_secs(120))
///     .build();
/// assert_eq!(&**server.name(), "browser");
/// // Nothing is connected before the first call.
/// assert_eq!(server.connections(), 0);
/// assert!(server.last_failure().is_none());
/// # }
/// ```
#[derive(Debug)]
#[doc(alias("backend", "target"))]
pub struct UpstreamServer {
    /// Name, for logs and routing.
    name: Arc<str>,
    /// Connector, shared by all views, so that the era is detected once.
    connector: Arc<Connector>,
    /// `true` if a connection costs no process; see [`RuntimeBackend::is_remote`].
    is_remote: bool,
    /// Sharing of sessions.
    sessions: SessionPolicy,
    /// Idle time after which a view is closed.
    idle: Duration,
    /// Store of parked calls; `None` if the system has no randomness.
    parked_calls: Option<ParkedCalls>,
    /// One view per class of callers.
    views: RwLock<HashMap<ViewKey, Arc<View>>>,
    /// Task that closes idle views; started on first use.
    sweeper: OnceLock<BackgroundTask>,
    /// Reference to itself, for background tasks.
    this: Weak<Self>,
}

impl UpstreamServer {
    /// Creates a builder for the server `name` that `backend` runs.
    pub fn builder<B: RuntimeBackend>(
        name: impl Into<Arc<str>>,
        backend: B,
    ) -> UpstreamServerBuilder<B> {
        UpstreamServerBuilder::new(name.into(), backend)
    }

    /// Returns the name, under which routers and logs refer to the server.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Returns the number of views with an open connection. Exclusive connections are not counted.
    #[must_use]
    pub fn connections(&self) -> usize {
        let views = self.views.read().unwrap_or_else(PoisonError::into_inner);
        views.values().filter(|view| view.is_connected()).count()
    }

    /// Lists with a credential that is on trial: what was opened for it is closed afterwards, unless
    /// other calls have begun to use it.
    ///
    /// # Errors
    ///
    /// As [`list`](Upstream::list), and [`UpstreamError::Timeout`] after `limit`.
    ///
    /// # Cancel safety
    ///
    /// A connection that was opened stays open until it is idle.
    pub async fn list_on_trial(
        &self,
        kind: ListKind,
        call: Call<Prepared>,
        limit: Duration,
    ) -> Result<Arc<Listing>, UpstreamError> {
        let view = self.view(&call)?;
        let listed = timeout(limit, view.list(kind, &call)).await;
        // Its lease on the view ends with the call.
        drop(call);
        self.close_unused(&view).await;
        listed.unwrap_or(Err(UpstreamError::Timeout))
    }

    /// Returns the error of the last connection attempt, if it failed.
    ///
    /// `None` before the first attempt and after a successful one.
    #[must_use]
    pub fn last_failure(&self) -> Option<UpstreamError> {
        self.connector.last_failure().map(|failure| failure.error)
    }

    /// Returns a description of the last connection attempt, if it failed: what the server answered
    /// to each request of the handshake, and for a program its exit status and the last lines of
    /// its standard error. Otherwise returns the latter if a program has exited during a call, until
    /// it is started again.
    ///
    /// The text is for operators: it may contain anything that the server has written.
    #[must_use]
    pub fn last_failure_details(&self) -> Option<String> {
        match self.connector.last_failure().map(|failure| failure.details) {
            Some(details) => (!details.is_empty()).then(|| details.to_string()),
            None => self.connector.last_exit().map(|report| report.to_string()),
        }
    }

    /// Returns the numbers of tools with defects in the list that was fetched last.
    #[must_use]
    pub fn lint_counts(&self) -> LintCounts {
        self.connector.lint().counts()
    }

    /// Returns the class of callers to which `call` belongs.
    ///
    /// While the era of the server is unknown, calls are assigned as for a legacy server, the
    /// stricter case. Clients of different eras never share a view: each meets its own era wherever
    /// the server supports it.
    fn key(&self, call: &Call<Prepared>) -> ViewKey {
        let client = call.client();
        let modern = self.connector.detected_era(client.era()) == Some(Era::Modern);
        let session = client.session();
        let own = match self.sessions {
            SessionPolicy::PerSession => true,
            SessionPolicy::PerPrincipal | SessionPolicy::Shared => {
                let interactive = client.capabilities().can_be_asked();
                !modern
                    && session
                        .is_some_and(|session| interactive || session.needs_exclusive_connection())
            }
        };
        let alone = own && session.is_some();
        // A process for each kind of client would cost more than its name is worth, and a modern
        // client has no session that would bear it.
        let introduced = client.era() == Era::Legacy && !modern && (alone || self.is_remote);
        let principal = || InstanceKey::Principal(call.principal().subject().into());
        ViewKey {
            instance: match (session.filter(|_| own), self.sessions) {
                (Some(session), _) => InstanceKey::Session(Arc::clone(session.key())),
                (None, SessionPolicy::Shared) => InstanceKey::Shared,
                (None, SessionPolicy::PerPrincipal | SessionPolicy::PerSession) => principal(),
            },
            account: Arc::clone(call.credential().account()),
            capabilities: client.capabilities().clone(),
            client_info: client
                .info()
                .filter(|info| introduced && info.len() <= MAX_CLIENT_INFO)
                .cloned(),
            era: client.era(),
            version: match modern || client.era() == Era::Modern {
                true => ProtocolVersion::LATEST,
                false => client.version().min(ProtocolVersion::LATEST_LEGACY),
            },
        }
    }

    /// Returns the owner of the state of the instances that `call` uses.
    fn owner(&self, call: &Call<Prepared>) -> InstanceOwner {
        match self.sessions {
            SessionPolicy::Shared => InstanceOwner::AllCallers,
            SessionPolicy::PerPrincipal | SessionPolicy::PerSession => {
                InstanceOwner::Principal(call.principal().subject().into())
            }
        }
    }

    /// Returns the view of `call`, creating it if necessary.
    ///
    /// A view of a single session is attached to that session, and closed with it. A view of a
    /// principal is closed with the credential of its first call.
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
            .get_or_init(|| BackgroundTask::spawn(sweep(self.this.clone(), self.idle)));
        let mut views = self.views.write().unwrap_or_else(PoisonError::into_inner);
        if views.len() >= MAX_VIEWS && !evict(&mut views) {
            return Err(UpstreamError::Overloaded {
                retry_after: Duration::from_secs(10),
            });
        }
        let parked_calls = self
            .parked_calls
            .clone()
            .ok_or_else(|| UpstreamError::connect(SealError))?;
        let exclusive = match self.sessions {
            // The next call must see the effects of the previous one, so they share one session.
            SessionPolicy::PerSession => 1,
            SessionPolicy::PerPrincipal | SessionPolicy::Shared => {
                MAX_LEASES.saturating_add(parked_calls.max())
            }
        };
        let new = || {
            View::new(
                key.clone(),
                self.owner(call),
                Arc::clone(&self.connector),
                parked_calls,
                exclusive,
            )
        };
        let view = Arc::clone(views.entry(key.clone()).or_insert_with(new));
        drop(views);
        if let InstanceKey::Principal(_) = &key.instance {
            self.end_with_credential(&view, call);
        }
        if let (InstanceKey::Session(_), Some(session)) = (&key.instance, call.client().session()) {
            let server = self.this.clone();
            session.add_listener(Arc::new(SessionView { server, key }));
        }
        Ok(view)
    }
}

#[async_trait]
impl Upstream for UpstreamServer {
    async fn send(&self, call: Call<Prepared>) -> Result<Reply, UpstreamError> {
        let roots = self.connector.roots();
        if !roots.concerns(&call) {
            return self.view(&call)?.send(call).await;
        }
        // The rare branch is boxed to keep the future of the frequent one small.
        Box::pin(async {
            let is_list = ListKind::from_method(call.request().method()).is_some();
            let hidden = roots.hides_from(&call) && !is_list;
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
        let roots = self.connector.roots();
        let call = match roots.concerns(&call) {
            true => roots.confine(call).await?,
            false => call,
        };
        self.view(&call)?.list(kind, &call).await
    }

    fn is_known_to_list(&self, feature: &Feature) -> bool {
        let views = self.views.read().unwrap_or_else(PoisonError::into_inner);
        views.values().any(|view| view.lists(feature))
    }

    fn entry(&self, feature: &Feature) -> Option<CatalogEntry> {
        let views = self.views.read().unwrap_or_else(PoisonError::into_inner);
        let mut entries = views.values().filter_map(|view| view.entry(feature));
        let first = entries.next()?;
        entries
            .all(|entry| entry.json() == first.json())
            .then_some(first)
    }

    fn recent_entry(&self, call: &Call<Prepared>) -> Option<CatalogEntry> {
        let hidden = *self.connector.roots() == roots::RootsPolicy::Off
            && call.client().capabilities().roots();
        // The view is that of the call as it is sent.
        let confined = hidden.then(|| {
            let request = call.request().clone();
            let caller = Arc::new(call.caller().without_roots());
            call.derive_for_server(request.clone())
                .confined(caller, request)
        });
        let key = self.key(confined.as_ref().unwrap_or(call));
        let views = self.views.read().unwrap_or_else(PoisonError::into_inner);
        views.get(&key)?.recent_entry(&call.target().feature)
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

/// Maximum number of exclusive sessions per class of callers, besides those of parked calls.
const MAX_LEASES: usize = 1024;

/// Maximum number of views of a server at the same time.
///
/// A client can create one by declaring a unique set of capabilities, so the number must be
/// bounded.
const MAX_VIEWS: usize = 4096;

/// Maximum size of a client's name and version that a legacy server receives, in bytes.
const MAX_CLIENT_INFO: usize = 1024;
