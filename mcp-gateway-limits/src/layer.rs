//! Layer that applies limits to permitted calls.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use mcp_gateway_core::call::{Call, Permitted};
use mcp_gateway_core::upstream::ServerPool;
use mcp_gateway_core::{Error, Reply};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::active::ActiveLimits;
use crate::charges::Charges;
use crate::limit_set::Admission;

/// A [`Layer`] that applies [`LimitCalls`].
///
/// Without limits, it costs one load of a pointer.
#[derive(Clone, Debug)]
pub struct LimitLayer {
    active: ActiveLimits,
    pool: ServerPool,
}

impl LimitLayer {
    /// Creates a layer that applies `limits`.
    #[must_use]
    pub fn new(limits: ActiveLimits) -> Self {
        Self {
            active: limits,
            pool: ServerPool::new(),
        }
    }

    /// Sets the servers whose lists have the tools: without them, no tool is known to be listed.
    #[must_use]
    pub fn with_pool(self, pool: ServerPool) -> Self {
        Self { pool, ..self }
    }
}

impl<S> Layer<S> for LimitLayer {
    type Service = LimitCalls<S>;

    fn layer(&self, inner: S) -> Self::Service {
        LimitCalls {
            inner,
            layer: self.clone(),
        }
    }
}

/// A service that rejects calls beyond limits with [`Error::LimitReached`], before any work is done.
///
/// A call that reaches no server does not count: it has no credential, or its server is down. One
/// with a reply is in flight until the reply ends or is dropped.
#[derive(Clone, Debug)]
pub struct LimitCalls<S> {
    inner: S,
    layer: LimitLayer,
}

impl<S> Service<Call<Permitted>> for LimitCalls<S>
where
    S: Service<Call<Permitted>, Response = Reply, Error = Error> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Reply;
    type Error = Error;
    type Future = LimitFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call<Permitted>) -> Self::Future {
        let limits = self.layer.active.load();
        let admission = match &*limits {
            Some(active) => active.set.admit(&active.gateway, &call, &self.layer.pool),
            None => Admission::Admitted(Charges::default()),
        };
        let state = match admission {
            Admission::Admitted(charges) => State::Forward {
                future: self.inner.call(call),
                charges,
            },
            Admission::Rejected(error) => {
                call.restore_approval();
                State::Reject { error: Some(error) }
            }
            Admission::Waiting(waiting) => {
                // Take the service that was polled ready, and leave its clone behind.
                let clone = self.inner.clone();
                let mut inner = mem::replace(&mut self.inner, clone);
                let future = Box::pin(async move {
                    let charges = match waiting.admit().await {
                        Ok(charges) => charges,
                        Err(error) => {
                            call.restore_approval();
                            return Err(error);
                        }
                    };
                    let mut result = inner.call(call).await;
                    charges.settle(&mut result);
                    result
                });
                State::Wait { future }
            }
        };
        LimitFuture { state }
    }
}

pin_project! {
    /// The response future of [`LimitCalls`].
    #[must_use = "futures do nothing unless polled"]
    pub struct LimitFuture<F> {
        #[pin]
        state: State<F>,
    }
}

type Waiting = Pin<Box<dyn Future<Output = Result<Reply, Error>> + Send>>;

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Forward {
            #[pin]
            future: F,
            charges: Charges,
        },
        Reject {
            error: Option<Error>,
        },
        Wait {
            future: Waiting,
        },
    }
}

impl<F: Future<Output = Result<Reply, Error>>> Future for LimitFuture<F> {
    type Output = Result<Reply, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Forward { future, charges } => {
                let mut result = ready!(future.poll(cx));
                mem::take(charges).settle(&mut result);
                Poll::Ready(result)
            }
            // Polling a completed future is a mistake of the caller and harmless here.
            StateProj::Reject { error } => error
                .take()
                .map_or(Poll::Pending, |error| Poll::Ready(Err(error))),
            StateProj::Wait { future } => future.as_mut().poll(cx),
        }
    }
}

impl<F> fmt::Debug for LimitFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitFuture").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
