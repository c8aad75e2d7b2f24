//! Layer that reads the taints of a caller before a call is decided that depends on them.
//!
//! A replica learns of a taint by the watch, which may be late. A call that a rule about trust concerns
//! therefore waits for one read of the store, and is rejected if that fails. Any other call passes
//! without a lookup.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::Either;
use mcp_gateway_core::call::Routed;
use mcp_gateway_core::{Call, Error, Reply};
use tower_layer::Layer;
use tower_service::Service;

use super::policy::ReloadablePolicy;
use crate::taints::Taints;

/// Future of a boxed call.
type Boxed = std::pin::Pin<Box<dyn Future<Output = Result<Reply, Error>> + Send>>;

/// Layer that applies [`ReadTaints`].
#[derive(Clone, Debug)]
pub(crate) struct ReadTaintsLayer(Arc<Shared>);

/// Parts of the layer, shared by its services.
#[derive(Debug)]
struct Shared {
    policy: Arc<ReloadablePolicy>,
    taints: Arc<Taints>,
}

impl ReadTaintsLayer {
    /// Creates a layer in front of the decisions of `policy`.
    pub(crate) fn new(policy: &Arc<ReloadablePolicy>, taints: &Arc<Taints>) -> Self {
        let (policy, taints) = (Arc::clone(policy), Arc::clone(taints));
        Self(Arc::new(Shared { policy, taints }))
    }
}

impl<S> Layer<S> for ReadTaintsLayer {
    type Service = ReadTaints<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let shared = Arc::clone(&self.0);
        ReadTaints { inner, shared }
    }
}

/// A service that reads taints from the store, for the calls that depend on them.
#[derive(Clone, Debug)]
pub(crate) struct ReadTaints<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> Service<Call<Routed>> for ReadTaints<S>
where
    S: Service<Call<Routed>, Response = Reply, Error = Error> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Reply;
    type Error = Error;
    type Future = Either<S::Future, Boxed>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call<Routed>) -> Self::Future {
        if !self.shared.policy.reads_taints(call.target()) {
            return Either::Left(self.inner.call(call));
        }
        // The service that is ready is used, and its clone waits for the next call.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let shared = Arc::clone(&self.shared);
        Either::Right(Box::pin(async move {
            if let Err(error) = shared.taints.refresh(call.caller()).await {
                let error = mcp_gateway_core::error_chain(&error);
                tracing::error!(error, "taints not read");
                let reason = "the state of the conversation is unavailable; try again later";
                let reason = reason.into();
                return Err(Error::Denied { reason });
            }
            inner.call(call).await
        }))
    }
}
