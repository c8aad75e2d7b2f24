//! One MCP request on its path through the gateway.
//!
//! The type of a request states what is established about it, so that a stack whose layers are in
//! the wrong order does not compile:
//!
//! | type | made by | adds |
//! |---|---|---|
//! | [`http::Request`] | the HTTP server | |
//! | [`Authenticated<http::Request>`] | [`Authenticate`] | the principal |
//! | [`Call`] | [`Endpoint`] | the request, the client and its protocol version |
//! | [`Call<Routed>`] | [`Dispatch`] | the target: a feature of a server |
//! | [`Call<Permitted>`] | [`Authorize`] | the permission of the policy |
//! | [`Call<Prepared>`] | [`AttachCredentials`] | the credential for the server |
//!
//! The body is not read before the caller is authenticated. This does not compile:
//!
//! ```compile_fail,E0277
//! # use mcp_gateway_core::{Call, Error, Reply, endpoint::EndpointLayer};
//! # use tower::{Layer, Service};
//! fn unauthenticated<S>(endpoint: EndpointLayer, inner: S) -> impl Service<http::Request<String>>
//! where
//!     S: Service<Call, Response = Reply, Error = Error> + Clone + Send + Sync + 'static,
//!     S::Future: Send,
//! {
//!     endpoint.layer(inner)
//! }
//! ```
//!
//! This does, so the above fails for no other reason:
//!
//! ```
//! # use mcp_gateway_core::layer::authenticate::AuthenticateLayer;
//! # use mcp_gateway_core::{Call, Error, Reply, endpoint::EndpointLayer};
//! # use tower::{Layer, Service};
//! fn authenticated<S>(
//!     authenticate: AuthenticateLayer,
//!     endpoint: EndpointLayer,
//!     inner: S,
//! ) -> impl Service<http::Request<String>>
//! where
//!     S: Service<Call, Response = Reply, Error = Error> + Clone + Send + Sync + 'static,
//!     S::Future: Send,
//! {
//!     authenticate.layer(endpoint.layer(inner))
//! }
//! ```
//!
//! Nor can a call reach a server without a permission:
//!
//! ```compile_fail,E0277
//! # use mcp_gateway_core::layer::attach_credentials::AttachCredentialsLayer;
//! # use mcp_gateway_core::call::{Prepared, Routed};
//! # use mcp_gateway_core::{Call, Error, Reply};
//! # use tower::{Layer, Service};
//! fn unpermitted<S>(credentials: AttachCredentialsLayer, inner: S) -> impl Service<Call<Routed>>
//! where
//!     S: Service<Call<Prepared>, Response = Reply, Error = Error>,
//!     S: Clone + Send + Sync + 'static,
//!     S::Future: Send,
//! {
//!     credentials.layer(inner)
//! }
//! ```
//!
//! With a permission it can:
//!
//! ```
//! # use mcp_gateway_core::layer::attach_credentials::AttachCredentialsLayer;
//! # use mcp_gateway_core::layer::authorize::AuthorizeLayer;
//! # use mcp_gateway_core::call::{Prepared, Routed};
//! # use mcp_gateway_core::{Call, Error, Reply};
//! # use tower::{Layer, Service};
//! fn permitted<S>(
//!     authorize: AuthorizeLayer,
//!     credentials: AttachCredentialsLayer,
//!     inner: S,
//! ) -> impl Service<Call<Routed>>
//! where
//!     S: Service<Call<Prepared>, Response = Reply, Error = Error>,
//!     S: Clone + Send + Sync + 'static,
//!     S::Future: Send,
//! {
//!     authorize.layer(credentials.layer(inner))
//! }
//! ```
//!
//! [`Authenticated<http::Request>`]: crate::auth::Authenticated
//! [`Authenticate`]: crate::layer::authenticate::Authenticate
//! [`Endpoint`]: crate::endpoint::Endpoint
//! [`Call<Routed>`]: Routed
//! [`Dispatch`]: crate::layer::dispatch::Dispatch
//! [`Call<Permitted>`]: Permitted
//! [`Authorize`]: crate::layer::authorize::Authorize
//! [`Call<Prepared>`]: Prepared
//! [`AttachCredentials`]: crate::layer::attach_credentials::AttachCredentials

mod attempts;
mod derived;
mod permitted;
mod stage;
mod traced;

use std::sync::Arc;

use http::Extensions;

