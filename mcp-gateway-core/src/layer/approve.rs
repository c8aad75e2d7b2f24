//! Obtain the approval of calls that require it.
//!
//! A call of a tool that the policy rejects with [`Error::ApprovalRequired`] waits for a decision, is
//! sent again with the redeemed approval, and [`Authorize`] forwards it once.
//!
//! | decision | client | answer |
//! |---|---|---|
//! | by the caller | modern, with `elicitation` | `input_required` with a form that shows tool and arguments; the retry has the answer |
//! | by the caller | legacy, with `elicitation` | `elicitation/create` within the reply |
//! | by the caller | any other | error with the identifier of the approval |
//! | by somebody else | modern | the call waits; after fifty seconds it is answered by `input_required` without a request, upon which clients retry |
//! | by somebody else | legacy | the call waits within the reply: with progress for a client that wants it, otherwise for fifty seconds; then an error with the identifier |
//!
//! After a decision by other means, the same call passes once, with or without a wait. A call that
//! waits counts as a [parked one](ParkedCalls). The wait ends with the credential of the caller and
//! with a shutdown; the record stays.
//!
//! - A question of the server upon an approved call is answered by a retry, which continues the call:
//!   its `requestState` is sealed, and is redeemed as the next step of the approval, exactly once.
//! - The [`Observer`](crate::observe::Observer) receives one report, at the end of the call.
//! - An error of the [`Approvals`] rejects the call.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use mcp_gateway_core::approval::{Approvals, MemoryApprovals};
//! use mcp_gateway_core::auth::Principal;
//! use mcp_gateway_core::call::Permitted;
//! use mcp_gateway_core::era::ParkedCalls;
//! use mcp_gateway_core::jsonrpc::{Id, Request};
//! use mcp_gateway_core::layer::approve::ApproveLayer;
//! use mcp_gateway_core::layer::authorize::AuthorizeLayer;
//! use mcp_gateway_core::layer::dispatch::DispatchLayer;
//! use mcp_gateway_core::policy::{Decision, Policy, PolicyRequest};
//! use mcp_gateway_core::protocol::{Capabilities, Method, ProtocolVersion};
//! use mcp_gateway_core::route::PrefixRouter;
//! use mcp_gateway_core::{Call, Caller, ClientInfo, Error, Reply};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! #[derive(Debug)]
//! struct Careful;
//!
//! impl Policy for Careful {
//!     fn decide(&self, _: &PolicyRequest<'_>) -> Decision {
//!         Decision::ask("everything")
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let approvals = Arc::new(MemoryApprovals::new());
//! let router = Arc::new(PrefixRouter::by_name(["files"])?);
//! let stack = ServiceBuilder::new()
//!     .layer(ApproveLayer::new(approvals.clone(), ParkedCalls::ephemeral()?))
//!     .layer(DispatchLayer::new(router, Arc::new(Careful)))
//!     .layer(AuthorizeLayer::new(Arc::new(Careful)).with_approvals())
//!     .service(service_fn(async |call: Call<Permitted>| {
//!         Ok::<_, Error>(Reply::result(call.request().id(), "{}"))
//!     }));
//! let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
//! let caller = Arc::new(Caller::new(Principal::new("alice"), "main", client));
//! let call = || {
//!     let request = Request::new(&Id::from(1), &Method::ToolsCall, r#"{"name":"files__delete"}"#);
//!     Call::trusted(request, Arc::clone(&caller))
//! };
//! // The client cannot ask its user, who confirms the call by other means.
//! assert!(matches!(stack.clone().oneshot(call()).await, Err(Error::Unapproved(_))));
//! for (id, request) in approvals.pending() {
//!     approvals.confirm(&id, request.key(), true).await?;
//! }
//! assert!(stack.clone().oneshot(call()).await.is_ok());
//! // The approval was for one call.
//! assert!(stack.oneshot(call()).await.is_err());
//! # Ok(())
//! # }
//! ```
//!
//! [`Authorize`]: crate::layer::authorize::Authorize

mod future;
mod unapproved_call;
mod waiting;

use std::sync::Arc;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

pub use self::future::ApproveFuture;
use self::unapproved_call::UnapprovedCall;
use crate::approval::Approvals;
use crate::era::{self, ParkedCalls};
use crate::protocol::Method;
use crate::{Call, Drain, Error, Reply};

/// A [`Layer`] that applies [`Approve`].
///
/// See the [module documentation](self) for an example.
#[derive(Clone, Debug)]
#[doc(alias("human in the loop", "confirmation"))]
pub struct ApproveLayer(Arc<Shared>);

/// Parts of the layer, shared by its services.
#[derive(Clone, Debug)]
struct Shared {
    approvals: Arc<dyn Approvals>,
    parked_calls: ParkedCalls,
    drain: Drain,
}

impl ApproveLayer {
    /// Creates a layer that keeps records in `approvals`, and waits within the limits of
    /// `parked_calls`.
    #[must_use]
    pub fn new(approvals: Arc<dyn Approvals>, parked_calls: ParkedCalls) -> Self {
        Self(Arc::new(Shared {
            approvals,
            parked_calls,
            drain: Drain::new(),
        }))
    }

    /// Sets the signal of the shutdown, upon which no call waits any more.
    #[must_use]
    pub fn with_drain(self, drain: Drain) -> Self {
        let shared = Shared::clone(&self.0);
        Self(Arc::new(Shared { drain, ..shared }))
    }
}

impl<S: Clone> Layer<S> for ApproveLayer {
    type Service = Approve<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Approve {
            spare: Arc::new(inner.clone()),
            inner,
            shared: Arc::clone(&self.0),
        }
    }
}

/// A service that obtains the approval of calls that require it.
#[derive(Clone, Debug)]
pub struct Approve<S> {
    inner: S,
    /// Service that is cloned for a call that is sent again.
    spare: Arc<S>,
    shared: Arc<Shared>,
}

impl<S> Service<Call> for Approve<S>
where
    S: Service<Call, Response = Reply, Error = Error> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    type Response = Reply;
    type Error = Error;
    type Future = ApproveFuture<S>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        if call.request().method() != &Method::ToolsCall || call.notification().is_some() {
            return ApproveFuture::direct(self.inner.call(call));
        }
        let is_retry = era::has_request_state(&call);
        let unapproved = UnapprovedCall {
            inner: Arc::clone(&self.spare),
            shared: Arc::clone(&self.shared),
            call: call.share(),
        };
        match is_retry {
            true => ApproveFuture::pending(unapproved.answer_retry()),
            false => ApproveFuture::first(self.inner.call(call), unapproved),
        }
    }
}

#[cfg(test)]
mod tests;
