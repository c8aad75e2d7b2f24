//! Route each call to its server, or to all of them.
//!
//! | method | destination |
//! |---|---|
//! | `tools/call`, `prompts/get`, methods of tasks | the server that the [`ToolRouter`] resolves from the name |
//! | `resources/read`, subscriptions to resources, completion | the server that has the resource, prompt or template |
//! | `skills/get`, `resources/directory/read` | the server that has the skill |
//! | lists | the only server, page by page; several servers, whose lists are merged |
//! | `skills/list`, `server/discover`, `subscriptions/listen` | all servers; their answers are merged |
//! | `logging/setLevel`, notifications | the server, if the gateway has only one; otherwise all, whose answers are ignored |
//! | any other method | the server, if the gateway has only one; otherwise the only one whose extensions can define it |
//!
//! A server that fails to answer costs its own entries, not the list. If all of them fail, the call
//! fails, because an empty list would have another meaning. A server whose account the caller has not
//! connected has a tool in its place, whose call tells the user what to do. An unknown name is rejected with the
//! JSON-RPC error that MCP defines for it.

mod apps;
mod broadcast;
mod cursor;
mod destination;
mod discover;
mod extensions;
mod fan_out;
mod implementation;
mod listen;
pub(super) mod lists;
mod omissions;
mod opened_apps;
mod pages;
mod placeholders;
mod reply_edits;
mod resources;
mod revisions;
mod scoped_resources;
mod scoped_uri;
mod skills;
mod tasks;
#[cfg(test)]
mod tests;
mod tool_search;
mod tools;

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tower::ServiceExt;
use tower_layer::Layer;
use tower_service::Service;

use self::apps::AppIndex;
use self::destination::Destination;
use self::fan_out::missing_name;
pub use self::implementation::Implementation;
use self::omissions::Omissions;
pub(super) use self::placeholders::NAME as PLACEHOLDER;
use self::resources::ResourceIndex;
use self::tool_search::Search;
pub use self::tool_search::ToolSearch;
use crate::call::Routed;
use crate::catalog::{ListKind, Listing};
use crate::layer::deferred::Deferred;
use crate::policy::Policy;
use crate::protocol::Method;
use crate::route::ToolRouter;
use crate::{Call, Error, Reply, Sealer};
pub use mcp_gateway_search::EmbeddingModel;

/// A [`Layer`] that applies [`Dispatch`].
///
/// See the [module documentation](self) for the destinations.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use mcp_gateway_core::auth::Principal;
/// use mcp_gateway_core::call::Routed;
/// use mcp_gateway_core::jsonrpc::{Id, Request};
/// use mcp_gateway_core::layer::dispatch::DispatchLayer;
/// use mcp_gateway_core::policy::AllowAll;
/// use mcp_gateway_core::protocol::{Capabilities, Method, ProtocolVersion};
/// use mcp_gateway_core::route::PrefixRouter;
/// use mcp_gateway_core::{Call, Caller, ClientInfo, Error, Reply};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let router = Arc::new(PrefixRouter::by_name(["files", "github"])?);
/// let inner = service_fn(async |call: Call<Routed>| {
///     // The app of a server may use a name without a prefix, for which tools are listed.
///     if call.request().method() == &Method::ToolsCall {
///         assert_eq!(&*call.target().server, "github");
///         assert_eq!(call.target().feature.name(), Some("search"));
///     }
///     Ok::<_, Error>(Reply::result(call.request().id(), "{}"))
/// });
/// let dispatch = DispatchLayer::new(router, Arc::new(AllowAll::new())).layer(inner);
///
/// let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
/// let caller = Arc::new(Caller::new(Principal::new("alice"), "main", client));
/// let call = |name: &str| {
///     let params = format!(r#"{{"name":"{name}"}}"#);
///     let request = Request::new(&Id::from(1), &Method::ToolsCall, &params);
///     Call::trusted(request, Arc::clone(&caller))
/// };
/// assert!(dispatch.clone().oneshot(call("github__search")).await.is_ok());
/// let error = dispatch.oneshot(call("search")).await.unwrap_err();
/// assert!(matches!(error, Error::Route(_)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[doc(alias("router", "merge"))]
pub struct DispatchLayer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    router: Arc<dyn ToolRouter>,
    policy: Arc<dyn Policy>,
    identity: Implementation,
    sealer: Option<Arc<Sealer>>,
    page_size: Option<usize>,
    wait: Duration,
    patience: Duration,
    resources: ResourceIndex,
    apps: AppIndex,
    omissions: Omissions,
    search: Option<Search>,
}

impl DispatchLayer {
    /// Creates a layer that resolves names with `router` and filters lists with `policy`.
    ///
    /// The policy must be the one that authorizes the calls, so that listed entries can be called.
    #[must_use]
    pub fn new(router: Arc<dyn ToolRouter>, policy: Arc<dyn Policy>) -> Self {
        Self(Arc::new(Shared {
            router,
            policy,
            identity: Implementation::default(),
            sealer: None,
            page_size: None,
            wait: DEFAULT_WAIT,
            patience: DEFAULT_PATIENCE,
            resources: ResourceIndex::default(),
            apps: AppIndex::default(),
            omissions: Omissions::default(),
            search: None,
        }))
    }

    /// Sets the policy that filters lists.
    #[must_use]
    pub fn with_policy(self, policy: Arc<dyn Policy>) -> Self {
        self.with(|shared| Shared { policy, ..shared })
    }

    /// Sets the name, version and instructions that clients receive.
    #[must_use]
    pub fn with_implementation(self, identity: Implementation) -> Self {
        self.with(|shared| Shared { identity, ..shared })
    }