pub use self::attempts::Attempts;
pub(crate) use self::derived::{DerivedCall, StandsFor};
pub(crate) use self::stage::ServerHandle;
pub use self::stage::{HasTarget, Permitted, Prepared, Routed};
use crate::auth::Principal;
use crate::caller::{Caller, ClientInfo};
use crate::jsonrpc::{Id, Notification, Request};
use crate::protocol::header::ParamHeaders;
use crate::route::{Feature, Target};
use crate::trace::CallTrace;
use crate::{Cancellation, Credential};

/// One MCP request of an authenticated caller.
///
/// The type parameter is the stage: `()` after the endpoint, then [`Routed`], [`Permitted`] and
/// [`Prepared`]. Only the layers of this crate advance a call; the exceptions have names that state
/// the responsibility, [`trusted`](Call::trusted).
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use mcp_gateway_core::auth::Principal;
/// use mcp_gateway_core::jsonrpc::{Id, Request};
/// use mcp_gateway_core::protocol::{Capabilities, Method, ProtocolVersion};
/// use mcp_gateway_core::{Call, Caller, ClientInfo};
///
/// let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
/// let caller = Caller::new(Principal::new("alice"), "main", client);
/// let request = Request::new(&Id::from(1), &Method::ToolsList, "{}");
/// let call = Call::trusted(request, Arc::new(caller));
/// assert_eq!(call.principal().subject(), "alice");
/// assert!(call.cancellation().is_none());
/// ```
#[derive(Debug)]
pub struct Call<S = ()> {
    // On the heap, because a call is moved many times; shared, because a call may be retried.
    context: Arc<Context>,
    stage: S,
}

/// Properties that a call has at every stage.
#[derive(Clone, Debug)]
struct Context {
    request: Request,
    caller: Arc<Caller>,
    cancellation: Option<Cancellation>,
    /// Set if the call stands for a notification.
    notification: Option<Arc<ClientNotification>>,
    extensions: Extensions,
    merged: bool,
    for_page: bool,
    /// Spans of the call, if somebody observes them.
    trace: Option<Arc<CallTrace>>,
}

/// A notification of a client, on its way to servers.
#[derive(Clone, Debug)]
struct ClientNotification {
    /// The message.
    notification: Notification,
    /// `true` if it may be meant for any of several servers.
    broadcast: bool,
}

impl Call {
    /// Creates a call of an authenticated caller.
    ///
    /// The code that calls it vouches for the [principal](Caller::principal). It is meant for
    /// transports outside of this crate, and for tests.
    #[must_use]
    pub fn trusted(request: Request, caller: Arc<Caller>) -> Self {
        let context = Context {
            request,
            caller,
            cancellation: None,
            notification: None,
            extensions: Extensions::new(),
            merged: false,
            for_page: false,
            trace: None,
        };
        Self {
            context: Arc::new(context),
            stage: (),
        }
    }

    /// Creates the call that carries `notification` through the layers.
    ///
    /// Its request repeats the method and the parameters, so that it is routed, authorized and
    /// observed like any other; servers receive the notification itself.
    pub(crate) fn of_notification(notification: Notification, caller: Arc<Caller>) -> Self {
        let params = notification.param_text().unwrap_or("{}");
        let request = Request::new(&Id::from("notification"), notification.method(), params);
        let mut call = Self::trusted(request, caller);
        Arc::make_mut(&mut call.context).notification = Some(Arc::new(ClientNotification {
            notification,
            broadcast: false,
        }));
        call
    }

    /// Marks the notification of the call as one that may be meant for any of several servers.
    pub(crate) fn broadcast(mut self) -> Self {
        let context = Arc::make_mut(&mut self.context);
        if let Some(notification) = &mut context.notification {
            Arc::make_mut(notification).broadcast = true;
        }
        self
    }

    /// Sets the signal by which the client cancels the request.
    #[must_use]
    pub fn with_cancellation(mut self, cancellation: Cancellation) -> Self {
        Arc::make_mut(&mut self.context).cancellation = Some(cancellation);
        self
    }

    /// Returns the same call of a caller that outlives its request.
    pub(crate) fn lasting(&self) -> Self {
        let mut call = self.share();
        Arc::make_mut(&mut call.context).caller = Arc::new(self.caller().lasting());
        call
    }

    /// Advances a call to the last stage, bypassing the layers.
    #[must_use]
    pub fn prepared(self, stage: Prepared) -> Call<Prepared> {
        self.advance(|()| stage)
    }
}

