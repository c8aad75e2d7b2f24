//! Bring each call to the server that it means, or to all of them.
//!
//! | method | goes to |
//! |---|---|
//! | `tools/call`, `prompts/get`, methods of tasks | the server whose name the [`ToolRouter`] finds in theirs |
//! | `resources/read`, completion | the server that has the resource, prompt or template |
//! | lists, `server/discover`, `subscriptions/listen`, `logging/setLevel` | all servers; the answers become one |
//! | anything else | the server, where the gateway has only one |
//!
//! A server that does not answer costs its own entries, not the list. When none answers, the error
//! says so, because an empty list would say something else.

mod discover;
mod fan_out;
mod identity;
mod listen;
mod lists;
mod resources;
mod tasks;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tower::ServiceExt;
use tower_layer::Layer;
use tower_service::Service;

use self::fan_out::nameless;
pub use self::identity::Identity;
use self::resources::Resources;
use crate::call::Routed;
use crate::catalog::{ListKind, Listing};
use crate::error::{NameKind, RouteError};
use crate::json::Fields;
use crate::policy::Policy;
use crate::protocol::Method;
use crate::route::{Feature, Resolved, Target, ToolRouter};
use crate::{BoxFuture, Call, Error, Reply};

/// A [`Layer`] that applies [`Dispatch`].
///
/// See the [module documentation](self) for what goes where.
#[derive(Clone, Debug)]
pub struct DispatchLayer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    router: Arc<dyn ToolRouter>,
    policy: Arc<dyn Policy>,
    identity: Identity,
    page_size: usize,
    patience: Duration,
    resources: Resources,
}

impl DispatchLayer {
    /// Finds servers with `router`, and shows in lists what `policy` permits.
    ///
    /// The policy must be the one that permits the calls, so that what is listed can be called.
    #[must_use]
    pub fn new(router: Arc<dyn ToolRouter>, policy: Arc<dyn Policy>) -> Self {
        Self(Arc::new(Shared {
            router,
            policy,
            identity: Identity::default(),
            page_size: DEFAULT_PAGE_SIZE,
            patience: DEFAULT_PATIENCE,
            resources: Resources::default(),
        }))
    }

    /// Shows in lists what `policy` permits.
    #[must_use]
    pub fn with_policy(self, policy: Arc<dyn Policy>) -> Self {
        self.with(|shared| Shared { policy, ..shared })
    }

    /// Introduces the gateway as `identity`.
    #[must_use]
    pub fn with_identity(self, identity: Identity) -> Self {
        self.with(|shared| Shared { identity, ..shared })
    }

    /// Lists up to `entries` at a time; 1,000 by default.
    #[must_use]
    pub fn with_page_size(self, entries: usize) -> Self {
        let page_size = entries.max(1);
        self.with(|shared| Shared {
            page_size,
            ..shared
        })
    }

    /// Waits up to `patience` for a server before its part is left out of an answer that comes from
    /// several servers; ten seconds by default.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        self.with(|shared| Shared { patience, ..shared })
    }

    fn with(self, change: impl FnOnce(Shared) -> Shared) -> Self {
        let shared = match Arc::try_unwrap(self.0) {
            Ok(shared) => shared,
            Err(shared) => Shared {
                router: Arc::clone(&shared.router),
                policy: Arc::clone(&shared.policy),
                identity: shared.identity.clone(),
                resources: Resources::default(),
                ..*shared
            },
        };
        Self(Arc::new(change(shared)))
    }
}

impl<S> Layer<S> for DispatchLayer {
    type Service = Dispatch<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Dispatch {
            inner,
            shared: Arc::clone(&self.0),
        }
    }
}

/// Brings each call to the server that it means, or to all of them.
///
/// See the [module documentation](self) for what goes where.
#[derive(Clone, Debug)]
pub struct Dispatch<S> {
    inner: S,
    shared: Arc<Shared>,
}

/// What the servers list, in the order of the gateway.
type Listings = Vec<(Arc<str>, Arc<Listing>)>;

/// What the inner service of [`Dispatch`] has to be.
pub(crate) trait Inner:
    Service<Call<Routed>, Response = Reply, Error = Error, Future: Send> + Clone + Send + Sync + 'static
{
}

impl<S> Inner for S where
    S: Service<Call<Routed>, Response = Reply, Error = Error, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
{
}

impl<S> Service<Call> for Dispatch<S>
where
    S: Service<Call<Routed>, Response = Reply, Error = Error> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    type Response = Reply;
    type Error = Error;
    type Future = DispatchFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        match self.shared.destination(&call) {
            Destination::Server(target) => {
                let renames_tasks = tasks::may_name_tasks(&call)
                    && !self.shared.router.is_transparent(&target.server);
                let server = Arc::clone(&target.server);
                let reply = self.inner.call(call.advance(|()| Routed { target }));
                if !renames_tasks {
                    return DispatchFuture::direct(reply);
                }
                let router = Arc::clone(&self.shared.router);
                DispatchFuture::waiting(async move {
                    tasks::rename(reply.await?, &server, router).await
                })
            }
            Destination::Refused(error) => DispatchFuture::waiting(std::future::ready(Err(*error))),
            Destination::Servers => {
                let (shared, inner) = (Arc::clone(&self.shared), self.inner.clone());
                DispatchFuture::waiting(async move { shared.to_many(inner, call).await })
            }
        }
    }
}