    /// Sets the key by which the names of tasks of several servers are bound to their caller.
    ///
    /// Without one, any caller can use a task whose name it has.
    #[must_use]
    pub fn with_sealer(self, sealer: Arc<Sealer>) -> Self {
        let sealer = Some(sealer);
        self.with(|shared| Shared { sealer, ..shared })
    }

    /// Sets the maximum number of entries of a list page. Default: the pages of the server if there
    /// is one server and a policy that [permits all](Policy::permits_all) entries, otherwise 1,000.
    #[must_use]
    pub fn with_page_size(self, entries: usize) -> Self {
        let page_size = Some(entries.max(1));
        self.with(|shared| Shared {
            page_size,
            ..shared
        })
    }

    /// Sets the time for a server to contribute to a merged answer once another one has answered; a
    /// slower one is omitted. Default: 1.5 seconds.
    ///
    /// Subscribers are notified of a list change when the answer of the slower server is available.
    #[must_use]
    pub fn with_wait(self, wait: Duration) -> Self {
        self.with(|shared| Shared { wait, ..shared })
    }

    /// Sets the maximum time for a merged answer while no server has answered. Default: 10 seconds.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        self.with(|shared| Shared { patience, ..shared })
    }

    /// Lists a search instead of the tools. Default: all tools are listed.
    #[must_use]
    pub fn with_tool_search(self, search: ToolSearch) -> Self {
        let search = Some(Search::new(search));
        self.with(|shared| Shared { search, ..shared })
    }

    fn with(self, change: impl FnOnce(Shared) -> Shared) -> Self {
        let shared = match Arc::try_unwrap(self.0) {
            Ok(shared) => shared,
            Err(shared) => Shared {
                router: Arc::clone(&shared.router),
                policy: Arc::clone(&shared.policy),
                identity: shared.identity.clone(),
                sealer: shared.sealer.clone(),
                resources: ResourceIndex::default(),
                apps: AppIndex::default(),
                omissions: Omissions::default(),
                search: shared
                    .search
                    .as_ref()
                    .map(|search| Search::new(search.options.clone())),
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

/// A service that routes each call to its server, or to all of them.
#[derive(Clone, Debug)]
pub struct Dispatch<S> {
    inner: S,
    shared: Arc<Shared>,
}

/// Lists of the servers, in the order of the gateway.
type Listings = Vec<(Arc<str>, Arc<Listing>)>;

/// Bounds of the inner service of [`Dispatch`].
pub(crate) trait RoutedService:
    Service<Call<Routed>, Response = Reply, Error = Error, Future: Send> + Clone + Send + Sync + 'static
{
}

impl<S> RoutedService for S where
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
    type Future = Deferred<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        if let Some(tool) = self.shared.search_tool(&call) {
            let (shared, inner) = (Arc::clone(&self.shared), self.inner.clone());
            return Deferred::pending(
                async move { shared.call_search_tool(tool, inner, call).await },
            );
        }
        match self.shared.destination(&call) {
            Destination::Server(target) => {
                let edits = self.shared.reply_edits(&call, &target);
                let reply = self.inner.call(call.advance(|()| Routed::new(target)));
                match edits {
                    None => Deferred::direct(reply),
                    Some(edits) => {
                        Deferred::pending(async move { edits.apply(reply.await?).await })
                    }
                }
            }
            Destination::Refused(error) => Deferred::pending(std::future::ready(Err(*error))),
            Destination::Unlisted => {
                let (shared, inner) = (Arc::clone(&self.shared), self.inner.clone());
                Deferred::pending(async move { shared.call_unlisted(inner, call).await })
            }
            Destination::Servers => {
                let (shared, inner) = (Arc::clone(&self.shared), self.inner.clone());
                Deferred::pending(async move { shared.to_many(inner, call).await })
            }
        }
    }
}

impl Shared {
    /// Serves a call that concerns several servers.
    async fn to_many<S: RoutedService>(
        self: Arc<Self>,
        inner: S,
        call: Call,
    ) -> Result<Reply, Error> {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the other methods are those of lists and extensions"
        )]
        match call.request().method() {
            _ if call.notification().is_some() => Ok(self.notify_all(inner, call).await),
            Method::ResourcesRead | Method::ResourcesSubscribe | Method::ResourcesUnsubscribe
                if call.request().name().is_none() =>
            {
                Err(missing_name(call.request()).into())
            }
            Method::CompletionComplete
            | Method::ResourcesRead
            | Method::ResourcesSubscribe
            | Method::ResourcesUnsubscribe => self.resource(inner, call).await,
            Method::LoggingSetLevel => self.set_level(inner, &call).await,
            Method::ResourcesDirectoryRead | Method::SkillsGet => self.skill(inner, call).await,
            Method::ServerDiscover => self.discover(inner, &call).await,
            Method::SkillsList => self.skills_list(inner, &call).await,
            Method::SubscriptionsListen => self.subscribe_all(inner, call).await,
            Method::ToolsCall => self.app_call(inner, call).await,
            method => match ListKind::from_method(method) {
                Some(kind) => self.list(kind, inner, &call).await,
                None => self.extension_call(inner, call).await,
            },
        }
    }
}

/// Sends `call` to the inner service once it is ready.
async fn send<S: RoutedService>(inner: S, call: Call<Routed>) -> Result<Reply, Error> {
    inner.oneshot(call).await
}

const DEFAULT_PATIENCE: Duration = Duration::from_secs(10);

const DEFAULT_WAIT: Duration = Duration::from_millis(1_500);