impl<S> Call<S> {
    /// Returns the request.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.context.request
    }

    /// Returns the caller: principal, client and gateway.
    #[must_use]
    pub fn caller(&self) -> &Arc<Caller> {
        &self.context.caller
    }

    /// Returns the authenticated principal.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        self.context.caller.principal()
    }

    /// Returns the client.
    #[must_use]
    pub fn client(&self) -> &ClientInfo {
        self.context.caller.client()
    }

    /// Returns the signal by which the client cancels the request, if its era requires an explicit
    /// one.
    #[must_use]
    pub fn cancellation(&self) -> Option<&Cancellation> {
        self.context.cancellation.as_ref()
    }

    /// Returns the notification that the call carries; `None` for a request.
    ///
    /// Such a call has no response; that of the inner service only means that it was processed.
    #[must_use]
    pub fn notification(&self) -> Option<&Notification> {
        let carried = self.context.notification.as_ref()?;
        Some(&carried.notification)
    }

    /// Returns `true` if the call carries a notification that may be meant for another server.
    pub(crate) fn is_broadcast(&self) -> bool {
        let carried = self.context.notification.as_ref();
        carried.is_some_and(|carried| carried.broadcast)
    }

    /// Returns the extensions that layers of other crates have attached.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.context.extensions
    }

    /// Returns the extensions for modification.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut Arc::make_mut(&mut self.context).extensions
    }

    /// Returns `true` if the answer is merged with those of other servers, which must not wait for
    /// a server that is known to be slow.
    pub(crate) fn is_merged(&self) -> bool {
        self.context.merged
    }

    /// Sets whether the answer is merged with those of other servers.
    pub(crate) fn with_merged(mut self, merged: bool) -> Self {
        Arc::make_mut(&mut self.context).merged = merged;
        self
    }

    /// Requests one page of a list instead of the complete list.
    pub(crate) fn for_page(mut self) -> Self {
        Arc::make_mut(&mut self.context).for_page = true;
        self
    }

    /// Returns `true` if a list request is for one page, with the cursor of its server.
    pub(crate) fn is_for_page(&self) -> bool {
        self.context.for_page
    }

    /// Advances the call to its next stage.
    pub(crate) fn advance<T>(self, next: impl FnOnce(S) -> T) -> Call<T> {
        Call {
            context: self.context,
            stage: next(self.stage),
        }
    }

    /// Creates a call of the same caller with another request, at the given stage.
    pub(crate) fn for_request<T>(&self, request: Request, stage: T) -> Call<T> {
        let context = Context {
            request,
            caller: Arc::clone(&self.context.caller),
            cancellation: self.context.cancellation.clone(),
            notification: self.context.notification.clone(),
            extensions: self.context.extensions.clone(),
            merged: self.context.merged,
            for_page: self.context.for_page,
            trace: self.context.trace.clone(),
        };
        Call {
            context: Arc::new(context),
            stage,
        }
    }
}

impl<S: HasTarget> Call<S> {
    /// Returns the target of the call.
    #[must_use]
    pub fn target(&self) -> &Target {
        self.stage.target()
    }
}

impl Call<Prepared> {
    /// Returns the credential to present to the server.
    #[must_use]
    pub fn credential(&self) -> &Credential {
        &self.stage.credential
    }

    /// Returns the headers that mirror arguments.
    pub(crate) fn param_headers(&self) -> &ParamHeaders {
        &self.stage.param_headers
    }

    /// Sets the headers that mirror arguments.
    pub(crate) fn set_param_headers(&mut self, headers: ParamHeaders) {
        self.stage.param_headers = headers;
    }

    /// Replaces the caller and the request by what of them the server may see.
    pub(crate) fn confined(mut self, caller: Arc<Caller>, request: Request) -> Self {
        let context = Arc::make_mut(&mut self.context);
        context.caller = caller;
        context.request = request;
        self
    }

    /// Returns the same call with another request.
    pub(crate) fn with_request(&self, request: Request) -> Self {
        self.for_request(request, self.stage.clone())
    }

    /// Creates a request of the gateway itself to the same server, with the same credential. It
    /// waits for a slow server.
    pub(crate) fn derive_for_server(&self, request: Request) -> Self {
        let target = Target::new(Arc::clone(&self.target().server), Feature::Server);
        let stage = Prepared::trusted(target, self.credential().clone());
        let mut call = self.for_request(request, stage).with_merged(false);
        if call.context.notification.is_some() {
            Arc::make_mut(&mut call.context).notification = None;
        }
        call
    }
}