/// Where a call goes.
enum Destination {
    /// To one server.
    Server(Target),
    /// To several servers, or to one that has to be found by asking them.
    Servers,
    Refused(Box<Error>),
}

impl Destination {
    fn refused(error: impl Into<Error>) -> Self {
        Self::Refused(Box::new(error.into()))
    }
}

impl Shared {
    fn destination(&self, call: &Call) -> Destination {
        let request = call.request();
        let named = |kind, feature: fn(Arc<str>) -> Feature| {
            // A server must not be asked for what the gateway could not read.
            let Some(name) = request.name() else {
                return Destination::refused(nameless(request));
            };
            match self.router.resolve(&name) {
                Some(Resolved { server, name }) => {
                    Destination::Server(Target::new(server, feature(name.into())))
                }
                None => {
                    let name = name.into();
                    Destination::refused(RouteError::UnknownName { kind, name })
                }
            }
        };
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "what has no rule goes to the only server"
        )]
        match request.method() {
            Method::ToolsCall => named(NameKind::Tool, Feature::Tool),
            Method::PromptsGet => named(NameKind::Prompt, Feature::Prompt),
            Method::TasksCancel | Method::TasksGet | Method::TasksResult | Method::TasksUpdate => {
                named(NameKind::Task, Feature::Task)
            }
            Method::CompletionComplete => self.completed(call),
            Method::LoggingSetLevel
            | Method::PromptsList
            | Method::ResourcesList
            | Method::ResourcesRead
            | Method::ResourcesTemplatesList
            | Method::ServerDiscover
            | Method::SubscriptionsListen
            | Method::ToolsList => Destination::Servers,
            method => match &*self.router.servers() {
                [server] => Destination::Server(Target::new(Arc::clone(server), Feature::Server)),
                _ => {
                    let method = method.as_str().into();
                    Destination::refused(RouteError::UnknownMethod { method })
                }
            },
        }
    }

    /// Where the prompt or template is whose argument is to be completed.
    fn completed(&self, call: &Call) -> Destination {
        let reference = call.request().param("ref").unwrap_or("{}");
        let fields = Fields::read(reference, 0..reference.len()).unwrap_or_default();
        let Some(name) = fields.string(reference, "name") else {
            return Destination::Servers;
        };
        match self.router.resolve(&name) {
            Some(Resolved { server, name }) => {
                Destination::Server(Target::new(server, Feature::Prompt(name.into())))
            }
            None => {
                let name = name.into();
                Destination::refused(RouteError::UnknownName {
                    kind: NameKind::Prompt,
                    name,
                })
            }
        }
    }

    async fn to_many<S: Inner>(self: Arc<Self>, inner: S, call: Call) -> Result<Reply, Error> {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "only these methods come here"
        )]
        match call.request().method() {
            Method::ResourcesRead if call.request().name().is_none() => {
                Err(nameless(call.request()).into())
            }
            Method::CompletionComplete | Method::ResourcesRead => self.resource(inner, call).await,
            Method::LoggingSetLevel => self.set_level(inner, &call).await,
            Method::ServerDiscover => self.discover(inner, &call).await,
            Method::SubscriptionsListen => self.listen(inner, call).await,
            method => match ListKind::of(method) {
                Some(kind) => self.list(kind, inner, &call).await,
                None => {
                    let method = method.as_str().into();
                    Err(RouteError::UnknownMethod { method }.into())
                }
            },
        }
    }

    /// Passes on the level from which on servers are to log.
    async fn set_level<S: Inner>(&self, inner: S, call: &Call) -> Result<Reply, Error> {
        let level = call.request().param("level").unwrap_or("null");
        let params = crate::json::object(&[("level", level.into())]);
        // A server without logging refuses, which is nothing to the client.
        let _ = self.ask_all(&inner, call, &params).await;
        Ok(Reply::result(call.request().id(), "{}"))
    }
}

async fn send<S: Inner>(inner: S, call: Call<Routed>) -> Result<Reply, Error> {
    inner.oneshot(call).await
}

pin_project! {
    /// The response future of [`Dispatch`].
    #[must_use = "futures do nothing unless polled"]
    pub struct DispatchFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Direct {
            #[pin]
            future: F,
        },
        Waiting {
            future: BoxFuture<'static, Result<Reply, Error>>,
        },
    }
}

impl<F> DispatchFuture<F> {
    fn direct(future: F) -> Self {
        Self {
            state: State::Direct { future },
        }
    }

    fn waiting(future: impl Future<Output = Result<Reply, Error>> + Send + 'static) -> Self {
        Self {
            state: State::Waiting {
                future: Box::pin(future),
            },
        }
    }
}

impl<F: Future<Output = Result<Reply, Error>>> Future for DispatchFuture<F> {
    type Output = Result<Reply, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Direct { future } => future.poll(cx),
            StateProj::Waiting { future } => future.as_mut().poll(cx),
        }
    }
}

impl<F> fmt::Debug for DispatchFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DispatchFuture").finish_non_exhaustive()
    }
}

/// Many clients read only the first page, so it should hold what a person would ever use.
const DEFAULT_PAGE_SIZE: usize = 1000;

const DEFAULT_PATIENCE: Duration = Duration::from_secs(10);
