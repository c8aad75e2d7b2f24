//! One MCP request on its way through the gateway.
//!
//! What is known about a request is written in its type, so that a stack whose layers are in the
//! wrong order does not compile:
//!
//! | type | made by | adds |
//! |---|---|---|
//! | [`http::Request`] | the HTTP server | |
//! | [`Authenticated<http::Request>`] | [`Authenticate`] | who is calling |
//! | [`Call`] | [`Endpoint`] | what they ask for, in which revision |
//! | [`Call<Routed>`] | [`Dispatch`] | which server that means |
//! | [`Call<Permitted>`] | [`Authorize`] | that they may |
//! | [`Call<Prepared>`] | [`AttachCredentials`] | with which credential |
//!
//! The body is not read before the caller is known. This does not compile:
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
//! This does, so that the above fails for no other reason:
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
//! Nor does a call reach a server without a permission:
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
//! With one it does:
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

use std::sync::Arc;

use http::Extensions;

use crate::auth::Principal;
use crate::caller::{Caller, Client};
use crate::jsonrpc::Request;
use crate::protocol::header::ParamHeaders;
use crate::route::{Feature, Target};
use crate::{Cancellation, Credential};

/// One MCP request of a known caller, and what else is known about it.
#[derive(Debug)]
pub struct Call<S = ()> {
    // Boxed, because a call is handed on many times.
    context: Box<Context>,
    stage: S,
}

/// What is known of a call at every stage.
#[derive(Debug)]
struct Context {
    request: Request,
    caller: Arc<Caller>,
    cancellation: Option<Cancellation>,
    extensions: Extensions,
}

impl Call {
    /// A call of a known caller.
    ///
    /// Whoever makes one vouches for the [principal](Caller::principal); transports of your own
    /// need it, and tests.
    #[must_use]
    pub fn vouched_for(request: Request, caller: Arc<Caller>) -> Self {
        let context = Context {
            request,
            caller,
            cancellation: None,
            extensions: Extensions::new(),
        };
        Self {
            context: Box::new(context),
            stage: (),
        }
    }

    /// Sets how the client says that it does not want the answer any more.
    #[must_use]
    pub fn with_cancellation(mut self, cancellation: Cancellation) -> Self {
        self.context.cancellation = Some(cancellation);
        self
    }
}

impl<S> Call<S> {
    /// What the caller asks for.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.context.request
    }

    /// Who asks, by which client and through which gateway.
    #[must_use]
    pub fn caller(&self) -> &Arc<Caller> {
        &self.context.caller
    }

    /// Who is calling.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        self.context.caller.principal()
    }

    /// The program that calls on behalf of the principal.
    #[must_use]
    pub fn client(&self) -> &Client {
        self.context.caller.client()
    }

    /// How the client says that it does not want the answer any more, where it has to say so.
    #[must_use]
    pub fn cancellation(&self) -> Option<&Cancellation> {
        self.context.cancellation.as_ref()
    }

    /// What layers of other crates have attached.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.context.extensions
    }

    /// What layers of other crates may attach to.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.context.extensions
    }

    /// Moves the call to its next stage.
    pub(crate) fn advance<T>(self, next: impl FnOnce(S) -> T) -> Call<T> {
        Call {
            context: self.context,
            stage: next(self.stage),
        }
    }

    /// A call for the same caller that asks for something else.
    pub(crate) fn derive<T>(&self, request: Request, stage: T) -> Call<T> {
        let context = Context {
            request,
            caller: Arc::clone(&self.context.caller),
            cancellation: self.context.cancellation.clone(),
            extensions: self.context.extensions.clone(),
        };
        Call {
            context: Box::new(context),
            stage,
        }
    }
}

impl<S: HasTarget> Call<S> {
    /// Where the call goes.
    #[must_use]
    pub fn target(&self) -> &Target {
        self.stage.target()
    }
}

impl Call<Prepared> {
    /// What to present to the server.
    #[must_use]
    pub fn credential(&self) -> &Credential {
        &self.stage.credential
    }

    /// The headers that mirror arguments.
    pub(crate) fn param_headers(&self) -> &ParamHeaders {
        &self.stage.param_headers
    }

    pub(crate) fn set_param_headers(&mut self, headers: ParamHeaders) {
        self.stage.param_headers = headers;
    }

    /// Replaces the caller and the request by what of them the server may see.
    pub(crate) fn confined(mut self, caller: Arc<Caller>, request: Request) -> Self {
        self.context.caller = caller;
        self.context.request = request;
        self
    }

    /// The same call with another request.
    pub(crate) fn repeat(&self, request: Request) -> Self {
        self.derive(request, self.stage.clone())
    }

    /// A request of the gateway itself to the same server, with the same credential.
    pub(crate) fn derive_for_server(&self, request: Request) -> Self {
        let target = Target::new(Arc::clone(&self.target().server), Feature::Server);
        self.derive(
            request,
            Prepared::vouched_for(target, self.credential().clone()),
        )
    }
}

/// The stage of a call whose server is known.
#[derive(Clone, Debug)]
pub struct Routed {
    pub(crate) target: Target,
}

/// The stage of a call that its caller may make.
#[derive(Clone, Debug)]
pub struct Permitted {
    pub(crate) target: Target,
}

/// The stage of a call that is ready to be sent.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(crate) target: Target,
    pub(crate) credential: Credential,
    pub(crate) param_headers: ParamHeaders,
}

impl Prepared {
    /// The stage of a call that an embedder sends by itself, past the layers.
    ///
    /// Whoever makes one vouches for the caller's permission and for the credential.
    #[must_use]
    pub fn vouched_for(target: Target, credential: Credential) -> Self {
        Self {
            target,
            credential,
            param_headers: ParamHeaders::new(),
        }
    }
}

impl Call {
    /// Skips the layers between: a call that is ready to be sent.
    #[must_use]
    pub fn prepared(self, stage: Prepared) -> Call<Prepared> {
        self.advance(|()| stage)
    }
}

/// A stage at which the target is known.
pub trait HasTarget: sealed::Sealed {
    /// Where the call goes.
    fn target(&self) -> &Target;
}

macro_rules! has_target {
    ($($stage:ty)*) => {
        $(
            impl HasTarget for $stage {
                fn target(&self) -> &Target {
                    &self.target
                }
            }

            impl sealed::Sealed for $stage {}
        )*
    };
}

has_target!(Routed Permitted Prepared);

mod sealed {
    #[expect(unnameable_types, reason = "seals HasTarget")]
    pub trait Sealed {}
}
